//! `service`: a systemd unit that should run, be enabled, or not.

use serde::{Deserialize, Serialize};

use super::value::UnitName;
use crate::condition::Condition;
use crate::id::ResourceId;

/// A systemd unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// The unit's name; `.service` may be left out.
    pub name: UnitName,
    /// Whether it should be running; judged by what systemd says of it afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<bool>,
    /// Whether it should start at boot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Resources, such as `file:/etc/chrony/chrony.conf`, whose change restarts it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<String>"))]
    pub restart_on: Vec<ResourceId>,
}

impl Service {
    /// The unit's full name.
    pub fn unit(&self) -> String {
        unit(self.name.as_str())
    }

    /// Present, running and enabled as given.
    pub fn desired(&self) -> Condition {
        Condition::present([("running", self.running.into()), ("enabled", self.enabled.into())])
    }
}

/// The full name of a unit: `.service` unless there is a suffix that systemd knows.
pub fn unit(name: &str) -> String {
    const SUFFIXES: [&str; 6] = [".service", ".socket", ".timer", ".path", ".target", ".mount"];
    if SUFFIXES.iter().any(|suffix| name.ends_with(suffix)) {
        name.to_owned()
    } else {
        format!("{name}.service")
    }
}
