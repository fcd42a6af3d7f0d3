//! `network`: how an interface gets its addresses, for systemd-networkd or NetworkManager.

use serde::{Deserialize, Serialize};

use super::InvalidResource;
use super::value::{
    AbsolutePath, DomainName, InterfaceAddress, InterfacePattern, IpAddress, PacUrl, SnippetName,
};
use crate::condition::{Condition, NO_FILE};
use crate::id::Digest;

pub mod keyfile;
pub mod wifi;
pub mod wireguard;

use wifi::Wifi;
use wireguard::WireGuard;

/// More of anything than an interface has.
const MOST: usize = 64;

/// What stands for a private key that the device has made.
pub const KEY_MADE: &str = "made";

/// An interface, wired, of a Wi-Fi or of WireGuard, that NetworkManager or systemd-networkd sets up, by a file of Muster's own. Which of them is
/// `manager`, and it has to run. With networkd `dns` and `domains` take `systemd-resolved`. With the end of the resource the
/// interface is what their other files make of it. What a profile asks for that the one of the device can't do is Blocked: Wi-Fi
/// takes NetworkManager.
///
/// NetworkManager is told at once: a wired interface takes its addresses anew, and a Wi-Fi is joined again if the device is in it.
/// IPv6 is of the link alone there where neither `dhcp` nor an address asks for more.
///
/// A change that keeps the device from its server undoes itself: when the server is not reached over a new connection
/// within 90 s, the file from before comes back, and the device says so.
///
/// ```yaml
/// - network: { name: office, interface: en*, dhcp: true, domains: [corp.example] }
/// - network:
///     name: radio
///     manager: network_manager
///     interface: wlan0
///     dhcp: true
///     wifi:
///       ssid: Office
///       access:
///         enterprise:
///           identity: lap-ada
///           ca_file: /etc/muster/radius-ca.pem
///           domain: radius.corp.example
///           method: { tls: { certificate_file: /etc/muster/radius.pem, key_file: /etc/muster/radius.key } }
/// - network:
///     name: vpn
///     interface: wg0
///     addresses: [10.9.0.5/24]
///     wireguard:
///       peers:
///         - public_key: HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=
///           endpoint: vpn.corp.example:51820
///           allowed_ips: [10.9.0.0/24]
///           persistent_keepalive: 25
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// A name of your own. The file is `/etc/systemd/network/20-muster-<name>.network`, or
    /// `/etc/NetworkManager/system-connections/muster-<name>.nmconnection`.
    pub name: SnippetName,
    /// What sets it up; left out, it is NetworkManager where that starts at boot, else systemd-networkd.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manager: Option<Manager>,
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
    /// The script by which programs find their proxies (PAC), for whom NetworkManager tells of it: what asks pacrunner. It takes
    /// NetworkManager; a `proxy` is for all of the device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pac: Option<PacUrl>,
    /// The Wi-Fi that the interface is for; a wired one has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wifi: Option<Box<Wifi>>,
    /// The tunnel that the interface is the device's end of, and that comes and goes with this; others have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wireguard: Option<Box<WireGuard>>,
}

/// What sets up interfaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Manager {
    /// systemd-networkd.
    Networkd,
    /// NetworkManager.
    NetworkManager,
}

impl Network {
    /// Where it stands for networkd. Of the files that match an interface it takes the first.
    pub fn file(name: &str) -> String {
        format!("/etc/systemd/network/20-muster-{name}.network")
    }

    /// Where it stands for NetworkManager.
    pub fn keyfile_path(name: &str) -> String {
        format!("/etc/NetworkManager/system-connections/muster-{name}.nmconnection")
    }

    /// Puts what sets up interfaces on a device where the profile leaves that open.
    pub fn bind(&self, has_network_manager: bool) -> Self {
        let found = if has_network_manager { Manager::NetworkManager } else { Manager::Networkd };
        Self { manager: self.manager.or(Some(found)), ..self.clone() }
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
        text.push_str(&self.routes());
        text
    }

    /// The digests of the files that there are to be, that there is no other, whether there is a private key, and that all was read.
    /// A file counts without its secrets.
    pub fn desired(&self) -> Condition {
        let digest = |text: String| Digest::of(text.as_bytes()).to_string();
        let (file, keyfile) = if self.is_of_network_manager() {
            (NO_FILE.to_owned(), digest(self.keyfile()))
        } else {
            (digest(self.rendered()), NO_FILE.to_owned())
        };
        let netdev = self.netdev().map_or_else(|| NO_FILE.to_owned(), digest);
        let key = if self.wireguard.is_some() { KEY_MADE } else { NO_FILE };
        Condition::present([
            ("file", file.into()),
            ("keyfile", keyfile.into()),
            ("netdev", netdev.into()),
            ("key", key.into()),
            ("loaded", true.into()),
        ])
    }

    pub(super) fn validate(&self) -> Result<(), InvalidResource> {
        if !self.dhcp && self.addresses.is_empty() {
            return Err(InvalidResource::new("/network", "give addresses, or dhcp: true"));
        }
        if let Some(wireguard) = &self.wireguard {
            self.validate_wireguard(wireguard)?;
        }
        if let Some(wifi) = &self.wifi {
            wifi.validate()?;
            if self.manager == Some(Manager::Networkd) {
                return Err(InvalidResource::new(
                    "/network/wifi",
                    "Wi-Fi takes NetworkManager, and systemd-networkd sets up interfaces here: install and enable it, or leave this out",
                ));
            }
        }
        if self.pac.is_some() && self.manager == Some(Manager::Networkd) {
            return Err(InvalidResource::new(
                "/network/pac",
                "a script for proxies takes NetworkManager, and systemd-networkd sets up interfaces here: leave this out",
            ));
        }
        if self.is_of_network_manager() {
            self.validate_for_network_manager()?;
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

/// Whether nothing in the path of a file means anything in the files that it is named in.
fn is_plain(path: &AbsolutePath) -> bool {
    path.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-+@".contains(&byte))
}

fn not_plain(path: &AbsolutePath) -> String {
    format!("{path}: a file that a network names has only letters, digits and ._-+@ in its path")
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
