//! `network`: files for systemd-networkd or NetworkManager, and that it has read them.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use muster_converge::plan::Step;
use muster_proto::ResourceId;
use muster_proto::condition::{Condition, NO_FILE, TOLD};
use muster_proto::resource::Resource;
use muster_proto::resource::network::Network;
use muster_proto::resource::network::keyfile::uuid;
use muster_proto::resource::service::unit;

use super::own_file::{self, Part};
use super::{Contents, Job, Prepared, Wanted, flag, sentence, text};
use crate::host::Host;
use crate::host::network_manager::NetworkManager;
use crate::host::run::Work;

mod keyfile;
mod wireguard;

use keyfile::Filled;
pub(super) use wireguard::key_path;

const NETWORKD: &str = "systemd-networkd.service";
const NETWORK_MANAGER: &str = "NetworkManager.service";
const MANAGERS: [&str; 2] = [NETWORKD, NETWORK_MANAGER];

/// Said of one of them.
const IDLE: &str =
    "does not run here: have it run by `service`, or set this network up by what runs, with `manager`";

/// The files: those of networkd, and that of NetworkManager.
pub(super) fn parts(id: &ResourceId) -> Vec<Part> {
    vec![
        ("file", Network::file(id.key())),
        ("keyfile", Network::keyfile_path(id.key())),
        ("netdev", Network::netdev_path(id.key())),
    ]
}

/// The one of networkd which has no secrets in it and is written as other files of Muster's own.
fn networkd_parts(job: &Job<'_>) -> Vec<Part> {
    vec![("file", Network::file(job.step.id.key()))]
}

/// Whether a file is the private key of a tunnel, or one that was kept aside.
pub(crate) fn is_key_of_tunnel(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.starts_with("wireguard-") && name.contains(".key")
}

/// Forgets what was kept for the way back of a change that stands.
pub(crate) fn forget_way_back(host: &Host, id: &ResourceId) -> Result<()> {
    if id.kind() == "network" { wireguard::forget(host, id.key()) } else { Ok(()) }
}

