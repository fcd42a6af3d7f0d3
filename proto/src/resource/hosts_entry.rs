//! `hosts_entry`: one line of `/etc/hosts` that is Muster's; all others stay as they are.

use serde::{Deserialize, Serialize};

use super::InvalidResource;
use super::value::{DomainName, IpAddress};
use crate::condition::Condition;

/// The file that entries stand in.
pub const PATH: &str = "/etc/hosts";

/// More names than anybody reads in one line.
const MOST_NAMES: usize = 64;

/// An address with its names, in a line of hosts(5) that is marked as Muster's. It stands before the lines of others, as the
/// first that has a name counts. No line of anyone else's is touched, be it for the same address.
///
/// ```yaml
/// - hosts_entry: { address: 10.0.0.12, names: [build.corp.example, build] }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct HostsEntry {
    /// The IPv4 or IPv6 address. An address has one entry.
    pub address: IpAddress,
    /// 1 to 64 names, each at most 253 bytes (RFC 1035); the first is the canonical one.
    pub names: Vec<DomainName>,
}

impl HostsEntry {
    /// The address as it is usually written, so that one address has one name.
    pub(super) fn key(&self) -> String {
        key(self.address.as_str())
    }

    /// The line, without the mark behind it.
    pub fn line(&self) -> String {
        let names: Vec<_> = self.names.iter().map(DomainName::as_str).collect();
        format!("{} {}", self.key(), names.join(" "))
    }

    /// What stands behind an entry's line, by which it is known as Muster's.
    pub fn mark(key: &str) -> String {
        format!("# Managed by Muster: hosts_entry:{key}")
    }

    /// Present, with the line.
    pub fn desired(&self) -> Condition {
        Condition::present([("line", self.line().into())])
    }

    pub(super) fn validate(&self) -> Result<(), InvalidResource> {
        match self.names.len() {
            1..=MOST_NAMES => Ok(()),
            0 => Err(InvalidResource::new("/hosts_entry/names", "name at least one")),
            _ => Err(InvalidResource::new("/hosts_entry/names", format!("more than {MOST_NAMES} names"))),
        }
    }
}

/// The usual way to write an address; what is none stays as it is.
pub(super) fn key(address: &str) -> String {
    address.parse::<std::net::IpAddr>().map_or_else(|_| address.to_owned(), |address| address.to_string())
}
