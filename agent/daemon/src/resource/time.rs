//! `time`: the link and the file that say which zone the device is in, and the file of systemd-timesyncd.

use anyhow::{Result, bail, ensure};
use muster_proto::condition::{Condition, NO_FILE};
use muster_proto::resource::time::{LOCALTIME, SERVERS, TIMEZONE};

use super::own_file::{self, Part};
use super::{Contents, Job, Prepared, Wanted, attribute, link, service, text};
use crate::host::{Host, files};

const UNIT: &str = "systemd-timesyncd.service";

/// The program behind the unit. Where it is missing nobody reads its file.
const PROGRAM: &str = "/usr/lib/systemd/systemd-timesyncd";

/// There exactly where systemd is what runs the machine (`sd_booted(3)`).
const BOOTED: &str = "/run/systemd/system";

pub(super) fn parts() -> Vec<Part> {
    vec![("timezone", TIMEZONE.to_owned()), ("servers", SERVERS.to_owned())]
}

/// Looks at what someone has a wish about, and at nothing else.
pub(super) fn read(host: &mut Host, wanted: &Wanted<'_>) -> Result<Condition> {
    let desired = wanted.desired().unwrap_or(Condition::Absent);
    let localtime = match attribute(&desired, "localtime").and_then(|wish| wish.as_str()) {
        Some(wish) => Some(localtime(host, wish)?),
        None => None,
    };
    let mut found = vec![("localtime".to_owned(), localtime.into())];
    for (name, path) in parts() {
        if attribute(&desired, name).is_some() {
            found.push((name.to_owned(), own_file::read(host, &path)?));
        }
    }
    Ok(found.into_iter().filter(|(_, value)| !value.is_null()).collect())
}

/// Where the link points. It may say the same zone by a way from its own directory, as timedatectl has it.
fn localtime(host: &Host, wish: &str) -> Result<String> {
    let Some(target) = link::look(host, LOCALTIME)? else { return Ok(NO_FILE.to_owned()) };
    let from_root = target.strip_prefix("..").unwrap_or(&target);
    Ok(if from_root == wish { wish.to_owned() } else { target })
}

pub(super) fn prepare(host: &Host, job: &Job<'_>) -> Result<Prepared> {
    if job.step.claim.is_some() && !job.step.ending {
        if let Some(zone) = text(&job.step.to, "localtime").filter(|_| job.changes("localtime")) {
            ensure!(
                is_there(host, zone)?,
                "there is no {zone}: is the package tzdata installed, and the zone right?"
            );
        }
        if job.changes("servers") {
            ensure!(
                is_there(host, PROGRAM)?,
                "the servers are for systemd-timesyncd, which this device does not have: add the package systemd-timesyncd, or manage the files of what it has in its place"
            );
        }
    }
    own_file::prepare(host, job, &parts())
}

fn is_there(host: &Host, path: &str) -> Result<bool> {
    match host.root.place(path)? {
        Some(place) => Ok(place.stat()?.is_some()),
        None => Ok(false),
    }
}

pub(super) async fn write(host: &mut Host, jobs: &[Job<'_>], contents: &Contents<'_>) -> Vec<Result<()>> {
    let mut results = own_file::write(host, jobs, |_| parts(), contents);
    for (job, result) in jobs.iter().zip(&mut results) {
        if result.is_ok() {
            *result = finish(host, job).await;
        }
    }
    results
}

async fn finish(host: &mut Host, job: &Job<'_>) -> Result<()> {
    if let Some(target) = text(&job.step.to, "localtime").filter(|_| job.changes("localtime")) {
        check_since(host, job, target)?;
        link::put(host, LOCALTIME, Some(target).filter(|target| *target != NO_FILE))?;
    }
    if job.changes("servers") {
        restart(host).await?;
    }
    Ok(())
}

/// An error where the link points elsewhere than when that was planned, and not where it should.
fn check_since(host: &Host, job: &Job<'_>, target: &str) -> Result<()> {
    let Some(planned) = text(&job.step.from, "localtime") else { return Ok(()) };
    let found = localtime(host, planned)?;
    if found != NO_FILE && found != planned && localtime(host, target)? != target {
        bail!("{LOCALTIME}: {}", if planned == NO_FILE { files::CAME } else { files::CHANGED });
    }
    Ok(())
}

/// Has the daemon read its file again, where it runs.
async fn restart(host: &mut Host) -> Result<()> {
    if host.root.directory(BOOTED)?.is_none() {
        return Ok(());
    }
    let units = host.systemd.units(&[UNIT.to_owned()]).await?;
    if !units.iter().any(|unit| unit.runs()) {
        return Ok(());
    }
    let restarted = service::tell(host, "RestartUnit", UNIT.to_owned()).await?;
    service::judge(host, restarted).await
}
