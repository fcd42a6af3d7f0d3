//! `proxy`: files of Muster's own for services, logins, desktops and apt, and that systemd gives services what the first says.

use anyhow::{Context as _, Result};
use muster_proto::condition::{Condition, NO_FILE};
use muster_proto::resource::proxy::{APT, LOGINS, SERVICES, SESSIONS};

use super::own_file::{self, Part};
use super::{Contents, Job, Prepared, refuse_all};
use crate::host::{Host, files};

const LIMIT: u64 = 64 * 1024;

pub(super) fn parts() -> Vec<Part> {
    [("services", SERVICES), ("logins", LOGINS), ("sessions", SESSIONS), ("apt", APT)]
        .map(|(part, path)| (part, path.to_owned()))
        .into()
}

pub(super) async fn read(host: &mut Host) -> Result<Condition> {
    let mut attributes = vec![];
    for (part, path) in parts() {
        attributes.push((part.to_owned(), own_file::read(host, &path)?));
    }
    let is_there = attributes.iter().any(|(part, file)| part == "services" && *file != NO_FILE);
    let loaded = !is_there || is_loaded(host).await?;
    attributes.push(("loaded".to_owned(), loaded.into()));
    Ok(attributes.into_iter().collect())
}

/// Whether systemd starts services with all that the file says.
async fn is_loaded(host: &mut Host) -> Result<bool> {
    let text = files::content(&host.root, SERVICES, LIMIT).with_context(|| SERVICES.to_owned())?;
    let text = String::from_utf8_lossy(&text.unwrap_or_default()).into_owned();
    let environment = host.systemd.environment().await?;
    Ok(text
        .split('"')
        .filter(|part| part.contains('=') && !part.contains('\n'))
        .all(|variable| environment.iter().any(|is| is == variable)))
}

pub(super) fn prepare(host: &Host, job: &Job<'_>) -> Result<Prepared> {
    own_file::prepare(host, job, &parts())
}

/// Writes the files, and has systemd read its own.
pub(super) async fn write(host: &mut Host, jobs: &[Job<'_>], contents: &Contents<'_>) -> Vec<Result<()>> {
    let written = own_file::write(host, jobs, |_| parts(), contents);
    if jobs.iter().any(|job| job.changes("services") || job.changes("loaded"))
        && let Err(error) = host.systemd.reload().await
    {
        return refuse_all(jobs, &error);
    }
    written
}
