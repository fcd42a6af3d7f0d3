//! `timer`: a timer of systemd's and the service that it starts, both of Muster's own.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use muster_proto::ResourceId;
use muster_proto::condition::Condition;
use muster_proto::resource::Resource;
use muster_proto::resource::timer::Timer;

use super::own_file::{self, Part};
use super::own_unit::Own;
use super::{Contents, Job, Prepared, Wanted, flag};
use crate::host::accounts::Accounts;
use crate::host::run::Work;
use crate::host::{Host, files};

const OWN: Own = Own {
    unit: Timer::timer_unit,
    parts,
    runs: "running",
    ends: Some(Timer::service_unit),
    stuck: "what it started can't be stopped",
};

pub(super) fn parts(id: &ResourceId) -> Vec<Part> {
    vec![("timer", Timer::timer_file(id.key())), ("service", Timer::service_file(id.key()))]
}

pub(super) async fn read(
    host: &mut Host,
    wanted: &[Wanted<'_>],
) -> BTreeMap<ResourceId, Result<Condition, String>> {
    let ids: Vec<&ResourceId> = wanted.iter().map(|one| one.id).collect();
    let read = OWN.read(host, &ids).await;
    ids.into_iter().cloned().zip(read).collect()
}

/// What could only be found out when it is too late to say: that the program or its user is missing.
pub(super) fn prepare(host: &Host, accounts: &Accounts, job: &Job<'_>) -> Result<Prepared> {
    if let Some(timer) = wish(job) {
        if let Some(user) = &timer.user {
            accounts.uid_of(user.as_str())?;
        }
        let program = timer.command.first().context("no program is given")?;
        let there = match host.root.place(program.as_str())? {
            Some(place) => place.stat()?,
            None => None,
        };
        ensure!(
            there.is_some(),
            "there is no {program}: which package or file brings it? Add that to the profile"
        );
    }
    own_file::prepare(host, job, &parts(&job.step.id))
}

/// What is asked for, where something is.
fn wish<'j>(job: &Job<'j>) -> Option<&'j Timer> {
    match job.step.resource() {
        Some(Resource::Timer(timer)) if !job.step.ending => Some(timer),
        _ => None,
    }
}

pub(super) async fn write(host: &mut Host, jobs: &[Job<'_>], contents: &Contents<'_>) -> Vec<Result<()>> {
    let mut results = vec![];
    for job in jobs {
        results.push(check(host, job).await);
    }
    let sound: Vec<Job<'_>> =
        jobs.iter().zip(&results).filter(|(_, result)| result.is_ok()).map(|(job, _)| *job).collect();
    let written = if sound.is_empty() { vec![] } else { OWN.write(host, &sound, contents).await };
    let mut written = written.into_iter();
    for (job, result) in jobs.iter().zip(&mut results) {
        if result.is_ok() {
            *result = written.next().unwrap_or(Ok(())).and_then(|()| forget(host, job));
        }
    }
    results
}

/// systemd itself passes over a time that it can't read, and runs the timer at the others.
async fn check(host: &mut Host, job: &Job<'_>) -> Result<()> {
    let Some(timer) = wish(job).filter(|_| job.changes("timer")) else { return Ok(()) };
    let mut argv = vec!["/usr/bin/systemd-analyze", "calendar", "--"];
    argv.extend(timer.on_calendar.iter().map(|event| event.as_str()));
    host.run(Work::Short, &argv, None).await?.ok("systemd does not take a time of on_calendar").map(drop)
}

/// Removes what systemd keeps of when a persistent timer last ran: one that comes back under the same name is a new one.
fn forget(host: &Host, job: &Job<'_>) -> Result<()> {
    if flag(&job.step.to, "running") == Some(true) {
        return Ok(());
    }
    let stamp = format!("/var/lib/systemd/timers/stamp-{}", Timer::timer_unit(job.step.id.key()));
    files::remove_all(&host.root, &[(stamp.as_str(), None)]).remove(0)
}
