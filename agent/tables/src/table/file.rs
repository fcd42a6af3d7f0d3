//! `file`: what the file system says of files that the query names by path or folder.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Dir, FileType, Statx, StatxFlags};

use crate::column::{Request, Rows, Unreadable, columns, text};
use crate::root::is_absent;
use crate::table::Table;
use crate::table::file_pattern::{Pattern, expand};
use crate::walk::{LastLink, Walk, WalkError, link_target, stat};

pub(crate) const TABLE: Table = Table {
    name: "file",
    description: "File attributes and metadata, by path or directory. FUSE and network mounts are not touched.",
    columns: Row::COLUMNS,
    rows: make,
};

columns! {
    #[derive(Default)]
    struct Row {
        path: String = Text Required, "Absolute file path";
        directory: String = Text Required, "Directory of file(s)";
        filename: String = Text Plain, "Name portion of file path";
        inode: Option<i64> = BigInt Plain, "Filesystem inode number";
        uid: Option<i64> = BigInt Plain, "Owning user ID";
        gid: Option<i64> = BigInt Plain, "Owning group ID";
        mode: Option<String> = Text Plain, "Permission bits, in octal";
        device: Option<i64> = BigInt Plain, "Device ID (optional)";
        size: Option<i64> = BigInt Plain, "Size of file in bytes";
        block_size: Option<i64> = Integer Plain, "Block size of filesystem";
        atime: Option<i64> = BigInt Plain, "Last access time";
        mtime: Option<i64> = BigInt Plain, "Last modification time";
        ctime: Option<i64> = BigInt Plain, "Last status change time";
        btime: Option<i64> = BigInt Plain, "Birth time, 0 where the file system keeps none";
        hard_links: Option<i64> = Integer Plain, "Number of hard links";
        symlink: i64 = Integer Plain, "1 if the path is a symlink, otherwise 0";
        r#type: String = Text Plain, "File type; unknown for what is on a mount that is never touched";
        symlink_target_path: String = Text Plain, "Where the symlink leads, if the path is one";
        pid_with_namespace: i64 = Integer Refused, "Always 0: other namespaces are not read";
        mount_namespace_id: String = Text Hidden, "Always empty: other namespaces are not read";
    }
}

type Found = Box<dyn Iterator<Item = Result<Row, Unreadable>>>;

fn make(request: &Request<'_>) -> Result<Rows, Unreadable> {
    let walk = Walk::new(request.root).map_err(|error| Unreadable::file("/proc/self/mountinfo", &error))?;
    let walk = Arc::new(walk);
    let found = if let Some(paths) = request.texts("path") {
        absolute(&paths)?;
        by_path(walk, paths)
    } else if let Some(directories) = request.texts("directory") {
        absolute(&directories)?;
        by_directory(walk, directories)
    } else if let Some(pattern) = request.pattern("path") {
        by_path(Arc::clone(&walk), expand(&walk, &Pattern::parse(pattern)?)?)
    } else if let Some(pattern) = request.pattern("directory") {
        by_directory(Arc::clone(&walk), expand(&walk, &Pattern::parse(pattern)?)?)
    } else {
        return Err(Unreadable("path and directory are texts".to_owned()));
    };
    Ok(Box::new(found.map(|row| row.map(Into::into))))
}

fn absolute(paths: &[String]) -> Result<(), Unreadable> {
    match paths.iter().find(|path| !path.starts_with('/')) {
        Some(path) => Err(Unreadable(format!("{path:?} is not an absolute path"))),
        None => Ok(()),
    }
}

fn by_path(walk: Arc<Walk>, paths: Vec<String>) -> Found {
    Box::new(paths.into_iter().filter_map(move |path| {
        let place = match walk.open(Path::new(&path), LastLink::Keep) {
            Ok(place) => place,
            Err(WalkError::Io(error)) if is_absent(&error) => return None,
            Err(error) => return Some(Err(failed(&path, &error))),
        };
        let parent = Path::new(&path).parent().map(|parent| text(parent.as_os_str().as_bytes()));
        Some(describe(&walk, &place, path, parent.unwrap_or_default()))
    }))
}

fn by_directory(walk: Arc<Walk>, directories: Vec<String>) -> Found {
    Box::new(directories.into_iter().flat_map(move |directory| list(Arc::clone(&walk), directory)))
}

fn list(walk: Arc<Walk>, directory: String) -> Found {
    let opened = walk.open_directory(Path::new(&directory));
    let listed = opened.and_then(|place| Ok((Dir::read_from(&place)?, place)));
    let (entries, place) = match listed {
        Ok(listed) => listed,
        Err(WalkError::Io(error)) if is_absent(&error) => return Box::new(std::iter::empty()),
        Err(error) => return Box::new(std::iter::once(Err(failed(&directory, &error)))),
    };
    Box::new(entries.filter_map(move |entry| {
        let name = match entry {
            Ok(entry) => OsStr::from_bytes(entry.file_name().to_bytes()).to_owned(),
            Err(error) => return Some(Err(failed(&directory, &error.into()))),
        };
        if name == "." || name == ".." {
            return None;
        }
        entry_row(&walk, &place, &directory, &name).transpose()
    }))
}

/// An entry that is itself a remote mount has a row, as leaving it out would hide it, but only its name in it.
fn entry_row(
    walk: &Walk,
    place: &OwnedFd,
    directory: &str,
    name: &OsString,
) -> Result<Option<Row>, Unreadable> {
    let path = format!("{}/{}", directory.trim_end_matches('/'), text(name.as_bytes()));
    match walk.open_entry(place, name) {
        Ok(entry) => describe(walk, &entry, path, directory.to_owned()).map(Some),
        Err(WalkError::Io(error)) if is_absent(&error) => Ok(None),
        Err(WalkError::Remote { .. }) => Ok(Some(untouched(path, directory.to_owned()))),
        Err(error) => Err(failed(&path, &error)),
    }
}

