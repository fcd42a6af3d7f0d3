//! `service`: a systemd unit that should run, be enabled, or not.

use serde::{Deserialize, Serialize};

use super::value::UnitName;
use super::{InvalidResource, KINDS};
use crate::condition::Condition;
use crate::id::ResourceId;
use crate::text::{one_line, printable};

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

    /// The unit's name without `.service`, so that one unit has one name.
    pub(super) fn key(&self) -> &str {
        key(self.name.as_str())
    }

    /// Present, running and enabled as given.
    pub fn desired(&self) -> Condition {
        Condition::present([("running", self.running.into()), ("enabled", self.enabled.into())])
    }

    pub(super) fn validate(&self) -> Result<(), InvalidResource> {
        for (index, id) in self.restart_on.iter().enumerate() {
            let named = KINDS.contains(&id.kind()) && !id.key().is_empty();
            if !named || id.as_str().len() > 4200 || !one_line(id.as_str()) {
                return Err(InvalidResource::new(
                    format!("/service/restart_on/{index}"),
                    format!(
                        "{} names no resource: write kind:key, such as file:/etc/motd",
                        printable(id.as_str())
                    ),
                ));
            }
        }
        Ok(())
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
