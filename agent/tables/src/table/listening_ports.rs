//! `listening_ports`: bound sockets and the processes that hold them, from `/proc/PID/net` and `/proc/PID/fd`.
//! Each network namespace is read once, through one of its processes.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;

use crate::column::{Request, Rows, Unreadable, columns, rows, text};
use crate::root::{Root, is_absent};
use crate::table::{Table, processes};

pub(crate) const TABLE: Table = Table {
    name: "listening_ports",
    description: "Processes with listening (bound) network sockets/ports.",
    columns: Row::COLUMNS,
    rows: make,
};

columns! {
    struct Row {
        pid: i64 = Integer Plain, "Process ID, -1 where the process that holds the socket is not known";
        port: i64 = Integer Plain, "Transport layer port";
        protocol: i64 = Integer Plain, "Transport protocol: 6 is TCP, 17 is UDP";
        family: i64 = Integer Plain, "Network protocol: 2 is IPv4, 10 is IPv6, 1 is UNIX";
        address: String = Text Plain, "Specific address for bind";
        fd: i64 = BigInt Plain, "Socket file descriptor number";
        socket: i64 = BigInt Plain, "Socket inode number";
        path: String = Text Plain, "Path for UNIX domain sockets";
        net_namespace: String = Text Plain, "The inode number of the network namespace";
    }
}

const UNIX: i64 = 1;
const IPV4: i64 = 2;
const IPV6: i64 = 10;
const SOURCES: [(&str, i64, i64); 8] = [
    ("tcp", IPV4, 6),
    ("tcp6", IPV6, 6),
    ("udp", IPV4, 17),
    ("udp6", IPV6, 17),
    ("udplite", IPV4, 136),
    ("udplite6", IPV6, 136),
    ("raw", IPV4, 255),
    ("raw6", IPV6, 255),
];

/// A bound socket, of whichever process.
#[derive(Debug, Clone, PartialEq)]
struct Socket {
    inode: i64,
    port: i64,
    protocol: i64,
    family: i64,
    address: String,
    path: String,
}

fn make(request: &Request<'_>) -> Result<Rows, Unreadable> {
    let root = request.root;
    let pids = processes::pids(root)?;
    let mut holders: BTreeMap<i64, Vec<(i64, i64)>> = BTreeMap::new();
    let mut namespaces: BTreeMap<String, i64> = BTreeMap::new();
    let mut secretive = Vec::new();
    for &pid in &pids {
        match root.read_link(&format!("/proc/{pid}/ns/net")) {
            Ok(link) => {
                let inode = inode(link.as_os_str().as_bytes(), b"net:[");
                namespaces.entry(inode.unwrap_or(0).to_string()).or_insert(pid);
            }
            Err(error) if is_absent(&error) => continue,
            Err(_) => secretive.push(pid),
        }
        for (fd, inode) in descriptors(root, pid)? {
            holders.entry(inode).or_default().push((pid, fd));
        }
    }
    for pid in secretive {
        if !namespaces.values().any(|&known| is_same_network(root, pid, known)) {
            return Err(Unreadable(format!(
                "can't tell the network namespace of process {pid}; run as root"
            )));
        }
    }
    let mut found = Vec::new();
    for (namespace, pid) in namespaces {
        for socket in sockets(root, pid)? {
            let nobody = vec![(-1, -1)];
            for &(pid, fd) in holders.get(&socket.inode).unwrap_or(&nobody) {
                found.push(Row {
                    pid,
                    port: socket.port,
                    protocol: socket.protocol,
                    family: socket.family,
                    address: socket.address.clone(),
                    fd,
                    socket: socket.inode,
                    path: socket.path.clone(),
                    net_namespace: namespace.clone(),
                });
            }
        }
    }
    Ok(rows(found))
}

/// Whether two processes see the same network: the kernel has one set of files for each. Sandboxes may keep us
/// from the namespaces of a process with more rights, but these files anyone may look at. A process that has
/// ended has no network to miss.
fn is_same_network(root: &Root, one: i64, other: i64) -> bool {
    let file = |pid: i64| std::fs::metadata(root.join(&format!("/proc/{pid}/net/dev")));
    match (file(one), file(other)) {
        (Ok(one), Ok(other)) => one.ino() == other.ino() && one.dev() == other.dev(),
        (Err(error), _) => is_absent(&error),
        (Ok(_), Err(_)) => false,
    }
}

/// The sockets that a process holds: descriptor and inode.
fn descriptors(root: &Root, pid: i64) -> Result<Vec<(i64, i64)>, Unreadable> {
    let path = format!("/proc/{pid}/fd");
    let names = match root.list(&path) {
        Ok(names) => names,
        // The sockets are found all the same, but not whose they are.
        Err(error) if is_absent(&error) || error.kind() == io::ErrorKind::PermissionDenied => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(Unreadable::file(&path, &error)),
    };
    let held = names.iter().filter_map(|name| {
        let link = root.read_link(&format!("{path}/{name}")).ok()?;
        Some((name.parse().ok()?, inode(link.as_os_str().as_bytes(), b"socket:[")?))
    });
    Ok(held.collect())
}