pub(super) async fn read(host: &mut Host, wanted: &Wanted<'_>) -> Result<Condition> {
    let key = wanted.id.key();
    let own = own_file::read(host, &Network::file(key))?;
    let (keyfile, netdev) = (Filled::keyfile(key), Filled::netdev(host, key));
    let filled = keyfile::read(host, wanted, &keyfile)?;
    let made = keyfile::read(host, wanted, &netdev)?;
    let mut loaded = true;
    for (there, path, unit) in [
        (&own, &Network::file(key), NETWORKD),
        (&filled, &keyfile.path, NETWORK_MANAGER),
        (&made, &netdev.path, NETWORKD),
    ] {
        if *there == NO_FILE {
            continue;
        }
        if let Some(interface) = wireguard::interface(host, path)? {
            loaded &= wireguard::is_tunnel(host, &interface)? == Some(true);
        }
        if !noted(host, wanted.id).is_some_and(|noted| noted.lines().any(|line| *there == line)) {
            let written = own_file::written_at(host, path)?;
            loaded &= started_after(host, unit, written).await?;
        }
    }
    if let (None, Some(record)) = (wanted.resource, wanted.record) {
        // An interface that is gone, or a manager that has yet to read, is nobody's change that taking back would destroy.
        loaded = flag(&record.before, "loaded").unwrap_or(true);
    }
    let (private, public) = wireguard::read(host, key)?;
    let is_asked = matches!(wanted.resource, Some(Resource::Network(network)) if network.wireguard.is_some());
    let told = public.filter(|_| is_asked).map(|public| format!("its public key is {public}"));
    Ok(Condition::present([
        ("file", own),
        ("keyfile", filled),
        ("netdev", made),
        ("key", private.into()),
        ("loaded", loaded.into()),
        (TOLD, told.into()),
    ]))
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

pub(super) async fn prepare(host: &mut Host, job: &Job<'_>) -> Result<Prepared> {
    let name = job.step.id.key();
    if let Some(Resource::Network(network)) = job.step.resource().filter(|_| !job.step.ending)
        && network.wireguard.is_some()
        && let Some(reason) = wireguard::obstacle(host, name, network.interface.as_str())?
    {
        return Ok(Prepared::Blocked(reason));
    }
    let runs = running(host).await?;
    if let Some(reason) = idle(job, runs) {
        return Ok(Prepared::Blocked(reason));
    }
    let mut kept = keyfile::prepare(host, job, "keyfile", &Network::keyfile_path(name))?;
    kept.extend(keyfile::prepare(host, job, "netdev", &Network::netdev_path(name))?);
    let mut prepared = own_file::prepare(host, job, &networkd_parts(job))?;
    if let Prepared::Ready(preserved) = &mut prepared {
        preserved.blobs.extend(kept);
    }
    Ok(prepared)
}

/// Writes the files, and has each of the two read what is its own once for all.
pub(super) async fn write(host: &mut Host, jobs: &[Job<'_>], contents: &Contents<'_>) -> Vec<Result<()>> {
    let runs = match running(host).await {
        Ok(runs) => runs,
        Err(error) => return super::refuse_all(jobs, &error),
    };
    let mut checked: Vec<Result<()>> = vec![];
    for job in jobs {
        // It may have ended since this was prepared.
        let made = idle(job, runs).map_or(Ok(()), |reason| Err(anyhow::anyhow!(reason)));
        checked.push(match made.and_then(|()| wireguard::make(host, job)) {
            Ok(()) => end_tunnel(host, job, runs(NETWORKD)).await,
            Err(error) => Err(error),
        });
    }
    let sound: Vec<Job<'_>> =
        jobs.iter().zip(&checked).filter(|(_, checked)| checked.is_ok()).map(|(job, _)| *job).collect();
    let mut written = own_file::write(host, &sound, networkd_parts, contents);
    for (job, result) in sound.iter().zip(&mut written) {
        let name = job.step.id.key();
        for file in [Filled::keyfile(name), Filled::netdev(host, name)] {
            if result.is_ok() {
                *result = keyfile::write(host, job, file, contents);
            }
        }
    }
    let mut told = tell(host, &sound, written, runs).await.into_iter();
    let told = checked.into_iter().map(|checked| checked.and_then(|()| told.next().unwrap_or(Ok(()))));
    let results: Vec<Result<()>> = told.collect();
    jobs.iter().zip(results).map(|(job, told)| told.and_then(|()| wireguard::take_away(host, job))).collect()
}

/// Ends the tunnel that networkd made of the file that is there: it neither changes nor removes one by itself. Before the file goes, as
/// nobody would know of it after a crash.
async fn end_tunnel(host: &mut Host, job: &Job<'_>, runs: bool) -> Result<()> {
    let is_stale =
        job.changes("netdev") || (job.changes("loaded") && flag(&job.step.from, "loaded") == Some(false));
    if !is_stale || !runs {
        return Ok(());
    }
    let Some(interface) = wireguard::interface(host, &Network::netdev_path(job.step.id.key()))? else {
        return Ok(());
    };
    if wireguard::is_tunnel(host, &interface)? != Some(true) {
        return Ok(());
    }
    let argv = ["/usr/bin/networkctl", "delete", "--", interface.as_str()];
    host.run(Work::Short, &argv, None).await?.ok("networkctl delete").map(drop)
}

/// Which of the two run, by the names of their units.
async fn running(host: &mut Host) -> Result<impl Fn(&str) -> bool + Copy + use<>> {
    let units = host.systemd.units(&MANAGERS.map(str::to_owned)).await?;
    let runs = |at: usize| units.get(at).is_some_and(|unit| unit.runs());
    let (networkd, manager) = (runs(0), runs(1));
    Ok(move |unit: &str| if unit == NETWORK_MANAGER { manager } else { networkd })
}

/// Why nothing is written for one that does not run: it would only wait for a day on which nobody expects it. What was there before
/// comes back all the same: a change that cut the device off must not be what is read at the next start.
fn idle(job: &Job<'_>, runs: impl Fn(&str) -> bool) -> Option<String> {
    if job.step.undoes || job.step.claim.is_none() {
        return None;
    }
    unread(&job.step.to, runs)
}

/// Why nobody would read what there is to be, if so.
fn unread(to: &Condition, runs: impl Fn(&str) -> bool) -> Option<String> {
    let mut needed = [("file", NETWORKD), ("netdev", NETWORKD), ("keyfile", NETWORK_MANAGER)].into_iter();
    let (_, unit) = needed.find(|(attribute, unit)| has(to, attribute) && !runs(unit))?;
    Some(format!("{unit} {IDLE}"))
}

/// Whether this is why a network can't be set up that a service in `steps` is to run for.
pub(super) fn is_begun_by(reason: &str, steps: &[Step]) -> bool {
    let begins = |step: &Step| {
        let unit = unit(step.id.key());
        step.id.kind() == "service" && reason.contains(&format!("{unit} {IDLE}"))
    };
    steps.iter().any(begins)
}

/// Whether the step ends with such a file.
fn comes(job: &Job<'_>, attribute: &str) -> bool {
    has(&job.step.to, attribute)
}

fn has(condition: &Condition, attribute: &str) -> bool {
    text(condition, attribute).is_some_and(|file| file != NO_FILE)
}

async fn tell(
    host: &mut Host,
    jobs: &[Job<'_>],
    written: Vec<Result<()>>,
    runs: impl Fn(&str) -> bool,
) -> Vec<Result<()>> {
    let concerns = |attribute: &str| jobs.iter().any(|job| comes(job, attribute) || job.changes(attribute));
    let concerned = concerns("file") || concerns("netdev");
    let networkd = if concerned && runs(NETWORKD) { reload(host).await } else { Ok(()) };
    let mut results = vec![];
    for (job, result) in jobs.iter().zip(written) {
        results.push(match (result, &networkd) {
            (Err(error), _) => Err(error),
            (Ok(()), Err(error)) => Err(anyhow::anyhow!("{}", sentence(error))),
            (Ok(()), Ok(())) => match tell_network_manager(host, job, runs(NETWORK_MANAGER)).await {
                Ok(()) => await_tunnel(host, job, &runs).await.and_then(|()| keep_note(host, job)),
                Err(error) => Err(error),
            },
        });
    }
    results
}

/// The interface of a tunnel that was asked for has to come, where there is somebody to make it.
async fn await_tunnel(host: &Host, job: &Job<'_>, runs: impl Fn(&str) -> bool) -> Result<()> {
    let name = job.step.id.key();
    for (attribute, path, unit) in [
        ("netdev", Network::netdev_path(name), NETWORKD),
        ("keyfile", Network::keyfile_path(name), NETWORK_MANAGER),
    ] {
        if comes(job, attribute)
            && runs(unit)
            && let Some(interface) = wireguard::interface(host, &path)?
        {
            wireguard::comes_up(host, &interface, unit.trim_end_matches(".service")).await?;
        }
    }
    Ok(())
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
        Some(Resource::Network(network)) if network.wireguard.is_some() => {
            manager.activate_new(&uuid(key)).await
        }
        Some(Resource::Network(network)) if network.wifi.is_none() => {
            manager.activate(&uuid(key), network.interface.as_str()).await
        }
        _ => manager.activate_again(&uuid(key)).await,
    }
}

fn keep_note(host: &Host, job: &Job<'_>) -> Result<()> {
    let path = note(host, &job.step.id);
    let files = ["file", "keyfile", "netdev"].into_iter().filter(|attribute| comes(job, attribute));
    let files: Vec<&str> = files.filter_map(|attribute| text(&job.step.to, attribute)).collect();
    if files.is_empty() {
        ensure!(fs::remove_file(&path).is_ok() || !path.exists(), "can't remove {}", path.display());
        return Ok(());
    }
    fs::write(&path, files.join("\n")).with_context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use muster_proto::condition::Action;

    use super::*;

    fn begins(service: &str) -> Step {
        Step {
            id: ResourceId::new("service", service),
            action: Action::Change,
            from: Condition::Absent,
            to: Condition::present([]),
            differences: vec![],
            claim: None,
            restart: false,
            ending: false,
            follows: false,
            undoes: false,
        }
    }

    #[test]
    fn a_network_needs_the_one_that_reads_its_file_to_run_or_to_be_begun_by_the_plan() {
        let of = |file: &str, keyfile: &str| {
            Condition::present([("file", file.into()), ("keyfile", keyfile.into())])
        };
        let (networkd, manager) = (of("sha256:1", NO_FILE), of(NO_FILE, "sha256:1"));
        let runs_manager = |unit: &str| unit == NETWORK_MANAGER;
        assert_eq!(unread(&manager, runs_manager), None);
        let reason = unread(&networkd, runs_manager).unwrap();
        assert!(reason.starts_with("systemd-networkd.service does not run here"), "{reason}");
        assert!(unread(&manager, |_| false).unwrap().starts_with("NetworkManager.service does not run here"));
        assert!(is_begun_by(&reason, &[begins("ssh"), begins("systemd-networkd")]));
        assert!(!is_begun_by(&reason, &[begins("NetworkManager")]));
        assert!(!is_begun_by("there is no /etc/wifi.psk", &[begins("systemd-networkd")]));
    }
}
