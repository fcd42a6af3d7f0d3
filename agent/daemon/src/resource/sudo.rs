//! `sudo`: one rule in a file of its own, checked by visudo before it takes effect.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use muster_proto::condition::Condition;
use muster_proto::resource::Resource;
use muster_proto::resource::sudo::Sudo;
use muster_proto::state::FIRST_PERSON_UID;
use muster_proto::{Digest, ResourceId};

use super::own_file;
use super::{Contents, Job, Prepared, Wanted, backup, file, is_removal, mode, owners, text};
use crate::host::Host;
use crate::host::accounts::{Accounts, User};
use crate::host::files::{self, NewFile};
use crate::host::run::Work;
use crate::host::temporary;

/// How long the files of the accounts have to be as they are: between its two halves adduser takes some tenths of a second.
const REST: Duration = Duration::from_secs(1);

/// How often they are looked at for that.
const LOOKS: usize = 5;

/// The file of a rule.
pub(super) fn path(id: &ResourceId) -> String {
    Sudo::file(id.key())
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
        && let Some(reason) = unfit(host, rule).await?
    {
        return Ok(Prepared::Blocked(reason));
    }
    backup(host, job, &path(&job.step.id), "content")
}

/// Why nobody is given the right of a rule, if there is a reason. sudo takes one for who is not there, and from then on it is for
/// whoever comes to have that name.
pub(super) async fn unfit(host: &mut Host, rule: &Sudo) -> Result<Option<String>> {
    match rule.group() {
        Some(group) => unfit_group(host, group).await,
        None => unfit_account(host, rule.who.as_str()).await,
    }
}

async fn unfit_account(host: &mut Host, account: &str) -> Result<Option<String>> {
    if Accounts::load(&host.root)?.user(account).is_some() {
        return Ok(None);
    }
    // One that is not in the local file may come from a directory of the company's.
    let known = host.run(Work::Short, &["/usr/bin/getent", "passwd", account], None).await?;
    Ok((!known.success).then(|| format!("there is no account {account} here: add it to the profile")))
}

/// Every new account makes a group of its own name.
async fn unfit_group(host: &mut Host, group: &str) -> Result<Option<String>> {
    let Some(accounts) = at_rest(host).await? else {
        return Ok(Some("the accounts here are being changed all the time, or locked for it".to_owned()));
    };
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

/// The accounts, once nobody is changing them. useradd writes an account before its group and adduser the other way round, and
/// half of it looks like a group that is nobody's own.
async fn at_rest(host: &Host) -> Result<Option<Accounts>> {
    for _ in 0..LOOKS {
        if !is_changing(host)? {
            let accounts = Accounts::load(&host.root)?;
            if !is_changing(host)? {
                return Ok(Some(accounts));
            }
        }
        tokio::time::sleep(REST).await;
    }
    Ok(None)
}

fn is_changing(host: &Host) -> Result<bool> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    for path in ["/etc/passwd", "/etc/group"] {
        if own_file::written_at(host, &format!("{path}.lock"))?.is_some() {
            return Ok(true);
        }
        // What was written by another clock, in times that are still to come, says nothing.
        let written = own_file::written_at(host, path)?.and_then(|at| u64::try_from(at).ok());
        let age = written.and_then(|at| now.checked_sub(Duration::from_micros(at)));
        if age.is_some_and(|age| age < REST) {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(super) async fn write(host: &mut Host, jobs: &[Job<'_>], contents: &Contents<'_>) -> Vec<Result<()>> {
    let mut results = vec![];
    for job in jobs {
        results.push(write_one(host, job, contents).await);
    }
    results
}

async fn write_one(host: &mut Host, job: &Job<'_>, contents: &Contents<'_>) -> Result<()> {
    if is_removal(job.step) {
        return file::remove(host, job, &path(&job.step.id));
    }
    let digest: Digest = text(&job.step.to, "content").context("no rule is given")?.parse()?;
    let content = contents(&digest).context("its content is no longer known to the agent")?;
    check(host, &content).await?;
    let rule = rule(host, job, content)?;
    files::write_all(&host.root, &[rule]).remove(0)
}

/// The file of a rule as it is to be, where what is there is still what the step was planned for.
pub(super) fn rule(host: &mut Host, job: &Job<'_>, content: Vec<u8>) -> Result<NewFile> {
    let (path, to) = (path(&job.step.id), &job.step.to);
    let found = host.digests.look(&host.root, &path)?.map(|seen| seen.digest);
    if found != Some(Digest::of(&content)) {
        let planned = text(&job.step.from, "content").map(str::parse).transpose().context("its content")?;
        files::check_since(planned, found)?;
    }
    let accounts = Accounts::load(&host.root)?;
    let (uid, gid) = owners(&accounts, to)?;
    Ok(NewFile {
        path,
        content,
        uid: uid.unwrap_or(0),
        gid: gid.unwrap_or(0),
        mode: mode(to).unwrap_or(0o440),
        is_new: found.is_none(),
    })
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[tokio::test]
    async fn half_of_an_account_is_not_taken_for_a_group_that_is_nobodys_own() {
        let folder = tempfile::tempdir().unwrap();
        let etc = folder.path().join("root/etc");
        fs::create_dir_all(&etc).unwrap();
        let long_ago = SystemTime::now() - REST * 2;
        let write = |name: &str, text: &str| {
            fs::write(etc.join(name), text).unwrap();
            fs::File::open(etc.join(name)).unwrap().set_modified(long_ago).unwrap();
        };
        write("passwd", "root:x:0:0::/root:/bin/sh\n");
        write("group", "root:x:0:\ndeployers:x:20001:\n");
        let root = folder.path().join("root");
        let mut host = Host::at(&root, &folder.path().join("run"), folder.path()).unwrap();
        assert_eq!(unfit_group(&mut host, "deployers").await.unwrap(), None, "groupadd made it");

        write("group.lock", "1");
        assert!(is_changing(&host).unwrap(), "useradd is at it");
        fs::remove_file(etc.join("group.lock")).unwrap();
        write("passwd", "root:x:0:0::/root:/bin/sh\ndeployers:x:20001:20001::/home/d:/bin/sh\n");
        let own = unfit_group(&mut host, "deployers").await.unwrap().unwrap();
        assert!(own.contains("own group of a person's account"), "{own}");

        fs::write(etc.join("group"), "root:x:0:\n").unwrap();
        assert!(is_changing(&host).unwrap(), "it was written a moment ago");
    }
}
