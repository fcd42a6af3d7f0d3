//! Takes in what a device reports: events once each, sections whole, and judges the device anew.
//!
//! [`parse`] turns the message into what is recorded here; a message that can't be read whole changes nothing.

use std::collections::BTreeMap;

use muster_policy::keep::{self as bounds, Amount, Kind};
use muster_proto::check::CheckResult;
use muster_proto::report::{Event, Outcome};
use muster_proto::rest::DeviceState;
use muster_proto::{DeviceId, Generation, Timestamp, wire};
use muster_store::report::EventRow;
use muster_store::{Change, StoreError, Tx};
use serde_json::json;

use super::audit::{self, Act};
use super::seal::SealingKey;
use super::{App, keep, recompile};

mod parse;

use parse::{Report, Section};

/// Events that one report can move the acknowledgement over. A device sends its events in order, so it comes this far
/// ahead only by intent, and every other report waits meanwhile; the next one goes on from there.
const MAX_ADVANCE: usize = 20_000;

/// The most sections that a device may have and their bytes together, and the most accounts whose password waits to be seen.
const MAX_SECTIONS: u64 = 64;
const MAX_SECTION_BYTES: u64 = 32 * 1024 * 1024;
const MAX_PASSWORDS: usize = 256;

/// A report was not taken in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReportError {
    /// A part of it can't be read; nothing of it was recorded.
    #[error("{part}: {reason}")]
    Invalid {
        /// Which part, such as `events[3].document`.
        part: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The record could not be read or written.
    #[error("the server's record could not be read or written")]
    Store(#[from] StoreError),
}

impl App {
    /// Takes in a report; gives the highest sequence of its epoch up to which everything is durable here.
    pub(crate) async fn report(
        &self,
        device: DeviceId,
        request: wire::ReportRequest,
    ) -> Result<u64, ReportError> {
        let now = self.now();
        let mut report = Report::parse(request, now)?;
        self.seen(device);
        if report.says_nothing_new() {
            let (epoch, applied) = (report.epoch.clone(), report.applied);
            let known = self.store().read(move |tx| known(tx, device, &epoch, applied)).await?;
            if let Some(acknowledged) = known {
                return Ok(acknowledged);
            }
        }
        let app = self.clone();
        let record = move |tx: &mut Tx<'_>| {
            if app.restored().is_some() {
                bridge(tx, device, &mut report)?;
            }
            take_in(tx, device, &report, &app.0.sealing_key, now)
        };
        self.store().write(record).await
    }
}

/// What is acknowledged of the epoch, if the applied generation is recorded already.
fn known(
    tx: &mut Tx<'_>,
    device: DeviceId,
    epoch: &str,
    applied: Generation,
) -> Result<Option<u64>, StoreError> {
    let Some(row) = muster_store::device::get(tx, device)? else { return Ok(None) };
    let recorded = row.generation_applied >= applied.min(row.generation_wanted);
    recorded.then(|| muster_store::report::acknowledged(tx, device, epoch)).transpose()
}

fn take_in(
    tx: &mut Tx<'_>,
    device: DeviceId,
    report: &Report,
    sealing_key: &SealingKey,
    now: Timestamp,
) -> Result<u64, ReportError> {
    take_events(tx, device, report, sealing_key, now)?;
    let acknowledged = acknowledge(tx, device, report)?;
    for section in &report.sections {
        match section {
            Section::Outcomes(outcomes) => take_outcomes(tx, device, outcomes, now)?,
            Section::Checks(results) => take_checks(tx, device, results, now)?,
            Section::Facts { document, os } => muster_store::device::set_facts(tx, device, document, os)?,
            Section::Other { name, document } => {
                muster_store::report::put_section(tx, device, name, document, now)?;
                let kept = muster_store::report::sections(tx, device)?;
                if kept.entries > MAX_SECTIONS || kept.bytes > MAX_SECTION_BYTES {
                    return Err(too_many("sections", format!("{MAX_SECTIONS} and 32 MiB")));
                }
            }
        }
    }
    take_applied(tx, device, report.applied, now)?;
    recompile::judge(tx, device, now)?;
    tx.tell(Change::Device(device));
    Ok(acknowledged)
}

/// Records each event once: those that the mark of their epoch covers were here before, whether they are still kept or not.
fn take_events(
    tx: &mut Tx<'_>,
    device: DeviceId,
    report: &Report,
    sealing_key: &SealingKey,
    now: Timestamp,
) -> Result<(), ReportError> {
    if report.events.is_empty() && report.lost.is_none() {
        return Ok(());
    }
    muster_store::report::open_epoch(tx, device, &report.epoch, bounds::EPOCHS, now)?;
    let mark = muster_store::report::acknowledged(tx, device, &report.epoch)?;
    let mut added = Amount::default();
    for event in report.events.iter().filter(|event| event.row.sequence > mark) {
        let new = muster_store::report::record(tx, device, &event.row)?;
        if new {
            added.add(Amount::one(event.row.document.len() as u64));
        }
        if let (true, Some(Event::FirstLoginPassword { account, password })) = (new, &event.known) {
            let sealed = sealing_key.seal(&purpose(device, account), password.0.as_bytes());
            muster_store::password::put(tx, device, account, &sealed, now)?;
            if muster_store::password::accounts(tx, device)?.len() > MAX_PASSWORDS {
                return Err(too_many("events", MAX_PASSWORDS));
            }
        }
    }
    if let Some(row) = lost(report, mark, now)
        && muster_store::report::record(tx, device, &row)?
    {
        added.add(Amount::one(row.document.len() as u64));
    }
    Ok(keep::added(tx, device, Kind::Event, added)?)
}

