//! `dconf`: files of settings and locks, and the database that dconf makes of them.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::rc::Rc;

use anyhow::{Context as _, Result, ensure};
use muster_proto::condition::{Condition, NO_FILE};
use muster_proto::resource::dconf::{DATABASE, Dconf};
use muster_proto::{Digest, ResourceId};
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::own_file::{self, Part};
use super::{Contents, Job, Prepared, Wanted, text};
use crate::host::Host;
use crate::host::run::Work;
use crate::host::temporary;
use crate::host::walk::{self, Place};

const DCONF: &str = "/usr/bin/dconf";

/// Where databases are, of which there are no more than these.
const DATABASES: &str = "/etc/dconf/db";
const MOST: usize = 1000;

/// What dconf makes the database of.
const FOLDER: &str = "/etc/dconf/db/local.d";
const LOCKS: &str = "/etc/dconf/db/local.d/locks";

pub(super) fn parts(id: &ResourceId) -> Vec<Part> {
    vec![("file", Dconf::file(id.key())), ("locks", Dconf::locks(id.key()))]
}

pub(super) fn read(host: &mut Host, wanted: &Wanted<'_>) -> Result<Condition> {
    let (settings, locks) = (Dconf::file(wanted.id.key()), Dconf::locks(wanted.id.key()));
    let is_cut_off = wanted.record.is_some_and(|record| record.intended.is_some());
    let behind = host.dconf_is_behind.clone().filter(|_| is_cut_off);
    let is_behind = behind.is_some() && is_older_than_folders(host)?;
    // What the database still has of files that are gone is in no condition: that it has it would be somebody else's doing, and left so.
    ensure!(
        wanted.resource.is_some() || !is_behind,
        "dconf's database may still have its settings: {}",
        behind.unwrap_or_default()
    );
    let newest = own_file::written_at(host, &settings)?.max(own_file::written_at(host, &locks)?);
    // Without any of the files there is nothing that the database could lack. An empty one is what a power cut leaves of it.
    let compiled = match newest {
        Some(newest) => {
            own_file::written_at(host, DATABASE)?.is_some_and(|made| made >= newest) && !is_empty(host)?
        }
        None => true,
    };
    Ok(Condition::present([
        ("file", own_file::read(host, &settings)?),
        ("locks", own_file::read(host, &locks)?),
        ("compiled", (compiled && !is_behind).into()),
    ]))
}

fn is_empty(host: &Host) -> Result<bool> {
    let place = host.root.existing_place(DATABASE)?;
    Ok(place.stat().context(DATABASE)?.is_none_or(|stat| stat.st_size == 0))
}

/// Has dconf make the database anew where a crash, or that dconf failed, came after files went: that it has settings of theirs, no file
/// tells. What dconf was writing when the power went goes.
pub(super) async fn catch_up(host: &mut Host) -> Result<()> {
    let removed = remove_unfinished(host);
    if is_older_than_folders(host)? {
        update(host).await?;
    }
    host.dconf_is_behind = None;
    removed
}

/// Whether files came or went since the database was made. Without one there is nothing that it could have too much.
fn is_older_than_folders(host: &Host) -> Result<bool> {
    let Some(made) = own_file::written_at(host, DATABASE)? else { return Ok(false) };
    let changed = own_file::written_at(host, FOLDER)?.max(own_file::written_at(host, LOCKS)?);
    Ok(changed.is_some_and(|changed| changed > made))
}

/// Removes the database under the names that dconf gives it until it is whole, by `GLib`: `local.` and six capitals or digits.
fn remove_unfinished(host: &Host) -> Result<()> {
    let Some(place) = host.root.place(DATABASES)? else { return Ok(()) };
    let folder = match place.open(OFlags::DIRECTORY) {
        Ok(folder) => Rc::new(folder),
        Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(error).context(DATABASES),
    };
    let is_unfinished = |name: &str| {
        let end = name.strip_prefix("local.").unwrap_or_default().as_bytes();
        end.len() == 6 && end.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    };
    for name in walk::names(&folder, MOST)?.into_iter().filter(|name| is_unfinished(name)) {
        Place::within(&folder, &name)?.unlink().with_context(|| format!("removing {DATABASES}/{name}"))?;
    }
    Ok(())
}

pub(super) fn prepare(host: &Host, job: &Job<'_>) -> Result<Prepared> {
    own_file::prepare(host, job, &parts(&job.step.id))
}

/// Writes what dconf can read, and has it make the database once for all.
pub(super) async fn write(host: &mut Host, jobs: &[Job<'_>], contents: &Contents<'_>) -> Vec<Result<()>> {
    let mut results = vec![];
    for job in jobs {
        results.push(check(host, job, contents).await);
    }
    let sound: Vec<Job<'_>> =
        jobs.iter().zip(&results).filter(|(_, result)| result.is_ok()).map(|(job, _)| *job).collect();
    let mut written = own_file::write(host, &sound, |job| parts(&job.step.id), contents).into_iter();
    for result in results.iter_mut().filter(|result| result.is_ok()) {
        *result = written.next().unwrap_or(Ok(()));
    }
    // One of two files may have been left, and the other have changed.
    if !sound.is_empty()
        && let Err(error) = update(host).await
    {
        for result in results.iter_mut().filter(|result| result.is_ok()) {
            *result = Err(anyhow::anyhow!("{error:#}"));
        }
    }
    results
}

/// Has dconf make the database, and notes why where it did not.
async fn update(host: &mut Host) -> Result<()> {
    let updated = made(host).await;
    host.dconf_is_behind = updated.as_ref().err().map(|error| format!("{error:#}"));
    updated
}

async fn made(host: &mut Host) -> Result<()> {
    let updated = host.run(Work::Short, &[DCONF, "update"], None).await;
    updated.context("is the package dconf-cli installed?")?.ok("dconf update")?;
    host.sync().await.context("bringing the database to the disk")
}

/// Lets dconf make a database of the settings alone: with one file that it can't read it would make none at all.
async fn check(host: &mut Host, job: &Job<'_>, contents: &Contents<'_>) -> Result<()> {
    let Some(digest) = text(&job.step.to, "file").filter(|file| *file != NO_FILE) else { return Ok(()) };
    let digest: Digest = digest.parse().context("its file")?;
    let content = contents(&digest).context("its content is no longer known to the agent")?;
    let folder = host.scratch.join(format!("dconf-{}", temporary::random_suffix()?));
    let settings = folder.join("settings.d");
    let made = DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&settings)
        .and_then(|()| fs::write(settings.join("settings"), &content))
        .with_context(|| format!("writing {} for dconf", folder.display()));
    let (database, settings) =
        (folder.join("database").to_string_lossy().into_owned(), settings.to_string_lossy().into_owned());
    let checked = match made {
        Ok(()) => host.run(Work::Short, &[DCONF, "compile", &database, &settings], None).await,
        Err(error) => Err(error),
    };
    // What stays is root's alone and gone with the next boot.
    fs::remove_dir_all(&folder).ok();
    checked.context("is the package dconf-cli installed?")?.ok("dconf refuses the settings").map(drop)
}
