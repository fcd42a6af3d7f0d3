//! `certificate`: a file of Muster's own, and the system's store of what it trusts, which is made from such files.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use muster_proto::condition::{Condition, NO_FILE};
use muster_proto::resource::Resource;
use muster_proto::resource::certificate::{Certificate, der};
use muster_proto::{Digest, ResourceId};
use serde_json::json;

use super::own_file::{self, Part};
use super::{Contents, Job, Prepared, Wanted, read_each, text};
use crate::host::Host;
use crate::host::files;
use crate::host::run::Work;

/// All certificates that the system trusts, one behind the other.
const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";
const LIMIT: u64 = 16 * 1024 * 1024;

pub(super) fn parts(id: &ResourceId) -> Vec<Part> {
    vec![("file", Certificate::file(id.key()))]
}

pub(super) fn read(
    host: &mut Host,
    wanted: &[Wanted<'_>],
) -> BTreeMap<ResourceId, Result<Condition, String>> {
    let bundle = |host: &Host| {
        let bundle =
            files::content(&host.root, BUNDLE, LIMIT).with_context(|| format!("reading {BUNDLE}"))?;
        Ok(String::from_utf8_lossy(&bundle.unwrap_or_default()).into_owned())
    };
    read_each(host, wanted, bundle, |host, bundle, one| read_one(host, bundle, one))
}

fn read_one(host: &mut Host, bundle: &str, wanted: &Wanted<'_>) -> Result<Condition> {
    let path = Certificate::file(wanted.id.key());
    let file = own_file::read(host, &path)?;
    let asked = wanted.resource.and_then(rendered);
    let is_there = |pem: &String| file.as_str() == Some(&Digest::of(pem.as_bytes()).to_string());
    let certificate = match (asked, wanted.record) {
        (Some(asked), _) if is_there(&asked) => Some(asked),
        // Another one is on its place, and the question is whether that is trusted.
        (_, _) if file != NO_FILE => {
            let there = files::content(&host.root, &path, LIMIT).with_context(|| path.clone())?;
            there.map(|there| String::from_utf8_lossy(&there).into_owned())
        }
        (Some(asked), _) => Some(asked),
        // It may be in the store when its file is gone already.
        (None, Some(record)) => record.extra["pem"].as_str().map(str::to_owned),
        (None, None) => None,
    };
    let trusted = certificate.is_some_and(|certificate| bundle.contains(certificate.trim_end()));
    Ok(Condition::present([("file", file), ("trusted", trusted.into())]))
}

fn rendered(resource: &Resource) -> Option<String> {
    Some(String::from_utf8_lossy(&resource.content("file")?).into_owned())
}

/// Keeps the certificate itself too, by which it is found in the store when nobody asks for it any more.
pub(super) fn prepare(host: &Host, job: &Job<'_>) -> Result<Prepared> {
    let mut prepared = own_file::prepare(host, job, &parts(&job.step.id))?;
    if let (Prepared::Ready(preserved), Some(resource)) = (&mut prepared, job.step.resource())
        && !job.step.ending
    {
        preserved.extra = json!({ "pem": rendered(resource) });
    }
    Ok(prepared)
}

/// Writes the files, and has the store made anew once for all of them.
pub(super) async fn write(host: &mut Host, jobs: &[Job<'_>], contents: &Contents<'_>) -> Vec<Result<()>> {
    let checked: Vec<Result<()>> = jobs.iter().map(|job| check(job, contents)).collect();
    let sound: Vec<Job<'_>> =
        jobs.iter().zip(&checked).filter(|(_, checked)| checked.is_ok()).map(|(job, _)| *job).collect();
    let mut written = own_file::write(host, &sound, |job| parts(&job.step.id), contents).into_iter();
    let mut results: Vec<Result<()>> =
        checked.into_iter().map(|checked| checked.and_then(|()| written.next().unwrap_or(Ok(())))).collect();
    if results.iter().any(Result::is_ok)
        && let Err(error) = update(host, &sound).await
    {
        for result in results.iter_mut().filter(|result| result.is_ok()) {
            *result = Err(anyhow::anyhow!("{error:#}"));
        }
    }
    results
}

/// What is no certificate would be a file that every later use of the store stumbles over.
fn check(job: &Job<'_>, contents: &Contents<'_>) -> Result<()> {
    let Some(digest) = text(&job.step.to, "file").filter(|file| *file != NO_FILE) else { return Ok(()) };
    if job.step.claim.is_none() {
        return Ok(());
    }
    let digest: Digest = digest.parse().context("its file")?;
    let content = contents(&digest).context("its content is no longer known to the agent")?;
    let der = der(&String::from_utf8_lossy(&content)).map_err(anyhow::Error::msg)?;
    let (rest, _) = x509_parser::parse_x509_certificate(&der).context("it can't be read as a certificate")?;
    ensure!(rest.is_empty(), "it can't be read as a certificate: something stands behind it");
    Ok(())
}

/// A file that was there before under another content or that went is forgotten only by a fresh start, also where it went before a crash.
async fn update(host: &mut Host, jobs: &[Job<'_>]) -> Result<()> {
    let is_none = |condition| text(condition, "file") == Some(NO_FILE);
    let only_new = jobs.iter().all(|job| is_none(&job.step.from) && !is_none(&job.step.to));
    let mut argv = vec!["/usr/sbin/update-ca-certificates"];
    if !only_new {
        argv.push("--fresh");
    }
    // Other packages have their own stores made by it, which takes a while where that is Java's.
    let updated =
        host.run(Work::Packages, &argv, None).await.context("is the package ca-certificates installed?")?;
    updated.ok("update-ca-certificates")?;
    // An empty store is what a power cut would leave, and no program would trust any server until it is made anew.
    host.sync().await.context("bringing the store to the disk")
}