/// Reads the number of `socket:[123]`.
fn inode(link: &[u8], prefix: &[u8]) -> Option<i64> {
    let number = link.strip_prefix(prefix)?.strip_suffix(b"]")?;
    std::str::from_utf8(number).ok()?.parse().ok()
}

/// Reads the sockets of the namespace that a process is in.
fn sockets(root: &Root, pid: i64) -> Result<Vec<Socket>, Unreadable> {
    let mut sockets = Vec::new();
    for (name, family, protocol) in SOURCES {
        let table = text_of(root, &format!("/proc/{pid}/net/{name}"))?;
        sockets.extend(table.lines().skip(1).filter_map(|line| parse_inet(line, family, protocol)));
    }
    let table = text_of(root, &format!("/proc/{pid}/net/unix"))?;
    sockets.extend(table.lines().skip(1).filter_map(parse_unix));
    Ok(sockets)
}

/// A protocol that the kernel was built without has no file. (The bound of one cell is not for whole files.)
fn text_of(root: &Root, path: &str) -> Result<String, Unreadable> {
    match root.read(path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if is_absent(&error) => Ok(String::new()),
        Err(error) => Err(Unreadable::file(path, &error)),
    }
}

/// Reads a socket that has no peer, which is what listens.
fn parse_inet(line: &str, family: i64, protocol: i64) -> Option<Socket> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let (address, port) = fields.get(1)?.split_once(':')?;
    let (_, remote_port) = fields.get(2)?.split_once(':')?;
    if i64::from_str_radix(remote_port, 16).ok()? != 0 {
        return None;
    }
    let address =
        if family == IPV6 { parse_v6(address)?.to_string() } else { parse_v4(address)?.to_string() };
    Some(Socket {
        inode: fields.get(9)?.parse().ok()?,
        port: i64::from_str_radix(port, 16).ok()?,
        protocol,
        family,
        address,
        path: String::new(),
    })
}

/// The kernel prints each 32-bit word of an address as a number of the machine's own byte order.
fn parse_v4(hex: &str) -> Option<Ipv4Addr> {
    (hex.len() == 8).then_some(())?;
    Some(Ipv4Addr::from(u32::from_str_radix(hex, 16).ok()?.to_ne_bytes()))
}

fn parse_v6(hex: &str) -> Option<Ipv6Addr> {
    (hex.len() == 32 && hex.is_ascii()).then_some(())?;
    let mut bytes = [0; 16];
    for (index, word) in bytes.chunks_exact_mut(4).enumerate() {
        let word_hex = &hex[index * 8..index * 8 + 8];
        word.copy_from_slice(&u32::from_str_radix(word_hex, 16).ok()?.to_ne_bytes());
    }
    Some(Ipv6Addr::from(bytes))
}

/// Reads a UNIX socket that has a path. The path is the rest of the line, spaces included.
fn parse_unix(line: &str) -> Option<Socket> {
    let mut rest = line;
    let mut inode = "";
    for _ in 0..7 {
        let (field, after) = rest.trim_start().split_once(' ')?;
        (inode, rest) = (field, after);
    }
    let path = text(rest.trim_start().as_bytes());
    (!path.is_empty()).then_some(())?;
    let inode = inode.parse().ok()?;
    Some(Socket { inode, port: 0, protocol: 0, family: UNIX, address: String::new(), path })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listening_sockets_are_told_from_connected_ones() {
        let listening =
            "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0 0 4242 1 0";
        let socket = parse_inet(listening, IPV4, 6).unwrap();
        assert_eq!((socket.address.as_str(), socket.port, socket.inode), ("127.0.0.1", 8080, 4242));
        assert_eq!(parse_inet(&listening.replace("00000000:0000 0A", "0200007F:0050 01"), IPV4, 6), None);
        let v6 = "  1: 00000000000000000000000001000000:0016 00000000000000000000000000000000:0000 0A \
                  00000000:00000000 00:00000000 00000000 0 0 7 1";
        assert_eq!(parse_inet(v6, IPV6, 6).unwrap().address, "::1");
    }

    #[test]
    fn unix_sockets_without_a_path_are_left_out() {
        let line = "0000000000000000: 00000002 00000000 00010000 0001 01 12345 /run/a b.sock";
        let socket = parse_unix(line).unwrap();
        assert_eq!((socket.inode, socket.path.as_str()), (12345, "/run/a b.sock"));
        assert_eq!(parse_unix("0000000000000000: 00000003 00000000 00000000 0001 03 12346"), None);
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_parsers_panic(line: String) {
            parse_inet(&line, IPV4, 6);
            parse_inet(&line, IPV6, 6);
            parse_unix(&line);
            parse_v6(&line);
            inode(line.as_bytes(), b"socket:[");
        }
    }
}
