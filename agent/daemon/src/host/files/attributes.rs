//! Owner and mode of a file, also of one that its user keeps from being opened, or gave other names.

use std::os::fd::AsRawFd as _;

use anyhow::{Context as _, Result, ensure};
use muster_proto::Digest;
use rustix::fs::{AtFlags, Gid, Mode, OFlags, Stat, Uid};

use super::super::walk::Root;
use super::{CHANGED, Owners, SET_ID, apply_attributes, check_regular, digest_of, open_plain};

/// Owner, group and mode that a file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attributes {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) mode: u32,
}

impl Attributes {
    pub(super) fn of(stat: &Stat) -> Self {
        Self { uid: stat.st_uid, gid: stat.st_gid, mode: stat.st_mode & 0o7777 }
    }
}

/// Sets owner, group and mode on the file itself, if it has the content that is expected of it. What they become is chosen by
/// what they are at the very file that is changed; `None` leaves a mode as it is.
pub(crate) fn set_attributes(
    root: &Root,
    path: &str,
    expected: Option<Digest>,
    choose: impl FnOnce(Attributes) -> Result<(Owners, Option<u32>)>,
) -> Result<()> {
    let place = root.existing_place(path)?;
    let (file, stat) = open_plain(&place)?.context("it is gone")?;
    if let Some(expected) = expected {
        ensure!(digest_of(&file)? == expected, CHANGED);
    }
    let is = Attributes::of(&stat);
    let (owners, mode) = choose(is)?;
    let mode = mode.unwrap_or_else(|| kept_mode(is.mode, (is.uid, is.gid), owners));
    apply_attributes(&file.into(), &stat, owners, Some(mode))
}

/// The mode that a file keeps under these owners. That it runs as its owner or group is lost when they change, as the
/// kernel has it, unless it was root's: a user's own bits would be those of the next owner.
pub(crate) fn kept_mode(mode: u32, is: (u32, u32), owners: Owners) -> u32 {
    if is.0 != 0 && changes(is, owners) { mode & !SET_ID } else { mode }
}

/// Whether these are other owners than there are.
pub(crate) fn changes(is: (u32, u32), owners: Owners) -> bool {
    owners.0.is_some_and(|uid| uid != is.0) || owners.1.is_some_and(|gid| gid != is.1)
}

/// As [`super::set_attributes`], whatever the file holds, under all its names, and without having to open it.
pub(crate) fn give_back(root: &Root, path: &str, (uid, gid): Owners, mode: Option<u32>) -> Result<()> {
    let place = root.existing_place(path)?;
    let file = place.handle().context("asking about it")?;
    let stat = rustix::fs::fstat(&file).context("asking about it")?;
    check_regular(&stat)?;
    let is = (stat.st_uid, stat.st_gid);
    let mode = mode.unwrap_or_else(|| kept_mode(stat.st_mode & 0o7777, is, (uid, gid)));
    if changes(is, (uid, gid)) {
        let (uid, gid) = (uid.map(Uid::from_raw), gid.map(Gid::from_raw));
        rustix::fs::chownat(&file, "", uid, gid, AtFlags::EMPTY_PATH).context("changing its owner")?;
    }
    let itself = format!("/proc/self/fd/{}", file.as_raw_fd());
    rustix::fs::chmod(itself, Mode::from_raw_mode(mode)).context("changing its mode")?;
    // By the directory, as the file may not let itself be opened.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = rustix::fs::openat(&place.dir, ".", flags, Mode::empty()).context("opening its directory")?;
    rustix::fs::syncfs(dir).context("syncing it")
}
