//! Assignments.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::state::Mode;
use crate::timestamp::Timestamp;

/// An assignment to be made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewAssignment {
    /// The profile.
    pub profile: String,
    /// The revision it pins; the newest when left out.
    #[serde(default)]
    pub revision: Option<u32>,
    /// `label:laptop`, `device:lap-ada` or `everyone`.
    pub target: String,
    /// Higher wins; 0 when left out.
    #[serde(default)]
    pub precedence: i32,
    /// Enforce or audit.
    #[serde(default)]
    pub mode: Mode,
    /// The profile's parameters.
    #[serde(default)]
    pub params: BTreeMap<String, String>,
    /// Whether it takes each revision that is saved after it, without being asked. Not for a rollout.
    #[serde(default)]
    pub follow: bool,
}

/// An assignment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AssignmentView {
    /// Its id.
    pub id: String,
    /// The profile.
    pub profile: String,
    /// The revision it pins.
    pub revision: u32,
    /// `label:laptop`, `device:lap-ada` or `everyone`.
    pub target: String,
    /// Higher wins.
    pub precedence: i32,
    /// Enforce or audit.
    pub mode: Mode,
    /// The profile's parameters.
    pub params: BTreeMap<String, String>,
    /// Whether it takes each revision that is saved after it.
    #[serde(default)]
    pub follow: bool,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created: Timestamp,
    /// Devices it reaches.
    pub devices: u64,
}

/// What an assignment did or would do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AssignmentResult {
    /// The assignment; absent on a dry run.
    pub assignment: Option<AssignmentView>,
    /// Devices it reaches, by name.
    pub devices: Vec<String>,
    /// Resources it brings or changes.
    pub resources: u64,
    /// The assignment of the same profile to the same target that it takes the place of.
    #[serde(default)]
    pub replaces: Option<Replaced>,
    /// What contradicts it; then nothing was assigned.
    pub conflicts: Vec<ConflictView>,
    /// What the admin should know, such as agents that do not know a kind.
    pub warnings: Vec<String>,
}

/// An assignment that another takes the place of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Replaced {
    /// What it pinned, as `base@3`.
    pub revision: String,
    /// Parameters that are carried over from it, by name.
    pub kept: Vec<String>,
    /// Parameters that it gave and the new revision has no more, by name.
    pub gone: Vec<String>,
}

/// Two profiles that want different things of equal weight.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConflictView {
    /// Of which resource.
    pub resource: String,
    /// The profiles.
    pub profiles: Vec<String>,
    /// On which devices, by name.
    pub devices: Vec<String>,
}
