//! `repository`: a package repository of apt, as two files and the lists that they lead to.

use anyhow::{Context as _, Result};
use muster_proto::condition::{Attributes, Condition};
use muster_proto::resource::repository::Repository;
use muster_proto::{Digest, ResourceId};
use serde_json::Value;

use super::{BACKUP_LIMIT, Contents, Job, Prepared, Preserved, Wanted, apt, is_removal, ready, text};
use crate::host::Host;
use crate::host::files::{self, NewFile};

/// The folder of keys, which has to be open to the user that apt fetches as.
const KEYRINGS: &str = "/etc/apt/keyrings";

/// The attributes and the files behind them.
pub(super) fn parts(id: &ResourceId) -> [(&'static str, String); 2] {
    [("key", Repository::key_path(id.key())), ("sources", Repository::sources_path(id.key()))]
}

pub(super) fn read(host: &mut Host, wanted: &Wanted<'_>) -> Result<Condition> {
    let mut attributes = Attributes::new();
    for (attribute, path) in parts(wanted.id) {
        if let Some(seen) = host.digests.look(&host.root, &path).with_context(|| path.clone())? {
            attributes.insert(attribute.to_owned(), seen.digest.to_string().into());
        }
    }
    Ok(if attributes.is_empty() { Condition::Absent } else { Condition::Present(attributes) })
}

pub(super) fn prepare(host: &Host, job: &Job<'_>) -> Result<Prepared> {
    if job.record.is_some() {
        return Ok(ready());
    }
    let mut blobs = vec![];
    for (attribute, path) in parts(&job.step.id) {
        if text(&job.step.from, attribute).is_some() {
            blobs.extend(files::content(&host.root, &path, BACKUP_LIMIT).with_context(|| path.clone())?);
        }
    }
    Ok(Prepared::Ready(Preserved { blobs, extra: Value::Null }))
}

pub(super) async fn write(host: &mut Host, jobs: &[Job<'_>], contents: &Contents<'_>) -> Vec<Result<()>> {
    let mut results = vec![];
    for job in jobs {
        let result =
            if is_removal(job.step) { remove(host, job) } else { replace(host, job, contents).await };
        results.push(result);
    }
    results
}

fn remove(host: &Host, job: &Job<'_>) -> Result<()> {
    let parts = parts(&job.step.id);
    let expected = |attribute| text(&job.step.from, attribute).and_then(|digest| digest.parse().ok());
    let going = parts.each_ref().map(|(attribute, path)| (path.as_str(), expected(attribute)));
    files::remove_all(&host.root, &going).into_iter().collect()
}

/// Puts the files in place and fetches the lists. A repository that can't be read would break every later use of apt,
/// so that what was there before comes back then.
async fn replace(host: &mut Host, job: &Job<'_>, contents: &Contents<'_>) -> Result<()> {
    files::ensure_directory(&host.root, KEYRINGS).context("is this a system with apt?")?;
    let mut before = vec![];
    let mut after = vec![];
    for (attribute, path) in parts(&job.step.id) {
        before.push((path.clone(), files::content(&host.root, &path, BACKUP_LIMIT)?));
        // A condition that names only one of the two comes from a repository that was incomplete.
        let Some(digest) = text(&job.step.to, attribute) else { continue };
        let digest: Digest = digest.parse()?;
        let content = contents(&digest).context("its content is no longer known to the agent")?;
        after.push(new_file(path, content));
    }
    files::write_all(&host.root, &after).into_iter().collect::<Result<()>>()?;
    let sources = Repository::sources_path(job.step.id.key());
    let Err(error) = apt::fetch_lists(host, apt::Sources::Only(&sources)).await else { return Ok(()) };
    put_back(host, before).context("putting back what was there after apt failed")?;
    Err(error.context("apt can't use it"))
}

fn put_back(host: &Host, before: Vec<(String, Option<Vec<u8>>)>) -> Result<()> {
    let mut restored = vec![];
    for (path, content) in before {
        match content {
            Some(content) => restored.push(new_file(path, content)),
            None => files::remove_all(&host.root, &[(&path, None)]).remove(0)?,
        }
    }
    files::write_all(&host.root, &restored).into_iter().collect()
}

fn new_file(path: String, content: Vec<u8>) -> NewFile {
    // apt fetches as an unprivileged user, who has to be able to read both.
    NewFile { path, content, uid: 0, gid: 0, mode: 0o644 }
}
