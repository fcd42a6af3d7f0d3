//! Values that say who may reach a device: networks, ports, interfaces.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{DomainName, InvalidValue, word};
use crate::text::one_line;

checked_string!(
    /// The name of a network interface, as the kernel takes it, at most 15 bytes.
    InterfaceName,
    "a network interface: 1 to 15 of letters, digits, ., _ and -, beginning with a letter or digit",
    "^[A-Za-z0-9][A-Za-z0-9._-]{0,14}$",
    |text| word(text, 15, |b| b.is_ascii_alphanumeric(), |b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
);

checked_string!(
    /// A keyword of `sshd_config(5)`.
    SshKeyword,
    "a keyword of sshd_config: 1 to 63 letters and digits, beginning with a letter",
    "^[A-Za-z][A-Za-z0-9]{0,62}$",
    |text| word(text, 63, |b| b.is_ascii_alphabetic(), |b| b.is_ascii_alphanumeric())
);

checked_string!(
    /// A network interface, or a pattern for several as in a shell: `en*`.
    InterfacePattern,
    "a network interface or a pattern for several, such as eth0 or en*: 1 to 32 of letters, digits, ., _, - and *",
    "^[A-Za-z0-9*][A-Za-z0-9._*-]{0,31}$",
    |text| word(text, 32, |b| b.is_ascii_alphanumeric() || b == b'*', |b| b.is_ascii_alphanumeric()
        || b"._*-".contains(&b))
);

checked_string!(
    /// The name of a Wi-Fi: 1 to 32 bytes of text in one line.
    Ssid,
    "the name of a Wi-Fi: 1 to 32 bytes in one line",
    r"^[^\x00-\x1f]{1,32}$",
    |text| (1..=32).contains(&text.len()) && one_line(text)
);

checked_string!(
    /// Who a device is to a server of 802.1X: 1 to 255 bytes of text in one line.
    RadioIdentity,
    "an identity: 1 to 255 bytes in one line",
    r"^[^\x00-\x1f]{1,255}$",
    |text| (1..=255).contains(&text.len()) && one_line(text)
);

checked_string!(
    /// A key of WireGuard's: 32 bytes in base64, not all of them 0.
    WireGuardKey,
    "a key of WireGuard's as `wg pubkey` prints it: 44 characters of base64, for 32 bytes that are not all 0",
    "^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$",
    |text| {
        let bytes = data_encoding::BASE64.decode(text.as_bytes());
        bytes.is_ok_and(|bytes| bytes.len() == 32 && bytes.iter().any(|byte| *byte != 0))
    }
);

checked_string!(
    /// Where something is reached: a name or an address, and a port from 1 to 65,535. An IPv6 address stands in brackets.
    Endpoint,
    "a host and a port, such as vpn.corp.example:51820, 192.0.2.1:51820 or [2001:db8::1]:51820",
    r"^([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]):[1-9][0-9]{0,4}$",
    |text| {
        let Some((host, port)) = text.rsplit_once(':') else { return false };
        let is_port = port.bytes().all(|b| b.is_ascii_digit()) && !port.starts_with('0');
        let is_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => DomainName::parse(host).is_ok() || host.parse::<std::net::Ipv4Addr>().is_ok(),
        };
        is_port && port.parse::<u16>().is_ok() && is_host
    }
);

checked_string!(
    /// The URL of a proxy: http or https, a host and a port from 1 to 65,535.
    ProxyUrl,
    "the URL of a proxy with its port and nothing behind it, such as http://proxy.corp.example:3128, and without a user name or password, \
     which every account of a device could read",
    r"^https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]):[1-9][0-9]{0,4}$",
    |text| {
        let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
        host.is_some_and(|host| Endpoint::parse(host).is_ok())
    }
);

checked_string!(
    /// What is reached without a proxy.
    NoProxy,
    "a name, a domain as .corp.example, an address, or a network with no bit set behind the prefix",
    "^[A-Za-z0-9.:/-]+$",
    |text| DomainName::parse(text.strip_prefix('.').unwrap_or(text)).is_ok() || IpNetwork::parse(text).is_ok()
);

checked_string!(
    /// Where a script for proxies (PAC) is fetched.
    PacUrl,
    "a URL that begins with https://, of at most 2048 letters, digits and ._~:/?&=%+,- without a user name",
    r"^https://[A-Za-z0-9._~:/?&=%+,-]+$",
    |text| text.len() <= 2048
        && text.strip_prefix("https://").is_some_and(|rest| {
            rest.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
                && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"._~:/?&=%+,-".contains(&b))
        })
);

