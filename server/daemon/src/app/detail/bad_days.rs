//! What stands above all else that is wrong with a device: it is lost, or somebody else has its identity.

use muster_policy::lost::way_back;
use muster_proto::Timestamp;
use muster_proto::clock::ClockSkew;
use muster_proto::rest::{Cause, DeviceState, MachineView, RemedyStep};
use muster_store::device::DeviceRow;
use muster_store::{StoreError, Tx, audit, boot, lost, reenrollment, report, stray, token};

use super::cause::plain;

/// The causes of bad days, the worst first.
pub(super) fn causes(tx: &mut Tx<'_>, row: &DeviceRow, now: Timestamp) -> Result<Vec<Cause>, StoreError> {
    let all = [
        of_loss(tx, row, now)?,
        of_revocation(tx, row, now)?,
        of_twins(tx, row)?,
        of_old_certificate(tx, row)?,
        of_late_return(tx, row)?,
        of_clock(tx, row)?,
    ];
    Ok(all.into_iter().flatten().collect())
}

fn of_revocation(tx: &mut Tx<'_>, row: &DeviceRow, now: Timestamp) -> Result<Option<Cause>, StoreError> {
    if row.state != DeviceState::Revoked || lost::get(tx, row.id)?.is_some() {
        return Ok(None);
    }
    let steps = back(tx, row, now)?;
    let entry = audit::on(tx, "device.revoke", &row.id.to_string(), 1)?.pop();
    let by = entry.as_ref().map(|entry| format!(" by {}", entry.actor)).unwrap_or_default();
    let problem = format!("revoked{by}: its certificates are refused");
    let cause = plain("revoked", &row.name, &problem, Some("To have it back, in this order:".to_owned()));
    Ok(Some(Cause { since: entry.map(|entry| entry.at), steps, ..cause }))
}

/// What brings a device back whose identity is refused.
fn back(tx: &mut Tx<'_>, row: &DeviceRow, now: Timestamp) -> Result<Vec<RemedyStep>, StoreError> {
    let allowed = reenrollment::until(tx, row.id)?.is_some_and(|until| until > now);
    Ok(way_back(&row.name, &row.serial, allowed, token::is_live_for(tx, &row.serial, now)?))
}

fn of_loss(tx: &mut Tx<'_>, row: &DeviceRow, now: Timestamp) -> Result<Option<Cause>, StoreError> {
    let Some(loss) = lost::get(tx, row.id)? else { return Ok(None) };
    let mut steps = Vec::new();
    if loss.received.is_some() {
        steps = back(tx, row, now)?;
    }
    let reason = loss.reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
    let (state, remedy) = match (loss.received, loss.given) {
        (Some(at), _) => (
            format!("it carried its last order out, receipt of {}", at.whole_seconds()),
            "Once it is found, in this order:".to_owned(),
        ),
        (None, Some(at)) => (
            format!("its last order was given at {}, and no receipt has come", at.whole_seconds()),
            format!("Found again: muster device lost {} --cancel", row.name),
        ),
        (None, None) => (
            "its last order waits for its next contact".to_owned(),
            format!("Found again: muster device lost {} --cancel", row.name),
        ),
    };
    let problem = format!("reported lost by {}{reason}: {state}", loss.reported_by);
    let cause = plain("lost", &row.name, &problem, Some(remedy));
    Ok(Some(Cause { since: Some(loss.since), steps, ..cause }))
}

fn of_twins(tx: &mut Tx<'_>, row: &DeviceRow) -> Result<Option<Cause>, StoreError> {
    let Some(twins) = boot::twins(tx, row.id)?.filter(|_| row.state == DeviceState::Held) else {
        return Ok(None);
    };
    let [one, other] =
        twins.machines.map(|MachineView { address, boot, .. }| format!("{address} (boot {boot})"));
    let problem = format!("two machines use this identity, seen from {one} and {other}: both are held");
    let remedy = format!(
        "muster device allow-reenroll {} and enroll the right one anew; the other one, with a serial of its own, by a \
         token of its own; or muster device revoke {0}",
        row.name
    );
    let cause = plain("held", &row.name, &problem, Some(remedy));
    Ok(Some(Cause { since: Some(twins.since), ..cause }))
}

fn of_old_certificate(tx: &mut Tx<'_>, row: &DeviceRow) -> Result<Option<Cause>, StoreError> {
    let Some(old) = stray::old_certificate(tx, row.id)?.filter(|_| !row.state.is_out()) else {
        return Ok(None);
    };
    let problem = format!(
        "an old certificate of it was shown from {} after a newer one had been used, and was refused: a copy of its \
         disk, or its disk put back from a backup",
        old.address
    );
    let remedy =
        format!("See who that is; if it is the device itself: muster device allow-reenroll {}", row.name);
    let cause = plain("old_certificate", &row.name, &problem, Some(remedy));
    Ok(Some(Cause { since: Some(old.at), ..cause }))
}

fn of_late_return(tx: &mut Tx<'_>, row: &DeviceRow) -> Result<Option<Cause>, StoreError> {
    let Some(late) = stray::late_return(tx, row.id)?.filter(|_| !row.state.is_out()) else { return Ok(None) };
    let problem = format!(
        "asks from {} to come back, and its certificate ended at {}, longer ago than return_window",
        late.address, late.ended
    );
    let remedy =
        format!("If it is the device: muster device allow-reenroll {} lets it back by itself", row.name);
    let cause = plain("late_return", &row.name, &problem, Some(remedy));
    Ok(Some(Cause { since: Some(late.at), ..cause }))
}

fn of_clock(tx: &mut Tx<'_>, row: &DeviceRow) -> Result<Option<Cause>, StoreError> {
    if row.state.is_out() {
        return Ok(None);
    }
    let Some((document, reported)) = report::section(tx, row.id, ClockSkew::SECTION)? else {
        return Ok(None);
    };
    let Some(skew) = serde_json::from_str::<Option<ClockSkew>>(&document).unwrap_or_default() else {
        return Ok(None);
    };
    let problem =
        format!("its clock is {skew} this server's; leases go by the server's, certificates by both");
    let remedy = "Set it on the device: timedatectl set-ntp true. If many devices say so, it is this server's that is \
                  wrong: muster-server doctor";
    let cause = plain("clock", &row.name, &problem, Some(remedy.to_owned()));
    Ok(Some(Cause { since: Some(reported), ..cause }))
}
