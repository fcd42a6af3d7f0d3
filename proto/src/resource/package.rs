//! `package`: one software package of the system's own package manager.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::InvalidResource;
use super::archive::ARTIFACT;
use super::value::{Existence, HttpsUrl, PackageName, VersionConstraint};
use crate::condition::Condition;
use crate::id::Digest;

/// A package that should be installed, at any version or within a constraint, or not installed. It comes from the repositories of the
/// device, or is a `.deb`, or an `.rpm` for devices with dnf, that was put on the server by `muster artifact put` and is named by its
/// digest. Of an artifact, the digest is checked before anything reads it, the package in it has to be the one that the profile names, and
/// what it depends on comes from the repositories; it is then installed in that very version until the profile names another artifact.
/// Nothing is ever downgraded, and nothing else is removed for it. With the end of the resource a package that Muster brought goes, with
/// what came along and nothing else needs; one that was there stays in the version that it has.
///
/// ```yaml
/// - package: { name: chrony, version: ">= 4.3" }
/// - package: { name: telnet, state: absent, note: "SEC-112: no plaintext logins" }
/// - package: { name: corp-vpn, artifact: "sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae" }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// The package's name.
    pub name: PackageName,
    /// `4.3-1` for exactly that version, or `>= 4.3`. Muster never downgrades to meet it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<VersionConstraint>,
    /// Which artifact it comes from, by its digest, such as `sha256:` and 64 hex digits; `muster artifact put` prints it. Left out, it
    /// comes from the repositories of the device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "Option<String>", regex(pattern = "^sha256:[0-9a-f]{64}$"))
    )]
    pub artifact: Option<Digest>,
    /// Where the artifact is to be had when it is not to come from the server: an address that begins with `https://`, of a server that
    /// the device trusts by its own system's store and that speaks TLS 1.3. The device calls it as root, follows five redirects at most,
    /// and takes nothing but what the digest says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<HttpsUrl>,
    /// Whether it should be installed.
    #[serde(default, skip_serializing_if = "Existence::is_present")]
    pub state: Existence,
}

impl Package {
    /// Present, with the constraint as `version` and the artifact where there are such.
    pub fn desired(&self) -> Condition {
        match self.state {
            Existence::Absent => Condition::Absent,
            Existence::Present => Condition::present([
                ("version", self.version.as_ref().map_or(Value::Null, |v| v.as_str().into())),
                (ARTIFACT, self.artifact.map_or(Value::Null, |artifact| artifact.to_string().into())),
            ]),
        }
    }

    pub(super) fn validate(&self) -> Result<(), InvalidResource> {
        if self.artifact.is_some() && self.state == Existence::Absent {
            return Err(InvalidResource::new(
                "/package/artifact",
                "a package that should not be installed comes from nowhere: leave artifact out",
            ));
        }
        if self.url.is_some() && self.artifact.is_none() {
            return Err(InvalidResource::new(
                "/package/url",
                "nobody knows what is there without the digest of it: say artifact as well",
            ));
        }
        Ok(())
    }
}
