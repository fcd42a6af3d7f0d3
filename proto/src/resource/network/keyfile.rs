//! A network as NetworkManager keeps it: nm-settings-keyfile(5).
//!
//! A secret comes from a file of the device, so that a profile has only its path. The text without secrets, which is what
//! plans show and what is compared, names that file in a comment; what is written has the secret in the line after it. So it is with
//! the tunnels of networkd, whose files have the same form.

use std::net::IpAddr;

use super::wifi::{Access, Method, Wifi};
use super::{Manager, Network, wireguard};
use crate::id::Digest;
use crate::resource::InvalidResource;

/// Begins the comment that says from which file the value of the next line comes: `#muster-secret psk=/etc/wifi.psk`.
pub(super) const MARK: &str = "#muster-secret ";

/// Keys whose values are secrets. As `private-key` 802.1X has the path of a file.
const SECRETS: [&str; 14] = [
    "psk",
    "password",
    "password-raw",
    "private-key-password",
    "phase2-private-key-password",
    "leap-password",
    "wep-key0",
    "wep-key1",
    "wep-key2",
    "wep-key3",
    "pin",
    "preshared-key",
    "PrivateKey",
    "PresharedKey",
];

/// How sections begin in which any key may be of a secret, but for those that Muster writes.
const SECRET_SECTIONS: [&str; 2] = ["[vpn-secrets]", "[wireguard"];
/// What Muster writes in them that is no secret.
const HARMLESS: [&str; 5] =
    ["listen-port", "endpoint", "preshared-key-flags", "persistent-keepalive", "allowed-ips"];

/// A keyfile as it is on a device, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub struct Unfilled {
    /// The text without the secrets whose files it names.
    pub template: String,
    /// For each of these the path of its file, and the value as it is written, empty where there is none.
    pub secrets: Vec<(String, String)>,
    /// Whether it holds secrets of which it does not say where they come from: Muster did not write it so.
    pub is_strange: bool,
}

/// Puts secrets into a text; `secret` gives what a file holds, and its error is passed on.
pub fn fill<E>(template: &str, mut secret: impl FnMut(&str) -> Result<String, E>) -> Result<String, E> {
    let mut text = String::with_capacity(template.len());
    for line in template.split_inclusive('\n') {
        text.push_str(line);
        if let Some((key, path)) = marked(line) {
            text.push_str(&format!("{key}={}\n", escaped(&secret(path)?)));
        }
    }
    Ok(text)
}

/// Takes the secrets out again: the other way round from [`fill`].
pub fn unfill(text: &str) -> Unfilled {
    let mut unfilled =
        Unfilled { template: String::with_capacity(text.len()), secrets: vec![], is_strange: false };
    let mut awaited: Option<&str> = None;
    let mut is_secret = false;
    for line in text.split_inclusive('\n') {
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        if key.trim_start().starts_with('[') {
            is_secret = SECRET_SECTIONS.iter().any(|section| key.trim_start().starts_with(section));
        }
        if awaited.take() == Some(key) {
            if let Some((_, found)) = unfilled.secrets.last_mut() {
                value.trim_end_matches('\n').clone_into(found);
            }
            continue;
        }
        if let Some((key, path)) = marked(line) {
            awaited = Some(key);
            unfilled.secrets.push((path.to_owned(), String::new()));
        } else if SECRETS.contains(&key.trim())
            || (is_secret && line.contains('=') && !key.starts_with('[') && !HARMLESS.contains(&key))
        {
            unfilled.is_strange = true;
        }
        unfilled.template.push_str(line);
    }
    unfilled
}

fn marked(line: &str) -> Option<(&str, &str)> {
    line.strip_prefix(MARK)?.trim_end_matches('\n').split_once('=')
}

/// A value as `GKeyFile` reads it back: neither a blank at an end nor a backslash is lost, and nothing begins another line.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' => escaped.push_str("\\\\"),
            ' ' => escaped.push_str("\\s"),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// The UUID by which NetworkManager knows the network of this name: the same at every writing.
