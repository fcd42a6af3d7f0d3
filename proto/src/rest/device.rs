//! Devices and what they report.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    AssignmentView, Compliance, DevicePause, DeviceState, LateReturnView, LostView, OldCertificateView,
    Removal, SourcePlace, TwinView, WaivedCheck, WaiverView,
};
use crate::check::{Severity, Verdict};
use crate::condition::Difference;
use crate::cost::Cost;
use crate::report::{OutcomeKind, Pause};
use crate::state::Mode;
use crate::timestamp::Timestamp;
use crate::when::Facts;

/// A device in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Device {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its registered serial.
    pub serial: String,
    /// Username of its owner.
    pub owner: Option<String>,
    /// Its labels.
    pub labels: Vec<String>,
    /// Where it is in its life.
    pub state: DeviceState,
    /// Whether it is as it should be.
    pub compliance: Compliance,
    /// Resources and checks that are not.
    pub failing: u32,
    /// Failing checks that are waived; not among `failing`.
    #[serde(default)]
    pub waived: u32,
    /// The system's name, empty before the first report.
    pub os: String,
    /// Newest desired state; 0 for none.
    pub generation_wanted: u64,
    /// Newest state that converged whole; 0 for none.
    pub generation_applied: u64,
    /// Whether a newer state waits for a pause to end or a removal to be confirmed.
    #[serde(default)]
    pub held: bool,
    /// Whether its link is up now.
    pub connected: bool,
    /// Last contact.
    pub last_seen: Option<Timestamp>,
    /// When it was registered.
    pub registered: Timestamp,
    /// Since when a machine waits for an admin to let it in as this device.
    #[serde(default)]
    pub waiting_since: Option<Timestamp>,
    /// When it enrolled.
    pub enrolled: Option<Timestamp>,
    /// When it first converged whole.
    pub ready: Option<Timestamp>,
}

/// A device on its own page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeviceDetail {
    /// As in the list.
    pub device: Device,
    /// What it says of itself.
    pub facts: Facts,
    /// End of its certificate.
    pub certificate_not_after: Option<Timestamp>,
    /// What keeps it from being compliant, the heaviest first.
    pub causes: Vec<Cause>,
    /// What is assigned to it.
    pub assignments: Vec<AssignmentView>,
    /// The pause that its owner began on the device itself.
    #[serde(default)]
    pub paused_there: Option<Pause>,
    /// Accounts whose first-login password waits to be revealed.
    pub passwords: Vec<String>,
    /// What it claimed when it asked to enroll, and the code it shows, while it waits for approval.
    pub pending: Option<PendingClaims>,
    /// The pause that keeps it as it is.
    #[serde(default)]
    pub paused: Option<DevicePause>,
    /// Ids of removals for whose confirmation it waits.
    #[serde(default)]
    pub removals: Vec<String>,
    /// Until when one new key may become it.
    #[serde(default)]
    pub reenroll_until: Option<Timestamp>,
    /// What is known of its loss.
    #[serde(default)]
    pub lost: Option<LostView>,
    /// The two machines that use its identity.
    #[serde(default)]
    pub twins: Option<TwinView>,
    /// A certificate of it that was shown after a newer one had been used.
    #[serde(default)]
    pub old_certificate: Option<OldCertificateView>,
    /// It asked to come back after its certificate had ended too long ago.
    #[serde(default)]
    pub late_return: Option<LateReturnView>,
    /// Failures of it that are accepted for now.
    #[serde(default)]
    pub waived: Vec<WaivedCheck>,
    /// What its agent spends on each kind of resource and each check.
    #[serde(default)]
    pub cost: Cost,
}

/// What a waiting machine says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PendingClaims {
    /// The code on its console.
    pub code: String,
    /// The serial it claims.
    pub serial: String,
    /// The host name it claims.
    pub hostname: String,
    /// Maker and model it claims.
    pub model: String,
    /// Where it called from.
    pub address: String,
    /// When it first asked.
    pub since: Timestamp,
}

/// One link of the chain from a failure to who asked for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Cause {
    /// `resource`, `check`, `registered`, `pending`, `refused`, `stale`, `behind`, `paused`, `paused_there`, `removal`,
    /// `lost`, `revoked`, `held`, `old_certificate`, `late_return` or `clock`.
    pub kind: String,
    /// Which, such as `file:/etc/motd`.
    pub subject: String,
    /// What is true when the check passes, as its author put it; absent for other kinds.
    #[serde(default)]
    pub title: Option<String>,
    /// How bad it is that the check does not pass; absent for other kinds.
    #[serde(default)]
    pub severity: Option<Severity>,
    /// What is wrong with it.
    pub problem: String,
    /// How many rows show it; at most twenty are reported.
    #[serde(default)]
    pub rows: u64,
    /// The first few of those rows.
    #[serde(default)]
    pub evidence: Vec<Map<String, Value>>,
    /// The profile and revision that ask for it, as `base@3`.
    pub profile: Option<String>,
    /// The assignment that brought it, as `base@3 to label:laptop`.
    pub assignment: Option<String>,
    /// Who assigned it.
    pub assigned_by: Option<String>,
    /// When they did.
    pub assigned_at: Option<Timestamp>,
    /// Since when it is so.
    pub since: Option<Timestamp>,
    /// What to do.
    pub remedy: Option<String>,
    /// The same step by step, where it takes several.
    #[serde(default)]
    pub steps: Vec<RemedyStep>,
}

