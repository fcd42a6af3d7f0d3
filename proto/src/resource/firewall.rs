//! `firewall`: who may reach this device, and whom it may reach, in a table of nftables that is Muster's own.

use serde::{Deserialize, Serialize};

use super::InvalidResource;
use super::value::{InterfaceName, IpNetwork, Ports};
use crate::condition::Condition;
use crate::id::Digest;

/// A device has one.
pub const KEY: &str = "incoming";

/// Where the table is kept for the next boot; `muster-firewall.service` loads it before the network comes up.
pub const PATH: &str = "/etc/muster/firewall.nft";

/// What is there when Muster has no table.
const NO_TABLE: &str = "table inet muster\ndelete table inet muster\n";

/// ICMP, of IPv4 and of IPv6, by its numbers: a small system lacks `/etc/protocols`, which has their names.
const ICMP: &str = "1, 58";

/// More rules than anybody reads.
const MOST_RULES: usize = 256;

/// Keeps others from reaching the device, but for what is allowed, and where that is said the device from reaching others.
/// Answers, the device's own loopback, ICMP, and what addresses are given out by (DHCP, router advertisements) always come
/// through; what the device forwards is not touched. Other tables of nftables stay as they are, and what they drop stays
/// dropped.
///
/// A change that keeps the device from its server undoes itself: when the server is not reached over a new connection
/// within 90 s, the table from before comes back, and the device says so.
///
/// ```yaml
/// - firewall:
///     allow:
///       - { port: 22, from: [10.0.0.0/8] }
///       - { port: 443 }
///       - { port: "60000-61000", protocol: udp, interface: eth0 }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Firewall {
    /// What may come in. An empty list lets nobody in.
    pub allow: Vec<Allow>,
    /// What the device itself may begin; names have to be resolved for most of it, by `port: 53`. Without it everything may,
    /// and with an empty list nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send: Option<Vec<Outgoing>>,
}

/// One thing that may come in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Allow {
    /// The port that is reached, as a number, or the first and last of several: `"60000-61000"`.
    pub port: Ports,
    /// Over which protocol.
    #[serde(default, skip_serializing_if = "Protocol::is_tcp")]
    pub protocol: Protocol,
    /// From which addresses or networks, such as `10.0.0.0/8`; without it from everywhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<IpNetwork>,
    /// Over which network interface; without it over any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<InterfaceName>,
}

/// One thing that the device may begin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Outgoing {
    /// The port of the others, as a number, or the first and last of several: `"60000-61000"`.
    pub port: Ports,
    /// Over which protocol.
    #[serde(default, skip_serializing_if = "Protocol::is_tcp")]
    pub protocol: Protocol,
    /// To which addresses or networks, such as `10.0.0.0/8`; without it to everywhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<IpNetwork>,
}

/// What a port belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
}

impl Protocol {
    fn is_tcp(&self) -> bool {
        *self == Self::Tcp
    }

    fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

impl Allow {
    fn rules(&self) -> String {
        let over = self.interface.as_ref().map(|name| format!("iifname \"{name}\" ")).unwrap_or_default();
        rules(&over, "saddr", &self.from, self.protocol, self.port)
    }
}

impl Outgoing {
    fn rules(&self) -> String {
        rules("", "daddr", &self.to, self.protocol, self.port)
    }
}

/// The rules for a port, one for each network. So nothing in them is a set, which each version of nft prints its own way.
fn rules(over: &str, whose: &str, networks: &[IpNetwork], protocol: Protocol, port: Ports) -> String {
    let what = format!("{} dport {port} accept\n", protocol.name());
    if networks.is_empty() {
        return format!("\t\t{over}{what}");
    }
    let rule = |network: &IpNetwork| format!("\t\t{over}{} {whose} {network} {what}", network.family());
    networks.iter().map(rule).collect()
}

impl Firewall {
    /// The file as nft(8) reads it. It replaces the table in one step, whether or not there is one.
    pub fn rendered(&self) -> String {
        let incoming: String = self.allow.iter().map(Allow::rules).collect();
        let outgoing = self.send.as_ref().map(|send| {
            let rules: String = send.iter().map(Outgoing::rules).collect();
            format!(
                "\tchain output {{\n\
                 \t\ttype filter hook output priority filter; policy drop;\n\
                 \t\toif \"lo\" accept\n\
                 \t\tct state established,related accept\n\
                 \t\tmeta l4proto {{ {ICMP} }} accept\n\
                 \t\tudp sport 68 udp dport 67 accept\n\
                 \t\tudp sport 546 udp dport 547 accept\n{rules}\t}}\n"
            )
        });
        let outgoing = outgoing.unwrap_or_default();
        format!(
            "# Managed by Muster: firewall:{KEY}\n{NO_TABLE}table inet muster {{\n\tchain input {{\n\
             \t\ttype filter hook input priority filter; policy drop;\n\
             \t\tiif \"lo\" accept\n\
             \t\tct state established,related accept\n\
             \t\tmeta l4proto {{ {ICMP} }} accept\n\
             \t\tudp sport 67 udp dport 68 accept\n\
             \t\tip6 saddr fe80::/10 udp sport 547 udp dport 546 accept\n{incoming}\t}}\n{outgoing}}}\n"
        )
    }

    /// What has nft take the table away.
    pub fn none() -> &'static str {
        NO_TABLE
    }

    /// The digest of the file, and that of the file whose table is in the kernel.
    pub fn desired(&self) -> Condition {
        let digest = Digest::of(self.rendered().as_bytes()).to_string();
        Condition::present([("file", digest.clone().into()), ("table", digest.into())])
    }

    pub(super) fn validate(&self) -> Result<(), InvalidResource> {
        let incoming = self.allow.iter().map(|allow| allow.from.len().max(1));
        let outgoing = self.send.iter().flatten().map(|send| send.to.len().max(1));
        if incoming.chain(outgoing).sum::<usize>() > MOST_RULES {
            let message = format!("more than {MOST_RULES} rules; each network counts as one");
            return Err(InvalidResource::new("/firewall/allow", message));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_network_has_a_rule_of_its_own_family() {
        let firewall: Firewall = serde_json::from_value(json!({"allow": [
            {"port": 22, "from": ["10.0.0.0/8", "2001:DB8::/32"]},
            {"port": "60000-61000", "protocol": "udp", "interface": "wg0"},
        ]}))
        .unwrap();
        let rendered = firewall.rendered();
        assert!(rendered.ends_with(
            "\t\tip saddr 10.0.0.0/8 tcp dport 22 accept\n\t\tip6 saddr 2001:db8::/32 tcp dport 22 accept\n\
             \t\tiifname \"wg0\" udp dport 60000-61000 accept\n\t}\n}\n"
        ));
        assert!(!rendered.contains("output"), "what is sent is not touched");
        let silent: Firewall = serde_json::from_value(json!({"allow": [], "send": []})).unwrap();
        assert!(silent.rendered().contains("hook output priority filter; policy drop;"));
    }
}
