//! What waits for an admin, on the first page.

use muster_proto::Timestamp;
use muster_proto::clock::ClockSkew;
use muster_proto::rest::{CauseGroup, DeviceState, Need, RolloutState};
use muster_store::device::{DeviceRow, Filter, Sort, Window};
use muster_store::rollout::RolloutRow;
use muster_store::{StoreError, Tx};

use super::presence::Presence;
use super::{detail, device};

/// Devices that are named of each kind.
const NEEDS: u32 = 50;

/// Wrong clocks that are named one by one.
const CLOCKS: usize = 3;
/// For how many seconds a refusal waits for an admin: a week.
const REFUSED: i64 = 7 * 86_400;

/// What waits for an admin: first whom nobody hears of until they decide, then what waits to be let in or through.
pub(super) fn of(
    tx: &mut Tx<'_>,
    causes: &[CauseGroup],
    presence: &Presence,
    now: Timestamp,
) -> Result<Vec<Need>, StoreError> {
    let mut needs = [
        held(tx, now)?,
        lost(tx)?,
        pending(tx)?,
        late_returns(tx, now)?,
        refused(tx, presence, now)?,
        clocks(tx)?,
    ]
    .concat();
    for cause in causes.iter().filter(|cause| cause.problem.starts_with("blocked: conflict")) {
        needs.push(Need {
            kind: "conflict".to_owned(),
            text: format!("{} on {}: {}", cause.subject, counted(cause.devices), cause.problem),
            device: cause.examples.first().cloned(),
        });
    }
    needs.extend(stopped(tx)?);
    needs.extend(removals(tx)?);
    needs.extend(paused(tx)?);
    Ok(needs)
}

fn counted(devices: u64) -> String {
    if devices == 1 { "1 device".to_owned() } else { format!("{devices} devices") }
}

fn of_device(kind: &str, device: String, text: String) -> Need {
    Need { kind: kind.to_owned(), text, device: Some(device) }
}

/// Devices whose identity two machines use.
fn held(tx: &mut Tx<'_>, now: Timestamp) -> Result<Vec<Need>, StoreError> {
    let filter = Filter { state: Some(DeviceState::Held), ..Filter::default() };
    let window = Window { sort: Sort::Name, after: None, limit: NEEDS };
    let rows = muster_store::device::list(tx, &filter, &window, now)?;
    let need = |(_, DeviceRow { name, .. })| {
        let text = format!("{name} is held, as two machines use its identity: muster why {name}");
        of_device("held", name, text)
    };
    Ok(rows.into_iter().map(need).collect())
}

/// Devices that were reported lost and have not carried their last order out.
fn lost(tx: &mut Tx<'_>) -> Result<Vec<Need>, StoreError> {
    let mut needs = Vec::new();
    for id in muster_store::lost::waiting(tx, NEEDS)? {
        let (device, report) = (muster_store::device::get(tx, id)?, muster_store::lost::get(tx, id)?);
        let (Some(DeviceRow { name, .. }), Some(report)) = (device, report) else { continue };
        let order = match report.given {
            Some(_) => "was given its last order and has not said that it carried it out",
            None => "has not been heard of since, so that its last order waits",
        };
        let text = format!(
            "{name} was reported lost by {} and {order}; if it is found: muster device lost {name} --cancel",
            report.reported_by
        );
        needs.push(of_device("lost", name, text));
    }
    Ok(needs)
}

/// Machines that wait for an approval.
fn pending(tx: &mut Tx<'_>) -> Result<Vec<Need>, StoreError> {
    let mut needs = Vec::new();
    for pending in muster_store::enrollment::all_pending(tx, NEEDS)? {
        let Some(DeviceRow { name, .. }) = muster_store::device::get(tx, pending.device)? else { continue };
        let text = format!(
            "{name} waits with code {}: compare it with the machine's console, then approve",
            pending.code
        );
        needs.push(of_device("pending", name, text));
    }
    Ok(needs)
}