/// An address of an interface, with the length of its network's prefix: `10.0.0.5/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterfaceAddress {
    address: IpAddr,
    prefix: u8,
}

impl InterfaceAddress {
    /// Checks `text`; the error says what was expected.
    pub fn parse(text: &str) -> Result<Self, InvalidValue> {
        const EXPECTED: InvalidValue =
            InvalidValue("an address with the length of its prefix, such as 10.0.0.5/24 or 2001:db8::5/64");
        let (address, prefix) = text.split_once('/').ok_or(EXPECTED)?;
        let address: IpAddr = address.parse().map_err(|_| EXPECTED)?;
        let prefix = prefix_length(prefix, &address).ok_or(EXPECTED)?;
        Ok(Self { address, prefix })
    }

    /// The address alone.
    pub fn address(&self) -> IpAddr {
        self.address
    }
}

impl fmt::Display for InterfaceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl Serialize for InterfaceAddress {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for InterfaceAddress {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for InterfaceAddress {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "InterfaceAddress".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "pattern": "^[0-9A-Fa-f:.]+/[0-9]{1,3}$"})
    }
}

/// The length of a prefix, as digits without a sign or a leading zero that its family has room for.
fn prefix_length(text: &str, address: &IpAddr) -> Option<u8> {
    let digits = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    let width = if address.is_ipv4() { 32 } else { 128 };
    text.parse().ok().filter(|length| digits && *length <= width)
}

/// An IPv4 or IPv6 address, or a network of them with the length of its prefix: `10.0.0.5`, `10.0.0.0/8`, `2001:db8::/32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpNetwork {
    address: IpAddr,
    /// `None` for a single address.
    prefix: Option<u8>,
}

impl IpNetwork {
    /// Checks `text`; the error says what was expected.
    pub fn parse(text: &str) -> Result<Self, InvalidValue> {
        const EXPECTED: InvalidValue = InvalidValue(
            "an address or a network, such as 10.0.0.5, 10.0.0.0/8 or 2001:db8::/32, with no bit set behind the prefix",
        );
        let (address, prefix) = match text.split_once('/') {
            None => (text, None),
            Some((address, prefix)) => (address, Some(prefix)),
        };
        let address: IpAddr = address.parse().map_err(|_| EXPECTED)?;
        let Some(prefix) = prefix else { return Ok(Self { address, prefix: None }) };
        let length = prefix_length(prefix, &address).ok_or(EXPECTED)?;
        let bits = match address {
            IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
            IpAddr::V6(address) => address.to_bits(),
        };
        if bits.checked_shl(u32::from(length)).unwrap_or(0) != 0 {
            return Err(EXPECTED);
        }
        Ok(Self { address, prefix: Some(length) })
    }

    /// The family by which nft(8) and its kin call it: `ip` or `ip6`.
    pub fn family(&self) -> &'static str {
        if self.address.is_ipv4() { "ip" } else { "ip6" }
    }

    /// The network with the length of its prefix, also where it is a single address: `10.0.0.5/32`.
    pub fn cidr(&self) -> String {
        let width = if self.address.is_ipv4() { 32 } else { 128 };
        format!("{}/{}", self.address, self.prefix.unwrap_or(width))
    }

    /// Whether it is every address of its family.
    pub fn is_everything(&self) -> bool {
        self.prefix == Some(0)
    }
}

impl fmt::Display for IpNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.prefix {
            None => write!(f, "{}", self.address),
            Some(prefix) => write!(f, "{}/{prefix}", self.address),
        }
    }
}

impl Serialize for IpNetwork {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for IpNetwork {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for IpNetwork {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "IpNetwork".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "pattern": "^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$"})
    }
}

/// A port from 1 to 65,535, written as a number, or the first and the last of several: `"60000-61000"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    first: u16,
    last: u16,
}

/// What a port is read from.
const PORT: &str = "a port from 1 to 65535, or the first and last of several, such as \"60000-61000\"";

impl Ports {
    /// Checks `text`; the error says what was expected.
    pub fn parse(text: &str) -> Result<Self, InvalidValue> {
        let port = |text: &str| {
            let digits = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
            text.parse().ok().filter(|_| digits).ok_or(InvalidValue(PORT))
        };
        let (first, last) = match text.split_once('-') {
            None => (port(text)?, port(text)?),
            Some((first, last)) => (port(first)?, port(last)?),
        };
        if first > last || (first == last && text.contains('-')) {
            return Err(InvalidValue(PORT));
        }
        Ok(Self { first, last })
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}

impl Serialize for Ports {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.first == self.last {
            serializer.serialize_u16(self.first)
        } else {
            serializer.collect_str(self)
        }
    }
}