fn failed(path: &str, error: &WalkError) -> Unreadable {
    match error {
        WalkError::Io(error) => Unreadable::file(path, error),
        WalkError::Remote { .. } => Unreadable(format!("can't look at {path}: {error}")),
    }
}

fn untouched(path: String, directory: String) -> Row {
    Row { filename: filename(&path), path, directory, r#type: "unknown".to_owned(), ..Row::default() }
}

fn filename(path: &str) -> String {
    Path::new(path).file_name().map(|name| text(name.as_bytes())).unwrap_or_default()
}

/// Describes what a link leads to, as osquery does, and the link itself where it leads nowhere.
fn describe(walk: &Walk, place: &OwnedFd, path: String, directory: String) -> Result<Row, Unreadable> {
    let own = stat(place).map_err(|error| Unreadable::file(&path, &error))?;
    if kind(&own) != FileType::Symlink {
        return Ok(filled(&own, Row { filename: filename(&path), path, directory, ..Row::default() }));
    }
    let leads_to = link_target(place).map_err(|error| Unreadable::file(&path, &error))?;
    let resolved = Path::new(&path).parent().map(|parent| parent.join(&leads_to)).unwrap_or(leads_to);
    let row = Row {
        filename: filename(&path),
        directory,
        symlink: 1,
        symlink_target_path: text(normal(&resolved).as_os_str().as_bytes()),
        path,
        ..Row::default()
    };
    match walk.open(&resolved, LastLink::Follow) {
        Ok(target) => {
            let target = stat(&target).map_err(|error| Unreadable::file(&row.path, &error))?;
            Ok(filled(&target, row))
        }
        Err(WalkError::Io(_)) => Ok(filled(&own, row)),
        Err(WalkError::Remote { .. }) => Ok(Row { r#type: "unknown".to_owned(), ..row }),
    }
}

/// Takes `.` and `..` out of the text of a path. For showing only: the walk is by the links themselves.
fn normal(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}

fn kind(stat: &Statx) -> FileType {
    FileType::from_raw_mode(stat.stx_mode.into())
}

fn filled(stat: &Statx, row: Row) -> Row {
    let signed = |number: u64| Some(number.cast_signed());
    let born = StatxFlags::from_bits_retain(stat.stx_mask).contains(StatxFlags::BTIME);
    Row {
        inode: signed(stat.stx_ino),
        uid: Some(stat.stx_uid.into()),
        gid: Some(stat.stx_gid.into()),
        mode: Some(format!("{:04o}", stat.stx_mode & 0o7777)),
        device: signed(rustix::fs::makedev(stat.stx_rdev_major, stat.stx_rdev_minor)),
        size: signed(stat.stx_size),
        block_size: Some(stat.stx_blksize.into()),
        atime: Some(stat.stx_atime.tv_sec),
        mtime: Some(stat.stx_mtime.tv_sec),
        ctime: Some(stat.stx_ctime.tv_sec),
        btime: Some(if born { stat.stx_btime.tv_sec } else { 0 }),
        hard_links: Some(stat.stx_nlink.into()),
        r#type: name(kind(stat)).to_owned(),
        ..row
    }
}

fn name(kind: FileType) -> &'static str {
    match kind {
        FileType::RegularFile => "regular",
        FileType::Directory => "directory",
        FileType::Symlink => "symlink",
        FileType::Fifo => "fifo",
        FileType::Socket => "socket",
        FileType::CharacterDevice => "character",
        FileType::BlockDevice => "block",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root::Root;

    /// The machine with its /proc taken for a user's FUSE mount.
    fn walk() -> Arc<Walk> {
        Arc::new(Walk::new(&Root::system()).unwrap().pretend("proc", "fuse.test"))
    }

    #[test]
    fn a_remote_mount_is_listed_by_name_and_not_touched() {
        let rows: Vec<Row> = list(walk(), "/".to_owned()).map(Result::unwrap).collect();
        let proc = rows.iter().find(|row| row.path == "/proc").unwrap();
        assert_eq!((proc.r#type.as_str(), proc.inode), ("unknown", None));
        let etc = rows.iter().find(|row| row.path == "/etc").unwrap();
        assert_eq!((etc.r#type.as_str(), etc.uid), ("directory", Some(0)));
    }

    #[test]
    fn a_path_on_a_remote_mount_is_an_error_and_not_absent() {
        for path in ["/proc", "/proc/version", "/etc/../proc/1"] {
            let row = by_path(walk(), vec![path.to_owned()]).next().unwrap();
            assert!(row.unwrap_err().0.contains("fuse.test"), "{path}");
        }
        let row = list(walk(), "/proc".to_owned()).next().unwrap();
        assert!(row.unwrap_err().0.contains("fuse.test"));
    }

    #[test]
    fn a_link_to_a_remote_mount_is_described_and_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/proc/version", folder.path().join("link")).unwrap();
        let path = folder.path().join("link").to_str().unwrap().to_owned();
        let row = by_path(walk(), vec![path]).next().unwrap().unwrap();
        assert_eq!((row.symlink, row.r#type.as_str(), row.size), (1, "unknown", None));
        assert_eq!(row.symlink_target_path, "/proc/version");
    }

    #[test]
    fn a_pattern_that_leads_into_a_remote_mount_is_an_error() {
        for pattern in ["/proc/%", "/pr%/%", "/proc/%%"] {
            let error = expand(&walk(), &Pattern::parse(pattern).unwrap()).unwrap_err();
            assert!(error.0.contains("fuse.test"), "{pattern}: {error}");
        }
    }
}