/// Devices that ask to come back later than they may.
fn late_returns(tx: &mut Tx<'_>, now: Timestamp) -> Result<Vec<Need>, StoreError> {
    let mut needs = Vec::new();
    for id in muster_store::stray::late_returns(tx, now, NEEDS)? {
        let Some(DeviceRow { name, .. }) = muster_store::device::get(tx, id)? else { continue };
        let text = format!(
            "{name} asks to come back, and its certificate ended too long ago; if it is the device: muster device \
             allow-reenroll {name}"
        );
        needs.push(of_device("late_return", name, text));
    }
    Ok(needs)
}

/// Devices that a machine was refused as since they were last heard of.
fn refused(tx: &mut Tx<'_>, presence: &Presence, now: Timestamp) -> Result<Vec<Need>, StoreError> {
    let mut needs = Vec::new();
    for id in muster_store::refused::after(tx, now.plus_seconds(-REFUSED), NEEDS)? {
        let Some(row) = muster_store::device::get(tx, id)? else { continue };
        let view = device::view(tx, row.clone(), presence, now)?;
        let Some(cause) = detail::refused(tx, &row, &view)? else { continue };
        let text = format!("{}: {}. {}", row.name, cause.problem, cause.remedy.unwrap_or_default());
        needs.push(of_device("refused", row.name, text));
    }
    Ok(needs)
}

/// Devices whose clock is wrong, one by one; of many it may be the server's.
fn clocks(tx: &mut Tx<'_>) -> Result<Vec<Need>, StoreError> {
    let mut differ = Vec::new();
    for (name, document) in muster_store::report::clocks_that_differ(tx)? {
        let skew = serde_json::from_str::<Option<ClockSkew>>(&document).unwrap_or_default();
        differ.extend(skew.map(|skew| (name, skew)));
    }
    if differ.len() <= CLOCKS {
        let need = |(name, skew): (String, ClockSkew)| {
            let text = format!("the clock of {name} is {skew} this server's: set it there");
            of_device("clock", name, text)
        };
        return Ok(differ.into_iter().map(need).collect());
    }
    let named: Vec<_> = differ.iter().take(CLOCKS).map(|(name, _)| name.as_str()).collect();
    let text = format!(
        "the clocks of {} devices ({}, ...) differ from this server's; whether it is this one that is wrong says \
         muster-server doctor",
        differ.len(),
        named.join(", ")
    );
    Ok(differ.into_iter().take(1).map(|(name, _)| of_device("clock", name, text.clone())).collect())
}

/// Rollouts that do not go on by themselves.
fn stopped(tx: &mut Tx<'_>) -> Result<Vec<Need>, StoreError> {
    let mut open = muster_store::rollout::open(tx)?;
    open.retain(|rollout| rollout.state == RolloutState::Stopped);
    let need = |rollout: RolloutRow| Need {
        kind: "rollout".to_owned(),
        text: format!(
            "the rollout of {}@{} stopped in step {} of {}: muster rollout show {}",
            rollout.assignment.profile, rollout.assignment.revision, rollout.step, rollout.steps, rollout.id
        ),
        device: None,
    };
    Ok(open.into_iter().map(need).collect())
}

/// Removals that nobody asked for by name.
fn removals(tx: &mut Tx<'_>) -> Result<Vec<Need>, StoreError> {
    let mut needs = Vec::new();
    for removal in muster_store::removal::list(tx)? {
        let devices = muster_store::removal::touched(tx, &removal.id)?.len();
        needs.push(Need {
            kind: "removal".to_owned(),
            text: format!(
                "{} from {devices} devices, which keep their state: muster removal confirm {1}, or drop {1}",
                removal.cause, removal.id
            ),
            device: None,
        });
    }
    Ok(needs)
}

/// Devices for which something waits behind a pause: a pause that keeps nothing back needs nobody.
fn paused(tx: &mut Tx<'_>) -> Result<Option<Need>, StoreError> {
    let text = match muster_store::held::count_paused(tx)? {
        0 => return Ok(None),
        1 => "a newer state waits for 1 device until its pause ends: muster pause list".to_owned(),
        devices => {
            format!("newer states wait for {devices} devices until their pauses end: muster pause list")
        }
    };
    Ok(Some(Need { kind: "paused".to_owned(), text, device: None }))
}
