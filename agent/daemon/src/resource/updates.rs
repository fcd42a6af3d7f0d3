//! `updates`: what is to be installed now. What waits for a window is as it should be, and is told.
//!
//! Nothing is taken back: an older version of a package is what an update was made to get away from.

mod choose;
mod memory;
mod restart;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use muster_converge::reboot::Next;
use muster_converge::updates::{self, MOST_MISSED, WallClock};
use muster_proto::Timestamp;
use muster_proto::condition::{Condition, LEFT, TOLD};
use muster_proto::resource::Resource;
use muster_proto::resource::time::{LOCALTIME, ZONES};
use muster_proto::resource::updates::{NO_REBOOT, REBOOT, Reboot, TO_INSTALL, Updates};

use self::memory::Memory;
pub(crate) use self::restart::call_off;
use super::transaction::{self, Sources};
use super::{Job, Wanted, apt, dnf, is_removal, list, sentence, text};
use crate::host::dpkg::State;
use crate::host::packages::Manager;
use crate::host::updates::{Looked, Need, Update};
use crate::host::version::Order;
use crate::host::{Host, files};

/// Seconds after which package lists are fetched again, and after which that is tried again where it failed.
const LISTS_OLD: i64 = 24 * 60 * 60;
const TRY_AGAIN: i64 = 60 * 60;
/// For how many seconds lists may stay old before a device is not in order.
const LISTS_TOO_OLD: i64 = 3 * 24 * 60 * 60;
/// A file of a time zone has some kilobytes.
const ZONE_LIMIT: u64 = 256 * 1024;
/// What one transaction makes possible comes with another one: so many in a row at most.
const ROUNDS: usize = 3;
/// So many updates are listed: a report has to take them, and more in a row than anybody reads.
const MOST_TOLD: usize = 500;

/// Fetches the lists of all repositories where those on the machine are old.
pub(crate) async fn freshen(host: &mut Host, now: Timestamp) {
    let (now, mut memory) = (now.seconds(), Memory::load(host));
    let is_over =
        |at: Option<i64>, seconds: i64| at.is_none_or(|at| !(0..seconds).contains(&now.saturating_sub(at)));
    if !is_over(memory.fetched, LISTS_OLD) || !is_over(memory.tried, TRY_AGAIN) {
        return;
    }
    host.lists_fetched = Some(Instant::now());
    memory.tried = Some(now);
    match transaction::fetch_lists(host, Sources::All).await {
        Ok(()) => (memory.fetched, memory.trouble) = (Some(now), None),
        Err(error) => {
            let since = memory.trouble.take().map_or(now, |(since, _)| since.min(now));
            memory.trouble = Some((since, sentence(&error)));
        }
    }
    if let Err(error) = memory.keep(host) {
        tracing::warn!(reason = %sentence(&error), "keeping when package lists were fetched");
    }
}

