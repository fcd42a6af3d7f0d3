//! The reboot that updates may need: drawn, ordered at logind by `shutdown`, and told of when the device is back.

use anyhow::{Context as _, Result};
use muster_converge::reboot::{NOTICE, Next, Reboot, next};
use muster_proto::Timestamp;

use super::memory::Memory;
use crate::host::Host;
use crate::host::run::Work;
use crate::host::updates::Need;

/// Part of what people are told, by which an order is known to be Muster's. `muster-sleep.service` looks for it, too.
const TO_RUN: &str = "to run what was updated";

/// Begins what stands in the attribute when one is to be ordered.
pub(super) const DUE: &str = "due: ";

/// Which boot this is. Containers have a file there that has no name any more.
fn boot_id() -> Result<String> {
    const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
    let id = std::fs::read_to_string(BOOT_ID).context(BOOT_ID)?;
    Ok(id.trim().to_owned())
}

/// What there is to do about it, noting the moment that is drawn. `left` are the minutes in which it may be.
pub(super) fn plan(
    host: &Host,
    memory: &mut Memory,
    need: Option<&Need>,
    now: i64,
    left: Option<u32>,
) -> Result<Next> {
    let kernel = need.map(|need| match need {
        Need::Kernel(newest) => newest.as_str(),
        Need::Required => "",
    });
    let mut random = [0; 2];
    // Without randomness it is in the middle.
    let draw = aws_lc_rs::rand::fill(&mut random)
        .map_or(0.5, |()| f64::from(u16::from_le_bytes(random)) / f64::from(u16::MAX));
    let next = next(memory.reboot.as_ref(), kernel, &boot_id()?, now, left, draw, host.has_ordered(TO_RUN));
    match (&next, kernel) {
        (Next::Planned(at), Some(kernel)) => {
            memory.reboot = Some(Reboot { at: *at, kernel: kernel.to_owned(), boot: None, told: false });
        }
        (Next::Due, _) => {
            if let Some(planned) = &mut memory.reboot {
                planned.at = now;
            }
        }
        // What waits for a window draws anew in the next one.
        (Next::Nothing, _) if memory.reboot.as_ref().is_some_and(|known| known.boot.is_none()) => {
            memory.reboot = None;
        }
        _ => {}
    }
    Ok(next)
}

/// Calls off what was ordered here, if it is still about to come: nobody asks for it any more, or its window is over.
pub(crate) async fn call_off(host: &mut Host) -> Result<()> {
    if !host.has_ordered(TO_RUN) {
        return Ok(());
    }
    host.run(Work::Short, &["/usr/sbin/shutdown", "-c"], None).await?.ok("calling a reboot off")?;
    tracing::info!("the reboot for updates is called off");
    // Once it is wanted again, its moment is drawn anew.
    Memory { reboot: None, ..Memory::load(host) }.keep(host)
}

/// What is told of it to people.
pub(super) fn told(next: &Next, memory: &Memory) -> Option<String> {
    let at = memory
        .reboot
        .as_ref()
        .map(|reboot| Timestamp::from_micros(reboot.at.saturating_mul(1_000_000)).unwrap_or_default())?;
    match next {
        Next::Planned(_) => Some(format!("it reboots by itself after {at}")),
        Next::Due | Next::Ordered => Some("it is about to reboot by itself".to_owned()),
        Next::Vain => Some(format!("it did so by itself after {at}, and that did not help or is no day ago")),
        Next::CalledOff => Some(format!("the one of {at} was called off")),
        Next::Nothing | Next::Back => None,
    }
}

/// Orders it, or notes that the device is back. That it was ordered is durable before it is, so that no crash has it ordered again.
pub(super) async fn make(host: &mut Host, wanted: &str) -> Result<()> {
    let mut memory = Memory::load(host);
    let boot = boot_id()?;
    let Some(reboot) = &mut memory.reboot else { return Ok(()) };
    if !wanted.starts_with(DUE) {
        reboot.told = true;
        return memory.keep(host);
    }
    reboot.boot = Some(boot);
    memory.keep(host)?;
    let (notice, when) = (
        format!(
            "This device reboots in {NOTICE} minutes, {TO_RUN}. Save your work. An admin can call it off by `shutdown -c`."
        ),
        format!("+{NOTICE}"),
    );
    let ordered = host.run(Work::Short, &["/usr/sbin/shutdown", "-r", &when, &notice], None).await;
    if let Err(error) = ordered.and_then(|ran| ran.ok("ordering the reboot")) {
        memory.reboot = None;
        memory.keep(host)?;
        return Err(error);
    }
    Ok(())
}
