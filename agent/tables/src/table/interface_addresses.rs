//! `interface_addresses`: the addresses of the network interfaces, asked of the kernel over netlink.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with};

use crate::column::{Request, Rows, Unreadable, columns, rows, text};
use crate::table::Table;

pub(crate) const TABLE: Table = Table {
    name: "interface_addresses",
    description: "Addresses of the network interfaces.",
    columns: Row::COLUMNS,
    rows: make,
};

columns! {
    struct Row {
        interface: String = Text Plain, "Interface name";
        address: String = Text Plain, "Specific address for interface";
        mask: String = Text Plain, "Interface netmask";
        broadcast: String = Text Plain, "Broadcast address for the interface";
        point_to_point: String = Text Plain, "Point-to-point address for the interface";
        r#type: String = Text Plain, "Type of address: unknown, as the kernel does not record it";
    }
}

// The kernel's numbers, from linux/netlink.h, rtnetlink.h and if_addr.h.
const DONE: u16 = 3;
const ERROR: u16 = 2;
const NEW_LINK: u16 = 16;
const GET_LINK: u16 = 18;
const NEW_ADDRESS: u16 = 20;
const GET_ADDRESS: u16 = 22;
const REQUEST_DUMP: u16 = 0x301;
const LINK_NAME: u16 = 3;
const ADDRESS_PEER: u16 = 1;
const ADDRESS_LOCAL: u16 = 2;
const ADDRESS_LABEL: u16 = 3;
const ADDRESS_BROADCAST: u16 = 4;
const HEADER: usize = 16;
/// No message of a dump is larger than the 32 KiB of a socket buffer's page order.
const BUFFER: usize = 64 * 1024;
/// More than any machine has; the kernel's answer is still not followed for ever.
const MAX_MESSAGES: usize = 100_000;

fn make(request: &Request<'_>) -> Result<Rows, Unreadable> {
    if !request.root.is_system() {
        return Err(Unreadable("addresses are the kernel's to tell, not a folder's".to_owned()));
    }
    let failed = |error: io::Error| Unreadable(format!("the kernel does not list addresses: {error}"));
    let names: BTreeMap<u32, String> =
        dump(GET_LINK).map_err(failed)?.iter().filter_map(|message| parse_link(message)).collect();
    let addresses = dump(GET_ADDRESS).map_err(failed)?;
    let rows_found = addresses.iter().filter_map(|message| parse_address(message, &names)).collect();
    Ok(rows::<Row>(rows_found))
}

/// Asks for a list and gives the body of each message in it.
fn dump(kind: u16) -> io::Result<Vec<Vec<u8>>> {
    // No protocol is protocol 0, which is routing.
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    let mut request = Vec::new();
    // Header, then the family-specific header of the longer kind; zero means every family and interface.
    let body = [0_u8; 16];
    let length = u32::try_from(HEADER + body.len()).expect("the request is short");
    request.extend_from_slice(&length.to_ne_bytes());
    request.extend_from_slice(&kind.to_ne_bytes());
    request.extend_from_slice(&REQUEST_DUMP.to_ne_bytes());
    request.extend_from_slice(&[0; 8]);
    request.extend_from_slice(&body);
    sendto(&socket, &request, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;

    let mut buffer = vec![0; BUFFER];
    let mut bodies = Vec::new();
    while bodies.len() < MAX_MESSAGES {
        let (_, length) = recv(&socket, buffer.as_mut_slice(), RecvFlags::TRUNC)?;
        let received = buffer
            .get(..length)
            .ok_or_else(|| io::Error::other("a message of the kernel is longer than expected"))?;
        if collect(received, &mut bodies)? {
            return Ok(bodies);
        }
    }
    Err(io::Error::other("the kernel's list does not end"))
}

/// Splits a datagram into messages. Says whether the list has ended.
fn collect(mut datagram: &[u8], bodies: &mut Vec<Vec<u8>>) -> io::Result<bool> {
    while let Some(header) = datagram.get(..HEADER) {
        let length = u32_at(header, 0).and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
        let body = datagram.get(HEADER..length).ok_or_else(|| io::Error::other("a message is cut off"))?;
        match u16_at(header, 4) {
            Some(DONE) => return Ok(true),
            Some(ERROR) => {
                let code = u32_at(body, 0).map_or(0, u32::cast_signed);
                return Err(io::Error::from_raw_os_error(code.wrapping_neg()));
            }
            Some(NEW_LINK | NEW_ADDRESS) => bodies.push(body.to_vec()),
            _ => {}
        }
        datagram = datagram.get(aligned(length)..).unwrap_or_default();
    }
    Ok(false)
}

/// Reads the number and name of an interface.
fn parse_link(body: &[u8]) -> Option<(u32, String)> {
    let name = attributes(body.get(16..)?).remove(&LINK_NAME)?;
    Some((u32_at(body, 4)?, text(name.split(|&byte| byte == 0).next()?)))
}

fn parse_address(body: &[u8], names: &BTreeMap<u32, String>) -> Option<Row> {
    let prefix = *body.get(1)?;
    let index = u32_at(body, 4)?;
    let attributes = attributes(body.get(8..)?);
    let ip = |kind: u16| attributes.get(&kind).and_then(|bytes| ip(bytes));
    let peer = ip(ADDRESS_PEER);
    // IPv6 names only the peer's attribute unless there really is a peer.
    let address = ip(ADDRESS_LOCAL).or(peer)?;
    let interface = attributes
        .get(&ADDRESS_LABEL)
        .and_then(|label| Some(text(label.split(|&byte| byte == 0).next()?)))
        .or_else(|| names.get(&index).cloned())
        .unwrap_or_else(|| index.to_string());
    let scoped = matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
    Some(Row {
        address: if scoped { format!("{address}%{interface}") } else { address.to_string() },
        mask: mask(address, prefix),
        broadcast: ip(ADDRESS_BROADCAST).map(|ip| ip.to_string()).unwrap_or_default(),
        point_to_point: peer.filter(|peer| *peer != address).map(|ip| ip.to_string()).unwrap_or_default(),
        interface,
        r#type: "unknown".to_owned(),
    })
}

fn mask(address: IpAddr, prefix: u8) -> String {
    let prefix = u32::from(prefix);
    match address {
        IpAddr::V4(_) => {
            Ipv4Addr::from(u32::MAX.checked_shl(32_u32.saturating_sub(prefix)).unwrap_or(0)).to_string()
        }
        IpAddr::V6(_) => {
            Ipv6Addr::from(u128::MAX.checked_shl(128_u32.saturating_sub(prefix)).unwrap_or(0)).to_string()
        }
    }
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => Some(IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        16 => Some(IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?)),
        _ => None,
    }
}