pub(super) async fn read(host: &mut Host, wanted: &Wanted<'_>) -> Result<Condition> {
    let Some(Resource::Updates(updates)) = wanted.resource else {
        if wanted.asks {
            call_off(host).await?;
        }
        Memory::forget_waiting(host)?;
        return Ok(wanted.record.map_or(Condition::Absent, |record| record.before.clone()));
    };
    let now = wanted.now.seconds();
    let clock = Clock::of(host, updates, now)?;
    let is_open = updates.windows.is_empty() || updates::is_open(&updates.windows, clock.wall(now));
    if wanted.asks && !(is_open && updates.reboot == Reboot::InWindow) {
        call_off(host).await?;
    }
    let unfinished: Vec<String> =
        host.packages.in_state(State::Partly).map(|name| format!("{name} is half installed")).collect();
    let looked = if unfinished.is_empty() {
        choose::look(host, updates, wanted.versions).await?
    } else {
        choose::wait(host, updates, wanted.versions)
    };
    let mut memory = Memory::load(host);
    let known = memory.clone();
    if unfinished.is_empty() {
        memory.installing = false;
        memory.note(&looked.updates, now);
    }
    let battery = host.low_battery();
    let is_time = is_open && battery.is_none();
    if let Some(looked) = &mut host.updates {
        looked.is_time = is_time;
    }
    let missed = memory
        .oldest()
        .map_or(0, |since| updates::missed(&updates.windows, clock.wall(since), clock.wall(now)));
    let is_late = !is_time && missed >= MOST_MISSED;
    let all = [unfinished, lines(&looked.updates)].concat();
    let need = host.reboot_need()?;
    let may_reboot = is_time && all.is_empty() && wanted.settled && updates.reboot == Reboot::InWindow;
    let left = updates::left(&updates.windows, clock.wall(now)).filter(|_| may_reboot);
    let reboot = restart::plan(host, &mut memory, need.as_ref(), now, left)?;
    // Who only asks changes nothing that is remembered.
    if wanted.asks && memory != known {
        memory.keep(host)?;
    }
    let running = host.running_kernel()?;
    let need = match need {
        Some(Need::Kernel(newest)) => {
            format!("a reboot is needed: kernel {newest} is installed and {running} runs")
        }
        Some(Need::Required) => format!("a reboot is needed: a package asks for it; kernel {running} runs"),
        None => format!("kernel {running} runs"),
    };
    let to_reboot = match reboot {
        Next::Due => format!("{}{need}", restart::DUE),
        Next::Back => format!("the device is back: {need}"),
        _ => NO_REBOOT.to_owned(),
    };
    let to_reboot = (updates.reboot == Reboot::InWindow).then_some(to_reboot);
    let need =
        [Some(need), restart::told(&reboot, &memory)].into_iter().flatten().collect::<Vec<_>>().join("; ");
    let told = told(&looked, &all, &memory, battery.filter(|_| is_open), need);
    let left = (is_late && !memory.installing).then(|| {
        format!("{missed} windows have gone by: was the device off in each of them, or did the installation fail? {told}")
    });
    // What Muster itself left half-way waits for no window.
    let to_install = if is_time || is_late || memory.installing { bounded(all) } else { vec![] };
    if to_install.is_empty()
        && let Some((since, reason)) = &memory.trouble
        && now.saturating_sub(*since) > LISTS_TOO_OLD
    {
        bail!(
            "package lists could not be fetched for days, so that nobody knows what else is to be updated: {reason}"
        );
    }
    Ok(Condition::present([
        (TO_INSTALL, to_install.into()),
        (REBOOT, to_reboot.into()),
        (TOLD, told.into()),
        (LEFT, left.into()),
    ]))
}

/// The clock that the windows are measured by.
struct Clock {
    /// By how many seconds it is ahead of UTC.
    ahead: i32,
}

impl Clock {
    fn of(host: &Host, updates: &Updates, now: i64) -> Result<Self> {
        if updates.windows.is_empty() {
            return Ok(Self { ahead: 0 });
        }
        let path = updates.zone.as_ref().map_or(LOCALTIME.to_owned(), |zone| format!("{ZONES}{zone}"));
        // The device's own is a link, and zones with several names are links or further names of one file.
        let Some(file) = host.root.follow(&path)? else {
            // localtime(5) says so of a machine without one.
            ensure!(updates.zone.is_none(), "there is no {path}: install tzdata, or name another zone");
            return Ok(Self { ahead: 0 });
        };
        let bytes = files::read_limited(file, ZONE_LIMIT).with_context(|| format!("reading {path}"))?;
        let zone = tz::TimeZone::from_tz_data(&bytes).with_context(|| format!("{path} is no time zone"))?;
        let local = zone.find_local_time_type(now).with_context(|| format!("reading {path}"))?;
        Ok(Self { ahead: local.ut_offset() })
    }

    fn wall(&self, seconds: i64) -> WallClock {
        WallClock::new(seconds, self.ahead)
    }
}

/// What there is to tell, the most important first.
fn told(looked: &Looked, all: &[String], memory: &Memory, battery: Option<u8>, need: String) -> String {
    let mut parts = vec![];
    let security = looked.updates.iter().filter(|update| update.security).count();
    parts.push(match looked.updates.len() {
        0 if all.is_empty() => "no update waits".to_owned(),
        0 => format!("cut off: {}; what else waits is not known until that is done", transaction::names(all)),
        count => format!("waiting: {count}, {security} for security: {}", transaction::names(all)),
    });
    parts.extend(battery.map(|percent| format!("waiting for power, as the battery is at {percent} %")));
    parts.push(need);
    if !looked.kept_back.is_empty() {
        parts.push(format!("kept back: {}", transaction::names(&looked.kept_back)));
    }
    if looked.others > 0 {
        parts.push(format!("newer but not asked for: {}", looked.others));
    }
    parts.extend(memory.trouble.as_ref().map(|(_, reason)| format!("package lists are old: {reason}")));
    parts.join("; ")
}

