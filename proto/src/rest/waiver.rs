//! Accepted failures of checks.

use serde::{Deserialize, Serialize};

use crate::timestamp::Timestamp;

/// A waiver to be made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewWaiver {
    /// The check whose failure is accepted.
    pub check: String,
    /// `device:lap-ada`, `label:laptop` or `everyone`.
    pub target: String,
    /// Why.
    pub reason: String,
    /// Who accepts it; whoever asks when left out.
    #[serde(default)]
    pub owner: Option<String>,
    /// When it ends; a year from now at most.
    #[serde(default)]
    pub until: Option<Timestamp>,
    /// Seconds after which it ends, in place of `until`.
    #[serde(default)]
    pub seconds: Option<u64>,
}

/// An accepted failure of a check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WaiverView {
    /// Its id.
    pub id: String,
    /// The check whose failure is accepted.
    pub check: String,
    /// `device:lap-ada`, `label:laptop` or `everyone`.
    pub target: String,
    /// Who accepts it.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created: Timestamp,
    /// When its time is over.
    pub until: Timestamp,
    /// When it ended: by its time or before.
    pub ended: Option<Timestamp>,
    /// Who ended it; `server` when its time was over.
    pub ended_by: Option<String>,
    /// Devices on which it covers a failure now.
    pub devices: u64,
}

/// A failure of a device that is accepted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WaivedCheck {
    /// The check.
    pub check: String,
    /// Since when its failure is waived.
    pub since: Timestamp,
    /// By what.
    pub waiver: WaiverView,
}
