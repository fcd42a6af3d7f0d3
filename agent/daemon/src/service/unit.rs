//! The service's own units, as commands of the agent stop, start and wake them.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::host::systemd::{Systemd, Unit};

pub(super) const UNIT: &str = "muster-agent.service";

/// What starts the service when a join file arrives.
const PATH_UNIT: &str = "muster-agent.path";

/// For systemd to start or stop one of them.
const PATIENCE: Duration = Duration::from_secs(90);

/// Stops the running service and waits until it is gone, so that nobody else writes to the ledger.
pub(crate) async fn stop() -> Result<()> {
    stop_unit(UNIT).await
}

/// Stops the service and what would start it again for the join file that is there, until the next boot; gives what ran.
pub(crate) async fn stop_for_good() -> Result<Vec<&'static str>> {
    if !has_service_manager() {
        return Ok(vec![]);
    }
    let names = [PATH_UNIT, UNIT];
    let units = Systemd::default().units(&names.map(str::to_owned)).await?;
    let mut ran = vec![];
    for (name, unit) in names.into_iter().zip(units).filter(|(_, unit)| unit.exists()) {
        if unit.runs() {
            ran.push(name);
        }
        stop_unit(name).await?;
    }
    Ok(ran)
}

/// Starts what was stopped.
pub(super) async fn start_again(stopped: &[&str]) -> Result<()> {
    for unit in stopped {
        let started = Systemd::default().job("StartUnit", unit, PATIENCE).await;
        started.with_context(|| format!("{unit} was stopped meanwhile, and can't be started again"))?;
    }
    Ok(())
}

/// Whether systemd runs here. In a folder in which an image is built nothing does, the agent neither.
fn has_service_manager() -> bool {
    Path::new("/run/systemd/system").exists()
}

async fn stop_unit(unit: &str) -> Result<()> {
    let result = Systemd::default()
        .job("StopUnit", unit, PATIENCE)
        .await
        .with_context(|| format!("can't stop {unit}"))?;
    // A job whose end was not heard is over as well: systemd has no such job any more.
    anyhow::ensure!(
        matches!(result.as_str(), "done" | "unknown"),
        "can't stop {unit}: systemd says {result}"
    );
    Ok(())
}

/// Lets a running service look at the ledger now. Without one there is nobody to tell: it looks when it starts.
pub(crate) fn nudge() -> Result<()> {
    if !has_service_manager() {
        return Ok(());
    }
    super::block_on(async {
        let mut systemd = Systemd::default();
        let units = systemd.units(&[UNIT.to_owned()]).await?;
        if units.iter().any(Unit::runs) {
            systemd
                .hang_up(UNIT)
                .await
                .with_context(|| format!("can't tell {UNIT}, which looks within 15 minutes"))?;
        }
        Ok(())
    })
}
