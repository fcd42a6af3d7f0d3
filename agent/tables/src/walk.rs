//! Walks to a file component by component and stops before any mount that a user's program or another machine
//! answers for: a single `stat` there could hold the agent for ever, or be answered differently each time.
//!
//! Every component is opened with `O_PATH | O_NOFOLLOW`, which asks nothing of the file system it lands on; the
//! kernel's own record of the descriptor says on which mount it is. Links are followed by hand, so that one can't
//! lead around the check or out of the root.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Statx, StatxFlags, openat, readlinkat, statx};

use crate::root::Root;

/// As many links as the kernel itself follows.
const MAX_LINKS: usize = 40;
/// The longest path that the kernel takes.
const MAX_PATH: usize = 4096;

/// File systems that a user's program or another machine answers for, besides every `fuse.*`.
const REMOTE: [&str; 21] = [
    "fuse",
    "fuseblk",
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "9p",
    "virtiofs",
    "ceph",
    "afs",
    "autofs",
    "coda",
    "davfs",
    "glusterfs",
    "lustre",
    "ncpfs",
    "ncp",
    "ocfs2",
    "orangefs",
    "beegfs",
];

/// Whether a file system of this type may answer late, never, or with a user's words.
pub(crate) fn is_remote(kind: &str) -> bool {
    REMOTE.contains(&kind) || kind.starts_with("fuse.")
}

/// Why a walk did not arrive.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WalkError {
    /// The path leads onto a mount that is never touched.
    #[error("it is on a mount of type {kind}, which is never touched")]
    Remote {
        /// The mount's file system type.
        kind: String,
    },
    /// The kernel refused.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<rustix::io::Errno> for WalkError {
    fn from(errno: rustix::io::Errno) -> Self {
        Self::Io(errno.into())
    }
}

/// What to do when the path itself is a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LastLink {
    Follow,
    Keep,
}

/// Where a walk may go, as of the moment it was made.
#[derive(Debug)]
pub(crate) struct Walk {
    root: PathBuf,
    /// The type of each mount, by the kernel's id of it.
    mounts: BTreeMap<u64, String>,
}

impl Walk {
    /// Reads which mounts there are now.
    pub(crate) fn new(root: &Root) -> io::Result<Self> {
        let mounts = parse_mounts(&std::fs::read("/proc/self/mountinfo")?);
        Ok(Self { root: root.path().to_path_buf(), mounts })
    }

    /// Takes every mount of type `kind` for one of type `as_kind`.
    #[cfg(test)]
    pub(crate) fn pretend(mut self, kind: &str, as_kind: &str) -> Self {
        self.mounts.values_mut().filter(|one| *one == kind).for_each(|one| *one = as_kind.to_owned());
        self
    }

    /// Opens `path` for asking about it, not for reading.
    pub(crate) fn open(&self, path: &Path, last: LastLink) -> Result<OwnedFd, WalkError> {
        // What is below the deepest element is the way back for "..", which must not leave the root.
        let mut stack = vec![openat(CWD, &self.root, flags() | OFlags::DIRECTORY, Mode::empty())?];
        let mut ahead = components(path);
        let mut links = 0;
        while let Some(name) = ahead.pop() {
            if name == ".." {
                if stack.len() > 1 {
                    stack.pop();
                }
                continue;
            }
            let here = stack.last().expect("the root is never popped");
            let next = openat(here, name.as_os_str(), flags() | OFlags::NOFOLLOW, Mode::empty())?;
            self.check(&next)?;
            let is_link = file_type(&next)? == FileType::Symlink;
            if !is_link || (ahead.is_empty() && last == LastLink::Keep) {
                stack.push(next);
                continue;
            }
            links += 1;
            if links > MAX_LINKS {
                return Err(rustix::io::Errno::LOOP.into());
            }
            let target = link_target(&next)?;
            if target.is_absolute() {
                stack.truncate(1);
            }
            ahead.extend(components(&target));
            if ahead.len() > MAX_PATH {
                return Err(rustix::io::Errno::NAMETOOLONG.into());
            }
        }
        Ok(stack.pop().expect("the root is never popped"))
    }

    /// Opens a folder for listing.
    pub(crate) fn open_directory(&self, path: &Path) -> Result<OwnedFd, WalkError> {
        let place = self.open(path, LastLink::Follow)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(openat(&place, ".", flags, Mode::empty())?)
    }

    /// Opens an entry of a folder that a walk has arrived at, without following a link.
    pub(crate) fn open_entry(&self, directory: &OwnedFd, name: &OsStr) -> Result<OwnedFd, WalkError> {
        let entry = openat(directory, name, flags() | OFlags::NOFOLLOW, Mode::empty())?;
        self.check(&entry)?;
        Ok(entry)
    }

    /// Opens a regular file for reading.
    pub(crate) fn open_file(&self, path: &Path) -> Result<File, WalkError> {
        let place = self.open(path, LastLink::Follow)?;
        if file_type(&place)? != FileType::RegularFile {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file").into());
        }
        // The descriptor is already on the checked file; /proc reopens that very file for reading.
        let reopened = format!("/proc/self/fd/{}", place.as_raw_fd());
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        Ok(File::from(openat(CWD, reopened, flags, Mode::empty())?))
    }

