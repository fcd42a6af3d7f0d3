//! Why a device is not here, was not let in, or does not have its newest state.

use muster_proto::Timestamp;
use muster_proto::report::Event;
use muster_proto::rest::{Cause, Compliance, Device, DeviceState};
use muster_proto::text::shell_word;
use muster_store::device::DeviceRow;
use muster_store::{StoreError, Tx};

use super::cause::plain;

/// How many of a device's newest events are looked through for why it did not take a state.
const EVENTS: u32 = 50;

/// What keeps it away, the nearest step first.
pub(super) fn of(tx: &mut Tx<'_>, row: &DeviceRow, view: &Device) -> Result<Vec<Cause>, StoreError> {
    let mut causes = Vec::new();
    let waits = !muster_store::enrollment::pending_of_device(tx, row.id)?.is_empty();
    if row.state == DeviceState::Pending || waits {
        let remedy = format!("muster device approve {} --code CODE", row.name);
        causes.push(plain("pending", &row.name, "waits for an admin's approval", Some(remedy)));
    }
    let refused = refused(tx, row, view)?;
    if row.state == DeviceState::Registered && refused.is_none() {
        causes.push(never_seen(row));
    }
    causes.extend(refused);
    if !row.state.is_out() && view.compliance == Compliance::Stale {
        let mut cause = plain("stale", &row.name, "has not been heard of in time", None);
        cause.since = view.last_seen;
        cause.remedy = Some("See whether the device is on, and `muster-agent status` on it.".to_owned());
        causes.push(cause);
    }
    Ok(causes)
}

/// Why it does not have its newest state: it is not connected, it did not take it, or it is at it. Where its last reports
/// name causes already, only what makes those reports old is said.
pub(super) fn behind(
    tx: &mut Tx<'_>,
    row: &DeviceRow,
    view: &Device,
    alone: bool,
) -> Result<Option<Cause>, StoreError> {
    if row.generation_applied >= row.generation_wanted || view.compliance == Compliance::Stale {
        return Ok(None);
    }
    let (wanted, applied) = (row.generation_wanted, row.generation_applied);
    let said = |problem: &str, since, remedy: &str| Cause {
        since,
        ..plain("behind", &row.name, problem, Some(remedy.to_owned()))
    };
    if !view.connected {
        let problem =
            format!("is not connected: generation {wanted} waits for it, {applied} was applied last");
        let remedy = "See whether the device is on, and `muster-agent status` on it.";
        return Ok(Some(said(&problem, view.last_seen, remedy)));
    }
    if let Some((at, reason)) = did_not_take(tx, row)? {
        let problem = format!("did not take generation {wanted}: {reason}");
        return Ok(Some(said(&problem, Some(at), "See `muster-agent status` on the device.")));
    }
    let problem = format!("is at work on generation {wanted}; {applied} was applied last");
    // What it does at the moment is not known here: it may install something large, or wait for the end of a trial.
    let remedy = "Wait a few minutes: a change that could cut it off stands a trial first, as `muster-agent status` on the device says.";
    Ok(alone.then(|| said(&problem, None, remedy)))
}

/// When and why it last refused the state that it should have.
fn did_not_take(tx: &mut Tx<'_>, row: &DeviceRow) -> Result<Option<(Timestamp, String)>, StoreError> {
    let newest = muster_store::report::history(tx, row.id, (Timestamp::MAX, u64::MAX), EVENTS)?;
    Ok(newest.into_iter().find_map(|event| match serde_json::from_str(&event.document) {
        Ok(Event::Refused { generation, reason }) if generation == row.generation_wanted => {
            Some((event.at, reason))
        }
        _ => None,
    }))
}

/// A machine that was refused as this device after the device was last heard of. One refused while the device is here
/// was another one, and is in the audit.
pub(in crate::app) fn refused(
    tx: &mut Tx<'_>,
    row: &DeviceRow,
    view: &Device,
) -> Result<Option<Cause>, StoreError> {
    let newer = |at: &Timestamp| !view.connected && view.last_seen.is_none_or(|seen| seen < *at);
    let refused = muster_store::refused::of_device(tx, row.id)?.filter(|refused| newer(&refused.at));
    Ok(refused.map(|refused| {
        let machine = match refused.claimed_serial == row.serial {
            true => "its serial".to_owned(),
            false => format!("serial {:?}", refused.claimed_serial),
        };
        let problem = format!(
            "a machine with {machine} was refused from {}: {} ({})",
            refused.address, refused.reason, refused.reference
        );
        let cause = plain("refused", &row.name, &problem, Some(refused.remedy));
        Cause { since: Some(refused.at), ..cause }
    }))
}

fn never_seen(row: &DeviceRow) -> Cause {
    let serial = shell_word(&row.serial);
    let remedy = format!("put its join file on it (muster token create --serial {serial} > join.toml)");
    plain("registered", &row.name, "registered, and never seen", Some(remedy))
}
