//! `file`: a regular file with its content, owner, group and mode.

use anyhow::{Context as _, Result, bail, ensure};
use muster_proto::Digest;
use muster_proto::condition::Condition;
use muster_proto::resource::value::Mode;
use serde_json::{Map, Value, json};

use super::{BACKUP_LIMIT, Contents, Job, Room, Wanted, is_removal, mode, owners, text};
use crate::host::Host;
use crate::host::accounts::Accounts;
use crate::host::files::{self, Attributes, NewFile, Owners, Seen};
use crate::host::walk::Others;

/// Under which name of a record's extra is whose a file was.
const WAS: &str = "was";

pub(super) fn read(
    host: &mut Host,
    accounts: &Accounts,
    wanted: &Wanted<'_>,
    path: &str,
) -> Result<Condition> {
    // Whoever owns a file can give it another name, and would keep it at this one for ever. Where it is Muster's, it is replaced or
    // removed here alone. Before, it may be one on purpose, and a file of its own would not bring that back.
    let seen = match wanted.record {
        Some(_) => host.digests.look_at_any(&host.root, path)?,
        None => host.digests.look(&host.root, path)?,
    };
    let Some(seen) = seen else { return Ok(Condition::Absent) };
    let (owner, group) = wanted.owner_names();
    Ok(Condition::present([
        ("content", seen.digest.to_string().into()),
        ("owner", accounts.owner_name(seen.uid, owner).into()),
        ("group", accounts.group_name(seen.gid, group).into()),
        ("mode", Mode::from_bits(seen.mode).to_string().into()),
    ]))
}

/// What a step asks of a file.
enum Change {
    Whole(NewFile),
    Attributes {
        expected: Option<Digest>,
        owners: Owners,
        mode: Option<u32>,
    },
    /// Of a file of which nobody says what it holds.
    AttributesOfAny {
        expected: Option<Digest>,
        others: Others,
        owners: Owners,
        mode: Option<u32>,
    },
    GiveBack {
        owners: Owners,
        mode: Option<u32>,
    },
}

