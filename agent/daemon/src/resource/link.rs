//! `link`: a symbolic link. What is not a link is never replaced by one.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use anyhow::{Context as _, Result, bail, ensure};
use muster_proto::condition::Condition;
use rustix::fs::{AtFlags, FileType, RenameFlags};
use rustix::io::Errno;

use super::{Job, Wanted, is_removal, text};
use crate::host::Host;
use crate::host::files;
use crate::host::temporary;
use crate::host::walk::{Place, kind_of};

pub(super) fn read(host: &Host, wanted: &Wanted<'_>) -> Result<Condition> {
    Ok(match look(host, wanted.id.key())? {
        None => Condition::Absent,
        Some(target) => Condition::present([("target", target.into())]),
    })
}

/// Where the link at a path points; `None` when nothing is there.
pub(super) fn look(host: &Host, path: &str) -> Result<Option<String>> {
    match host.root.place(path)? {
        Some(place) => target(&place),
        None => Ok(None),
    }
}

fn target(place: &Place) -> Result<Option<String>> {
    let Some(stat) = place.stat()? else { return Ok(None) };
    if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
        bail!("there is {} in its place, which a link never replaces: remove it first", kind_of(&stat));
    }
    let target = rustix::fs::readlinkat(&place.dir, &place.name, Vec::new()).context("reading it")?;
    Ok(Some(OsStr::from_bytes(target.as_bytes()).to_string_lossy().into_owned()))
}

pub(super) fn write(host: &Host, job: &Job<'_>) -> Result<()> {
    // What there was is in the ledger as it was when that was planned, and can't be had back as it became since.
    match (look(host, job.step.id.key())?.as_deref(), text(&job.step.from, "target")) {
        (Some(_), None) => bail!(files::CAME),
        (Some(found), Some(known)) => ensure!(found == known, files::CHANGED),
        (None, _) => {}
    }
    let wanted = if is_removal(job.step) {
        None
    } else {
        Some(text(&job.step.to, "target").context("no target is given")?)
    };
    put(host, job.step.id.key(), wanted)
}

/// Has the link at a path point somewhere, or removes it.
pub(super) fn put(host: &Host, path: &str, wanted: Option<&str>) -> Result<()> {
    let place = host.root.existing_place(path)?;
    let found = target(&place)?;
    let Some(wanted) = wanted else {
        match rustix::fs::unlinkat(&place.dir, &place.name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error).context("removing it"),
        }
        return place.sync_dir().context("syncing its directory");
    };
    let link = |name: &str| rustix::fs::symlinkat(wanted, &place.dir, name);
    let ((), name) = temporary::make(&place, link).context("making it")?;
    let flags = if found.is_none() { RenameFlags::NOREPLACE } else { RenameFlags::empty() };
    let renamed = rustix::fs::renameat_with(&place.dir, &name, &place.dir, &place.name, flags);
    if let Err(error) = renamed {
        // If even this fails, the next write of the same link or the next start removes it.
        temporary::discard(&place, &name).ok();
        ensure!(error != Errno::EXIST, files::CAME);
        return Err(error).context("putting it in place");
    }
    place.sync_dir().context("syncing its directory")
}
