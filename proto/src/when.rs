//! `when`: the fixed conditions under which a resource holds. All keys have to hold, of a list one word; harder rules are
//! labels.

use serde::{Deserialize, Deserializer, Serialize};

/// What of a device `when` can ask for; read by the agent, reported to the server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Facts {
    /// `ID` of os-release(5), such as `debian`.
    pub os: String,
    /// `VERSION_ID` of os-release(5), such as `12`.
    pub os_version: String,
    /// `PRETTY_NAME` of os-release(5).
    pub os_name: String,
    /// `laptop`, `desktop`, `server`, `vm` or `container`, as systemd's hostnamed tells them apart.
    pub chassis: String,
    /// As `uname -m` says it, such as `x86_64`.
    pub arch: String,
    /// The running kernel's release.
    pub kernel: String,
    /// The host's own name.
    pub hostname: String,
    /// CPU model.
    pub cpu: String,
    /// Logical processors.
    pub cpus: u32,
    /// Physical memory in bytes.
    pub memory: u64,
    /// The agent's version.
    pub agent_version: String,
    /// Whether NetworkManager starts at boot, and so is what sets up interfaces. No `when` asks for it.
    pub network_manager: bool,
    /// Kinds of resource that the device's owner denies in agent.toml. No `when` asks for it.
    pub denied_kinds: Vec<String>,
}

/// The conditions of one resource.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct When {
    /// `ID` of os-release(5).
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_many")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "words"))]
    pub os: Vec<String>,
    /// `VERSION_ID` of os-release(5).
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_many")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "words"))]
    pub os_version: Vec<String>,
    /// The form of the machine.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_many")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "words"))]
    pub chassis: Vec<String>,
    /// The processor's architecture.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_many")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "words"))]
    pub arch: Vec<String>,
}

impl When {
    /// Whether a device with these facts is meant.
    pub fn holds(&self, facts: &Facts) -> bool {
        let among = |wanted: &[String], is: &str| wanted.is_empty() || wanted.iter().any(|w| w == is);
        among(&self.os, &facts.os)
            && among(&self.os_version, &facts.os_version)
            && among(&self.chassis, &facts.chassis)
            && among(&self.arch, &facts.arch)
    }
}

#[cfg(feature = "schema")]
fn words(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]
    })
}

fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a word or a list of words")]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    let many = match OneOrMany::deserialize(deserializer)? {
        OneOrMany::One(one) => vec![one],
        OneOrMany::Many(many) => many,
    };
    if many.is_empty() {
        return Err(serde::de::Error::custom("expected at least one word"));
    }
    Ok(many)
}