fn lines(updates: &[Update]) -> Vec<String> {
    updates.iter().map(|update| format!("{} {} -> {}", update.name, update.old, update.new)).collect()
}

/// As many as a report takes.
fn bounded(mut all: Vec<String>) -> Vec<String> {
    let more = all.len().saturating_sub(MOST_TOLD);
    all.truncate(MOST_TOLD);
    if more > 0 {
        all.push(format!("and {more} more"));
    }
    all
}

pub(super) async fn write(host: &mut Host, jobs: &[Job<'_>]) -> Vec<Result<()>> {
    let mut results = vec![];
    for job in jobs {
        results.push(write_one(host, job).await);
    }
    results
}

async fn write_one(host: &mut Host, job: &Job<'_>) -> Result<()> {
    let Some(Resource::Updates(updates)) = job.step.resource().filter(|_| !is_removal(job.step)) else {
        return Ok(());
    };
    if let Some(reboot) = text(&job.step.from, REBOOT).filter(|_| job.changes(REBOOT)) {
        restart::make(host, reboot).await?;
    }
    if !job.changes(TO_INSTALL) {
        return Ok(());
    }
    let known = host.updates.clone().context("what is to be updated was forgotten")?;
    let versions = known.asked.versions;
    let mut memory = Memory::load(host);
    memory.installing = true;
    memory.keep(host)?;
    let was_cut_off = host.packages.in_state(State::Partly).next().is_some();
    let finished = if was_cut_off {
        match host.packages.manager() {
            Manager::Apt => {
                apt::finish(host, |name, version| choose::admits(&versions, Order::Dpkg, name, version)).await
            }
            Manager::Dnf => dnf::finish(host, &BTreeSet::new()).await,
        }
    } else {
        Ok(())
    };
    host.packages.refresh(&host.root)?;
    // One package whose scripts fail makes apt fail each time, and does not keep it from installing the others.
    let planned = list(&job.step.from, TO_INSTALL).filter(|_| !was_cut_off);
    let installed = if known.is_time { install(host, updates, &versions, planned).await } else { Ok(()) };
    finished.and(installed)
}

async fn install(
    host: &mut Host,
    updates: &Updates,
    versions: &BTreeMap<String, Option<String>>,
    planned: Option<Vec<&str>>,
) -> Result<()> {
    // Packages that were installed in this turn may have brought some of it.
    let mut looked = choose::look(host, updates, versions).await?;
    let all = bounded(lines(&looked.updates));
    let news = planned.and_then(|planned| all.iter().find(|line| !planned.contains(&line.as_str())));
    if let Some(news) = news {
        bail!("{news} came a moment ago: it is looked at in the next turn");
    }
    for _ in 0..ROUNDS {
        if looked.updates.is_empty() {
            break;
        }
        choose::install(host, &looked).await?;
        host.packages.refresh(&host.root)?;
        looked = choose::look(host, updates, versions).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// A zone that is always an hour ahead, as tzfile(5) has it in its first version.
    fn an_hour_ahead() -> Vec<u8> {
        let mut bytes = b"TZif".to_vec();
        bytes.extend([0; 16]);
        bytes.extend([0_u32, 0, 0, 0, 1, 4].map(u32::to_be_bytes).concat());
        bytes.extend(3600_i32.to_be_bytes());
        bytes.extend(b"\0\0CET\0");
        bytes
    }

    #[test]
    fn windows_without_a_zone_go_by_the_link_that_says_the_devices_own() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        for dir in ["etc", "usr/share/zoneinfo", "var/lib/dpkg", "run", "state"] {
            fs::create_dir_all(at(dir)).unwrap();
        }
        fs::write(at("usr/share/zoneinfo/CET"), an_hour_ahead()).unwrap();
        let host = Host::at(folder.path(), &at("run"), &at("state")).unwrap();
        let updates: Updates = serde_json::from_value(
            serde_json::json!({"which": "all", "windows": [{"from": "22:00", "to": "04:00"}]}),
        )
        .unwrap();
        assert_eq!(Clock::of(&host, &updates, 0).unwrap().ahead, 0, "without a link it is UTC");
        symlink("/usr/share/zoneinfo/CET", at("etc/localtime")).unwrap();
        assert_eq!(Clock::of(&host, &updates, 0).unwrap().ahead, 3600);
        fs::write(at("usr/share/zoneinfo/CET"), "no zone").unwrap();
        let error = Clock::of(&host, &updates, 0).err().unwrap();
        assert_eq!(error.to_string(), "/etc/localtime is no time zone");
    }
}
