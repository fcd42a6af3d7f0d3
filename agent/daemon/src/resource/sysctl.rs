//! `sysctl`: a setting of the running kernel, and the file that sets it at boot.

use anyhow::{Context as _, Result, bail};
use muster_proto::ResourceId;
use muster_proto::condition::Condition;
use muster_proto::resource::sysctl::Sysctl;
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use super::own_file::{self, Part};
use super::{Contents, Job, Prepared, Wanted, text};
use crate::host::Host;
use crate::host::files;
use crate::host::run::Work;

/// More than any key holds, and what the kernel gives in one piece.
const LIMIT: u64 = 64 * 1024;

pub(super) fn parts(id: &ResourceId) -> Vec<Part> {
    vec![("file", Sysctl::file(id.key()))]
}

pub(super) fn read(host: &mut Host, wanted: &Wanted<'_>) -> Result<Condition> {
    let name = wanted.id.key();
    let file = own_file::read(host, &Sysctl::file(name))?;
    let value = match (value(host, name)?, wanted.resource) {
        (None, Some(_)) => bail!(
            "this kernel has no {name}: a module that is not loaded may bring it, or a network interface that is not there"
        ),
        // With its key went what Muster had set, and there is nothing to put back.
        (None, None) => wanted.record.and_then(|record| text(&record.before, "value")).map(str::to_owned),
        (value, _) => value,
    };
    Ok(Condition::present([("value", value.into()), ("file", file)]))
}

/// The running value, with one blank between its parts; `None` where the kernel has no such key.
fn value(host: &Host, name: &str) -> Result<Option<String>> {
    let path = Sysctl::running(name);
    let Some(place) = host.root.place(&path).with_context(|| path.clone())? else { return Ok(None) };
    if let Some(stat) = place.stat()?
        && FileType::from_raw_mode(stat.st_mode) == FileType::Directory
    {
        bail!("{name} stands for several keys of the kernel: name one of them");
    }
    let Some(bytes) =
        files::content_at(&place, LIMIT).with_context(|| format!("asking the kernel for {name}"))?
    else {
        return Ok(None);
    };
    Ok(Some(Sysctl::spaced(&String::from_utf8_lossy(&bytes))))
}

pub(super) fn prepare(host: &Host, job: &Job<'_>) -> Result<Prepared> {
    own_file::prepare(host, job, &parts(&job.step.id))
}

/// The kernel first, as it may refuse the value: then it is not kept for the next boot either.
pub(super) async fn write(host: &mut Host, jobs: &[Job<'_>], contents: &Contents<'_>) -> Vec<Result<()>> {
    let mut results = vec![];
    for job in jobs {
        results.push(set(host, job).await);
    }
    let taken: Vec<Job<'_>> =
        jobs.iter().zip(&results).filter(|(_, result)| result.is_ok()).map(|(job, _)| *job).collect();
    let mut files = own_file::write(host, &taken, |job| parts(&job.step.id), contents).into_iter();
    for result in results.iter_mut().filter(|result| result.is_ok()) {
        *result = files.next().unwrap_or(Ok(()));
    }
    results
}

async fn set(host: &mut Host, job: &Job<'_>) -> Result<()> {
    let (name, Some(value)) = (job.step.id.key(), text(&job.step.to, "value")) else { return Ok(()) };
    if !job.changes("value") {
        return Ok(());
    }
    let path = Sysctl::running(name);
    let line = format!("{value}\n");
    match set_here(host, &path, &line) {
        Ok(()) => Ok(()),
        // The agent has few of root's capabilities, and some keys ask for others: process 1 has them all.
        Err(Errno::PERM | Errno::ACCESS) => {
            host.run(Work::Short, &["/usr/bin/tee", "--", &path], Some(line.as_bytes()))
                .await?
                .ok(&format!("the kernel does not let {name} be set"))?;
            Ok(())
        }
        Err(Errno::ROFS) => {
            bail!("{name} can't be set from here: this is a container, and the key belongs to its host")
        }
        Err(Errno::INVAL | Errno::RANGE) => bail!("the kernel does not take {value:?} for {name}"),
        Err(error) => Err(error).with_context(|| format!("setting {name}")),
    }
}

/// Writes in one call, as the kernel takes no value in pieces.
fn set_here(host: &Host, path: &str, line: &str) -> rustix::io::Result<()> {
    let place = host.root.place(path).map_err(|_| Errno::NOENT)?.ok_or(Errno::NOENT)?;
    let flags = OFlags::WRONLY | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let key = rustix::fs::openat(&place.dir, &place.name, flags, Mode::empty())?;
    rustix::io::write(&key, line.as_bytes()).map(drop)
}
