//! `mount`: a mount unit of Muster's own. It never comes over what is there, nor where others than root could lead it elsewhere.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};
use muster_converge::plan::Record;
use muster_proto::ResourceId;
use muster_proto::condition::Condition;
use muster_proto::resource::Resource;
use muster_proto::resource::mount::Mount;
use rustix::fs::{AtFlags, Mode, OFlags, StatxAttributes, StatxFlags};
use rustix::io::Errno;
use serde_json::json;

use super::own_file::{self, Part};
use super::own_unit::Own;
use super::{Contents, Job, Prepared, Wanted, flag};
use crate::host::walk::{Way, count_entries};
use crate::host::{Host, files};

const OWN: Own = Own {
    unit: Mount::unit,
    parts,
    runs: "mounted",
    ends: None,
    stuck: "it can't be unmounted: is it in use? `fuser -vm` says by whom",
};

pub(super) fn parts(id: &ResourceId) -> Vec<Part> {
    vec![("unit", Mount::file(id.key()))]
}

/// Asks systemd alone: to look at the place would be to wait for a server that is away.
pub(super) async fn read(
    host: &mut Host,
    wanted: &[Wanted<'_>],
) -> BTreeMap<ResourceId, Result<Condition, String>> {
    let ids: Vec<&ResourceId> = wanted.iter().map(|one| one.id).collect();
    let read = OWN.read(host, &ids).await;
    ids.into_iter().cloned().zip(read).collect()
}

pub(super) fn prepare(host: &Host, job: &Job<'_>) -> Result<Prepared> {
    let mut prepared = own_file::prepare(host, job, &parts(&job.step.id))?;
    let is_mounted = flag(&job.step.from, "mounted") == Some(true);
    let place = job.step.id.key();
    ensure!(job.record.is_some() || !is_mounted, "{}", taken(place));
    if is_mounted || flag(&job.step.to, "mounted") != Some(true) {
        return Ok(prepared);
    }
    let missing = free(host, place)?;
    if let Some(Resource::Mount(mount)) = job.step.resource()
        && mount.is_bind()
    {
        check_source(host, mount.what.as_str())?;
    }
    if let Prepared::Ready(preserved) = &mut prepared {
        let mut made = made(job.record);
        made.extend(missing.into_iter().filter(|path| !made.contains(path)).collect::<Vec<_>>());
        preserved.extra = json!({ "made": made });
    }
    Ok(prepared)
}

/// The directories that are missing on the way to a place where nothing is; an error where something is.
fn free(host: &Host, place: &str) -> Result<Vec<String>> {
    let way = host.root.way(place).with_context(|| format!("nothing is mounted at {place}"))?;
    let dir = match way {
        Way::Missing(missing) => return Ok(missing),
        Way::There(dir) => dir,
    };
    // systemd learns of a mount of somebody else's only some time after it was made.
    let stat =
        rustix::fs::statx(&dir, "", AtFlags::EMPTY_PATH, StatxFlags::empty()).context("asking about it")?;
    ensure!(!stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT), "{}", taken(place));
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = rustix::fs::openat(&dir, ".", flags, Mode::empty()).context("opening it")?;
    let is_empty = count_entries(&dir, 1)? == 0;
    ensure!(is_empty, "{place} is not empty, and nothing is mounted over what is there: move it away first");
    Ok(vec![])
}

fn taken(place: &str) -> String {
    format!(
        "something is mounted at {place} already, and not by Muster: unmount it first, and take it out of /etc/fstab"
    )
}

/// A directory that is shown in a second place is there, and nobody but root leads the way to it.
fn check_source(host: &Host, source: &str) -> Result<()> {
    match host.root.way(source).with_context(|| format!("{source} is not shown elsewhere"))? {
        Way::There(_) => Ok(()),
        Way::Missing(_) => bail!("there is no directory {source} to show elsewhere"),
    }
}

/// The directories that were made for a mount, in the order of making.
fn made(record: Option<&Record>) -> Vec<String> {
    let made = record.and_then(|record| record.extra["made"].as_array());
    made.into_iter().flatten().filter_map(|path| path.as_str().map(str::to_owned)).collect()
}