pub fn uuid(name: &str) -> String {
    let digest = Digest::of(format!("muster network {name}").as_bytes()).to_string();
    let hex = digest.rsplit(':').next().unwrap_or_default();
    // Version 8 and variant 2 of RFC 9562, which leave the other bits to whoever makes it.
    format!("{}-{}-8{}-8{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..32])
}

impl Network {
    /// The keyfile without secrets.
    pub fn keyfile(&self) -> String {
        let kind = match (&self.wireguard, &self.wifi) {
            (Some(_), _) => "wireguard",
            (None, Some(_)) => "wifi",
            (None, None) => "ethernet",
        };
        let mut text = format!(
            "# Managed by Muster: network:{0}\n[connection]\nid=muster-{0}\nuuid={1}\ntype={kind}\n",
            self.name,
            uuid(self.name.as_str())
        );
        let interface = self.interface.as_str();
        if kind == "ethernet" {
            // Before the profiles that NetworkManager makes by itself, and those of users.
            text.push_str("autoconnect-priority=10\n");
        }
        if interface.contains('*') {
            text.push_str(&format!("multi-connect=3\n\n[match]\ninterface-name={interface};\n"));
        } else {
            text.push_str(&format!("interface-name={interface}\n"));
        }
        if let Some(wifi) = &self.wifi {
            text.push_str(&of_wifi(wifi));
        }
        if let Some(wireguard) = &self.wireguard {
            text.push_str(&wireguard::sections(self.name.as_str(), wireguard));
        }
        if let Some(pac) = &self.pac {
            // 1 is by a script.
            text.push_str(&format!("\n[proxy]\nmethod=1\npac-url={pac}\n"));
        }
        // A tunnel has no address of its link to make one from.
        let without_v6 = if self.wireguard.is_some() { "disabled" } else { "link-local" };
        let searched_by_v4 = self.family_is_set(IpAddr::is_ipv4);
        text.push_str(&self.family("ipv4", "disabled", IpAddr::is_ipv4, searched_by_v4));
        text.push_str(&self.family("ipv6", without_v6, IpAddr::is_ipv6, !searched_by_v4));
        text
    }

    fn family_is_set(&self, is: fn(&IpAddr) -> bool) -> bool {
        self.dhcp || self.addresses.iter().any(|address| is(&address.address()))
    }

    fn family(&self, section: &str, without: &str, is: fn(&IpAddr) -> bool, searches: bool) -> String {
        let of = |text: &str| text.parse().is_ok_and(|address| is(&address));
        let addresses: Vec<_> = self.addresses.iter().filter(|address| is(&address.address())).collect();
        let method = match (self.dhcp, addresses.is_empty()) {
            (true, _) => "auto",
            (false, false) => "manual",
            (false, true) => without,
        };
        let mut text = format!("\n[{section}]\nmethod={method}\n");
        for (number, address) in addresses.iter().enumerate() {
            text.push_str(&format!("address{}={address}\n", number + 1));
        }
        let gateways = self.gateways.iter().filter(|gateway| of(gateway.as_str()));
        text.extend(gateways.map(|gateway| format!("gateway={gateway}\n")));
        let dns: String =
            self.dns.iter().filter(|server| of(server.as_str())).map(|server| format!("{server};")).collect();
        if !dns.is_empty() {
            text.push_str(&format!("dns={dns}\n"));
        }
        if searches && !self.domains.is_empty() {
            let domains: String = self.domains.iter().map(|domain| format!("{domain};")).collect();
            text.push_str(&format!("dns-search={domains}\n"));
        }
        text
    }

    /// What networkd can be told and NetworkManager can't.
    pub(super) fn validate_for_network_manager(&self) -> Result<(), InvalidResource> {
        let wrong =
            |field: &str, message: &str| Err(InvalidResource::new(format!("/network/{field}"), message));
        for is in [IpAddr::is_ipv4 as fn(&IpAddr) -> bool, IpAddr::is_ipv6] {
            let of = |text: &str| text.parse().is_ok_and(|address| is(&address));
            let gateways = self.gateways.iter().filter(|gateway| of(gateway.as_str())).count();
            let has_address = self.addresses.iter().any(|address| is(&address.address()));
            if gateways > 1 {
                return wrong("gateways", "NetworkManager takes one gateway for each of IPv4 and IPv6");
            }
            if gateways == 1 && !has_address {
                return wrong(
                    "gateways",
                    "NetworkManager takes a gateway with an address of the same family",
                );
            }
            if !self.family_is_set(is) && self.dns.iter().any(|server| of(server.as_str())) {
                return wrong(
                    "dns",
                    "NetworkManager takes a name server with dhcp or an address of the same family",
                );
            }
        }
        Ok(())
    }

    /// Whether NetworkManager sets it up, as far as that is known.
    pub fn is_of_network_manager(&self) -> bool {
        self.manager == Some(Manager::NetworkManager)
    }
}

fn of_wifi(wifi: &Wifi) -> String {
    // As numbers of bytes, in which nothing means anything else.
    let ssid: String = wifi.ssid.as_str().bytes().map(|byte| format!("{byte};")).collect();
    let mut text = format!("\n[wifi]\nmode=infrastructure\nssid={ssid}\n");
    if wifi.hidden {
        text.push_str("hidden=true\n");
    }
    match &wifi.access {
        Access::Open => {}
        Access::Psk { psk_file } => {
            text.push_str(&format!("\n[wifi-security]\nkey-mgmt=wpa-psk\n{MARK}psk={psk_file}\n"));
        }
        Access::Enterprise(enterprise) => {
            text.push_str("\n[wifi-security]\nkey-mgmt=wpa-eap\n\n[802-1x]\n");
            let eap = match enterprise.method {
                Method::Tls { .. } => "tls",
                Method::Peap { .. } => "peap",
                Method::Ttls { .. } => "ttls",
            };
            text.push_str(&format!(
                "eap={eap};\nidentity={}\nca-cert={}\ndomain-match={}\n",
                escaped(enterprise.identity.as_str()),
                enterprise.ca_file,
                enterprise.domain
            ));
            if let Some(anonymous) = &enterprise.anonymous_identity {
                text.push_str(&format!("anonymous-identity={}\n", escaped(anonymous.as_str())));
            }
            match &enterprise.method {
                Method::Tls { certificate_file, key_file } => text.push_str(&format!(
                    "client-cert={certificate_file}\nprivate-key={key_file}\nprivate-key-password-flags=4\n"
                )),
                Method::Peap { password_file } | Method::Ttls { password_file } => {
                    text.push_str(&format!("phase2-auth=mschapv2\n{MARK}password={password_file}\n"));
                }
            }
        }
    }
    text
}

#[cfg(test)]
mod tests;