pub(super) fn write(host: &mut Host, jobs: &[Job<'_>], contents: &Contents<'_>) -> Vec<Result<()>> {
    if jobs.first().is_some_and(|job| is_removal(job.step)) {
        return remove_all(host, jobs);
    }
    let accounts = match host.accounts() {
        Ok(accounts) => accounts,
        Err(error) => return super::refuse_all(jobs, &error),
    };
    let mut results: Vec<Option<Result<()>>> = vec![];
    let (mut batch, mut batched, mut room) = (vec![], vec![], Room::default());
    for (index, job) in jobs.iter().enumerate() {
        let path = job.step.id.key();
        match change(host, &accounts, job, contents) {
            Ok(Change::Whole(file)) => match room.take(file.content.len()) {
                Ok(()) => {
                    batch.push(file);
                    batched.push(index);
                    results.push(None);
                }
                Err(error) => results.push(Some(Err(error))),
            },
            Ok(Change::Attributes { expected, owners, mode }) => {
                let set = files::set_attributes(&host.root, path, expected, |_| Ok((owners, mode)));
                results.push(Some(set));
            }
            Ok(Change::AttributesOfAny { expected, others, owners, mode }) => {
                let choose = |is| bounded(job, others, is, (owners, mode));
                results.push(Some(files::set_attributes(&host.root, path, expected, choose)));
            }
            Ok(Change::GiveBack { owners, mode }) => {
                results.push(Some(files::give_back(&host.root, path, owners, mode)));
            }
            Err(error) => results.push(Some(Err(error))),
        }
    }
    for (index, result) in batched.into_iter().zip(host.digests.write_all(&host.root, &batch)) {
        results[index] = Some(result);
    }
    results.into_iter().map(|result| result.expect("each job is in the batch or has its result")).collect()
}

fn change(host: &mut Host, accounts: &Accounts, job: &Job<'_>, contents: &Contents<'_>) -> Result<Change> {
    let path = job.step.id.key();
    let to = &job.step.to;
    let (mut owners, mut mode) = (owners(accounts, to)?, mode(to));
    let seen = host.digests.look_at_any(&host.root, path)?;
    let digest = text(to, "content").map(str::parse::<Digest>).transpose().context("its content")?;
    let entrusts = seen.is_some_and(|seen| entrusts(&seen, owners, mode));
    let content = match (digest, seen) {
        (None, Some(_)) if is_lent(host, job, mode)? => return Ok(Change::GiveBack { owners, mode }),
        // Who has its other name keeps that, and what it holds.
        (None, Some(seen)) if seen.is_linked && job.record.is_some() => {
            let found = files::content_of_any(&host.root, path, BACKUP_LIMIT)?;
            let (content, is) = found.context("it is gone since a moment ago")?;
            (owners, mode) = bounded(job, others_at(host, path)?, is, (owners, mode))?;
            mode = mode.or_else(|| Some(files::kept_mode(is.mode, (is.uid, is.gid), owners)));
            owners = (owners.0.or(Some(is.uid)), owners.1.or(Some(is.gid)));
            content
        }
        (None, Some(_)) => {
            ensure!(job.step.from != Condition::Absent, files::CAME);
            // Where nobody says what a file holds, it is trusted with no more than what it held when that was planned.
            let expected = expected(job).filter(|_| entrusts);
            let others = others_at(host, path)?;
            return Ok(Change::AttributesOfAny { expected, others, owners, mode });
        }
        (Some(digest), Some(seen)) if digest == seen.digest => {
            // Its former owner may hold it open, and change it after it was looked at: another file can't be reached so. Under its
            // other names it stays as it is.
            match contents(&digest).filter(|_| entrusts || seen.is_linked) {
                Some(content) => content,
                None => return Ok(Change::Attributes { expected: Some(digest), owners, mode }),
            }
        }
        (None, None) => vec![],
        (Some(digest), _) => contents(&digest).context("its content is no longer known to the agent")?,
    };
    // What is written over is in the ledger as it was when that was planned, and can't be had back as it became since.
    match (&job.step.from, seen) {
        (Condition::Absent, Some(_)) => bail!(files::CAME),
        (Condition::Present(_), Some(seen)) => {
            ensure!(expected(job).is_none_or(|expected| expected == seen.digest), files::CHANGED);
        }
        (_, None) => {}
    }
    let (was_owners, was_mode) = restored(host, accounts, job, seen)?;
    owners = (owners.0.or(was_owners.0), owners.1.or(was_owners.1));
    mode = mode.or(was_mode);
    let kept = seen.map(|seen| files::kept_mode(seen.mode, (seen.uid, seen.gid), owners));
    Ok(Change::Whole(NewFile {
        path: path.to_owned(),
        content,
        uid: owners.0.or(seen.map(|seen| seen.uid)).unwrap_or(0),
        gid: owners.1.or(seen.map(|seen| seen.gid)).unwrap_or(0),
        mode: mode.or(kept).unwrap_or(0o644),
        is_new: seen.is_none(),
    }))
}

/// Whether what was there before Muster comes back.
fn is_taken_back(job: &Job<'_>) -> bool {
    job.step.claim.is_none() || job.step.ending
}

/// What the ledger keeps of whose a file was when its content was first changed, and of its mode. The profile need say nothing of
/// them, and yet what it held is not to come back as somebody else's.
pub(super) fn whose(from: &Condition) -> Value {
    let was = ["owner", "group", "mode"].map(|name| (name.to_owned(), text(from, name).into()));
    json!({ WAS: Map::from_iter(was) })
}

/// The owner and mode with which the content of a file comes back that was there before Muster, where no profile says: those it has,
/// unless it is gone, or others than root can have put the file there that is.
fn restored(
    host: &Host,
    accounts: &Accounts,
    job: &Job<'_>,
    seen: Option<Seen>,
) -> Result<(Owners, Option<u32>)> {
    let was = job.record.filter(|_| is_taken_back(job)).and_then(|record| record.extra.get(WAS)?.as_object());
    let Some(was) = was else { return Ok(((None, None), None)) };
    if seen.is_some() && others_at(host, job.step.id.key())? == Others::Nobody {
        return Ok(((None, None), None));
    }
    let was: Condition = was.clone().into_iter().collect();
    // An account that is gone gets nothing back.
    Ok((owners(accounts, &was).unwrap_or((Some(0), Some(0))), mode(&was)))
}

/// Whether the file gets another owner, or runs as its owner or group.
fn entrusts(seen: &Seen, owners: Owners, mode: Option<u32>) -> bool {
    files::changes((seen.uid, seen.gid), owners) || mode.is_some_and(|mode| mode & files::SET_ID != 0)
}

/// Who but root can put a file at `path`.
fn others_at(host: &Host, path: &str) -> Result<Others> {
    let above = path.rsplit_once('/').map_or("", |(above, _)| above);
    host.root.others_in(above)?.context("the directory above is gone since a moment ago")
}

/// Whether it is a file of which only owner and mode were lent, and that is over: where nobody but root can have put another there,
/// it is that very one, whatever other names it has by now. What it holds is its user's, and must not run as somebody else.
fn is_lent(host: &Host, job: &Job<'_>, mode: Option<u32>) -> Result<bool> {
    Ok(job.step.ending
        && job.record.is_some()
        && mode.is_none_or(|mode| mode & files::SET_ID == 0)
        && others_at(host, job.step.id.key())? == Others::Nobody)
}

/// The owner and mode that a file may get of which nobody says what it holds.
///
/// Where others than root can put one there, it may be anybody's that one of them moved to this place, and is opened to nobody,
/// unless it is of who alone can put one there. At the end of a lease it becomes root's then: what its user did with it must not
/// prolong that. Nor does what a user may have written run as somebody else.
fn bounded(
    job: &Job<'_>,
    others: Others,
    is: Attributes,
    (owners, mut mode): (Owners, Option<u32>),
) -> Result<(Owners, Option<u32>)> {
    let would_run = mode.is_some_and(|mode| mode & files::SET_ID != 0);
    if would_run && is.uid != 0 && files::changes((is.uid, is.gid), owners) {
        ensure!(
            is_taken_back(job),
            "the account with number {} may have written what it holds, and it would run as somebody else: say its \
             content in the profile",
            is.uid
        );
        mode = mode.map(|mode| mode & !files::SET_ID);
    }
    let is_its_owners_place = match others {
        Others::Nobody => true,
        Others::One(uid) => uid == is.uid,
        Others::Several => false,
    };
    if is_its_owners_place || !opens(is, owners, mode) {
        return Ok((owners, mode));
    }
    ensure!(
        job.step.ending,
        "others than root can put a file there, and this one of the account with number {} would be opened to who did: \
         look whose it is, then say its content in the profile, or let only root write in the directory and above it",
        is.uid
    );
    Ok(((Some(0), Some(0)), Some(mode.unwrap_or(is.mode) & is.mode & !files::SET_ID)))
}

/// Whether somebody gets to a file who did not before; root does anyway.
fn opens(is: Attributes, (uid, gid): Owners, mode: Option<u32>) -> bool {
    let is_another = |id: Option<u32>, is: u32| id.is_some_and(|id| id != 0 && id != is);
    is_another(uid, is.uid) || is_another(gid, is.gid) || mode.is_some_and(|mode| mode & !is.mode != 0)
}

/// Removes the files that steps found, unless they changed since.
fn remove_all(host: &Host, jobs: &[Job<'_>]) -> Vec<Result<()>> {
    let going: Vec<_> = jobs.iter().map(|job| (job.step.id.key(), expected(job))).collect();
    files::remove_all(&host.root, &going)
}

/// Removes the file of one step, which is at `path`.
pub(super) fn remove(host: &Host, job: &Job<'_>, path: &str) -> Result<()> {
    files::remove_all(&host.root, &[(path, expected(job))]).remove(0)
}

/// What has to be in the file for it to be written over or removed. At the end of a lease that is anything: who changes it all the
/// time must not prolong it.
fn expected(job: &Job<'_>) -> Option<Digest> {
    if job.step.ends_lease() && job.record.is_some() {
        return None;
    }
    text(&job.step.from, "content")?.parse().ok()
}
