//! `directory`: a directory with its owner, group and mode; only an empty one is ever removed.

use anyhow::{Context as _, Result, bail};
use muster_proto::condition::Condition;
use muster_proto::resource::value::Mode;
use rustix::fs::{AtFlags, FileType, Mode as Bits, OFlags};
use rustix::io::Errno;

use super::{Job, Prepared, Wanted, is_removal, mode, owners, ready};
use crate::host::Host;
use crate::host::accounts::Accounts;
use crate::host::files;
use crate::host::walk::{Place, count_entries, kind_of};

/// Beyond this the number says nothing more to an admin.
const MOST_COUNTED: usize = 10_000;

pub(super) fn read(host: &Host, accounts: &Accounts, wanted: &Wanted<'_>) -> Result<Condition> {
    let Some(place) = host.root.place(wanted.id.key())? else { return Ok(Condition::Absent) };
    let Some(stat) = place.stat()? else { return Ok(Condition::Absent) };
    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        bail!("there is {} in its place: remove it, or manage it as what it is", kind_of(&stat));
    }
    let (owner, group) = wanted.owner_names();
    Ok(Condition::present([
        ("owner", accounts.owner_name(stat.st_uid, owner).into()),
        ("group", accounts.group_name(stat.st_gid, group).into()),
        ("mode", Mode::from_bits(stat.st_mode).to_string().into()),
    ]))
}

pub(super) fn prepare(host: &Host, job: &Job<'_>) -> Result<Prepared> {
    if !is_removal(job.step) {
        return Ok(ready());
    }
    let place = host.root.existing_place(job.step.id.key())?;
    Ok(match count_entries(&place.open(OFlags::DIRECTORY)?, MOST_COUNTED)? {
        0 => ready(),
        n => {
            let many = if n == MOST_COUNTED { "at least " } else { "" };
            let reason = format!("it holds {many}{n} entries, and only an empty directory is ever removed");
            Prepared::Blocked(reason)
        }
    })
}

pub(super) fn write(host: &Host, job: &Job<'_>) -> Result<()> {
    let place = host.root.existing_place(job.step.id.key())?;
    if is_removal(job.step) {
        return remove(&place);
    }
    let accounts = Accounts::load(&host.root)?;
    let (uid, gid) = owners(&accounts, &job.step.to)?;
    let created = match rustix::fs::mkdirat(&place.dir, &place.name, Bits::RWXU) {
        Ok(()) => true,
        Err(Errno::EXIST) => false,
        Err(error) => return Err(error).context("making it"),
    };
    let dir = place.open(OFlags::DIRECTORY).context("opening it")?;
    let stat = rustix::fs::fstat(&dir).context("asking about it")?;
    // A directory of our own making is root's with 0755, whatever the process's mask and the parent's setgid say.
    let (owners, bits) = if created {
        ((uid.or(Some(0)), gid.or(Some(0))), Some(mode(&job.step.to).unwrap_or(0o755)))
    } else {
        ((uid, gid), mode(&job.step.to))
    };
    files::apply_attributes(&dir, &stat, owners, bits)?;
    if created { place.sync_dir().context("syncing the directory above") } else { Ok(()) }
}

fn remove(place: &Place) -> Result<()> {
    match rustix::fs::unlinkat(&place.dir, &place.name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => place.sync_dir().context("syncing the directory above"),
        Err(Errno::NOTEMPTY) => bail!("it is not empty, and only an empty directory is ever removed"),
        Err(error) => Err(error).context("removing it"),
    }
}
