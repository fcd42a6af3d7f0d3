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
//! | `GET /devices?q=&label=&profile=&state=&compliance=&reached=&sort=&cursor=&limit=` | | [`Page`] of [`Device`] |
//! | `GET, PATCH, DELETE /devices/{id}` | [`DevicePatch`] | [`DeviceDetail`]; `{id}` is the id, name or serial |
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
//! | `GET, POST /artifacts`, `GET, DELETE /artifacts/{id}` | [`NewArtifact`] | [`ArtifactView`]; `{id}` is its digest, the beginning of that, or its name |
//! | `PATCH /artifacts/{id}?offset=` | bytes from there on | [`ArtifactView`] |
//! | `GET /artifacts/{id}/content` | | its bytes |
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

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::timestamp::Timestamp;

mod access;
mod artifact;
mod assignment;
mod check;
mod compliance;
mod controls;
mod device;
mod fleet_plan;
mod hold;
mod lost;
mod outcome;
mod person;
mod plan;
mod profile;
mod rollback;
mod rollout;
mod snippet;
mod twin;
mod waiver;

pub use access::{
    Account, AdminLink, AdminPatch, AdminView, CODE_NEEDED, Ended, NewAdmin, NewLogin, NewPassword, NewTotp,
    Scope, TotpCode, TotpEnd, TotpSecret,
};
pub use artifact::{ArtifactState, ArtifactView, NewArtifact};
pub use assignment::{AssignmentResult, AssignmentView, ConflictView, NewAssignment, Replaced};
pub use check::{
    CheckDetail, CheckInterval, CheckSummary, CheckedDevice, ControlDetail, Finding, VerdictCounts,
    VerdictDay, Waived,
};
pub use compliance::{CauseGroup, ComplianceCounts, ComplianceReport, Day, LeftOut, Need, Overview, Stage};
pub use controls::{
    By, CheckReport, CheckReportRow, ControlReport, ControlsReport, DeviceStanding, Standing, StandingCounts,
    StandingDay, StandingsBy, StandingsRow,
};
pub use device::{
    Approve, Cause, CheckView, Device, DeviceDetail, DevicePatch, HistoryEntry, Import, ImportChange,
    PendingClaims, RemedyStep, ResourceView, RevealedPassword, TableView,
};
pub use fleet_plan::{Changes, FleetPlan, NoPlan, PlanGroup};
pub use hold::{AllowReenroll, DevicePause, NewPause, PauseView, Removal, Resumed};
pub use lost::{DiskAtLastContact, HeldPassword, Holdings, LostView, ReportLost};
pub use outcome::DeviceOutcome;
pub use person::{
    GroupChange, GroupView, NewGroup, NewPerson, PersonChange, PersonDetail, PersonPatch, PersonView,
};
pub use plan::{DevicePlan, NewDevicePlan};
pub use profile::{
    Follower, ProfileDetail, ProfileView, RevisionDiff, RevisionSummary, RevisionView, SavedRevision,
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
    /// The names that devices have now, by their ids that stand above; one that was deleted has none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<String, String>,
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
