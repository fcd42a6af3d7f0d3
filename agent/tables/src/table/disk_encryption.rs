//! `disk_encryption`: which block devices the kernel encrypts (dm-crypt), from `/sys/block`.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;

use crate::column::{Request, Rows, Unreadable, columns, rows, text};
use crate::root::{Root, is_absent};
use crate::table::Table;

const BLOCK: &str = "/sys/block";
/// Deeper than any stack of LVM, RAID and encryption.
const MAX_DEPTH: usize = 8;

pub(crate) const TABLE: Table = Table {
    name: "disk_encryption",
    description: "Disk encryption status and information.",
    columns: Row::COLUMNS,
    rows: make,
};

columns! {
    struct Row {
        name: String = Text Plain, "Disk name";
        uuid: String = Text Plain, "Disk Universally Unique Identifier";
        encrypted: i64 = Integer Plain, "1 if the disk is encrypted, else 0";
        r#type: String = Text Plain, "Description of the encryption, such as LUKS2";
        encryption_status: String = Text Plain, "encrypted or not encrypted";
    }
}

fn make(request: &Request<'_>) -> Result<Rows, Unreadable> {
    let root = request.root;
    let disks = root.list(BLOCK).map_err(|error| Unreadable::file(BLOCK, &error))?;
    let uuids = uuids(root)?;
    let mut found = Vec::new();
    for disk in disks {
        let kind = encryption(root, &disk, MAX_DEPTH)?;
        let folder = format!("{BLOCK}/{disk}");
        found.push(row(&disk, kind.as_deref(), &uuids));
        for part in list(root, &folder)? {
            let is_partition =
                part.starts_with(&disk) && root.join(&format!("{folder}/{part}/partition")).exists();
            if is_partition {
                found.push(row(&part, kind.as_deref(), &uuids));
            }
        }
    }
    Ok(rows(found))
}

fn row(device: &str, kind: Option<&str>, uuids: &BTreeMap<String, String>) -> Row {
    Row {
        // In /sys a slash of a device's name is written as an exclamation mark.
        name: format!("/dev/{}", device.replace('!', "/")),
        uuid: uuids.get(device).cloned().unwrap_or_default(),
        encrypted: kind.is_some().into(),
        r#type: kind.unwrap_or_default().to_owned(),
        encryption_status: if kind.is_some() { "encrypted" } else { "not encrypted" }.to_owned(),
    }
}

/// The kind of encryption of a device: its own, or that of everything it lies on. A volume that lies on one
/// plain disk among encrypted ones is not encrypted.
fn encryption(root: &Root, disk: &str, depth: usize) -> Result<Option<String>, Unreadable> {
    let uuid = root.optional(&format!("{BLOCK}/{disk}/dm/uuid"))?;
    if let Some(kind) = parse_uuid(&uuid) {
        return Ok(Some(kind));
    }
    if depth == 0 {
        return Ok(None);
    }
    let mut kind = None;
    for below in list(root, &format!("{BLOCK}/{disk}/slaves"))? {
        // A partition has no folder of its own here; dm-crypt never gives partitions names of their own.
        match encryption(root, &below, depth - 1)? {
            Some(below) => kind = Some(below),
            None => return Ok(None),
        }
    }
    Ok(kind)
}

/// Reads the kind of `CRYPT-LUKS2-<uuid>-<name>`.
fn parse_uuid(uuid: &str) -> Option<String> {
    let kind = uuid.strip_prefix("CRYPT-")?.split('-').next()?;
    Some(kind.to_owned())
}

/// The UUIDs of the file systems that udev found, by device.
fn uuids(root: &Root) -> Result<BTreeMap<String, String>, Unreadable> {
    let folder = "/dev/disk/by-uuid";
    let mut uuids = BTreeMap::new();
    for uuid in list(root, folder)? {
        let target = root.read_link(&format!("{folder}/{uuid}")).ok();
        if let Some(device) = target.as_deref().and_then(|target| target.file_name()) {
            uuids.insert(text(device.as_bytes()), uuid);
        }
    }
    Ok(uuids)
}

fn list(root: &Root, path: &str) -> Result<Vec<String>, Unreadable> {
    match root.list(path) {
        Ok(names) => Ok(names),
        Err(error) if is_absent(&error) => Ok(Vec::new()),
        Err(error) => Err(Unreadable::file(path, &error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_is_read_from_the_mappers_uuid() {
        assert_eq!(parse_uuid("CRYPT-LUKS2-0123-root").as_deref(), Some("LUKS2"));
        assert_eq!(parse_uuid("CRYPT-PLAIN-swap").as_deref(), Some("PLAIN"));
        assert_eq!(parse_uuid("LVM-0123"), None);
        assert_eq!(parse_uuid(""), None);
    }
}
