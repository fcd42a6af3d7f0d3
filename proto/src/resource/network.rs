//! `network`: how an interface gets its addresses, for systemd-networkd.

use serde::{Deserialize, Serialize};

use super::InvalidResource;
use super::value::{DomainName, InterfaceAddress, InterfacePattern, IpAddress, SnippetName};
use crate::condition::Condition;
use crate::id::Digest;

/// More of anything than an interface has.
const MOST: usize = 64;

/// A wired interface that systemd-networkd sets up, by a file of Muster's own. The device has to run `systemd-networkd`, and
/// `systemd-resolved` for `dns` and `domains` to count. With the end of the resource the interface is what the other files of
/// networkd make of it, or left to whoever else sets up networks.
///
/// A change that keeps the device from its server undoes itself: when the server is not reached over a new connection
/// within 90 s, the file from before comes back, and the device says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// A name of your own. The file is `/etc/systemd/network/20-muster-<name>.network`.
    pub name: SnippetName,
    /// The interface, such as `eth0`, or a pattern for several: `en*`.
    pub interface: InterfacePattern,
    /// Whether it asks for addresses by DHCP, of IPv4 and IPv6.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dhcp: bool,
    /// Addresses of its own, with the lengths of their prefixes: `10.0.0.5/24`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<InterfaceAddress>,
    /// Where everything goes for which there is no other way: one for each of IPv4 and IPv6.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gateways: Vec<IpAddress>,
    /// Who is asked for names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dns: Vec<IpAddress>,
    /// Domains that are tried behind names without a dot.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub domains: Vec<DomainName>,
}

impl Network {
    /// Where it stands. Of the files that match an interface networkd takes the first.
    pub fn file(name: &str) -> String {
        format!("/etc/systemd/network/20-muster-{name}.network")
    }

    /// The file as systemd.network(5) has it.
    pub fn rendered(&self) -> String {
        let mut text = format!(
            "# Managed by Muster: network:{}\n[Match]\nName={}\n\n[Network]\nDHCP={}\n",
            self.name,
            self.interface,
            if self.dhcp { "yes" } else { "no" }
        );
        let addresses = self.addresses.iter().map(|address| format!("Address={address}\n"));
        let gateways = self.gateways.iter().map(|gateway| format!("Gateway={gateway}\n"));
        let dns = self.dns.iter().map(|server| format!("DNS={server}\n"));
        let domains = self.domains.iter().map(|domain| format!("Domains={domain}\n"));
        text.extend(addresses.chain(gateways).chain(dns).chain(domains));
        text
    }

    /// The digest of the file, and that networkd has read it.
    pub fn desired(&self) -> Condition {
        let digest = Digest::of(self.rendered().as_bytes()).to_string();
        Condition::present([("file", digest.into()), ("loaded", true.into())])
    }

    pub(super) fn validate(&self) -> Result<(), InvalidResource> {
        if !self.dhcp && self.addresses.is_empty() {
            return Err(InvalidResource::new("/network", "give addresses, or dhcp: true"));
        }
        let lists = [
            ("addresses", self.addresses.len()),
            ("gateways", self.gateways.len()),
            ("dns", self.dns.len()),
            ("domains", self.domains.len()),
        ];
        match lists.into_iter().find(|(_, length)| *length > MOST) {
            Some((field, _)) => {
                Err(InvalidResource::new(format!("/network/{field}"), format!("more than {MOST}")))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_interface_is_set_up_as_networkd_reads_it() {
        let network: Network = serde_json::from_value(json!({
            "name": "lan", "interface": "en*", "addresses": ["10.0.0.5/24", "2001:DB8::5/64"], "gateways": ["10.0.0.1"],
            "dns": ["10.0.0.2"], "domains": ["corp.example"],
        }))
        .unwrap();
        network.validate().unwrap();
        assert_eq!(
            network.rendered(),
            "# Managed by Muster: network:lan\n[Match]\nName=en*\n\n[Network]\nDHCP=no\nAddress=10.0.0.5/24\n\
             Address=2001:db8::5/64\nGateway=10.0.0.1\nDNS=10.0.0.2\nDomains=corp.example\n"
        );
    }
}
