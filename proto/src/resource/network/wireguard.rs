//! The part of a `network` that is about WireGuard, as systemd.netdev(5) and nm-settings-keyfile(5) have it.

use std::collections::BTreeSet;
use std::num::NonZeroU16;

use serde::{Deserialize, Serialize};

use super::keyfile::MARK;
use super::{MOST, Manager, Network};
use crate::resource::InvalidResource;
use crate::resource::value::{AbsolutePath, Endpoint, InterfaceName, IpNetwork, WireGuardKey};

/// Most peers of one interface, each with as many networks.
const MOST_PEERS: usize = 256;

/// A tunnel by WireGuard. The device makes the private key itself, when there is none, and keeps it over every change of the peers; it
/// goes with the resource. The public key, which the other side has to be told, stands with the resource once it is Kept:
/// `muster device show`, and on the device's page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct WireGuard {
    /// The UDP port at which it listens; left out, the kernel takes one that is free. A `firewall` has to let it in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listen_port: Option<NonZeroU16>,
    /// With whom it speaks, 256 at most.
    pub peers: Vec<Peer>,
}

/// One at the other end of a tunnel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// Its public key, as `wg pubkey` prints it.
    pub public_key: WireGuardKey,
    /// The file of the device that holds the key that both share, as `wg genpsk` prints it. It is root's, and nobody else may read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preshared_key_file: Option<AbsolutePath>,
    /// Where it is found: `vpn.corp.example:51820`. Left out, it has to begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Endpoint>,
    /// What it may send from and what is sent to it: networks, 64 at most, each with one peer alone. With systemd-networkd none of them may be
    /// `0.0.0.0/0` or `::/0`.
    pub allowed_ips: Vec<IpNetwork>,
    /// Seconds after which it is sent something when there is nothing to send, so that a NAT keeps the way open: 25 does for most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistent_keepalive: Option<NonZeroU16>,
}

impl Network {
    /// Where the interface stands for networkd, with its secrets.
    pub fn netdev_path(name: &str) -> String {
        format!("/etc/systemd/network/20-muster-{name}.netdev")
    }

    /// Where the device keeps its private key of a tunnel, as a file without its secrets says it. On a device with another
    /// `state_dir` it is there by the same name.
    pub fn private_key_path(name: &str) -> String {
        format!("/var/lib/muster/wireguard-{name}.key")
    }

    /// The interface as systemd.netdev(5) has it, without its secrets; `None` where networkd makes none.
    pub fn netdev(&self) -> Option<String> {
        let wireguard = self.wireguard.as_ref().filter(|_| !self.is_of_network_manager())?;
        let mut text = format!(
            "# Managed by Muster: network:{0}\n[NetDev]\nName={1}\nKind=wireguard\n\n[WireGuard]\n{MARK}PrivateKey={2}\n",
            self.name,
            self.interface,
            Self::private_key_path(self.name.as_str())
        );
        if let Some(port) = wireguard.listen_port {
            text.push_str(&format!("ListenPort={port}\n"));
        }
        for peer in &wireguard.peers {
            text.push_str(&format!("\n[WireGuardPeer]\nPublicKey={}\n", peer.public_key));
            if let Some(file) = &peer.preshared_key_file {
                text.push_str(&format!("{MARK}PresharedKey={file}\n"));
            }
            if let Some(endpoint) = &peer.endpoint {
                text.push_str(&format!("Endpoint={endpoint}\n"));
            }
            text.extend(peer.allowed_ips.iter().map(|network| format!("AllowedIPs={}\n", network.cidr())));
            if let Some(seconds) = peer.persistent_keepalive {
                text.push_str(&format!("PersistentKeepalive={seconds}\n"));
            }
        }
        Some(text)
    }

    /// The ways to what is behind the peers: networkd makes none by itself in every version.
    pub(super) fn routes(&self) -> String {
        let peers = self.wireguard.iter().flat_map(|wireguard| &wireguard.peers);
        peers
            .flat_map(|peer| &peer.allowed_ips)
            .map(|network| format!("\n[Route]\nDestination={}\n", network.cidr()))
            .collect()
    }

    pub(super) fn validate_wireguard(&self, wireguard: &WireGuard) -> Result<(), InvalidResource> {
        let wrong =
            |field: &str, message: String| Err(InvalidResource::new(format!("/network/{field}"), message));
        if let Err(expected) = InterfaceName::parse(self.interface.as_str()) {
            return wrong("interface", format!("of WireGuard, {expected}"));
        }
        for (field, is_given) in
            [("dhcp", self.dhcp), ("gateways", !self.gateways.is_empty()), ("wifi", self.wifi.is_some())]
        {
            if is_given {
                return wrong(
                    field,
                    format!("WireGuard has no {field}: it sends each peer what is in its allowed_ips"),
                );
            }
        }
        if wireguard.peers.len() > MOST_PEERS {
            return wrong("wireguard/peers", format!("more than {MOST_PEERS}"));
        }
        let (mut keys, mut networks) = (BTreeSet::new(), BTreeSet::new());
        for (number, peer) in wireguard.peers.iter().enumerate() {
            let field = |name: &str| format!("wireguard/peers/{number}/{name}");
            if !keys.insert(peer.public_key.as_str()) {
                return wrong(&field("public_key"), "another peer has this key".to_owned());
            }
            if peer.allowed_ips.len() > MOST {
                return wrong(&field("allowed_ips"), format!("more than {MOST}"));
            }
            for network in &peer.allowed_ips {
                if !networks.insert(network.cidr()) {
                    return wrong(
                        &field("allowed_ips"),
                        format!("{network} is given twice, and the kernel leaves it to the last peer alone"),
                    );
                }
                if network.is_everything() && self.manager == Some(Manager::Networkd) {
                    return wrong(
                        &field("allowed_ips"),
                        format!(
                            "{network} takes NetworkManager: systemd-networkd would send what is for the peer itself \
                             into the tunnel; name the networks behind the peer"
                        ),
                    );
                }
            }
            if let Some(file) = peer.preshared_key_file.as_ref().filter(|file| !super::is_plain(file)) {
                return wrong(&field("preshared_key_file"), super::not_plain(file));
            }
        }
        Ok(())
    }
}

/// The sections of a keyfile of NetworkManager's, without secrets.
pub(super) fn sections(name: &str, wireguard: &WireGuard) -> String {
    let mut text = "\n[wireguard]\n".to_owned();
    if let Some(port) = wireguard.listen_port {
        text.push_str(&format!("listen-port={port}\n"));
    }
    text.push_str(&format!("{MARK}private-key={}\n", Network::private_key_path(name)));
    for peer in &wireguard.peers {
        text.push_str(&format!("\n[wireguard-peer.{}]\n", peer.public_key));
        if let Some(endpoint) = &peer.endpoint {
            text.push_str(&format!("endpoint={endpoint}\n"));
        }
        if let Some(file) = &peer.preshared_key_file {
            text.push_str(&format!("{MARK}preshared-key={file}\npreshared-key-flags=0\n"));
        }
        if let Some(seconds) = peer.persistent_keepalive {
            text.push_str(&format!("persistent-keepalive={seconds}\n"));
        }
        if !peer.allowed_ips.is_empty() {
            let networks: String =
                peer.allowed_ips.iter().map(|network| format!("{};", network.cidr())).collect();
            text.push_str(&format!("allowed-ips={networks}\n"));
        }
    }
    text
}

#[cfg(test)]
mod tests;
