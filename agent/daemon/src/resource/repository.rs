//! `repository`: a package repository of apt or of dnf, as two files and the lists that they lead to.

use anyhow::{Context as _, Result, ensure};
use muster_proto::condition::{Attributes, Condition};
use muster_proto::resource::Resource;
use muster_proto::resource::repository::Repository;
use muster_proto::{Digest, ResourceId};
use serde_json::{Value, json};

use super::transaction::{Sources, fetch_lists};
use super::{BACKUP_LIMIT, Contents, Job, Prepared, Preserved, Wanted, backup, is_removal, text};
use crate::host::Host;
use crate::host::files::{self, NewFile};
use crate::host::packages::Manager;
use crate::host::rpm;
use crate::host::run::Work;

/// What the ledger keeps of whether rpm trusted the key before.
const TRUSTED: &str = "trusted";

/// The attributes and the files behind them: two of them are apt's and two are dnf's.
pub(super) fn parts(id: &ResourceId) -> [(&'static str, String); 4] {
    [
        ("key", Repository::key_path(id.key())),
        ("sources", Repository::sources_path(id.key())),
        ("rpm_key", Repository::rpm_key_path(id.key())),
        ("repo", Repository::repo_path(id.key())),
    ]
}

/// The folders of these files, which have to be open to the user that apt fetches as.
fn folders(manager: Manager) -> &'static [&'static str] {
    match manager {
        Manager::Apt => &["/etc/apt/keyrings"],
        Manager::Dnf => &["/etc/yum.repos.d", "/etc/pki", "/etc/pki/rpm-gpg"],
    }
}

pub(super) fn read(host: &mut Host, wanted: &Wanted<'_>) -> Result<Condition> {
    if let Some(Resource::Repository(repository)) = wanted.resource
        && repository.desired() != Condition::Absent
    {
        let of = if repository.suite.is_some() { Manager::Apt } else { Manager::Dnf };
        ensure!(
            host.packages.manager() == of,
            match of {
                Manager::Apt =>
                    "it is a repository for apt, as it has a suite, and this device uses dnf: \
                     name the systems that it is for, as in when: { os: debian }",
                Manager::Dnf =>
                    "it is a repository for dnf, as it has no suite, and this device uses apt: \
                     name the systems that it is for, as in when: { os: fedora }",
            }
        );
    }
    let mut attributes = Attributes::new();
    for (attribute, path) in parts(wanted.id) {
        if let Some(seen) = host.digests.look(&host.root, &path).with_context(|| path.clone())? {
            attributes.insert(attribute.to_owned(), seen.digest.to_string().into());
        }
    }
    Ok(if attributes.is_empty() { Condition::Absent } else { attributes.into_iter().collect() })
}

pub(super) fn prepare(host: &Host, job: &Job<'_>) -> Result<Prepared> {
    let extra = match job.step.resource() {
        // dnf has rpm trust the key with the first package that it signs, for whatever repository there is: that ends with this one.
        Some(Resource::Repository(repository)) if is_another_key(job) => {
            json!({ TRUSTED: !rpm::names_of_key(&host.root, &repository.key)?.is_empty() })
        }
        _ => Value::Null,
    };
    let mut blobs = vec![];
    for (attribute, path) in parts(&job.step.id) {
        if job.record.is_none() && text(&job.step.from, attribute).is_some() {
            blobs.extend(files::content(&host.root, &path, BACKUP_LIMIT).with_context(|| path.clone())?);
        } else if let Prepared::Ready(kept) = backup(host, job, &path, attribute)? {
            // The record tells nothing of a file that an earlier step left to who made it.
            blobs.extend(kept.blobs);
        }
    }
    Ok(Prepared::Ready(Preserved { blobs, extra }))
}

