//! What an assignment would do on the devices that it touches, asked of themselves.

use serde::{Deserialize, Serialize};

use super::{ConflictView, Replaced};
use crate::plan::PlanView;

/// What an assignment would do; nothing was assigned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FleetPlan {
    /// The profile.
    pub profile: String,
    /// The revision that would be pinned.
    pub revision: u32,
    /// Devices of the target.
    pub devices: u64,
    /// Devices of the target whose state would not change.
    pub untouched: u64,
    /// Devices that were asked: all that would be touched, or a sample of them.
    pub asked: u64,
    /// Devices that answered.
    pub answered: u64,
    /// Things that the devices that answered would create, change and remove, all together.
    pub changes: Changes,
    /// Devices that would do the same, the most first.
    pub groups: Vec<PlanGroup>,
    /// Devices that were asked and gave no plan.
    pub not_answered: Vec<NoPlan>,
    /// What contradicts it; assigning would be refused.
    pub conflicts: Vec<ConflictView>,
    /// What the admin should know.
    pub warnings: Vec<String>,
    /// The assignment of the same profile to the same target that it takes the place of.
    pub replaces: Option<Replaced>,
}

/// How many things are created, changed and removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Changes {
    /// Things that would come.
    pub create: u64,
    /// Things that would be changed.
    pub change: u64,
    /// Things that would go.
    pub remove: u64,
}

/// Devices with the same plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PlanGroup {
    /// Their names.
    pub devices: Vec<String>,
    /// What each would do, with what would not be as it should: what is settled well is left out.
    pub plan: PlanView,
}

/// A device that gave no plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NoPlan {
    /// Its name.
    pub device: String,
    /// Why.
    pub reason: String,
}
