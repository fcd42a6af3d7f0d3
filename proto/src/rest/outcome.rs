//! What became of resources over all devices.

use serde::{Deserialize, Serialize};

use crate::report::OutcomeKind;
use crate::timestamp::Timestamp;

/// What became of one resource on one device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeviceOutcome {
    /// The device's name.
    pub device: String,
    /// Such as `file:/etc/motd`.
    pub resource: String,
    /// What became of it.
    pub outcome: OutcomeKind,
    /// The revision that asks for it, as `base@3`; absent when no profile does.
    pub profile: Option<String>,
    /// Since when that is so.
    pub since: Timestamp,
    /// Why.
    pub reason: Option<String>,
}
