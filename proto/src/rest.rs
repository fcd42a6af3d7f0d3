//! What the REST API under `/api/v1` speaks: requests and views, shared by the server that answers and the CLI that
//! asks. The OpenAPI document is generated from the same types.
//!
//! | method and path | asks | answers |
//! |---|---|---|
//! | `POST /setup` | [`Setup`] | [`Session`]; the first admin, or one who chooses a password, by a one-time link |
//! | `POST /session`, `GET /session`, `DELETE /session` | [`Login`] | [`Session`] |
//! | `POST /session/token` | [`NewLogin`] | [`CreatedApiToken`]; keeps a command line logged in |
//! | `GET /account`, `POST /account/password`, `/logout` | [`NewPassword`] | [`Account`], [`Ended`] |
//! | `POST /account/totp`, `/totp/confirm`, `/totp/end` | [`NewTotp`], [`TotpCode`], [`TotpEnd`] | [`TotpSecret`], [`Account`] |
//! | `GET, POST /admins`, `PATCH, DELETE /admins/{name}` | [`NewAdmin`], [`AdminPatch`] | [`AdminView`], [`AdminLink`], [`Ended`] |
//! | `POST /admins/{name}/reset`, `/logout` | | [`AdminLink`], [`Ended`] |
//! | `GET, POST /api-tokens`, `DELETE /api-tokens/{id}` | [`NewApiToken`] | [`ApiToken`], [`CreatedApiToken`] |
//! | `GET /overview` | | [`Overview`] |
//! | `GET /devices?q=&label=&profile=&state=&compliance=&sort=&cursor=&limit=` | | [`Page`] of [`Device`] |
//! | `GET, PATCH /devices/{id}` | [`DevicePatch`] | [`DeviceDetail`]; `{id}` is the id, name or serial |
//! | `POST /devices/import?dry_run=` | CSV | [`Import`] |
//! | `POST /devices/{id}/approve` | [`Approve`] | [`Device`] |
//! | `POST /devices/{id}/revoke` | | [`Device`] |
//! | `POST, DELETE /devices/{id}/lost` | [`ReportLost`] | [`DeviceDetail`]; its last order, or its end |
//! | `POST /devices/{id}/allow-reenroll` | [`AllowReenroll`] | [`Device`] |
//! | `POST /devices/{id}/plan` | [`NewDevicePlan`] | [`DevicePlan`]; nothing is saved |
//! | `POST /devices/{id}/first-login-passwords/{account}/reveal` | | [`RevealedPassword`]; once |
//! | `GET /devices/{id}/resources`, `/checks`, `/history?cursor=` | | lists of [`ResourceView`], [`CheckView`], [`HistoryEntry`] |
//! | `GET /devices/{id}/tables/{name}` | | [`TableView`]: `deb_packages`, `users`, ... as last reported |
//! | `GET, POST /tokens`, `DELETE /tokens/{id}` | [`NewToken`] | [`Token`], [`CreatedToken`] with [`Snippets`] |
//! | `GET, POST /people` | [`NewPerson`] | [`PersonView`] |
//! | `GET, PATCH, DELETE /people/{username}` | [`PersonPatch`] | [`PersonDetail`], [`PersonChange`]; who is deleted has left |
//! | `GET, POST /groups`, `GET, DELETE /groups/{name}` | [`NewGroup`] | [`GroupView`], [`GroupChange`] |
//! | `PUT, DELETE /groups/{name}/members/{username}` | | [`GroupChange`] |
//! | `GET /profiles`, `GET /profiles/{name}` | | [`ProfileView`], [`ProfileDetail`] |
//! | `PUT /profiles/{name}?dry_run=` | YAML or JSON source | [`SavedRevision`] |
//! | `GET /profiles/{name}/revisions/{number}` | | [`RevisionView`] |
//! | `GET /profiles/{name}/diff?from=&to=` | | [`RevisionDiff`] |
//! | `POST /profiles/{name}/rollback?dry_run=` | [`Rollback`] | [`RollbackResult`] |
//! | `GET /schema/profile` | | JSON Schema |
//! | `GET, POST /assignments?dry_run=`, `DELETE /assignments/{id}` | [`NewAssignment`] | [`AssignmentView`], [`AssignmentResult`] |
//! | `POST /assignments/plan` | [`NewAssignment`] | [`FleetPlan`]; nothing is assigned |
//! | `GET, POST /rollouts`, `GET /rollouts/{id}` | [`NewRollout`] | [`RolloutView`], [`RolloutDetail`] |
//! | `POST /rollouts/{id}/resume`, `/cancel` | | [`RolloutView`] |
//! | `GET, POST /pauses`, `DELETE /pauses/{target}` | [`NewPause`] | [`PauseView`], [`Resumed`] |
//! | `GET /removals`, `POST /removals/{id}/confirm`, `/drop` | | [`Removal`], [`Resumed`] |
//! | `GET /waivers?all=`, `POST /waivers`, `DELETE /waivers/{id}` | [`NewWaiver`] | [`WaiverView`] |
//! | `GET /compliance?label=&cursor=&limit=` | | [`ComplianceReport`] |
//! | `GET /compliance/standings?by=&label=&days=` | | [`StandingsBy`] |
//! | `GET /compliance/report?format=&control=&label=&days=` | | [`ControlsReport`], or CSV or HTML of it |
//! | `GET /checks`, `GET /checks/{id}`, `GET /controls/{id}` | | [`CheckSummary`], [`CheckDetail`], [`ControlDetail`] |
//! | `GET /checks/{id}/devices`, `GET /controls/{id}/devices` `?verdict=&cursor=&limit=` | | [`Page`] of [`CheckedDevice`] |
//! | `GET /devices/{id}/checks/{check}` | | a list of [`CheckInterval`] |
//! | `GET /outcomes?profile=&outcome=&resource=&cursor=&limit=` | | [`Page`] of [`DeviceOutcome`] |
//! | `GET /audit?actor=&action=&target=&since=&until=&cursor=&limit=` | | [`Page`] of [`AuditEntry`] |
//! | `GET /events` | | server-sent events of [`ChangeNotice`] |
//!
//! Errors are RFC 9457 `application/problem+json` as [`Problem`].

