//! `service`: a systemd unit that should run, be enabled, or not.

use serde::{Deserialize, Serialize};

use super::InvalidResource;
use super::declared::names_resources;
use super::value::UnitName;
use crate::condition::Condition;
use crate::id::ResourceId;

/// A systemd unit. With the end of the resource it runs, and starts at boot, as it did before.
///
/// ```yaml
/// - service:
///     name: chrony
///     running: true
///     enabled: true
///     restart_on: ["file:/etc/chrony/chrony.conf"]
/// ```
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
    /// Resources, such as `file:/etc/chrony/chrony.conf`, whose change it has to read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<String>"))]
    pub restart_on: Vec<ResourceId>,
    /// How it comes to read what changed: `restart`, or `reload`, which not every service can, and which does not bring a change of
    /// the unit's own file into effect.
    #[serde(default, skip_serializing_if = "OnChange::is_restart")]
    pub on_change: OnChange,
}

/// How a service comes to read what changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OnChange {
    /// It is stopped and started.
    #[default]
    Restart,
    /// It goes on running and reads its configuration again.
    Reload,
}

impl OnChange {
    fn is_restart(&self) -> bool {
        *self == Self::Restart
    }
}

impl Service {
    /// The unit's full name.
    pub fn unit(&self) -> String {
        unit(self.name.as_str())
    }

    /// The unit's name without `.service`, so that one unit has one name.
    pub(super) fn key(&self) -> &str {
        key(self.name.as_str())
    }

    /// Present, running and enabled as given.
    pub fn desired(&self) -> Condition {
        Condition::present([("running", self.running.into()), ("enabled", self.enabled.into())])
    }

    pub(super) fn validate(&self) -> Result<(), InvalidResource> {
        names_resources("/service/restart_on", &self.restart_on)
    }
}

/// The shortest name of a unit from which [`unit`] gives it back.
pub(super) fn key(name: &str) -> &str {
    name.strip_suffix(".service").filter(|short| unit(short) == name).unwrap_or(name)
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
