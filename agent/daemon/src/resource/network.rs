//! `network`: a file for systemd-networkd or NetworkManager, and that it has read it.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use muster_proto::ResourceId;
use muster_proto::condition::{Condition, NO_FILE};
use muster_proto::resource::Resource;
use muster_proto::resource::network::Network;
use muster_proto::resource::network::keyfile::uuid;

use super::own_file::{self, Part};
use super::{Contents, Job, Prepared, Wanted, sentence, text};
use crate::host::Host;
use crate::host::network_manager::NetworkManager;
use crate::host::run::Work;

mod keyfile;

const NETWORKD: &str = "systemd-networkd.service";
const NETWORK_MANAGER: &str = "NetworkManager.service";

/// The files: that of networkd, and that of NetworkManager.
pub(super) fn parts(id: &ResourceId) -> Vec<Part> {
    vec![("file", Network::file(id.key())), ("keyfile", Network::keyfile_path(id.key()))]
}

/// The one of networkd, which has no secrets in it and is written as other files of Muster's own.
fn networkd_parts(job: &Job<'_>) -> Vec<Part> {
    vec![("file", Network::file(job.step.id.key()))]
}

pub(super) async fn read(host: &mut Host, wanted: &Wanted<'_>) -> Result<Condition> {
    let key = wanted.id.key();
    let file = own_file::read(host, &Network::file(key))?;
    let keyfile = keyfile::read(host, wanted, &Network::keyfile_path(key))?;
    let mut loaded = true;
    for (there, path, unit) in
        [(&file, Network::file(key), NETWORKD), (&keyfile, Network::keyfile_path(key), NETWORK_MANAGER)]
    {
        if *there == NO_FILE || noted(host, wanted.id).is_some_and(|noted| *there == noted) {
            continue;
        }
        let written = own_file::written_at(host, &path)?;
        loaded &= started_after(host, unit, written).await?;
    }
    Ok(Condition::present([("file", file), ("keyfile", keyfile), ("loaded", loaded.into())]))
}

/// Both read all files when they start.
async fn started_after(host: &mut Host, unit: &str, written: Option<i64>) -> Result<bool> {
    let units = host.systemd.units(&[unit.to_owned()]).await?;
    let (Some(unit), Some(written)) = (units.first().filter(|unit| unit.runs()), written) else {
        return Ok(false);
    };
    let interface = "org.freedesktop.systemd1.Unit";
    let started: u64 = host.systemd.property(&unit.path, interface, "ActiveEnterTimestamp").await?;
    Ok(i128::from(started) >= i128::from(written))
}

/// Where it is noted, until the next boot, which file was told to be read.
fn note(host: &Host, id: &ResourceId) -> std::path::PathBuf {
    host.scratch.join(format!("network-{}", id.key()))
}

fn noted(host: &Host, id: &ResourceId) -> Option<String> {
    // Without a note they are told once more, which changes nothing where they knew.
    fs::read_to_string(note(host, id)).ok()
}

pub(super) fn prepare(host: &Host, job: &Job<'_>) -> Result<Prepared> {
    let kept = keyfile::prepare(host, job, &Network::keyfile_path(job.step.id.key()))?;
    let mut prepared = own_file::prepare(host, job, &networkd_parts(job))?;
    if let Prepared::Ready(preserved) = &mut prepared {
        preserved.blobs.extend(kept);
    }
    Ok(prepared)
}