mod plan;

pub use plan::{DevicePlan, NewDevicePlan};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::check::{Severity, Verdict};
use crate::condition::Difference;
use crate::report::{OutcomeKind, Pause};
use crate::state::Mode;
use crate::timestamp::Timestamp;
use crate::when::Facts;

mod access;
mod check;
mod controls;
mod fleet_plan;
mod hold;
mod lost;
mod outcome;
mod person;
mod rollback;
mod rollout;
mod snippet;
mod twin;

pub use access::{
    Account, AdminLink, AdminPatch, AdminView, CODE_NEEDED, Ended, NewAdmin, NewLogin, NewPassword, NewTotp,
    Scope, TotpCode, TotpEnd, TotpSecret,
};
pub use check::{
    CheckDetail, CheckInterval, CheckSummary, CheckedDevice, ControlDetail, VerdictCounts, VerdictDay,
};
pub use fleet_plan::{Changes, FleetPlan, NoPlan, PlanGroup};
mod waiver;

pub use controls::{
    By, CheckReport, CheckReportRow, ControlReport, ControlsReport, DeviceStanding, Standing, StandingCounts,
    StandingDay, StandingsBy, StandingsRow,
};
pub use hold::{AllowReenroll, DevicePause, NewPause, PauseView, Removal, Resumed};
pub use lost::{DiskAtLastContact, HeldPassword, Holdings, LostView, ReportLost};
pub use outcome::DeviceOutcome;
pub use person::{
    GroupChange, GroupView, NewGroup, NewPerson, PersonChange, PersonDetail, PersonPatch, PersonView,
};
pub use rollback::{RevisionMove, Rollback, RollbackResult, RolledBack};
pub use rollout::{
    InvalidStepSize, NewRollout, RolloutCause, RolloutDetail, RolloutDevice, RolloutStanding, RolloutState,
    RolloutStep, RolloutView, StepSize, TroubleKind,
};
pub use snippet::Snippets;
pub use twin::{LateReturnView, MachineView, OldCertificateView, TwinView};
pub use waiver::{NewWaiver, WaivedCheck, WaiverView};

