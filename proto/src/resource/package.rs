//! `package`: one software package of the system's own package manager.

use serde::{Deserialize, Serialize};

use super::value::{Existence, PackageName, VersionConstraint};
use crate::condition::Condition;

/// A package that should be installed, at any version or within a constraint, or not installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// The package's name.
    pub name: PackageName,
    /// `4.3-1` for exactly that version, or `>= 4.3`. Muster never downgrades to meet it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<VersionConstraint>,
    /// Whether it should be installed.
    #[serde(default, skip_serializing_if = "Existence::is_present")]
    pub state: Existence,
}

impl Package {
    /// Present, with the constraint as `version` where there is one.
    pub fn desired(&self) -> Condition {
        match self.state {
            Existence::Absent => Condition::Absent,
            Existence::Present => Condition::present([(
                "version",
                self.version.as_ref().map_or(serde_json::Value::Null, |v| v.as_str().into()),
            )]),
        }
    }
}
