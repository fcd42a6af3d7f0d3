//! Rolling a profile back.

use serde::{Deserialize, Serialize};

use super::ConflictView;

/// Where the assignments of a profile are to go back to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Rollback {
    /// A revision; what each pinned before when left out.
    #[serde(default)]
    pub to: Option<u32>,
    /// Only the assignment to this target, such as `label:laptop`; all of the profile when left out.
    #[serde(default)]
    pub on: Option<String>,
    /// `plan` of the dry run that an admin agreed to; when it would be another by now, nothing is done.
    #[serde(default)]
    pub plan: Option<String>,
}

/// What a rollback did or would do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RollbackResult {
    /// The profile.
    pub profile: String,
    /// Every assignment that changes.
    pub assignments: Vec<RolledBack>,
    /// What that is for devices.
    pub moves: Vec<RevisionMove>,
    /// What contradicts it; then nothing was done.
    pub conflicts: Vec<ConflictView>,
    /// What the admin should know.
    pub warnings: Vec<String>,
    /// Names exactly this plan.
    pub plan: String,
}

/// An assignment that goes back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RolledBack {
    /// `label:laptop`, `device:lap-ada` or `everyone`.
    pub target: String,
    /// The revision it pins.
    pub from: u32,
    /// The revision it goes back to.
    pub to: u32,
    /// Whether it goes on taking each revision that is saved: the next one goes to its devices at once.
    #[serde(default)]
    pub follows: bool,
}

/// Devices that go from one revision to another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RevisionMove {
    /// What holds for them, such as `base@4`.
    pub from: String,
    /// What will, such as `base@3`.
    pub to: String,
    /// How many.
    pub devices: u64,
    /// Their names, at most a thousand.
    pub names: Vec<String>,
}