/// Writes the files, and has each of the two read what is its own once for all.
pub(super) async fn write(host: &mut Host, jobs: &[Job<'_>], contents: &Contents<'_>) -> Vec<Result<()>> {
    let units = match host.systemd.units(&[NETWORKD.to_owned(), NETWORK_MANAGER.to_owned()]).await {
        Ok(units) => units,
        Err(error) => return super::refuse_all(jobs, &error),
    };
    let runs = |name: &str| {
        let at = usize::from(name == NETWORK_MANAGER);
        units.get(at).is_some_and(|unit| unit.runs())
    };
    let checked: Vec<Result<()>> = jobs.iter().map(|job| check(job, runs)).collect();
    let sound: Vec<Job<'_>> =
        jobs.iter().zip(&checked).filter(|(_, checked)| checked.is_ok()).map(|(job, _)| *job).collect();
    let mut written = own_file::write(host, &sound, networkd_parts, contents);
    for (job, result) in sound.iter().zip(&mut written) {
        if result.is_ok() {
            *result = keyfile::write(host, job, Network::keyfile_path(job.step.id.key()), contents);
        }
    }
    let mut told = tell(host, &sound, written, runs).await.into_iter();
    checked.into_iter().map(|checked| checked.and_then(|()| told.next().unwrap_or(Ok(())))).collect()
}

/// What is written for one that does not run would only wait for a day on which nobody expects it. What was there before comes back all
/// the same: a change that cut the device off must not be what is read at the next start.
fn check(job: &Job<'_>, runs: impl Fn(&str) -> bool) -> Result<()> {
    if job.step.undoes || job.step.claim.is_none() {
        return Ok(());
    }
    for (attribute, unit) in [("file", NETWORKD), ("keyfile", NETWORK_MANAGER)] {
        ensure!(
            !comes(job, attribute) || runs(unit),
            "{unit} does not run here: have it run by `service`, or set this network up by what runs, with `manager`"
        );
    }
    Ok(())
}

/// Whether the step ends with such a file.
fn comes(job: &Job<'_>, attribute: &str) -> bool {
    text(&job.step.to, attribute).is_some_and(|file| file != NO_FILE)
}

async fn tell(
    host: &mut Host,
    jobs: &[Job<'_>],
    written: Vec<Result<()>>,
    runs: impl Fn(&str) -> bool,
) -> Vec<Result<()>> {
    let concerns = |attribute: &str| jobs.iter().any(|job| comes(job, attribute) || job.changes(attribute));
    let networkd = if concerns("file") && runs(NETWORKD) { reload(host).await } else { Ok(()) };
    let mut results = vec![];
    for (job, result) in jobs.iter().zip(written) {
        results.push(match (result, &networkd) {
            (Err(error), _) => Err(error),
            (Ok(()), Err(error)) => Err(anyhow::anyhow!("{}", sentence(error))),
            (Ok(()), Ok(())) => tell_network_manager(host, job, runs(NETWORK_MANAGER))
                .await
                .and_then(|()| keep_note(host, job)),
        });
    }
    results
}

async fn reload(host: &mut Host) -> Result<()> {
    host.run(Work::Short, &["/usr/bin/networkctl", "reload"], None).await?.ok("networkctl reload").map(drop)
}

async fn tell_network_manager(host: &mut Host, job: &Job<'_>, runs: bool) -> Result<()> {
    if !runs || !(comes(job, "keyfile") || job.changes("keyfile")) {
        return Ok(());
    }
    let manager = NetworkManager::at(&mut host.systemd).await?;
    let key = job.step.id.key();
    if !comes(job, "keyfile") {
        return manager.reload().await;
    }
    manager.load(&Network::keyfile_path(key)).await?;
    match job.step.resource() {
        // NetworkManager joins a Wi-Fi by itself: who sits in another one is not to be torn out of it.
        Some(Resource::Network(network)) if network.wifi.is_none() => {
            manager.activate(&uuid(key), network.interface.as_str()).await
        }
        _ => manager.activate_again(&uuid(key)).await,
    }
}

fn keep_note(host: &Host, job: &Job<'_>) -> Result<()> {
    let path = note(host, &job.step.id);
    let there = ["file", "keyfile"].into_iter().find(|attribute| comes(job, attribute));
    let Some(file) = there.and_then(|attribute| text(&job.step.to, attribute)) else {
        ensure!(fs::remove_file(&path).is_ok() || !path.exists(), "can't remove {}", path.display());
        return Ok(());
    };
    fs::write(&path, file).with_context(|| format!("writing {}", path.display()))
}
