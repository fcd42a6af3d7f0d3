//! `hostname`: what the device calls itself.

use serde::{Deserialize, Serialize};

use super::InvalidResource;
use super::value::HostName;
use crate::condition::Condition;
use crate::id::Digest;
use crate::template::{self, Names};

/// The key of every `hostname`: a device has one.
pub const KEY: &str = "hostname";

/// Where the name stands.
pub const PATH: &str = "/etc/hostname";

/// The name of the device, in hostname(5) and in the running kernel. `/etc/hosts` is not touched: a `hosts_entry` for
/// `127.0.1.1` gives the name an address where nothing else does.
///
/// ```yaml
/// - hostname: { template: "{{ device.name }}" }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Hostname {
    /// The name, at most 64 bytes, which is what the kernel holds (gethostname(2)), in labels of letters, digits and `-`
    /// (RFC 1123).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<HostName>,
    /// The name in place of `name` where it is not the same everywhere, such as `{{ device.name }}`. Where what is filled in
    /// makes no host name, the resource is Blocked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
}

impl Hostname {
    /// Fills the template in.
    pub fn bind(&self, names: &Names) -> Result<Self, String> {
        let mut bound = self.clone();
        if let Some(template) = bound.template.take() {
            let filled = names.fill(&template).map_err(|error| error.to_string())?;
            let name = HostName::parse(&filled);
            bound.name = Some(name.map_err(|error| format!("{filled} is no host name: {error}"))?);
        }
        Ok(bound)
    }

    /// `/etc/hostname`, with nothing but the name: not all who read it know of comments.
    pub fn rendered(&self) -> Option<String> {
        self.name.as_ref().map(|name| format!("{name}\n"))
    }

    /// The running name and the digest of the file.
    pub fn desired(&self) -> Condition {
        let digest = self.rendered().map(|text| Digest::of(text.as_bytes()).to_string());
        Condition::present([
            ("running", self.name.as_ref().map(HostName::as_str).into()),
            ("file", digest.into()),
        ])
    }

    pub(super) fn validate(&self) -> Result<(), InvalidResource> {
        match (&self.name, &self.template) {
            (Some(_), None) => Ok(()),
            (None, Some(text)) => template::check(text)
                .map_err(|error| InvalidResource::new("/hostname/template", error.to_string())),
            (Some(_), Some(_)) | (None, None) => {
                Err(InvalidResource::new("/hostname", "give one of name and template"))
            }
        }
    }
}
