//! Who administers: admins, one's own account, and how far an API token reaches.

use serde::{Deserialize, Serialize};

use super::Role;
use crate::timestamp::Timestamp;

/// The type of the problem that answers a login whose password is right and that needs a code too.
pub const CODE_NEEDED: &str = "urn:muster:code-needed";

/// One thing that an API token may do. `write` includes `read` of the same noun. Who administers can be read with a scope,
/// and never be changed: a token must not be able to make a stronger one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Scope {
    /// Devices, what they report, and dry runs' answers.
    #[serde(rename = "devices:read")]
    DevicesRead,
    /// Import, approve, label and revoke devices; ask one for a dry run.
    #[serde(rename = "devices:write")]
    DevicesWrite,
    /// Reveal first-login passwords.
    #[serde(rename = "passwords:write")]
    PasswordsWrite,
    /// Enrollment tokens, without their secrets.
    #[serde(rename = "enrollment:read")]
    EnrollmentRead,
    /// Make and revoke enrollment tokens.
    #[serde(rename = "enrollment:write")]
    EnrollmentWrite,
    /// People.
    #[serde(rename = "people:read")]
    PeopleRead,
    /// Make and change people.
    #[serde(rename = "people:write")]
    PeopleWrite,
    /// Profiles and their revisions.
    #[serde(rename = "profiles:read")]
    ProfilesRead,
    /// Save revisions; saving never deploys.
    #[serde(rename = "profiles:write")]
    ProfilesWrite,
    /// Artifacts and their bytes.
    #[serde(rename = "artifacts:read")]
    ArtifactsRead,
    /// Put artifacts on the server and delete them.
    #[serde(rename = "artifacts:write")]
    ArtifactsWrite,
    /// Assignments, pauses and removals.
    #[serde(rename = "assignments:read")]
    AssignmentsRead,
    /// Assign, roll back, pause, resume, and decide on removals.
    #[serde(rename = "assignments:write")]
    AssignmentsWrite,
    /// How devices comply.
    #[serde(rename = "compliance:read")]
    ComplianceRead,
    /// Decide on what counts as compliant.
    #[serde(rename = "compliance:write")]
    ComplianceWrite,
    /// The audit.
    #[serde(rename = "audit:read")]
    AuditRead,
    /// Admins and API tokens, without their secrets.
    #[serde(rename = "access:read")]
    AccessRead,
    /// That something changed, and what it is called.
    #[serde(rename = "events:read")]
    EventsRead,
    /// Figures of the server.
    #[serde(rename = "metrics:read")]
    MetricsRead,
}

/// An admin to be made. They choose their password themselves, by the link in the answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewAdmin {
    /// The login name: 1 to 64 letters, digits and `. _ - @`, beginning with a letter or digit.
    pub name: String,
    /// What they may do.
    pub role: Role,
}

/// A change to an admin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AdminPatch {
    /// What they may do from here on.
    pub role: Role,
}

/// An admin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AdminView {
    /// The login name.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// False until they have chosen a password by their link.
    pub active: bool,
    /// Whether their logins need a code.
    pub totp: bool,
    /// When they were made.
    pub created: Timestamp,
    /// When they logged in last.
    pub last_login: Option<Timestamp>,
    /// Browsers and command lines that are logged in as them.
    pub logins: u32,
    /// API tokens for programs that they made and that have not ended.
    pub api_tokens: u32,
}

/// A link by which an admin chooses a password, once, within an hour. Shown once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AdminLink {
    /// Whose.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// To be opened in a browser, or given to `muster setup`.
    pub link: String,
    /// When it ends.
    pub expires: Timestamp,
    /// What ended at once.
    pub ended: Ended,
}

/// What ended at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Ended {
    /// Browsers and command lines that were logged in.
    pub logins: u32,
    /// API tokens for programs.
    pub api_tokens: u32,
    /// Enrollment tokens that could still be used.
    #[serde(default)]
    pub tokens: u32,
}

/// A command line that is to stay logged in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewLogin {
    /// Where it is, such as a host's name.
    pub host: String,
}

/// One's own account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Account {
    /// The login name.
    pub name: String,
    /// What one may do.
    pub role: Role,
    /// Whether logins need a code.
    pub totp: bool,
    /// Recovery codes that have not been used.
    pub recovery_codes: u32,
    /// Characters that a new password has at least.
    pub password_length: u32,
}

/// A new password for oneself.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewPassword {
    /// The one so far.
    pub current: String,
    /// A code, where logins need one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// At least 15 characters; 8 where logins need a code.
    pub new: String,
}

/// Asks for a secret for codes.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewTotp {
    /// One's password: a login that was left open is not enough.
    pub password: String,
}

/// A secret for codes, which counts once a code of it was given. Shown once.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TotpSecret {
    /// In base32, to be typed into an authenticator.
    pub secret: String,
    /// The same as `otpauth://`, to be scanned or opened.
    pub uri: String,
    /// Ten codes that each stand in once for one of the authenticator's.
    pub recovery_codes: Vec<String>,
}

/// A code of the authenticator.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TotpCode {
    /// Six digits.
    pub code: String,
}

/// Ends codes for oneself.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TotpEnd {
    /// One's password.
    pub password: String,
    /// A code of the authenticator, or a recovery code.
    pub code: String,
}
