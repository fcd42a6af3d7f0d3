//! What keeps devices as they are: pauses, and removals that wait for a confirmation.

use serde::{Deserialize, Serialize};

use crate::timestamp::Timestamp;

/// A pause to be made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewPause {
    /// `label:laptop`, `device:lap-ada`, `profile:base` or `everyone`.
    pub target: String,
    /// Seconds after which it ends by itself; until it is resumed when left out.
    #[serde(default)]
    pub seconds: Option<u64>,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
}

/// A pause.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PauseView {
    /// `label:laptop`, `device:lap-ada`, `profile:base` or `everyone`.
    pub target: String,
    /// Who paused it.
    pub by: String,
    /// Since when.
    pub since: Timestamp,
    /// When it ends by itself.
    pub until: Option<Timestamp>,
    /// Why.
    pub reason: Option<String>,
    /// Devices that it reaches.
    pub devices: u64,
}

/// What became of what waited.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Resumed {
    /// Devices that got a newer state.
    pub devices: u64,
    /// Devices that something else keeps as they are.
    pub still_held: u64,
}

/// What keeps one device as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DevicePause {
    /// The pause.
    pub pause: PauseView,
    /// What waits, a sentence each, such as `base@3 becomes base@4`.
    pub waiting: Vec<String>,
}

/// Profiles that would leave many devices though nobody said so by name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Removal {
    /// Its id; empty on a dry run.
    pub id: String,
    /// What brought it about.
    pub cause: String,
    /// Who did that.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// The profiles that would leave.
    pub profiles: Vec<String>,
    /// The labels that were taken away.
    pub labels: Vec<String>,
    /// How many devices keep their state until it is decided.
    pub devices: u64,
    /// Their names, at most a thousand.
    pub names: Vec<String>,
}

/// One new key may become a device.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AllowReenroll {
    /// Seconds after which it ends by itself; a day when left out.
    #[serde(default)]
    pub seconds: Option<u64>,
}
