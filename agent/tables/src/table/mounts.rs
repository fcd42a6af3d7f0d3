//! `mounts`: what is mounted where, from `/proc/self/mounts`. Sizes are asked only of local file systems.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use rustix::fs::{StatVfs, fstatvfs};

use crate::column::{Request, Rows, Unreadable, columns, text};
use crate::root::Root;
use crate::table::Table;
use crate::walk::{LastLink, Walk, is_remote};

const MOUNTS: &str = "/proc/self/mounts";

pub(crate) const TABLE: Table = Table {
    name: "mounts",
    description: "System mounted devices and filesystems. Sizes of FUSE and network mounts are NULL.",
    columns: Row::COLUMNS,
    rows: make,
};

columns! {
    struct Row {
        device: String = Text Plain, "Mounted device";
        device_alias: String = Text Plain, "Mounted device alias";
        path: String = Text Plain, "Mounted device path";
        r#type: String = Text Plain, "Mounted device type";
        blocks_size: Option<i64> = BigInt Plain, "Block size in bytes";
        blocks: Option<i64> = BigInt Plain, "Mounted device blocks";
        blocks_free: Option<i64> = BigInt Plain, "Mounted device blocks available to root users";
        blocks_available: Option<i64> = BigInt Plain, "Mounted device blocks available to non-root users";
        inodes: Option<i64> = BigInt Plain, "Mounted device inodes";
        inodes_free: Option<i64> = BigInt Plain, "Mounted device free inodes";
        flags: String = Text Plain, "Mounted device flags";
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Mount {
    device: Vec<u8>,
    path: Vec<u8>,
    kind: String,
    flags: String,
}

fn make(request: &Request<'_>) -> Result<Rows, Unreadable> {
    let mounts = parse(&request.root.require(MOUNTS)?);
    if mounts.is_empty() {
        return Err(Unreadable(format!("{MOUNTS} lists no mount")));
    }
    let walk = Walk::new(request.root).map_err(|error| Unreadable::file("/proc/self/mountinfo", &error))?;
    let root = request.root.clone();
    Ok(Box::new(mounts.into_iter().map(move |mount| Ok(row(mount, &walk, &root).into()))))
}

fn row(mount: Mount, walk: &Walk, root: &Root) -> Row {
    let size = sizes(&mount, walk);
    let size = |of: fn(&StatVfs) -> u64| size.as_ref().and_then(|size| i64::try_from(of(size)).ok());
    Row {
        device: text(&mount.device),
        device_alias: alias(&mount.device, root).unwrap_or_else(|| text(&mount.device)),
        path: text(&mount.path),
        blocks_size: size(|size| size.f_bsize),
        blocks: size(|size| size.f_blocks),
        blocks_free: size(|size| size.f_bfree),
        blocks_available: size(|size| size.f_bavail),
        inodes: size(|size| size.f_files),
        inodes_free: size(|size| size.f_ffree),
        r#type: mount.kind,
        flags: mount.flags,
    }
}

/// The sizes of a local mount. A remote one may lie over it, or on the way to it: the walk stops there.
fn sizes(mount: &Mount, walk: &Walk) -> Option<StatVfs> {
    if mount.path != b"/" && is_remote(&mount.kind) {
        return None;
    }
    let place = walk.open(Path::new(OsStr::from_bytes(&mount.path)), LastLink::Keep).ok()?;
    fstatvfs(place).ok()
}

/// What a link in /dev stands for: /dev/mapper/root is /dev/dm-0. A mount may be given any text as its device,
/// so only a plain path in /dev is looked at.
fn alias(device: &[u8], root: &Root) -> Option<String> {
    let device = Path::new(OsStr::from_bytes(device));
    let inside = device.strip_prefix("/dev").ok()?;
    if !inside.components().all(|part| matches!(part, Component::Normal(_))) {
        return None;
    }
    let target = std::fs::canonicalize(root.join("/dev").join(inside)).ok()?;
    let target = target.strip_prefix(root.path()).ok()?;
    Some(text(Path::new("/").join(target).as_os_str().as_bytes()))
}

fn parse(mounts: &[u8]) -> Vec<Mount> {
    let lines = mounts.split(|&byte| byte == b'\n').filter_map(|line| {
        let mut fields = line.split(|&byte| byte == b' ');
        Some(Mount {
            device: unescape(fields.next()?),
            path: unescape(fields.next()?),
            kind: text(&unescape(fields.next()?)),
            flags: text(&unescape(fields.next()?)),
        })
    });
    lines.collect()
}

/// The kernel writes space, tab, newline and backslash as a backslash and three octal digits.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, after)) = rest.split_first() {
        let octal = |digit: &u8| (b'0'..=b'7').contains(digit);
        match after.get(..3) {
            Some(digits) if byte == b'\\' && digits.iter().all(octal) && digits[0] <= b'3' => {
                plain.push(digits.iter().fold(0, |value, digit| value * 8 + (digit - b'0')));
                rest = &after[3..];
            }
            _ => {
                plain.push(byte);
                rest = after;
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_paths_are_read_whole() {
        let mounts =
            parse(b"/dev/sda1 / ext4 rw,relatime 0 0\nhost:/x /home/a\\040b\\134 fuse.sshfs rw 0 0\n");
        assert_eq!(mounts.len(), 2);
        assert_eq!(mounts[1].path, b"/home/a b\\");
        assert_eq!(mounts[1].kind, "fuse.sshfs");
    }

    #[test]
    fn a_device_that_is_not_a_plain_path_in_dev_is_not_looked_at() {
        for device in ["/dev/../home/ada/x", "/home/ada/x", "server:/export", "/dev"] {
            assert_eq!(
                alias(device.as_bytes(), &Root::system()).unwrap_or_default(),
                match device {
                    "/dev" => "/dev",
                    _ => "",
                }
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic(bytes: Vec<u8>) {
            parse(&bytes);
        }
    }
}