impl<'de> Deserialize<'de> for Ports {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrNumber;
        impl serde::de::Visitor<'_> for TextOrNumber {
            type Value = Ports;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(PORT)
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Ports, E> {
                Ports::parse(text).map_err(E::custom)
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Ports, E> {
                Ports::parse(&number.to_string()).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(TextOrNumber)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Ports {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Ports".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"anyOf": [
            {"type": "integer", "minimum": 1, "maximum": 65535},
            {"type": "string", "pattern": "^[1-9][0-9]{0,4}(-[1-9][0-9]{0,4})?$"}
        ]})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_ports_and_names_hold_nothing_that_another_rule_could_begin_with() {
        for network in ["10.0.0.0/8", "10.0.0.5", "0.0.0.0/0", "2001:db8::/32", "::/0", "::1/128"] {
            assert_eq!(IpNetwork::parse(network).unwrap().to_string(), network);
        }
        for network in [
            "",
            "10.0.0.1/8",
            "10.0.0.0/33",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "2001:db8::1/32",
            "::/129",
            "fe80::1%eth0",
            "lan",
            "10.0.0.0/8 accept",
            "10.0.0.0/8\naccept",
            "10.0.0.0/08 ",
            "-1",
        ] {
            assert!(IpNetwork::parse(network).is_err(), "{network:?}");
        }
        assert_eq!(InterfaceAddress::parse("10.0.0.5/24").unwrap().to_string(), "10.0.0.5/24");
        for address in [
            "",
            "10.0.0.5",
            "10.0.0.5/33",
            "10.0.0.5/024",
            "::1/129",
            "10.0.0.5/24\nDHCP=yes",
            "fe80::1%eth0/64",
        ] {
            assert!(InterfaceAddress::parse(address).is_err(), "{address:?}");
        }
        for pattern in ["", "-x", "en*\nMACAddress=x", "a b", "!en*", "en[0]"] {
            assert!(InterfacePattern::parse(pattern).is_err(), "{pattern:?}");
        }
        assert_eq!(Ports::parse("60000-61000").unwrap().to_string(), "60000-61000");
        assert_eq!(Ports::parse("22").unwrap().to_string(), "22");
        for ports in [
            "",
            "0",
            "65536",
            "22-",
            "-22",
            "61000-60000",
            "22-22",
            "+22",
            "022",
            "22 accept",
            "ssh",
            "1-2-3",
        ] {
            assert!(Ports::parse(ports).is_err(), "{ports:?}");
        }
        for name in ["", "-i", "eth0\" accept", "a/b", "a b", "wg0\n", "0123456789abcdef"] {
            assert!(InterfaceName::parse(name).is_err(), "{name:?}");
        }
        for endpoint in ["vpn.corp.example:51820", "192.0.2.1:1", "[2001:db8::1]:65535"] {
            assert_eq!(Endpoint::parse(endpoint).unwrap().as_str(), endpoint);
        }
        for endpoint in [
            "",
            "vpn.corp.example",
            "vpn.corp.example:0",
            "vpn:65536",
            "vpn:+1",
            "vpn:051820",
            ":51820",
            "2001:db8::1:51820",
            "[fe80::1%eth0]:51820",
            "[vpn]:51820",
            "[2001:db8::1]",
            "a b:1",
            "vpn\n[Peer]:1",
            "vpn:1\nPrivateKey=x",
        ] {
            assert!(Endpoint::parse(endpoint).is_err(), "{endpoint:?}");
        }
        let key = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=";
        assert_eq!(WireGuardKey::parse(key).unwrap().as_str(), key);
        for key in [
            "",
            "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg",
            // Bits behind the last byte, one byte too many, another alphabet, and what no key is.
            "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dh=",
            "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg4",
            "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp-Dg=",
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=\n",
        ] {
            assert!(WireGuardKey::parse(key).is_err(), "{key:?}");
        }
        for keyword in ["", "Port 22\nPermitRootLogin", "#Port", "Port=", "1Port"] {
            assert!(SshKeyword::parse(keyword).is_err(), "{keyword:?}");
        }
    }
}
