//! `hostname`: the name in `/etc/hostname`, and the one that the kernel has.

use anyhow::{Context as _, Result};
use muster_proto::condition::Condition;
use muster_proto::resource::hostname::PATH;

use super::own_file::{self, Part};
use super::{Contents, Job, Prepared, text};
use crate::host::Host;
use crate::host::files;
use crate::host::run::Work;

const RUNNING: &str = "/proc/sys/kernel/hostname";
/// More than a name has.
const LIMIT: u64 = 4096;

pub(super) fn parts() -> Vec<Part> {
    vec![("file", PATH.to_owned())]
}

pub(super) fn read(host: &mut Host) -> Result<Condition> {
    let file = own_file::read(host, PATH)?;
    Ok(Condition::present([("running", running(host)?.into()), ("file", file)]))
}

fn running(host: &Host) -> Result<Option<String>> {
    let name = files::content(&host.root, RUNNING, LIMIT).context("asking the kernel for its name")?;
    Ok(name.map(|name| String::from_utf8_lossy(&name).trim().to_owned()))
}

pub(super) fn prepare(host: &Host, job: &Job<'_>) -> Result<Prepared> {
    own_file::prepare(host, job, &parts())
}

pub(super) async fn write(host: &mut Host, jobs: &[Job<'_>], contents: &Contents<'_>) -> Vec<Result<()>> {
    // The file first: hostnamed takes the name that stands there for the one to run under.
    let mut results = own_file::write(host, jobs, |_| parts(), contents);
    for (job, result) in jobs.iter().zip(&mut results) {
        if result.is_ok() && job.changes("running") {
            *result = rename(host, text(&job.step.to, "running").unwrap_or_default()).await;
        }
    }
    results
}

async fn rename(host: &mut Host, name: &str) -> Result<()> {
    let told = host.systemd.set_hostname(name).await;
    if running(host)?.as_deref() == Some(name) {
        return Ok(());
    }
    // There may be no hostnamed; and where a name that came by DHCP is put back beside another in the file, it would keep
    // to the file.
    let set = host.run(Work::Short, &["/usr/bin/hostname", "--", name], None).await?;
    let set = set.ok("the name can't be set");
    match (set, told) {
        (Err(error), Err(told)) => Err(error.context(format!("{told:#}"))),
        (set, _) => set.map(drop),
    }
}