pub(super) async fn write(host: &mut Host, jobs: &[Job<'_>], contents: &Contents<'_>) -> Vec<Result<()>> {
    let mut results: Vec<Result<()>> = jobs.iter().map(|job| make_way(host, job)).collect();
    let ready: Vec<Job<'_>> =
        jobs.iter().zip(&results).filter(|(_, result)| result.is_ok()).map(|(job, _)| *job).collect();
    let written = if ready.is_empty() { vec![] } else { OWN.write(host, &ready, contents).await };
    let mut written = written.into_iter();
    for (job, result) in jobs.iter().zip(&mut results) {
        if result.is_ok() {
            *result = written.next().unwrap_or(Ok(())).and_then(|()| remove_way(host, job));
        }
    }
    results
}

/// Makes the directories that are missing. systemd would make them too, and nobody would know of it.
fn make_way(host: &Host, job: &Job<'_>) -> Result<()> {
    let is_wanted = flag(&job.step.to, "mounted") == Some(true) && job.changes("mounted");
    if is_wanted {
        for path in free(host, job.step.id.key())? {
            files::ensure_directory(&host.root, &path)?;
        }
    }
    Ok(())
}

/// Removes what was made for a mount that is gone, as far as nobody has put anything there since.
fn remove_way(host: &Host, job: &Job<'_>) -> Result<()> {
    if flag(&job.step.to, "mounted") == Some(true) {
        return Ok(());
    }
    remove_made(host, job.record)
}

/// Removes what a crash left of the way to a mount whose unit went before it: the next turn finds nothing mounted, and so nothing to do.
pub(super) fn remove_leftover(host: &Host, id: &ResourceId, record: &Record) -> Result<()> {
    for (_, unit) in parts(id) {
        if host.root.place(&unit)?.map(|place| place.stat()).transpose()?.flatten().is_some() {
            return Ok(());
        }
    }
    remove_made(host, Some(record))
}

fn remove_made(host: &Host, record: Option<&Record>) -> Result<()> {
    for path in made(record).iter().rev() {
        let Some(place) = host.root.place(path)? else { continue };
        match rustix::fs::unlinkat(&place.dir, &place.name, AtFlags::REMOVEDIR) {
            Ok(()) => place.sync_dir()?,
            Err(Errno::NOENT | Errno::NOTEMPTY | Errno::NOTDIR | Errno::BUSY) => {}
            Err(error) => return Err(error).with_context(|| format!("removing {path}")),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::chown;

    use muster_proto::resource::OnRemoval;

    use super::*;

    #[test]
    fn what_a_crash_left_of_the_way_to_a_mount_goes_once_its_unit_is_gone_and_no_sooner() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        let id = ResourceId::new("mount", "/srv/scratch/a");
        let unit = root.join(Mount::file(id.key()).trim_start_matches('/'));
        fs::create_dir_all(unit.parent().unwrap()).unwrap();
        fs::write(&unit, "").unwrap();
        fs::create_dir_all(root.join("srv/scratch/a")).unwrap();
        let host = Host::at(&root, &folder.path().join("run"), folder.path()).unwrap();
        let record = Record {
            before: Condition::Absent,
            wrote: Condition::Absent,
            intended: None,
            profile: String::new(),
            on_removal: OnRemoval::default(),
            not_after: None,
            notify: vec![],
            extra: json!({"made": ["/srv/scratch", "/srv/scratch/a"]}),
        };
        remove_leftover(&host, &id, &record).unwrap();
        assert!(root.join("srv/scratch/a").exists(), "it may be mounted");
        fs::remove_file(&unit).unwrap();
        remove_leftover(&host, &id, &record).unwrap();
        assert!(root.join("srv").exists() && !root.join("srv/scratch").exists());
    }

    #[test]
    fn nothing_is_mounted_over_what_is_there_nor_where_a_user_leads_the_way() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        for dir in ["srv/full/x", "srv/empty", "home/ada/data"] {
            fs::create_dir_all(root.join(dir)).unwrap();
        }
        chown(root.join("home/ada"), Some(1000), Some(1000)).unwrap();
        let host = Host::at(&root, &folder.path().join("run"), folder.path()).unwrap();
        assert_eq!(free(&host, "/srv/empty").unwrap(), Vec::<String>::new());
        assert_eq!(free(&host, "/srv/new/one").unwrap(), ["/srv/new", "/srv/new/one"]);
        let full = free(&host, "/srv/full").unwrap_err();
        assert!(full.to_string().contains("/srv/full is not empty"), "{full}");
        let users = format!("{:#}", free(&host, "/home/ada/data").unwrap_err());
        assert!(users.contains("someone other than root can change what is in /home/ada"), "{users}");
        assert!(check_source(&host, "/srv/full").is_ok());
        let missing = check_source(&host, "/srv/none").unwrap_err();
        assert!(missing.to_string().contains("no directory /srv/none"), "{missing}");
        assert!(check_source(&host, "/home/ada/data").is_err());
    }
}