/// One step of what is to be done about a cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RemedyStep {
    /// What it comes to.
    pub text: String,
    /// The command that does it.
    pub command: String,
    /// Whether it is done, as far as the server knows.
    pub done: bool,
}

/// Changes to a device's record; what is left out stays.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DevicePatch {
    /// A new name.
    #[serde(default)]
    pub name: Option<String>,
    /// A new owner; empty for none.
    #[serde(default)]
    pub owner: Option<String>,
    /// All its labels.
    #[serde(default)]
    pub labels: Option<Vec<String>>,
}

/// What an import did or would do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Import {
    /// Devices that are new.
    pub new: u32,
    /// Devices whose record differs.
    pub changed: u32,
    /// Devices that are as the file says.
    pub unchanged: u32,
    /// People that were made for owners not known before.
    pub new_people: u32,
    /// Who these are, by username; at most a thousand.
    #[serde(default)]
    pub people: Vec<String>,
    /// What it takes from so many devices that they keep their state until an admin confirms it.
    #[serde(default)]
    pub removal: Option<Removal>,
    /// The devices that are new or differ, at most a thousand.
    #[serde(default)]
    pub changes: Vec<ImportChange>,
    /// What is wrong; then nothing was imported.
    #[serde(default)]
    pub errors: Vec<SourcePlace>,
}

/// What an import makes of one device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ImportChange {
    /// Its serial.
    pub serial: String,
    /// Its name afterwards.
    pub name: String,
    /// Whether it is registered by this import.
    pub new: bool,
    /// What it has when it is new, what differs otherwise, such as `owner: ada -> none`.
    pub fields: Vec<String>,
}

/// The code that the device shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Approve {
    /// Such as `7KQ-M2D`.
    pub code: String,
    /// A name for the device, when it is not registered.
    #[serde(default)]
    pub name: Option<String>,
}

/// A password, shown once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RevealedPassword {
    /// Whose.
    pub account: String,
    /// The password.
    pub password: String,
}

/// One resource of a device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ResourceView {
    /// Such as `file:/etc/motd`.
    pub resource: String,
    /// What became of it.
    pub outcome: OutcomeKind,
    /// Since when.
    pub since: Timestamp,
    /// The profile.
    pub profile: String,
    /// Its revision.
    pub revision: u32,
    /// The assignment's id.
    pub assignment: String,
    /// Enforce or audit.
    pub mode: Mode,
    /// What differs or was changed.
    pub differences: Vec<Difference>,
    /// Why.
    pub reason: Option<String>,
    /// The author's note.
    pub note: Option<String>,
    /// Profiles whose claim it overrides.
    pub overrides: Vec<String>,
}

/// One check of a device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CheckView {
    /// The check.
    pub id: String,
    /// What is true when it passes.
    pub title: String,
    /// Its result.
    pub verdict: Verdict,
    /// Since when.
    pub since: Timestamp,
    /// How bad a failure is.
    pub severity: Severity,
    /// The profile.
    pub profile: String,
    /// Its revision.
    pub revision: u32,
    /// Controls of outside catalogues.
    pub controls: Vec<String>,
    /// Rows that show the failure.
    pub evidence: Vec<Map<String, Value>>,
    /// Why it is Unknown.
    pub reason: Option<String>,
    /// What to do when it fails.
    pub remediation: Option<String>,
    /// What accepts its failure for now.
    #[serde(default)]
    pub waiver: Option<WaiverView>,
}

/// Something that happened on a device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HistoryEntry {
    /// When, by the device's clock.
    pub at: Timestamp,
    /// When the server recorded it.
    pub recorded: Timestamp,
    /// `accepted`, `changed`, `failed`, ...
    pub event: String,
    /// It in a sentence.
    pub text: String,
    /// Which resource, if one.
    pub resource: Option<String>,
    /// What differs.
    pub differences: Vec<Difference>,
}

/// A table as a device last reported it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TableView {
    /// Its name.
    pub name: String,
    /// When it was reported.
    pub reported: Option<Timestamp>,
    /// Its columns.
    pub columns: Vec<String>,
    /// Its rows.
    pub rows: Vec<Vec<Value>>,
}
