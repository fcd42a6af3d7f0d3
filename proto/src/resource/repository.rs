//! `repository`: a signed package repository of apt.

use serde::{Deserialize, Serialize};

use super::InvalidResource;
use super::value::{Existence, RepositoryUrl, SnippetName, SuiteName};
use crate::condition::Condition;
use crate::id::Digest;

/// A package repository, and the key that signs it and nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Repository {
    /// Its name; the files are `/etc/apt/sources.list.d/muster-<name>.sources` and `/etc/apt/keyrings/muster-<name>.asc`.
    pub name: SnippetName,
    /// Where it is.
    pub url: RepositoryUrl,
    /// The suite, such as `stable`.
    pub suite: SuiteName,
    /// Its components, such as `main`.
    pub components: Vec<SuiteName>,
    /// The armored `OpenPGP` key that signs it. In a profile's source, `key_from: FILE` names a file that `muster`
    /// puts in here.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// Whether it should be there.
    #[serde(default, skip_serializing_if = "Existence::is_present")]
    pub state: Existence,
}

impl Repository {
    /// Where apt finds the key.
    pub fn key_path(name: &str) -> String {
        format!("/etc/apt/keyrings/muster-{name}.asc")
    }

    /// Where apt finds the repository.
    pub fn sources_path(name: &str) -> String {
        format!("/etc/apt/sources.list.d/muster-{name}.sources")
    }

    /// The repository in apt's deb822 format.
    pub fn sources(&self) -> String {
        let components: Vec<_> = self.components.iter().map(SuiteName::as_str).collect();
        format!(
            "# Managed by Muster: repository:{name}\nTypes: deb\nURIs: {}\nSuites: {}\nComponents: {}\nSigned-By: {}\n",
            self.url,
            self.suite,
            components.join(" "),
            Self::key_path(self.name.as_str()),
            name = self.name,
        )
    }

    /// Present, with the digests of its two files.
    pub fn desired(&self) -> Condition {
        match self.state {
            Existence::Absent => Condition::Absent,
            Existence::Present => Condition::present([
                ("sources", Digest::of(self.sources().as_bytes()).to_string().into()),
                ("key", Digest::of(self.key.as_bytes()).to_string().into()),
            ]),
        }
    }

    pub(super) fn validate(&self) -> Result<(), InvalidResource> {
        if self.state == Existence::Absent {
            return Ok(());
        }
        if self.components.is_empty() {
            return Err(InvalidResource::new("/repository/components", "name at least one component"));
        }
        if self.key.contains("PRIVATE KEY") {
            return Err(InvalidResource::new(
                "/repository/key",
                "this is a private key: give the public one",
            ));
        }
        let armored = self.key.trim_start().starts_with("-----BEGIN PGP PUBLIC KEY BLOCK-----");
        if !armored || self.key.contains('\0') {
            return Err(InvalidResource::new(
                "/repository/key",
                "give the armored public key that signs the repository, or key_from: FILE",
            ));
        }
        Ok(())
    }
}
