//! Checks: a SQL question to the device and what its answer amounts to.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A rule with a result, written in a profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// Its name, unique in the fleet: 1 to 63 of a-z, 0-9 and -.
    pub id: CheckId,
    /// What is true when it passes, as a sentence.
    pub title: String,
    /// SQL whose rows are the failures and the evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub violations: Option<String>,
    /// SQL that passes when it returns a row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// How bad a failure is.
    #[serde(default)]
    pub severity: Severity,
    /// Controls of outside catalogues that it gives evidence for, such as `CIS-5.4.1`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub controls: Vec<String>,
    /// What to do when it fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remediation: Option<String>,
}

/// The name of a check.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct CheckId(String);

impl CheckId {
    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for CheckId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for CheckId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let ok = (1..=63).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !text.starts_with('-');
        if ok { Ok(Self(text)) } else { Err(serde::de::Error::custom("expected 1 to 63 of a-z, 0-9 and -")) }
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for CheckId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "CheckId".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,62}$"})
    }
}

/// How bad a failing check is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Nice to have.
    Low,
    /// Should be mended.
    #[default]
    Medium,
    /// Must be mended soon.
    High,
    /// Must be mended now.
    Critical,
}

/// The result of a check. Unknown never counts as a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The rule holds.
    Pass,
    /// It does not.
    Fail,
    /// It could not be found out.
    Unknown,
    /// It does not apply to this device.
    NotApplicable,
}

/// What a device found for one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckResult {
    /// Which check.
    pub id: String,
    /// The profile and revision it stands in.
    pub profile: String,
    /// The revision's number.
    pub revision: u32,
    /// The result.
    pub verdict: Verdict,
    /// Rows of `violations`, at most [`MAX_EVIDENCE`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Map<String, Value>>,
    /// Why it is Unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How many rows of evidence travel with a failing check.
pub const MAX_EVIDENCE: usize = 20;

impl Check {
    /// The SQL to run.
    pub fn sql(&self) -> &str {
        self.violations.as_deref().or(self.query.as_deref()).unwrap_or_default()
    }

    /// What an answer with this many rows means.
    pub fn judge(&self, rows: usize) -> Verdict {
        match (self.violations.is_some(), rows) {
            (true, 0) => Verdict::Pass,
            (true, _) => Verdict::Fail,
            (false, 0) => Verdict::Fail,
            (false, _) => Verdict::Pass,
        }
    }

    /// Rules between fields that a type cannot hold.
    pub(crate) fn validate(&self) -> Result<(), String> {
        match (&self.violations, &self.query) {
            (Some(sql), None) | (None, Some(sql)) if !sql.trim().is_empty() => Ok(()),
            _ => Err("give either violations: SQL or query: SQL".to_owned()),
        }
    }
}
