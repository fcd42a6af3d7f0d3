//! `repository`: a signed package repository of apt or of dnf.

use serde::{Deserialize, Serialize};

use super::InvalidResource;
use super::value::{Existence, RepositoryUrl, SnippetName, SuiteName};
use crate::condition::Condition;
use crate::id::Digest;

/// A package repository, and the key that signs it. With a suite it is one for apt, without one it is one for dnf: on a device with the
/// other package manager it is Failed, unless `when` leaves such devices out.
///
/// ```yaml
/// - repository:
///     name: corp
///     url: https://packages.corp.example/debian
///     suite: bookworm
///     components: [main]
///     key_from: corp.asc
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Repository {
    /// Its name. The files of apt's are `/etc/apt/sources.list.d/muster-<name>.sources` and `/etc/apt/keyrings/muster-<name>.asc`, those of
    /// dnf's `/etc/yum.repos.d/muster-<name>.repo` and `/etc/pki/rpm-gpg/RPM-GPG-KEY-muster-<name>`.
    pub name: SnippetName,
    /// Where it is. For dnf, the folder with `repodata`; `$releasever` and `$basearch` stand for what they do there.
    pub url: RepositoryUrl,
    /// For apt: the suite, such as `stable`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suite: Option<SuiteName>,
    /// For apt: its components, such as `main`. Together with the suite, or not at all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<SuiteName>,
    /// The armored `OpenPGP` key that signs it: for apt its index, for dnf each package. In a profile's source, `key_from: FILE` names a file
    /// that `muster` puts in here.
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

    /// Where dnf finds the key.
    pub fn rpm_key_path(name: &str) -> String {
        format!("/etc/pki/rpm-gpg/RPM-GPG-KEY-muster-{name}")
    }

    /// Where dnf finds the repository.
    pub fn repo_path(name: &str) -> String {
        format!("/etc/yum.repos.d/muster-{name}.repo")
    }

    /// The repository in apt's deb822 format; `None` where it is not one for apt.
    pub fn sources(&self) -> Option<String> {
        let suite = self.suite.as_ref()?;
        let components: Vec<_> = self.components.iter().map(SuiteName::as_str).collect();
        Some(format!(
            "# Managed by Muster: repository:{name}\nTypes: deb\nURIs: {}\nSuites: {suite}\nComponents: {}\nSigned-By: {}\n",
            self.url,
            components.join(" "),
            Self::key_path(self.name.as_str()),
            name = self.name,
        ))
    }

    /// The repository as dnf reads it; `None` where it is not one for dnf. One that can't be reached keeps none of the others from being of use.
    pub fn repo(&self) -> Option<String> {
        let is_dnfs = self.suite.is_none() && self.components.is_empty();
        is_dnfs.then(|| {
            format!(
                "# Managed by Muster: repository:{name}\n[muster-{name}]\nname={name}\nbaseurl={}\nenabled=1\ngpgcheck=1\n\
                 gpgkey=file://{}\nskip_if_unavailable=1\n",
                self.url,
                Self::rpm_key_path(self.name.as_str()),
                name = self.name,
            )
        })
    }

    /// Present, with the digests of its two files.
    pub fn desired(&self) -> Condition {
        if self.state == Existence::Absent {
            return Condition::Absent;
        }
        let digest = |text: &str| serde_json::Value::from(Digest::of(text.as_bytes()).to_string());
        let key = digest(&self.key);
        match (self.sources(), self.repo()) {
            (Some(sources), _) => Condition::present([("sources", digest(&sources)), ("key", key)]),
            (None, repo) => {
                Condition::present([("repo", digest(&repo.unwrap_or_default())), ("rpm_key", key)])
            }
        }
    }

    pub(super) fn validate(&self) -> Result<(), InvalidResource> {
        if self.state == Existence::Absent {
            return Ok(());
        }
        if self.suite.is_some() && self.components.is_empty() {
            return Err(InvalidResource::new("/repository/components", "name at least one component"));
        }
        if self.suite.is_none() && !self.components.is_empty() {
            return Err(InvalidResource::new(
                "/repository/suite",
                "components are of a suite of apt: name it, or leave both out for a repository of dnf",
            ));
        }
        // What dnf takes for another address.
        if self.suite.is_none() && self.url.as_str().contains(',') {
            return Err(InvalidResource::new("/repository/url", "write %2C for a comma"));
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
