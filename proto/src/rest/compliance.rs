//! How devices comply, and the overview of that.

use serde::{Deserialize, Serialize};

use super::{Device, DeviceState};
use crate::timestamp::Timestamp;

/// How the fleet stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ComplianceReport {
    /// "4 of 5 compliant; 1 failing, 0 unknown, 0 stale; left out: 2 revoked".
    pub sentence: String,
    /// Devices by compliance.
    pub counts: ComplianceCounts,
    /// Devices that are not in these counts.
    #[serde(default)]
    pub left_out: LeftOut,
    /// A row a device, the worst first.
    pub devices: Vec<Device>,
    /// Where the next page begins; none on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Devices by compliance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ComplianceCounts {
    /// All that are enrolled; none that are only registered, or left out.
    pub total: u64,
    /// Compliant.
    pub compliant: u64,
    /// Failing.
    pub failing: u64,
    /// Unknown.
    pub unknown: u64,
    /// Stale.
    pub stale: u64,
    /// With nothing assigned.
    pub unmanaged: u64,
    /// Of the compliant, those that are so because a failure is waived.
    #[serde(default)]
    pub waived: u64,
}

/// Devices that are in no count of compliance, as they are nobody's to manage at the moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LeftOut {
    /// Held, as two machines use their identity.
    pub held: u64,
    /// Lost, with the receipt for their last order.
    pub lost: u64,
    /// Revoked.
    pub revoked: u64,
}

/// The first page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Overview {
    /// "41 of 48 compliant; 3 failing, 2 unknown, 2 stale".
    pub sentence: String,
    /// Devices by compliance.
    pub counts: ComplianceCounts,
    /// Devices that are not in these counts.
    #[serde(default)]
    pub left_out: LeftOut,
    /// The stages of a device's life.
    pub funnel: Vec<Stage>,
    /// What waits for an admin.
    pub needs_you: Vec<Need>,
    /// Failures with the same cause, the most frequent first.
    pub causes: Vec<CauseGroup>,
    /// One entry a day, the oldest first, at most 30; days without data are left out.
    pub days: Vec<Day>,
}

/// One stage of the funnel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Stage {
    /// `registered`, `pending`, `enrolled`, `ready`.
    pub stage: DeviceState,
    /// Devices in it now.
    pub devices: u64,
    /// The device that is in it the longest.
    pub longest: Option<String>,
    /// Since when that is in it.
    pub since: Option<Timestamp>,
}

/// Something that waits for an admin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Need {
    /// `held`, `lost`, `pending`, `late_return`, `refused`, `clock`, `conflict`, `rollout`, `removal` or `paused`.
    pub kind: String,
    /// What to do, as a sentence.
    pub text: String,
    /// Which device.
    pub device: Option<String>,
}

/// Failures with the same cause.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CauseGroup {
    /// The resource or check.
    pub subject: String,
    /// `resource` or `check`.
    #[serde(default)]
    pub kind: String,
    /// What became of the resource or the check, as one word: `drifted`, `fail`.
    #[serde(default)]
    pub word: String,
    /// What is wrong.
    pub problem: String,
    /// The profile, as `base@3`.
    pub profile: Option<String>,
    /// How many devices.
    pub devices: u64,
    /// Some of them, by name.
    pub examples: Vec<String>,
}

/// How the fleet stood on one day (UTC), at its end or now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Day {
    /// Such as `2026-11-23`.
    pub date: String,
    /// The numbers.
    pub counts: ComplianceCounts,
}
