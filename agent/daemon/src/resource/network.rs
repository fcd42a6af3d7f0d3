//! `network`: a file for systemd-networkd, and that it has read it.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use muster_proto::ResourceId;
use muster_proto::condition::{Condition, NO_FILE};
use muster_proto::resource::network::Network;

use super::own_file::{self, Part};
use super::{Contents, Job, Prepared, Wanted, text};
use crate::host::Host;
use crate::host::run::Work;

const UNIT: &str = "systemd-networkd.service";

pub(super) fn parts(id: &ResourceId) -> Vec<Part> {
    vec![("file", Network::file(id.key()))]
}

pub(super) async fn read(host: &mut Host, wanted: &Wanted<'_>) -> Result<Condition> {
    let path = Network::file(wanted.id.key());
    let file = own_file::read(host, &path)?;
    let loaded = file == NO_FILE || noted(host, wanted.id).is_some_and(|noted| file == noted) || {
        let written = own_file::written_at(host, &path)?;
        started_after(host, written).await?
    };
    Ok(Condition::present([("file", file), ("loaded", loaded.into())]))
}

/// networkd reads all files when it starts.
async fn started_after(host: &mut Host, written: Option<i64>) -> Result<bool> {
    let units = host.systemd.units(&[UNIT.to_owned()]).await?;
    let (Some(unit), Some(written)) = (units.first().filter(|unit| unit.runs()), written) else {
        return Ok(false);
    };
    let interface = "org.freedesktop.systemd1.Unit";
    let started: u64 = host.systemd.property(&unit.path, interface, "ActiveEnterTimestamp").await?;
    Ok(i128::from(started) >= i128::from(written))
}

/// Where it is noted, until the next boot, which file networkd was told to read.
fn note(host: &Host, id: &ResourceId) -> std::path::PathBuf {
    host.scratch.join(format!("network-{}", id.key()))
}

fn noted(host: &Host, id: &ResourceId) -> Option<String> {
    // Without a note networkd is told once more, which changes nothing where it knew.
    fs::read_to_string(note(host, id)).ok()
}

pub(super) fn prepare(host: &Host, job: &Job<'_>) -> Result<Prepared> {
    own_file::prepare(host, job, &parts(&job.step.id))
}

/// Writes the files, and has networkd read them once for all: it sets up anew what one of them is about.
pub(super) async fn write(host: &mut Host, jobs: &[Job<'_>], contents: &Contents<'_>) -> Vec<Result<()>> {
    let runs = match host.systemd.units(&[UNIT.to_owned()]).await {
        Ok(units) => units.first().is_some_and(|unit| unit.runs()),
        Err(error) => return super::refuse_all(jobs, &error),
    };
    let needed = jobs.iter().any(|job| text(&job.step.to, "file").is_some_and(|file| file != NO_FILE));
    if needed && !runs {
        let error = anyhow::anyhow!(
            "{UNIT} does not run here: have it run by `service`, or set this network up with what runs instead"
        );
        return super::refuse_all(jobs, &error);
    }
    let results = own_file::write(host, jobs, |job| parts(&job.step.id), contents);
    if !runs {
        return results;
    }
    if let Err(error) = reload(host).await {
        return super::refuse_all(jobs, &error);
    }
    let noted = jobs.iter().zip(results).map(|(job, result)| result.and_then(|()| keep_note(host, job)));
    noted.collect()
}

async fn reload(host: &mut Host) -> Result<()> {
    host.run(Work::Short, &["/usr/bin/networkctl", "reload"], None).await?.ok("networkctl reload").map(drop)
}

fn keep_note(host: &Host, job: &Job<'_>) -> Result<()> {
    let Some(file) = text(&job.step.to, "file") else { return Ok(()) };
    let path = note(host, &job.step.id);
    if file == NO_FILE {
        ensure!(fs::remove_file(&path).is_ok() || !path.exists(), "can't remove {}", path.display());
        return Ok(());
    }
    fs::write(&path, file).with_context(|| format!("writing {}", path.display()))
}