    /// Refuses a descriptor that is on a remote mount, or on one that appeared since `new`.
    fn check(&self, place: &OwnedFd) -> Result<(), WalkError> {
        let record = std::fs::read(format!("/proc/self/fdinfo/{}", place.as_raw_fd()))?;
        let id = mount_id(&record)
            .ok_or_else(|| io::Error::other("the kernel does not say on which mount the file is"))?;
        match self.mounts.get(&id) {
            Some(kind) if !is_remote(kind) => Ok(()),
            Some(kind) => Err(WalkError::Remote { kind: kind.clone() }),
            None => Err(WalkError::Remote { kind: "unknown".to_owned() }),
        }
    }
}

/// Asks the kernel about an open file. The caller has checked its mount, so this can't block.
pub(crate) fn stat(place: &OwnedFd) -> io::Result<Statx> {
    let mask = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
    Ok(statx(place, "", AtFlags::EMPTY_PATH, mask)?)
}

/// Reads where an open link points.
pub(crate) fn link_target(place: &OwnedFd) -> io::Result<PathBuf> {
    let target = readlinkat(place, "", Vec::new())?;
    Ok(PathBuf::from(OsString::from_vec(target.into_bytes())))
}

fn file_type(place: &OwnedFd) -> io::Result<FileType> {
    let stat = statx(place, "", AtFlags::EMPTY_PATH, StatxFlags::TYPE)?;
    Ok(FileType::from_raw_mode(stat.stx_mode.into()))
}

fn flags() -> OFlags {
    OFlags::PATH | OFlags::CLOEXEC
}

/// The names to walk, last first. Components that stay where they are have gone.
fn components(path: &Path) -> Vec<OsString> {
    let mut names: Vec<OsString> = path
        .components()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some(OsString::from("..")),
            Component::Prefix(_) | Component::RootDir | Component::CurDir => None,
        })
        .collect();
    names.reverse();
    names
}

fn mount_id(fdinfo: &[u8]) -> Option<u64> {
    let line = fdinfo.split(|&byte| byte == b'\n').find_map(|line| line.strip_prefix(b"mnt_id:"))?;
    std::str::from_utf8(line).ok()?.trim().parse().ok()
}

/// Reads id and type of each mount. The root's own type is never held against it: the machine runs from there.
fn parse_mounts(mountinfo: &[u8]) -> BTreeMap<u64, String> {
    let mut mounts = BTreeMap::new();
    for line in mountinfo.split(|&byte| byte == b'\n') {
        let fields: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
        let id = fields.first().and_then(|id| std::str::from_utf8(id).ok()?.parse().ok());
        let dash = fields.iter().position(|field| *field == b"-");
        let (Some(id), Some(dash)) = (id, dash) else { continue };
        let kind = fields.get(dash + 1).copied().unwrap_or_default();
        let kind = if fields.get(4) == Some(&b"/".as_slice()) { b"rootfs" } else { kind };
        mounts.insert(id, OsStr::from_bytes(kind).to_string_lossy().into_owned());
    }
    mounts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk_in(root: &Path) -> Walk {
        Walk::new(&Root::at(root)).unwrap()
    }

    #[test]
    fn a_link_out_of_the_root_stays_in_it() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("etc")).unwrap();
        std::fs::write(root.path().join("etc/passwd"), "fixture").unwrap();
        std::os::unix::fs::symlink("../../../../../../etc/passwd", root.path().join("up")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", root.path().join("absolute")).unwrap();
        let walk = walk_in(root.path());
        for link in ["/up", "/absolute"] {
            let file = walk.open_file(Path::new(link)).unwrap();
            assert_eq!(io::read_to_string(file).unwrap(), "fixture", "{link}");
        }
    }

    #[test]
    fn a_loop_of_links_ends() {
        let root = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("b", root.path().join("a")).unwrap();
        std::os::unix::fs::symlink("a", root.path().join("b")).unwrap();
        let error = walk_in(root.path()).open(Path::new("/a"), LastLink::Follow).unwrap_err();
        assert!(matches!(error, WalkError::Io(error) if error.raw_os_error() == Some(40)));
    }

    #[test]
    fn a_remote_mount_is_refused_and_so_is_one_that_nobody_knows() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("file"), "").unwrap();
        let mut walk = walk_in(root.path());
        walk.mounts.values_mut().for_each(|kind| *kind = "fuse.sshfs".to_owned());
        let error = walk.open(Path::new("/file"), LastLink::Follow).unwrap_err();
        assert!(matches!(error, WalkError::Remote { kind } if kind == "fuse.sshfs"));
        walk.mounts.clear();
        assert!(matches!(
            walk.open(Path::new("/file"), LastLink::Follow),
            Err(WalkError::Remote { kind }) if kind == "unknown"
        ));
    }

    #[test]
    fn mountinfo_gives_types_by_id_and_spares_the_root() {
        let mounts = parse_mounts(
            b"36 35 0:32 / / rw shared:1 - 9p root rw\n\
              40 36 0:50 / /home/ada/x rw,nosuid shared:7 master:2 - fuse.sshfs host: rw\njunk\n",
        );
        assert_eq!(mounts[&36], "rootfs");
        assert_eq!(mounts[&40], "fuse.sshfs");
        assert_eq!(mounts.len(), 2);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_parsers_panic(bytes: Vec<u8>) {
            parse_mounts(&bytes);
            mount_id(&bytes);
        }
    }
}
