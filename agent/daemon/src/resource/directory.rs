//! `directory`: a directory with its owner, group and mode; only an empty one is ever removed.

use std::os::fd::OwnedFd;

use anyhow::{Context as _, Result, bail};
use muster_proto::condition::Condition;
use muster_proto::resource::value::Mode;
use rustix::fs::{AtFlags, FileType, Mode as Bits, OFlags, Stat};
use rustix::io::Errno;
use serde_json::{Value, json};

use super::{Job, Prepared, Wanted, Written, is_removal, mode, owners, ready, sentence};
use crate::host::Host;
use crate::host::accounts::Accounts;
use crate::host::files;
use crate::host::walk::{Others, Place, count_entries, identity, kind_of};

/// Beyond this the number says nothing more to an admin.
const MOST_COUNTED: usize = 10_000;
/// What the ledger keeps of the directory itself.
const MADE: &str = "made";

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

pub(super) fn prepare(host: &Host, accounts: &Accounts, job: &Job<'_>) -> Result<Prepared> {
    let is_new = job.step.from == Condition::Absent;
    if is_new && !is_removal(job.step) {
        return Ok(ready());
    }
    let place = host.root.existing_place(job.step.id.key())?;
    let dir = place.open(OFlags::DIRECTORY).context("opening it")?;
    if !is_removal(job.step) {
        let stat = rustix::fs::fstat(&dir).context("asking about it")?;
        return Ok(strange(host, accounts, job, (&dir, &stat), false)?.map_or_else(ready, Prepared::Blocked));
    }
    Ok(match count_entries(&dir, MOST_COUNTED)? {
        0 => ready(),
        n => {
            let many = if n == MOST_COUNTED { "at least " } else { "" };
            let reason = format!("it holds {many}{n} entries, and only an empty directory is ever removed");
            Prepared::Blocked(reason)
        }
    })
}

pub(super) fn write(host: &Host, job: &Job<'_>) -> Written {
    let made = make_so(host, job).map_err(|error| sentence(&error));
    let extra = made.as_ref().ok().cloned().flatten();
    Written { result: made.map(drop), secret: None, extra }
}

/// Makes one step so; gives by what this very directory is known again.
fn make_so(host: &Host, job: &Job<'_>) -> Result<Option<Value>> {
    let place = host.root.existing_place(job.step.id.key())?;
    if is_removal(job.step) {
        return remove(&place).map(|()| None);
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
    if let Some(reason) = strange(host, &accounts, job, (&dir, &stat), created)? {
        bail!(reason);
    }
    // A directory of our own making is root's with 0755, whatever the process's mask and the parent's setgid say.
    let (owners, bits) = if created {
        ((uid.or(Some(0)), gid.or(Some(0))), Some(mode(&job.step.to).unwrap_or(0o755)))
    } else {
        ((uid, gid), mode(&job.step.to))
    };
    files::apply_attributes(&dir, &stat, owners, bits)?;
    if created {
        place.sync_dir().context("syncing the directory above")?;
    }
    Ok(Some(json!({ MADE: identity(&dir)? })))
}

/// Why a directory is not changed although it stands where one is wanted, if there is a reason. Where others than root can
/// write on the way, it may be any directory that one of them moved there, and its contents would be opened to whom the
/// profile names.
///
/// What can be nobody's loss is changed all the same: the one that Muster made or changed before, an empty one of root's, as
/// a crash leaves it, and one whose owner stays who alone can write on the way.
fn strange(
    host: &Host,
    accounts: &Accounts,
    job: &Job<'_>,
    (dir, stat): (&OwnedFd, &Stat),
    created: bool,
) -> Result<Option<String>> {
    let above = job.step.id.key().rsplit_once('/').map_or("", |(above, _)| above);
    let others = host.root.others_in(above)?.context("the directory above is gone since a moment ago")?;
    let stays_with = |uid: u32| -> Result<bool> {
        let (wanted, _) = owners(accounts, &job.step.to)?;
        Ok(!created && stat.st_uid == uid && wanted.is_none_or(|wanted| wanted == uid))
    };
    let is_safe = match others {
        Others::Nobody => true,
        Others::One(uid) if stays_with(uid)? => true,
        Others::One(_) | Others::Several => {
            is_known(job, dir)? || (stat.st_uid == 0 && count_entries(dir, 1)? == 0)
        }
    };
    Ok((!is_safe).then(|| {
        format!(
            "it is a directory of {} that Muster did not make, and others than root can put one there: look whose it is, then \
             move it away, or let only root write in {above} and above it",
            accounts.owner_name(stat.st_uid, None)
        )
    }))
}

/// Whether this is the very directory that Muster last made or changed here.
fn is_known(job: &Job<'_>, dir: &OwnedFd) -> Result<bool> {
    let known = job.record.and_then(|record| record.extra.get(MADE));
    Ok(match known {
        Some(known) => *known == json!(identity(dir)?),
        None => false,
    })
}

fn remove(place: &Place) -> Result<()> {
    match rustix::fs::unlinkat(&place.dir, &place.name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => place.sync_dir().context("syncing the directory above"),
        Err(Errno::NOTEMPTY) => bail!("it is not empty, and only an empty directory is ever removed"),
        Err(error) => Err(error).context("removing it"),
    }
}
