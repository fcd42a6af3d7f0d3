//! `archive`: a tree of files that is unpacked from an artifact, and replaced as a whole.
//!
//! The artifact is fetched by the link. Until it is here, what should be there is Drifted with how far that is: nothing is wrong with
//! the profile, and nothing is to be done about it on this device.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result, bail, ensure};
use muster_proto::Digest;
use muster_proto::condition::Condition;
use muster_proto::resource::archive::{ARTIFACT, NOTHING};
use muster_proto::resource::value::Mode;
use rustix::fs::{FileType, OFlags};
use serde_json::{Value, json};

use super::{Job, Prepared, Preserved, Wanted, fetched, is_removal, number, owners, ready, text};
use crate::host::Host;
use crate::host::accounts::Accounts;
use crate::host::files;
use crate::host::temporary;
use crate::host::tree::{self, Found, Tree};
use crate::host::unpack::Spot;
use crate::host::walk::{Others, Place, count_entries, kind_of};

/// What stands in place of an artifact's digest for a directory that Muster did not put there and that holds something.
const FOREIGN: &str = "unknown";

/// What the ledger keeps of an empty directory that was there before.
const MODE: &str = "mode";

pub(super) fn read(host: &Host, accounts: &Accounts, wanted: &Wanted<'_>) -> Result<Condition> {
    let found = found(host, accounts, wanted)?;
    let is_foreign = text(&found, ARTIFACT) == Some(FOREIGN);
    Ok(if is_foreign { found } else { fetched::or_left(host, wanted, found) })
}

fn found(host: &Host, accounts: &Accounts, wanted: &Wanted<'_>) -> Result<Condition> {
    let path = wanted.id.key();
    let Some(place) = host.root.place(path)? else { return Ok(Condition::Absent) };
    let Some(stat) = place.stat()? else { return Ok(Condition::Absent) };
    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        bail!("there is {} in its place: remove it, or manage it as what it is", kind_of(&stat));
    }
    let (owner, group) = wanted.owner_names();
    let of = |artifact: Value, strip: Value, (uid, gid): (u32, u32)| {
        Condition::present([
            (ARTIFACT, artifact),
            ("strip", strip),
            ("owner", accounts.owner_name(uid, owner).into()),
            ("group", accounts.group_name(gid, group).into()),
        ])
    };
    Ok(match host.trees.look(path, &place)? {
        Found::Ours(Tree { artifact, strip, uid, gid }, changed) => {
            let is =
                changed.map_or_else(|| artifact.to_string(), |changed| format!("{artifact}, but {changed}"));
            of(is.into(), strip.into(), (uid, gid))
        }
        Found::Foreign => {
            let dir = place.open(OFlags::DIRECTORY).context("opening it")?;
            let is = if count_entries(&dir, 1)? == 0 { NOTHING } else { FOREIGN };
            of(is.into(), Value::Null, (stat.st_uid, stat.st_gid))
        }
    })
}

pub(super) fn prepare(host: &Host, accounts: &Accounts, job: &Job<'_>) -> Result<Prepared> {
    let path = job.step.id.key();
    let above = path.rsplit_once('/').map_or("", |(above, _)| above);
    let place = host.root.existing_place(path)?;
    let others = host.root.others_in(above)?.context("the directory above is gone since a moment ago")?;
    if others != Others::Nobody {
        let above = if above.is_empty() { "/" } else { above };
        return Ok(Prepared::Blocked(format!(
            "others than root can change what is in {above} or above it, and could have another tree put in its place: let only \
             root write there"
        )));
    }
    if job.step.from != Condition::Absent
        && let Some(mounted) = tree::mounted_in(&place)?
    {
        return Ok(Prepared::Blocked(format!(
            "something is mounted in it, at {mounted}: unmount that first"
        )));
    }
    if is_removal(job.step) {
        return Ok(ready());
    }
    owners(accounts, &job.step.to)?;
    if text(&job.step.from, ARTIFACT) == Some(FOREIGN) {
        let reason = "there is a directory in its place that Muster did not unpack, and it is not empty: move it away, or name \
                      another path";
        return Ok(Prepared::Blocked(reason.to_owned()));
    }
    let is_first = job.record.is_none_or(|record| record.extra.is_null());
    if is_first && text(&job.step.from, ARTIFACT) == Some(NOTHING) {
        let stat = place.stat()?.context("it is gone since a moment ago")?;
        let extra = json!({ MODE: Mode::from_bits(stat.st_mode).to_string() });
        return Ok(Prepared::Ready(Preserved { blobs: vec![], extra }));
    }
    Ok(ready())
}

pub(super) async fn write(host: &Host, jobs: &[Job<'_>]) -> Vec<Result<()>> {
    let mut results = Vec::with_capacity(jobs.len());
    for job in jobs {
        results.push(make_so(host, job).await);
    }
    results
}

/// What is to be at the place.
enum Made {
    Tree(Tree),
    Empty { owners: (u32, u32), mode: u32 },
    Nothing,
}

/// Makes one step so, on a thread of its own: it may take minutes, and leases end meanwhile.
async fn make_so(host: &Host, job: &Job<'_>) -> Result<()> {
    let path = job.step.id.key();
    let place = host.root.existing_place(path)?;
    let made = what(host, job, &place)?;
    let stop = StopOnDrop(Arc::default());
    let spot = Spot {
        path: path.to_owned(),
        dir: place.dir.try_clone().context("opening the directory above")?,
        aside: temporary::usual_name(&place.name),
        name: place.name,
        lists: host.trees.clone(),
        stop: Arc::clone(&stop.0),
    };
    let artifacts = host.artifacts.clone();
    let work = move || match made {
        Made::Tree(tree) => spot.unpack(artifacts.open(&tree.artifact)?, &tree),
        Made::Empty { owners, mode } => spot.empty(owners, mode),
        Made::Nothing => spot.remove(),
    };
    tokio::task::spawn_blocking(work).await.context("its thread ended before it was done")?
}

fn what(host: &Host, job: &Job<'_>, place: &Place) -> Result<Made> {
    if is_removal(job.step) {
        return Ok(Made::Nothing);
    }
    let accounts = Accounts::load(&host.root)?;
    let (uid, gid) = owners(&accounts, &job.step.to)?;
    let owners = (uid.unwrap_or(0), gid.unwrap_or(0));
    let artifact = text(&job.step.to, ARTIFACT).context("it is not said which artifact")?;
    if artifact == NOTHING {
        let mode = job.record.and_then(|record| record.extra.get(MODE)?.as_str());
        let mode = mode.and_then(|mode| Mode::parse(mode).ok()).map_or(0o755, |mode| mode.bits());
        return Ok(Made::Empty { owners, mode });
    }
    let artifact: Digest = artifact.parse()?;
    if place.stat()?.is_some() && host.trees.look(job.step.id.key(), place)? == Found::Foreign {
        let dir = place.open(OFlags::DIRECTORY).context("opening it")?;
        ensure!(count_entries(&dir, 1)? == 0, files::CAME);
    }
    let strip = number(&job.step.to, "strip").and_then(|strip| u8::try_from(strip).ok()).unwrap_or(0);
    Ok(Made::Tree(Tree { artifact, strip, uid: owners.0, gid: owners.1 }))
}

/// Ends the work of a thread when nobody waits for it any more.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