pub(super) async fn write(host: &mut Host, jobs: &[Job<'_>], contents: &Contents<'_>) -> Vec<Result<()>> {
    let mut results = vec![];
    for job in jobs {
        let result =
            if is_removal(job.step) { remove(host, job).await } else { replace(host, job, contents).await };
        results.push(result);
    }
    results
}

async fn remove(host: &mut Host, job: &Job<'_>) -> Result<()> {
    distrust(host, job).await?;
    let parts = parts(&job.step.id);
    // What was not there when this was planned is somebody else's by now.
    let there = parts.iter().filter_map(|(attribute, path)| Some((path.as_str(), planned(job, attribute)?)));
    let going: Vec<_> = there.map(|(path, digest)| (path, Some(digest))).collect();
    files::remove_all(&host.root, &going).into_iter().collect()
}

/// What a file held when the step was planned.
fn planned(job: &Job<'_>, attribute: &str) -> Option<Digest> {
    text(&job.step.from, attribute)?.parse().ok()
}

/// Whether a key of dnf's comes that is not the one that Muster last wrote.
fn is_another_key(job: &Job<'_>) -> bool {
    let written = job.record.and_then(|record| text(&record.wrote, "rpm_key"));
    let coming = text(&job.step.to, "rpm_key");
    coming.is_some() && coming != written
}

/// Has rpm no longer trust the key that Muster wrote, where it did not before. Another one in its place is somebody else's doing.
async fn distrust(host: &mut Host, job: &Job<'_>) -> Result<()> {
    let trusted = job.record.and_then(|record| record.extra.get(TRUSTED)).and_then(Value::as_bool);
    if trusted != Some(false) {
        return Ok(());
    }
    let path = Repository::rpm_key_path(job.step.id.key());
    let Some(key) = files::content(&host.root, &path, BACKUP_LIMIT)? else { return Ok(()) };
    let written = job.record.and_then(|record| text(&record.wrote, "rpm_key"));
    if written != Some(Digest::of(&key).to_string().as_str()) {
        return Ok(());
    }
    for name in rpm::names_of_key(&host.root, &String::from_utf8_lossy(&key))? {
        let argv = ["/usr/bin/rpm", "--erase", "--", &name];
        host.run(Work::Packages, &argv, None).await?.ok("having rpm no longer trust the key")?;
    }
    Ok(())
}

/// Puts the files in place and fetches the lists. A repository that can't be read would break every later use of apt,
/// so that what was there before comes back then.
async fn replace(host: &mut Host, job: &Job<'_>, contents: &Contents<'_>) -> Result<()> {
    let is_apts = ["key", "sources"].iter().any(|attribute| text(&job.step.to, attribute).is_some());
    let of = if is_apts { Manager::Apt } else { Manager::Dnf };
    for folder in folders(of) {
        files::ensure_directory(&host.root, folder).context("is this a system with this package manager?")?;
    }
    let (before, after) = exchange(host, job, contents)?;
    if is_another_key(job) {
        distrust(host, job).await?;
    }
    if let Err(error) = files::write_all(&host.root, &after).into_iter().collect::<Result<()>>() {
        // One file without the other would count for what Muster made, and the other with it.
        put_back(host, before).context("putting back what was there after not all could be written")?;
        return Err(error);
    }
    // What is put back where another package manager is in use by now is nobody's to read.
    if host.packages.manager() != of {
        return Ok(());
    }
    let Err(error) = fetch_lists(host, Sources::Only(job.step.id.key())).await else { return Ok(()) };
    put_back(host, before).context("putting back what was there after its lists could not be fetched")?;
    Err(error.context(match of {
        Manager::Apt => "apt can't use it",
        Manager::Dnf => "dnf can't use it",
    }))
}

/// A file that was written, and what it held before.
#[derive(Debug)]
pub(super) struct Replaced {
    path: String,
    before: Option<Vec<u8>>,
    wrote: Digest,
}

/// What comes into the place of what, where what is there is still what the step was planned for.
pub(super) fn exchange(
    host: &Host,
    job: &Job<'_>,
    contents: &Contents<'_>,
) -> Result<(Vec<Replaced>, Vec<NewFile>)> {
    let (mut replaced, mut coming) = (vec![], vec![]);
    for (attribute, path) in parts(&job.step.id) {
        // A condition that names only one of the two comes from a repository that was incomplete.
        let Some(digest) = text(&job.step.to, attribute) else { continue };
        let wrote: Digest = digest.parse()?;
        let before = files::content(&host.root, &path, BACKUP_LIMIT)?;
        let found = before.as_deref().map(Digest::of);
        if found != Some(wrote) {
            files::check_since(planned(job, attribute), found).with_context(|| path.clone())?;
        }
        let content = contents(&wrote).context("its content is no longer known to the agent")?;
        coming.push(new_file(path.clone(), content, found.is_none()));
        replaced.push(Replaced { path, before, wrote });
    }
    Ok((replaced, coming))
}

/// Puts back what files held, but over what someone else made of them while the lists were fetched.
pub(super) fn put_back(host: &Host, replaced: Vec<Replaced>) -> Result<()> {
    let mut restored = vec![];
    for Replaced { path, before, wrote } in replaced {
        let there = files::content(&host.root, &path, BACKUP_LIMIT)?;
        if there.as_deref().map(Digest::of) != Some(wrote) {
            continue;
        }
        match before {
            Some(content) => restored.push(new_file(path, content, false)),
            None => files::remove_all(&host.root, &[(&path, Some(wrote))]).remove(0)?,
        }
    }
    files::write_all(&host.root, &restored).into_iter().collect()
}

fn new_file(path: String, content: Vec<u8>, is_new: bool) -> NewFile {
    // apt fetches as an unprivileged user, who has to be able to read both.
    NewFile { path, content, uid: 0, gid: 0, mode: 0o644, is_new }
}
