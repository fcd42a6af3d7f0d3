//! `browser_policy`: a file that the browser reads when it starts.

use anyhow::{Result, bail};
use muster_proto::ResourceId;
use muster_proto::condition::Condition;
use muster_proto::resource::browser_policy::Browser;

use super::own_file::{self, Part};
use super::{Contents, Job, Prepared, Wanted};
use crate::host::Host;

pub(super) fn parts(id: &ResourceId) -> Vec<Part> {
    let browser = Browser::ALL.into_iter().find(|browser| browser.name() == id.key());
    browser.map(|browser| ("file", browser.file().to_owned())).into_iter().collect()
}

pub(super) fn read(host: &mut Host, wanted: &Wanted<'_>) -> Result<Condition> {
    let Some((_, path)) = parts(wanted.id).pop() else {
        bail!("{} is no browser that takes policies", wanted.id.key())
    };
    Ok(Condition::present([("file", own_file::read(host, &path)?)]))
}

pub(super) fn prepare(host: &Host, job: &Job<'_>) -> Result<Prepared> {
    own_file::prepare(host, job, &parts(&job.step.id))
}

pub(super) fn write(host: &mut Host, jobs: &[Job<'_>], contents: &Contents<'_>) -> Vec<Result<()>> {
    own_file::write(host, jobs, |job| parts(&job.step.id), contents)
}
