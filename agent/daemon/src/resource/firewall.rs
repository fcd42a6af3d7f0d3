//! `firewall`: a table of nftables that is Muster's own, and the file that brings it at boot.

use anyhow::{Context as _, Result, bail};
use muster_proto::Digest;
use muster_proto::condition::{Condition, NO_FILE};
use muster_proto::resource::firewall::{Firewall, PATH};

use super::own_file::{self, Part};
use super::{Contents, Job, Prepared, text};
use crate::host::Host;
use crate::host::nftables::Table;

/// Said of a table that someone changed.
const CHANGED: &str = "changed";

pub(super) fn parts() -> Vec<Part> {
    vec![("file", PATH.to_owned())]
}

pub(super) async fn read(host: &mut Host) -> Result<Condition> {
    let file = own_file::read(host, PATH)?;
    let table = match host.table().await? {
        Table::None => NO_FILE.to_owned(),
        Table::Loaded(file) => file.to_string(),
        Table::Changed => CHANGED.to_owned(),
    };
    Ok(Condition::present([("file", file), ("table", table.into())]))
}

pub(super) fn prepare(host: &Host, job: &Job<'_>) -> Result<Prepared> {
    own_file::prepare(host, job, &parts())
}

/// The kernel first, as it may refuse the table: then it is not kept for the next boot either.
pub(super) async fn write(host: &mut Host, jobs: &[Job<'_>], contents: &Contents<'_>) -> Vec<Result<()>> {
    let mut results = vec![];
    for job in jobs {
        results.push(match load(host, job, contents).await {
            Ok(()) => own_file::write(host, &[*job], |_| parts(), contents).pop().unwrap_or(Ok(())),
            Err(error) => Err(error),
        });
    }
    results
}

async fn load(host: &mut Host, job: &Job<'_>, contents: &Contents<'_>) -> Result<()> {
    let Some(wanted) = text(&job.step.to, "table").filter(|_| job.changes("table")) else { return Ok(()) };
    match wanted {
        NO_FILE => host.load_table(Firewall::none().as_bytes()).await,
        CHANGED => bail!("the table that was there was made by someone else, and can't be brought back"),
        digest => {
            let digest: Digest = digest.parse().context("its table")?;
            let content = contents(&digest).context("its content is no longer known to the agent")?;
            host.load_table(&content).await
        }
    }
}