/// Splits attributes: length, kind, value, padded to four bytes.
fn attributes(mut bytes: &[u8]) -> BTreeMap<u16, &[u8]> {
    let mut found = BTreeMap::new();
    while let (Some(length), Some(kind)) = (u16_at(bytes, 0), u16_at(bytes, 2)) {
        let length = usize::from(length);
        let Some(value) = bytes.get(4..length) else { break };
        found.insert(kind, value);
        bytes = bytes.get(aligned(length)..).unwrap_or_default();
    }
    found
}

fn aligned(length: usize) -> usize {
    length.next_multiple_of(4)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = u16::try_from(value.len() + 4).unwrap().to_ne_bytes().to_vec();
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(value);
        bytes.resize(aligned(bytes.len()), 0);
        bytes
    }

    fn address(prefix: u8, attributes: &[Vec<u8>]) -> Vec<u8> {
        let mut body = vec![2, prefix, 0, 0];
        body.extend_from_slice(&3_u32.to_ne_bytes());
        body.extend(attributes.concat());
        body
    }

    #[test]
    fn an_ipv4_address_has_mask_and_broadcast() {
        let body = address(
            24,
            &[
                attribute(ADDRESS_PEER, &[192, 0, 2, 7]),
                attribute(ADDRESS_LOCAL, &[192, 0, 2, 7]),
                attribute(ADDRESS_BROADCAST, &[192, 0, 2, 255]),
                attribute(ADDRESS_LABEL, b"eth0:1\0"),
            ],
        );
        assert_eq!(
            parse_address(&body, &BTreeMap::new()),
            Some(Row {
                interface: "eth0:1".to_owned(),
                address: "192.0.2.7".to_owned(),
                mask: "255.255.255.0".to_owned(),
                broadcast: "192.0.2.255".to_owned(),
                point_to_point: String::new(),
                r#type: "unknown".to_owned(),
            })
        );
    }

    #[test]
    fn a_link_local_address_says_on_which_link() {
        let fe80 = "fe80::1".parse::<Ipv6Addr>().unwrap().octets();
        let names = BTreeMap::from([(3, "wlan0".to_owned())]);
        let row = parse_address(&address(64, &[attribute(ADDRESS_PEER, &fe80)]), &names).unwrap();
        assert_eq!((row.address.as_str(), row.mask.as_str()), ("fe80::1%wlan0", "ffff:ffff:ffff:ffff::"));
        assert_eq!(row.point_to_point, "");
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_parsers_panic_or_go_on_for_ever(bytes: Vec<u8>) {
            let _ = collect(&bytes, &mut Vec::new());
            parse_link(&bytes);
            parse_address(&bytes, &BTreeMap::new());
        }
    }
}
