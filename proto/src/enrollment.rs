//! What travels with an enrollment: claims of the device, and the join file that an admin puts on it.

use serde::{Deserialize, Serialize};

/// What a machine says of itself before it is enrolled. Claims, never proofs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EnrollmentClaims {
    /// Serial from the firmware, or as told in agent.toml.
    pub serial: String,
    /// SMBIOS UUID, when the firmware has one.
    pub hardware_uuid: String,
    /// The host's own name.
    pub hostname: String,
    /// Maker and model.
    pub model: String,
    /// The agent's version.
    pub agent_version: String,
}

/// `/etc/muster/join.toml`: how a device finds its server, knows it, and is let in. Removed after use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JoinFile {
    /// Host and port of the server's device listener, such as `muster.corp.example:8440`.
    pub server: String,
    /// `sha256:` digests of root certificates (DER) that the server may show; several while one is being replaced.
    pub trust: Vec<crate::Digest>,
    /// The name under which device certificates are issued, such as `corp.example`.
    pub trust_domain: String,
    /// The secret that lets this device enroll.
    pub token: String,
}