/// Counts as lost what a device was told to forget by a server whose record a restore put back: it never comes again, and
/// the device would wait for its acknowledgement forever. Devices send in order, from the first that is not acknowledged.
fn bridge(tx: &mut Tx<'_>, device: DeviceId, report: &mut Report) -> Result<(), StoreError> {
    let mark = muster_store::report::acknowledged(tx, device, &report.epoch)?;
    let first = report.events.iter().map(|event| event.row.sequence).min();
    report.lost = match (report.lost, first) {
        (Some((from, to)), _) => Some((from.min(mark + 1), to)),
        (None, Some(first)) if first > mark + 1 => Some((mark + 1, first - 1)),
        (None, _) => None,
    };
    Ok(())
}

/// The event that says what a full queue dropped, of which nothing is told twice.
fn lost(report: &Report, mark: u64, now: Timestamp) -> Option<EventRow> {
    let (from, to) = report.lost?;
    let from = from.max(mark + 1);
    let document = json!({"event": "lost", "from": from, "to": to}).to_string();
    let row = EventRow { epoch: report.epoch.clone(), sequence: from, at: now, recorded: now, document };
    (from <= to).then_some(row)
}

fn too_many(part: &str, most: impl std::fmt::Display) -> ReportError {
    ReportError::Invalid { part: part.to_owned(), reason: format!("at most {most} are kept of a device") }
}

/// What a first-login password is sealed for: it opens for this device and account only.
pub(super) fn purpose(device: DeviceId, account: &str) -> String {
    format!("first-login/{device}/{account}")
}

/// Moves on to the last event before the first that is missing. What a full queue dropped counts as there: it never
/// comes.
fn acknowledge(tx: &mut Tx<'_>, device: DeviceId, report: &Report) -> Result<u64, StoreError> {
    let epoch = &report.epoch;
    let before = muster_store::report::acknowledged(tx, device, epoch)?;
    let mut upto = before;
    for _ in 0..MAX_ADVANCE {
        let next = upto + 1;
        match report.lost {
            Some((from, to)) if from <= next && next <= to => upto = to,
            _ if muster_store::report::is_recorded(tx, device, epoch, next)? => upto = next,
            _ => break,
        }
    }
    if upto > before {
        muster_store::report::acknowledge(tx, device, epoch, upto)?;
    }
    Ok(upto)
}

fn take_outcomes(
    tx: &mut Tx<'_>,
    device: DeviceId,
    outcomes: &[(Outcome, String)],
    now: Timestamp,
) -> Result<(), StoreError> {
    let before = muster_store::outcome::of_device(tx, device)?;
    let mut gone: BTreeMap<_, _> = before.into_iter().map(|row| (row.resource.clone(), row)).collect();
    for (outcome, document) in outcomes {
        let since = match gone.remove(outcome.resource.as_str()) {
            Some(row) if row.document == *document => continue,
            Some(row) if row.outcome == outcome.outcome => row.since,
            _ => now,
        };
        muster_store::outcome::put(tx, device, outcome, since, document)?;
    }
    for resource in gone.keys() {
        muster_store::outcome::remove(tx, device, resource)?;
    }
    Ok(())
}

fn take_checks(
    tx: &mut Tx<'_>,
    device: DeviceId,
    results: &[(CheckResult, String)],
    now: Timestamp,
) -> Result<(), StoreError> {
    let before = muster_store::check::now(tx, device)?;
    let mut gone: BTreeMap<_, _> =
        before.into_iter().map(|interval| (interval.check.clone(), interval)).collect();
    let mut ended = Amount::default();
    for (result, document) in results {
        match gone.remove(&result.id) {
            Some(interval) if interval.document == *document => {}
            Some(interval) if interval.verdict == result.verdict => {
                muster_store::check::renew(tx, device, result, document)?;
            }
            before => {
                if before.is_some() {
                    ended.add(muster_store::check::end(tx, device, &result.id, now)?);
                }
                muster_store::check::begin(tx, device, result, document, now)?;
            }
        }
    }
    for check in gone.keys() {
        ended.add(muster_store::check::end(tx, device, check, now)?);
    }
    keep::added(tx, device, Kind::EndedCheck, ended)
}

/// Records what converged whole. A device can't have applied what it was never asked for.
fn take_applied(
    tx: &mut Tx<'_>,
    device: DeviceId,
    applied: Generation,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some(row) = muster_store::device::get(tx, device)? else { return Ok(()) };
    let applied = applied.min(row.generation_wanted);
    muster_store::device::set_applied(tx, device, applied)?;
    if row.state == DeviceState::Enrolled && applied > Generation(0) {
        muster_store::device::set_ready(tx, device, now)?;
        let act = Act { at: now, actor: &format!("device:{device}"), action: "device.ready" };
        audit::write(tx, act, &device.to_string(), json!({"generation": applied}))?;
    }
    Ok(())
}