/// What went wrong, as RFC 9457 has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// A URI that names the kind of problem; `about:blank` when the title says it all.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind of problem in a few words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened and what to do next.
    pub detail: String,
    /// Places in a profile's source, when that is what is wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<SourcePlace>,
}

/// Something wrong at a place in a text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SourcePlace {
    /// From 1; 0 for the whole text.
    pub line: u64,
    /// From 1; 0 for the whole text.
    pub column: u64,
    /// What is wrong.
    pub message: String,
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Where the next page begins; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// How many rows there are in all with these filters.
    pub total: u64,
}

/// An admin who chooses a password: the first one, or the one that the link was made for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Setup {
    /// The secret of the setup link.
    pub link: String,
    /// The admin's login name.
    pub name: String,
    /// At least 15 characters.
    pub password: String,
}

/// A login.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Login {
    /// The admin's login name.
    pub name: String,
    /// The password.
    pub password: String,
    /// A code of the authenticator or a recovery code, where logins need one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// Who is logged in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Session {
    /// The admin's login name.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Name of this server.
    pub server: String,
    /// The server's version.
    pub version: String,
    /// Sent back as header `X-Muster-CSRF` with every change that is made with the cookie.
    pub csrf: String,
    /// When the session ends.
    pub expires: Timestamp,
}

/// An API token to be made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewApiToken {
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Days until it ends; 90 when left out.
    #[serde(default)]
    pub days: Option<u32>,
    /// What it reaches of that; everything when left out.
    #[serde(default)]
    pub scopes: Vec<Scope>,
}

/// An API token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ApiToken {
    /// Its id.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
    /// Who made it.
    pub created_by: String,
    /// What it reaches of what the role allows; everything when empty.
    pub scopes: Vec<Scope>,
    /// When it was used last, to ten minutes.
    pub last_used: Option<Timestamp>,
    /// The admin whose command line it keeps logged in; it ends with them.
    pub login: Option<String>,
}

/// An API token just made, with its secret: shown once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CreatedApiToken {
    /// The token.
    pub token: ApiToken,
    /// Sent as `Authorization: Bearer`.
    pub secret: String,
}

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
    /// `lost`, `held`, `old_certificate` or `late_return`.
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

/// A token to be made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewToken {
    /// Labels that its devices get.
    #[serde(default)]
    pub labels: Vec<String>,
    /// How many devices may use it; 1 when left out.
    #[serde(default)]
    pub uses: Option<u32>,
    /// Hours until it ends; 24 when left out.
    #[serde(default)]
    pub hours: Option<u32>,
    /// The only serial that may use it.
    #[serde(default)]
    pub serial: Option<String>,
    /// What becomes of serials that are not registered.
    #[serde(default)]
    pub unknown: Unknown,
}

/// A token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Token {
    /// Its id.
    pub id: String,
    /// Labels that its devices get.
    pub labels: Vec<String>,
    /// How many devices may still use it.
    pub uses_left: u32,
    /// How many devices could use it at first.
    pub uses: u32,
    /// When it was made.
    pub created: Timestamp,
    /// Who made it.
    pub created_by: String,
    /// When it ends.
    pub expires: Timestamp,
    /// The only serial that may use it.
    pub serial: Option<String>,
    /// What becomes of serials that are not registered.
    pub unknown: Unknown,
    /// Whether it was revoked.
    pub revoked: bool,
}

/// A token just made, with its join file: shown once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CreatedToken {
    /// The token.
    pub token: Token,
    /// `/etc/muster/join.toml`, with the secret in it.
    pub join_file: String,
    /// The same in what installs machines.
    pub snippets: Snippets,
}

/// A profile in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProfileView {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Its newest revision.
    pub newest: u32,
    /// When that was saved.
    pub saved: Timestamp,
    /// Who saved it.
    pub saved_by: String,
    /// Devices it is assigned to.
    pub devices: u64,
    /// Of those, compliant ones.
    pub compliant: u64,
}

