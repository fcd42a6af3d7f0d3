//! What checks found, counted: by device, profile, check, control or label, now and day by day, and as a report whose every
//! number is that of its rows.

use serde::{Deserialize, Serialize};

use super::{Compliance, ComplianceCounts, LeftOut, WaiverView};
use crate::check::Severity;
use crate::timestamp::Timestamp;

/// How a device stands with a check, or with several: then the worst counts, which comes first here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It fails, and nobody accepted that.
    Failing,
    /// It could not be found out, was not reported yet, or the device has been silent for too long.
    Unknown,
    /// It fails, and that is accepted for now.
    Waived,
    /// It passes.
    Passing,
    /// It does not apply.
    NotApplicable,
}

/// How many stand how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StandingCounts {
    /// Passing.
    pub passing: u64,
    /// Failing.
    pub failing: u64,
    /// Unknown.
    pub unknown: u64,
    /// Waived.
    pub waived: u64,
    /// Not applicable.
    pub not_applicable: u64,
}

impl StandingCounts {
    /// Counts one more.
    pub fn add(&mut self, standing: Standing) {
        *match standing {
            Standing::Failing => &mut self.failing,
            Standing::Unknown => &mut self.unknown,
            Standing::Waived => &mut self.waived,
            Standing::Passing => &mut self.passing,
            Standing::NotApplicable => &mut self.not_applicable,
        } += 1;
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.passing + self.failing + self.unknown + self.waived + self.not_applicable
    }
}

impl FromIterator<Standing> for StandingCounts {
    fn from_iter<I: IntoIterator<Item = Standing>>(all: I) -> Self {
        let mut counts = Self::default();
        all.into_iter().for_each(|standing| counts.add(standing));
        counts
    }
}

/// How it stood at the end of a day (UTC), or stands today.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StandingDay {
    /// Such as `2026-11-23`.
    pub date: String,
    /// The numbers; none when nobody had reported anything on that day. Of past days they are as devices last reported:
    /// for how long they had been silent is not kept.
    pub counts: Option<StandingCounts>,
}

/// What is counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// A row a device, which counts its checks.
    Device,
    /// A row a profile, which counts devices by the worst of its checks.
    Profile,
    /// A row a check, which counts devices.
    Check,
    /// A row a control, which counts devices by the worst of its checks.
    Control,
    /// A row a label, which counts devices by the worst of all their checks.
    Label,
}

/// What checks found, a row for each of what it is counted by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StandingsBy {
    /// What is counted by.
    pub by: By,
    /// When.
    pub made: Timestamp,
    /// The rows by name; checks without a control, and devices without a label, have the name `-`.
    pub rows: Vec<StandingsRow>,
}

/// One row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StandingsRow {
    /// The device, profile, check, control or label.
    pub name: String,
    /// How it stands now.
    pub counts: StandingCounts,
    /// One entry a day, the oldest first; today is the last.
    pub days: Vec<StandingDay>,
}

/// Proof of how a fleet stands with its controls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ControlsReport {
    /// When it was made.
    pub made: Timestamp,
    /// Who made it.
    pub made_by: String,
    /// The only control in it.
    pub control: Option<String>,
    /// The only label whose devices are in it.
    pub label: Option<String>,
    /// Of how many days it has the history.
    pub days: u32,
    /// How the devices in it comply, resources counted in.
    pub sentence: String,
    /// The same in numbers.
    pub counts: ComplianceCounts,
    /// Devices that are not in it.
    #[serde(default)]
    pub left_out: LeftOut,
    /// The devices in it by name.
    pub devices: Vec<DeviceStanding>,
    /// The controls by name; checks without one come last, under `-`.
    pub controls: Vec<ControlReport>,
    /// Waivers in force that cover a failure in it.
    pub waivers: Vec<WaiverView>,
}

/// One device as a whole, resources counted in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeviceStanding {
    /// The device's name.
    pub device: String,
    /// How it complies.
    pub compliance: Compliance,
    /// Resources and checks that are not as they should be.
    pub failing: u32,
    /// Failing checks that are waived.
    pub waived: u32,
}

/// One control.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ControlReport {
    /// Such as `CIS-5.4.1`.
    pub control: String,
    /// Devices by the worst of its checks.
    pub counts: StandingCounts,
    /// The checks by id.
    pub checks: Vec<CheckReport>,
    /// One entry a day, the oldest first; today is the last.
    pub days: Vec<StandingDay>,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CheckReport {
    /// The check.
    pub check: String,
    /// What is true when it passes.
    pub title: String,
    /// How bad a failure is.
    pub severity: Severity,
    /// Its devices.
    pub counts: StandingCounts,
    /// A row a device, the worst first.
    pub rows: Vec<CheckReportRow>,
}

/// One device and one check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CheckReportRow {
    /// The device's name.
    pub device: String,
    /// How it stands.
    pub standing: Standing,
    /// Since when the device reports this result; none where it never did.
    pub since: Option<Timestamp>,
    /// The profile and revision that ask, as `base@3`.
    pub profile: String,
    /// The waiver that covers it.
    pub waiver: Option<String>,
    /// Why it is unknown though the device may have reported something else.
    pub note: Option<String>,
}
