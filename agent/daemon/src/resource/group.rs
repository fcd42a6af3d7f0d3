//! `group`: a group in the local database.

use anyhow::{Context as _, Result, bail, ensure};
use muster_proto::condition::Condition;
use muster_proto::state::FIRST_PERSON_UID;

use super::account::LAST_FREE_ID;
use super::{Job, Prepared, Wanted, is_removal, number, ready};
use crate::host::Host;
use crate::host::accounts::{Accounts, User};
use crate::host::run::Work;

pub(super) fn read(accounts: &Accounts, wanted: &Wanted<'_>) -> Result<Condition> {
    let Some(group) = accounts.group(wanted.id.key()) else { return Ok(Condition::Absent) };
    // What a profile gives to a group is not for a person who happens to be called like it.
    let is_ours = wanted.record.is_some_and(|record| record.before == Condition::Absent);
    let is_persons = |user: &User| user.name == group.name && user.uid >= FIRST_PERSON_UID;
    ensure!(
        is_ours || !accounts.with_primary_group(group.gid).any(is_persons),
        "it is the own group of the person's account {}: give the group another name",
        group.name
    );
    Ok(Condition::present([("gid", group.gid.into())]))
}

pub(super) fn prepare(accounts: &Accounts, job: &Job<'_>) -> Prepared {
    if !is_removal(job.step) {
        return ready();
    }
    let Some(group) = accounts.group(job.step.id.key()) else { return ready() };
    if !job.is_ours() {
        return Prepared::Blocked(
            "it was there before Muster, and Muster removes only groups that it made: use groupdel"
                .to_owned(),
        );
    }
    match accounts.with_primary_group(group.gid).next() {
        Some(user) => Prepared::Blocked(format!("it is the primary group of the account {}", user.name)),
        None => ready(),
    }
}

pub(super) async fn write(host: &mut Host, jobs: &[Job<'_>]) -> Vec<Result<()>> {
    let mut results = vec![];
    for job in jobs {
        results.push(write_one(host, job).await);
    }
    results
}

async fn write_one(host: &mut Host, job: &Job<'_>) -> Result<()> {
    let name = job.step.id.key();
    let accounts = Accounts::load(&host.root)?;
    if is_removal(job.step) {
        let Prepared::Ready(_) = prepare(&accounts, job) else { bail!("it is still needed") };
        host.run(Work::Short, &["/usr/sbin/groupdel", name], None).await?.ok("groupdel")?;
        return Ok(());
    }
    let gid = number(&job.step.to, "gid");
    if let Some(group) = accounts.group(name) {
        let wanted = gid.context("it is there already")?;
        bail!(
            "it has gid {}, not {wanted}: Muster does not change the gid of a group, because files on disk belong \
             to the number; use groupmod and chgrp",
            group.gid
        );
    }
    let mut argv = vec!["/usr/sbin/groupadd"];
    let gid_text = gid.map(|gid| gid.to_string());
    let last = format!("GID_MAX={LAST_FREE_ID}");
    if let (Some(gid), Some(text)) = (gid, &gid_text) {
        let taken = accounts.group_by_gid(gid);
        ensure!(taken.is_none(), "gid {gid} is taken by the group {}", taken.map_or("", |g| g.name.as_str()));
        argv.extend(["--gid", text]);
    } else {
        // As with accounts: a person's own group has the person's number.
        argv.extend(["--key", &last]);
    }
    argv.push(name);
    host.run(Work::Short, &argv, None).await?.ok("groupadd")?;
    Ok(())
}
