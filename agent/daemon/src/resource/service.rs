//! `service`: a systemd unit that runs or not, and starts at boot or not; judged by what systemd says of it.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, anyhow, bail, ensure};
use muster_proto::ResourceId;
use muster_proto::condition::Condition;
use muster_proto::resource::Resource;
use muster_proto::resource::service::{OnChange, unit as unit_name};

use super::{Job, Wanted, attribute, flag, is_removal, refuse_all, sentence};
use crate::host::Host;
use crate::host::systemd::Unit;

/// Longer than systemd's own default for a start, so that it is systemd who says what went wrong.
pub(super) const JOB: Duration = Duration::from_secs(120);

/// What systemd calls it to have a unit read its configuration again.
const RELOAD: &str = "ReloadUnit";

/// A service that can't work often ends just after systemd counted it as started.
const SETTLING: Duration = Duration::from_millis(250);

pub(super) async fn read(
    host: &mut Host,
    wanted: &[Wanted<'_>],
) -> BTreeMap<ResourceId, Result<Condition, String>> {
    if wanted.is_empty() {
        return BTreeMap::new();
    }
    let names: Vec<String> = wanted.iter().map(|one| unit_name(one.id.key())).collect();
    let units = host.systemd.units(&names).await;
    let mut read = BTreeMap::new();
    for (index, one) in wanted.iter().enumerate() {
        let condition = match &units {
            Ok(units) => read_one(host, one, &units[index]).await.map_err(|error| sentence(&error)),
            Err(error) => Err(sentence(error)),
        };
        read.insert(one.id.clone(), condition);
    }
    read
}

async fn read_one(host: &mut Host, wanted: &Wanted<'_>, unit: &Unit) -> Result<Condition> {
    if !unit.exists() {
        return Ok(Condition::Absent);
    }
    let desired = wanted.desired();
    let asked = |name| desired.as_ref().is_some_and(|desired| attribute(desired, name).is_some());
    // Each is one more question to systemd, so that it is asked only for what someone has a wish about.
    let enabled = if asked("enabled") || wanted.resource.is_none() {
        Some(is_enabled(&host.systemd.file_state(unit).await?))
    } else {
        None
    };
    // What Muster started where nothing was is taken back once it is still; the unit itself goes with its package.
    if wanted.was_absent() && !unit.runs() && enabled != Some(true) {
        return Ok(Condition::Absent);
    }
    Ok(Condition::present([("running", unit.runs().into()), ("enabled", enabled.into())]))
}

/// A static unit does not start by itself, and one that is enabled until the next boot does not start at it.
pub(super) fn is_enabled(state: &str) -> bool {
    matches!(state, "enabled" | "alias")
}

pub(super) async fn write(host: &mut Host, jobs: &[Job<'_>]) -> Vec<Result<()>> {
    if let Err(error) = reload_if_needed(host, jobs).await {
        return refuse_all(jobs, &error);
    }
    let (mut results, mut reload) = (vec![], false);
    for job in jobs {
        results.push(enable(host, job).await.map(|changed| reload |= changed));
    }
    if reload && let Err(error) = host.systemd.reload().await {
        return refuse_all(jobs, &error);
    }
    let mut started = vec![];
    for (job, result) in jobs.iter().zip(&mut results) {
        if result.is_err() {
            continue;
        }
        match run(host, job).await {
            Ok(None) => {}
            Ok(Some(run)) => started.push((run, result)),
            Err(error) => *result = Err(error),
        }
    }
    if !started.is_empty() {
        tokio::time::sleep(SETTLING).await;
    }
    for (run, result) in started {
        *result = judge(host, run).await;
    }
    results
}

/// A unit whose files were just written, or that was not there a moment ago, has to be read by systemd first.
async fn reload_if_needed(host: &mut Host, jobs: &[Job<'_>]) -> Result<()> {
    let names: Vec<String> = jobs.iter().map(|job| unit_name(job.step.id.key())).collect();
    for unit in host.systemd.units(&names).await? {
        if !unit.exists() || host.systemd.needs_reload(&unit).await? {
            return host.systemd.reload().await;
        }
    }
    Ok(())
}

/// Lets the unit start at boot or not; whether that changed anything on disk.
async fn enable(host: &mut Host, job: &Job<'_>) -> Result<bool> {
    let name = unit_name(job.step.id.key());
    find(host, &name).await?;
    let wish = if is_removal(job.step) { Some(false) } else { flag(&job.step.to, "enabled") };
    if wish == flag(&job.step.from, "enabled") {
        return Ok(false);
    }
    match wish {
        None => Ok(false),
        Some(false) => host.systemd.disable(&name).await.map(|()| true),
        Some(true) => {
            let installable = host.systemd.enable(&name).await?;
            ensure!(
                installable,
                "{name} has no [Install] section: it can't be enabled, and starts with what needs it; leave \
                 `enabled` out"
            );
            Ok(true)
        }
    }
}

/// A unit that was told to run or to stop, held until it is judged.
pub(super) struct Run {
    name: String,
    should_run: bool,
    /// How systemd's job ended.
    job: String,
}

async fn run(host: &mut Host, job: &Job<'_>) -> Result<Option<Run>> {
    let name = unit_name(job.step.id.key());
    let wish = if is_removal(job.step) { Some(false) } else { flag(&job.step.to, "running") };
    let runs = find(host, &name).await?.runs();
    let method = match (wish, runs) {
        (Some(false), true) => "StopUnit",
        (Some(true), false) => "StartUnit",
        // A restart brings what changed into effect where it runs, and nothing to life that nobody wants to run.
        (Some(true) | None, true) if job.step.restart => match job.step.resource() {
            Some(Resource::Service(service)) if service.on_change == OnChange::Reload => RELOAD,
            _ => "RestartUnit",
        },
        (Some(false), false) | (Some(true) | None, true) | (None, false) => return Ok(None),
    };
    tell(host, method, name).await.map(Some)
}

/// Tells a unit to start, to stop, to restart or to reload, and waits until that is done; to be judged by [`judge`].
pub(super) async fn tell(host: &mut Host, method: &str, name: String) -> Result<Run> {
    host.systemd.hold(&name).await?;
    match host.systemd.job(method, &name, JOB).await {
        // It goes on running whether it could read anything or not.
        Ok(job) if method == RELOAD && job != "done" => {
            host.systemd.release(&name).await?;
            bail!("{name} could not be reloaded, its job ended as {job}; see journalctl -u {name}")
        }
        Ok(job) => Ok(Run { name, should_run: method != "StopUnit", job }),
        Err(error) => {
            host.systemd.release(&name).await?;
            Err(if method == RELOAD {
                error.context(format!("{name} can't be reloaded: have it restart, by on_change: restart"))
            } else {
                error
            })
        }
    }
}

/// Whether the unit is as it was told to be; the error says why not.
pub(super) async fn judge(host: &mut Host, run: Run) -> Result<()> {
    let unit = find(host, &run.name).await?;
    let judged = if unit.runs() == run.should_run { Ok(()) } else { Err(explain(host, &run, &unit).await) };
    host.systemd.release(&run.name).await?;
    judged
}

pub(super) async fn find(host: &mut Host, name: &str) -> Result<Unit> {
    match host.systemd.units(&[name.to_owned()]).await?.into_iter().next() {
        Some(unit) if unit.load == "masked" => {
            bail!("{name} is masked: an admin keeps it from starting; use systemctl unmask")
        }
        Some(unit) if unit.exists() => Ok(unit),
        _ => bail!("{name} does not exist: which package brings it? Add that package to the profile"),
    }
}

/// Why a unit is not as it was told to be.
async fn explain(host: &mut Host, run: &Run, unit: &Unit) -> anyhow::Error {
    let Run { name, job, .. } = run;
    let is = format!("{name} is {} ({})", unit.active, unit.sub);
    match host.systemd.unmet_condition(unit).await {
        Ok(Some(condition)) => anyhow!("{is}: its condition {condition} is not met on this device"),
        Ok(None) if job != "done" => anyhow!("{is}: its job ended as {job}; see journalctl -u {name}"),
        Ok(None) => anyhow!("{is} right after it was started; see journalctl -u {name}"),
        Err(error) => error.context(is),
    }
}