/// A profile on its own page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProfileDetail {
    /// As in the list.
    pub profile: ProfileView,
    /// Its revisions, the newest first and at most a hundred.
    pub revisions: Vec<RevisionSummary>,
    /// Where each is pinned.
    pub assignments: Vec<AssignmentView>,
    /// Outcomes over its devices, by kind.
    pub outcomes: BTreeMap<String, u64>,
}

/// A revision in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RevisionSummary {
    /// Its number.
    pub number: u32,
    /// `sha256:` of its document.
    pub digest: String,
    /// When it was saved.
    pub saved: Timestamp,
    /// Who saved it.
    pub saved_by: String,
    /// Assignments that pin it.
    pub pinned: u64,
}

/// A revision whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RevisionView {
    /// As in the list.
    pub revision: RevisionSummary,
    /// The text as its author wrote it.
    pub source: String,
    /// The document that devices get.
    pub document: Value,
}

/// A revision just saved (or, on a dry run, one that could be).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SavedRevision {
    /// The profile.
    pub profile: String,
    /// Its number; that of the newest one when nothing changed.
    pub number: u32,
    /// `sha256:` of its document.
    pub digest: String,
    /// False when the newest revision already says exactly this.
    pub new: bool,
    /// What its author should know.
    pub warnings: Vec<SourcePlace>,
}

/// Two revisions of a profile side by side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RevisionDiff {
    /// The older.
    pub from: u32,
    /// The newer.
    pub to: u32,
    /// A unified diff of the sources.
    pub unified: String,
}

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

/// How the fleet stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ComplianceReport {
    /// "4 of 5 compliant; 1 failing, 0 unknown, 0 stale".
    pub sentence: String,
    /// Devices by compliance.
    pub counts: ComplianceCounts,
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
    /// All of them but those that are only registered.
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

/// The first page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Overview {
    /// "41 of 48 compliant; 3 failing, 2 unknown, 2 stale".
    pub sentence: String,
    /// Devices by compliance.
    pub counts: ComplianceCounts,
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
    /// `registered`, `enrolled`, `ready`.
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
    /// `pending`, `conflict` or `removal`.
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

/// One audited change or refusal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditEntry {
    /// Its number.
    pub id: u64,
    /// When.
    pub at: Timestamp,
    /// Who: `admin:kim`, `token:<id> "name"`, `device:<id>`, `stranger`.
    pub actor: String,
    /// What, such as `assignment.create`.
    pub action: String,
    /// On what.
    pub target: String,
    /// Further words; never a secret.
    pub detail: Map<String, Value>,
}

/// Something changed that a page may show.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChangeNotice {
    /// `device`, `profile`, `assignment`, `token` or `audit`.
    pub topic: String,
    /// Which, when one can be named.
    pub id: Option<String>,
}

/// What an admin may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything.
    Admin,
    /// Read everything, change nothing.
    Auditor,
}

/// Where a device is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DeviceState {
    /// Known by its serial, never seen.
    Registered,
    /// Asked to enroll and waits for approval.
    Pending,
    /// Has a certificate, has not yet converged whole.
    Enrolled,
    /// Has converged whole.
    Ready,
    /// Two machines use its identity: neither is heard or told anything until an admin has decided.
    Held,
    /// It carried out its last order; its certificates are no longer accepted.
    Lost,
    /// Its certificates are no longer accepted.
    Revoked,
}

impl DeviceState {
    /// Whether it is nobody's to manage any more.
    pub const fn is_out(self) -> bool {
        matches!(self, Self::Lost | Self::Revoked)
    }
}

/// Whether a device is as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Compliance {
    /// Every resource Kept or Repaired, every check Pass, `NotApplicable` or waived, and heard of in time.
    Compliant,
    /// Something is not.
    Failing,
    /// It can't be said.
    Unknown,
    /// Not heard of within the promise of its labels.
    Stale,
    /// Nothing is assigned to it.
    Unmanaged,
}

/// What becomes of a serial that is not registered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Unknown {
    /// It waits for an admin's approval.
    #[default]
    Pending,
    /// It is refused.
    Refuse,
}
