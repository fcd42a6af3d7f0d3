//! `sudo`: one rule in a file of its own, checked by visudo before it takes effect.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;

use anyhow::{Context as _, Result};
use muster_proto::condition::Condition;
use muster_proto::resource::Resource;
use muster_proto::state::FIRST_PERSON_UID;
use muster_proto::{Digest, ResourceId};

use super::{Contents, Job, Prepared, Wanted, backup, file, is_removal, mode, owners, text};
use crate::host::Host;
use crate::host::accounts::{Accounts, User};
use crate::host::files::{self, NewFile};
use crate::host::run::Work;
use crate::host::temporary;

/// The file of a rule.
pub(super) fn path(id: &ResourceId) -> String {
    format!("/etc/sudoers.d/muster-{}", id.key())
}

pub(super) fn read(host: &mut Host, accounts: &Accounts, wanted: &Wanted<'_>) -> Result<Condition> {
    file::read(host, accounts, wanted, &path(wanted.id))
}

pub(super) async fn prepare(host: &mut Host, jobs: &[Job<'_>]) -> Vec<Result<Prepared>> {
    let mut results = vec![];
    for job in jobs {
        results.push(prepare_one(host, job).await);
    }
    results
}

async fn prepare_one(host: &mut Host, job: &Job<'_>) -> Result<Prepared> {
    if !is_removal(job.step)
        && let Some(Resource::Sudo(rule)) = job.step.resource()
        && let Some(group) = rule.group()
        && let Some(reason) = unfit(host, group).await?
    {
        return Ok(Prepared::Blocked(reason));
    }
    backup(host, job, &path(&job.step.id), "content")
}

/// Why no right is given to a group, if there is a reason. sudo takes a rule for one that is not there, and from then on it is
/// for whoever makes a group of that name, as every new account does.
pub(super) async fn unfit(host: &mut Host, group: &str) -> Result<Option<String>> {
    let accounts = Accounts::load(&host.root)?;
    if let Some(local) = accounts.group(group) {
        let is_persons = |user: &User| user.name == local.name && user.uid >= FIRST_PERSON_UID;
        return Ok(accounts.with_primary_group(local.gid).any(is_persons).then(|| {
            format!("{group} is the own group of a person's account: make the rule for the account, or for another group")
        }));
    }
    // One that is not in the local file may come from a directory of the company's.
    let known = host.run(Work::Short, &["/usr/bin/getent", "group", group], None).await?;
    Ok((!known.success).then(|| {
        format!("there is no group {group} here: add it to the profile, or the package that brings it")
    }))
}

pub(super) async fn write(host: &mut Host, jobs: &[Job<'_>], contents: &Contents<'_>) -> Vec<Result<()>> {
    let mut results = vec![];
    for job in jobs {
        results.push(write_one(host, job, contents).await);
    }
    results
}

async fn write_one(host: &mut Host, job: &Job<'_>, contents: &Contents<'_>) -> Result<()> {
    let path = path(&job.step.id);
    if is_removal(job.step) {
        return file::remove(host, job, &path);
    }
    let to = &job.step.to;
    let digest: Digest = text(to, "content").context("no rule is given")?.parse()?;
    let content = contents(&digest).context("its content is no longer known to the agent")?;
    check(host, &content).await?;
    let accounts = Accounts::load(&host.root)?;
    let (uid, gid) = owners(&accounts, to)?;
    let rule = NewFile {
        path,
        content,
        uid: uid.unwrap_or(0),
        gid: gid.unwrap_or(0),
        mode: mode(to).unwrap_or(0o440),
    };
    files::write_all(&host.root, &[rule]).remove(0)
}

/// Lets visudo judge the rule where nobody but root can put another in its place.
async fn check(host: &mut Host, content: &[u8]) -> Result<()> {
    let candidate = host.scratch.join(format!("sudo-{}", temporary::random_suffix()?));
    let shown = candidate.to_string_lossy().into_owned();
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o440)
        .open(&candidate)
        .and_then(|mut file| file.write_all(content))
        .with_context(|| format!("writing {shown} for visudo"))?;
    let checked = host.run(Work::Short, &["/usr/sbin/visudo", "--check", "--file", &shown], None).await;
    std::fs::remove_file(&candidate).with_context(|| format!("removing {shown}"))?;
    checked.context("is sudo installed?")?.ok("visudo refuses the rule").map(drop)
}
