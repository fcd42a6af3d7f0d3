//! Checks and controls over all devices.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::check::{Severity, Verdict};
use crate::timestamp::Timestamp;

/// Devices by what they found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VerdictCounts {
    /// Where it holds.
    pub pass: u64,
    /// Where it does not.
    pub fail: u64,
    /// Where it could not be found out.
    pub unknown: u64,
    /// Where it does not apply.
    pub not_applicable: u64,
}

/// A check in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CheckSummary {
    /// The check.
    pub id: String,
    /// What is true when it passes.
    pub title: String,
    /// How bad a failure is.
    pub severity: Severity,
    /// Controls of outside catalogues that it gives evidence for.
    pub controls: Vec<String>,
    /// The revisions that ask it, as `base@3`: those assigned, and those that results are still of.
    pub profiles: Vec<String>,
    /// What devices find now; those that have not answered yet are not among them.
    pub counts: VerdictCounts,
    /// Of those that fail, how many are waived.
    #[serde(default)]
    pub waived: u64,
}

/// A check on its own page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CheckDetail {
    /// As in the list.
    pub check: CheckSummary,
    /// The question, as the newest revision that asks it puts it.
    pub sql: Option<String>,
    /// What to do when it fails.
    pub remediation: Option<String>,
    /// One entry a day, the oldest first, at most 30; days without a result are left out.
    pub days: Vec<VerdictDay>,
}

/// What devices found on one day (UTC), at its end or now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VerdictDay {
    /// Such as `2026-11-23`.
    pub date: String,
    /// The numbers.
    pub counts: VerdictCounts,
}

/// A control of an outside catalogue, by the checks that give evidence for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ControlDetail {
    /// Such as `CIS-5.4.1`.
    pub id: String,
    /// Those checks.
    pub checks: Vec<CheckSummary>,
    /// Devices by the worst that any of these checks found.
    pub devices: VerdictCounts,
}

/// What one device finds for one check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CheckedDevice {
    /// The device's name.
    pub device: String,
    /// The check.
    pub check: String,
    /// The result.
    pub verdict: Verdict,
    /// Since when.
    pub since: Timestamp,
    /// The revision that asks, as `base@3`.
    pub profile: String,
    /// Rows that show the failure.
    pub evidence: Vec<Map<String, Value>>,
    /// Why it is Unknown.
    pub reason: Option<String>,
    /// That its failure is accepted, and by whom.
    #[serde(default)]
    pub waived: Option<Waived>,
}

/// A failure that somebody accepted, at the row that shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Waived {
    /// The waiver.
    pub waiver: String,
    /// Who accepts it.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// Since when the failure is covered.
    pub since: Timestamp,
    /// When the waiver's time is over.
    pub until: Timestamp,
}

/// Which results are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// Where it holds.
    Pass,
    /// Where it does not, waived or not.
    Fail,
    /// Where it does not, and that is accepted.
    Waived,
    /// Where it does not, and nobody accepts that.
    Unwaived,
    /// Where it could not be found out.
    Unknown,
    /// Where it does not apply.
    NotApplicable,
}

impl Finding {
    /// The verdict that such results have.
    pub fn verdict(self) -> Verdict {
        match self {
            Self::Pass => Verdict::Pass,
            Self::Fail | Self::Waived | Self::Unwaived => Verdict::Fail,
            Self::Unknown => Verdict::Unknown,
            Self::NotApplicable => Verdict::NotApplicable,
        }
    }
}

/// From when to when a check had one result on a device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CheckInterval {
    /// The result.
    pub verdict: Verdict,
    /// From when.
    pub from: Timestamp,
    /// To when; absent while it lasts.
    pub to: Option<Timestamp>,
    /// Rows that show the failure, the newest of the interval.
    pub evidence: Vec<Map<String, Value>>,
    /// Why it was Unknown.
    pub reason: Option<String>,
}
