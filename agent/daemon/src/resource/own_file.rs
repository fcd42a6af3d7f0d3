//! Small files of Muster's own that are one part of a resource whose other parts are elsewhere, such as in the kernel.
//!
//! In a condition such a file is the digest of its content, or [`NO_FILE`]. They all are root's with mode 0644: one that
//! is anyone else's says so in place of its digest, and so is written anew.

use anyhow::{Context as _, Result, ensure};
use muster_converge::trial;
use muster_proto::Digest;
use muster_proto::condition::NO_FILE;
use serde_json::Value;

use super::{Contents, Job, Prepared, Preserved, backup, keep, text};
use crate::host::Host;
use crate::host::files::{self, NewFile, Seen};

const MODE: u32 = 0o644;

/// An attribute and the path of the file that it tells of.
pub(super) type Part = (&'static str, String);

/// What a condition says of the file.
pub(super) fn read(host: &mut Host, path: &str) -> Result<Value> {
    let seen = host.digests.look(&host.root, path).with_context(|| path.to_owned())?;
    Ok(match seen {
        None => NO_FILE.into(),
        Some(Seen { digest, uid: 0, gid: 0, mode: MODE, .. }) => digest.to_string().into(),
        Some(Seen { digest, uid, gid, mode, .. }) => format!("{digest} of {uid}:{gid}, {mode:04o}").into(),
    })
}

/// When a file was last written, in microseconds since 1970; `None` where there is none.
pub(super) fn written_at(host: &Host, path: &str) -> Result<Option<i64>> {
    let Some(place) = host.root.place(path).with_context(|| path.to_owned())? else { return Ok(None) };
    let stat = place.stat().with_context(|| path.to_owned())?;
    Ok(stat.map(|stat| stat.st_mtime * 1_000_000 + i64::try_from(stat.st_mtime_nsec / 1_000).unwrap_or(0)))
}

/// Keeps what stood in files that a step replaces. What is not Muster's and not plainly root's is not replaced, because
/// it could not be put back as it was.
pub(super) fn prepare(host: &Host, job: &Job<'_>, parts: &[Part]) -> Result<Prepared> {
    let mut blobs = vec![];
    for (attribute, path) in parts {
        let plain = text(&job.step.from, attribute).is_none_or(|there| there == NO_FILE || is_digest(there));
        ensure!(
            plain || job.has_written(attribute) || !job.changes(attribute),
            "{path} is not of root's alone with mode 0644, and Muster did not make it: remove it or give it to root first"
        );
        let there =
            text(&job.step.from, attribute).filter(|there| is_digest(there) && job.changes(attribute));
        match there.filter(|_| trial::may_cut_off(&job.step.id)) {
            // It may have to come back although Muster itself wrote it.
            Some(there) => blobs.push(keep(host, path, there)?),
            None => {
                if let Prepared::Ready(kept) = backup(host, job, path, attribute)? {
                    blobs.extend(kept.blobs);
                }
            }
        }
    }
    Ok(Prepared::Ready(Preserved { blobs, extra: Value::Null }))
}

/// Writes and removes the files of many steps, as far as the steps change them and the files are as they were when that was
/// planned.
pub(super) fn write(
    host: &mut Host,
    jobs: &[Job<'_>],
    parts: impl Fn(&Job<'_>) -> Vec<Part>,
    contents: &Contents<'_>,
) -> Vec<Result<()>> {
    let mut results: Vec<Result<()>> = jobs.iter().map(|_| Ok(())).collect();
    let (mut coming, mut of_coming, mut going, mut of_going) = (vec![], vec![], vec![], vec![]);
    for (index, job) in jobs.iter().enumerate() {
        for (attribute, path) in parts(job) {
            match change(host, job, attribute, path, contents) {
                Ok(Some(Change::Write(file))) => {
                    coming.push(file);
                    of_coming.push(index);
                }
                Ok(Some(Change::Remove(path, expected))) => {
                    going.push((path, expected));
                    of_going.push(index);
                }
                Ok(None) => {}
                Err(error) => results[index] = Err(error),
            }
        }
    }
    for file in &coming {
        // What is wrong with the directory is said by the write.
        ensure_directories(host, &file.path).ok();
    }
    let going: Vec<_> = going.iter().map(|(path, expected)| (path.as_str(), *expected)).collect();
    let written = of_coming.into_iter().zip(files::write_all(&host.root, &coming));
    let removed = of_going.into_iter().zip(files::remove_all(&host.root, &going));
    for (index, result) in written.chain(removed) {
        if results[index].is_ok() {
            results[index] = result;
        }
    }
    results
}

enum Change {
    Write(NewFile),
    Remove(String, Option<Digest>),
}

fn change(
    host: &mut Host,
    job: &Job<'_>,
    attribute: &'static str,
    path: String,
    contents: &Contents<'_>,
) -> Result<Option<Change>> {
    let Some(to) = text(&job.step.to, attribute).filter(|_| job.changes(attribute)) else { return Ok(None) };
    let found = read(host, &path)?;
    if found == to {
        return Ok(None);
    }
    // What is written over or removed is in the ledger as it was when that was planned, and can't be had back as it became since.
    if found != NO_FILE
        && let Some(planned) = text(&job.step.from, attribute)
    {
        ensure!(planned != NO_FILE, "{path}: {}", files::CAME);
        ensure!(found == planned, "{path}: {}", files::CHANGED);
    }
    if to == NO_FILE {
        let expected = found.as_str().and_then(|found| found.parse().ok());
        return Ok(Some(Change::Remove(path, expected)));
    }
    let digest: Digest = to.parse().with_context(|| format!("what {path} held"))?;
    let content = contents(&digest).context("its content is no longer known to the agent")?;
    let is_new = found == NO_FILE;
    Ok(Some(Change::Write(NewFile { path, content, uid: 0, gid: 0, mode: MODE, is_new })))
}

/// Makes the directories on the way to a file where the package that usually brings them is not installed. They stay when the
/// file goes: others may have come to use them.
fn ensure_directories(host: &Host, file: &str) -> Result<()> {
    let ends = file.match_indices('/').map(|(end, _)| end).filter(|end| *end > 0);
    ends.into_iter().try_for_each(|end| files::ensure_directory(&host.root, &file[..end]))
}

fn is_digest(text: &str) -> bool {
    text.parse::<Digest>().is_ok()
}
