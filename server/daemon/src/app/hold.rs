//! What keeps a device's desired state as it is though another would hold by now: a pause, or a removal that waits for
//! a confirmation. Nothing is compiled for such a device; what waits for it is written down, so that it is never said to
//! comply with what it was not given.

use muster_policy::assign::Target;
use muster_policy::guard;
use muster_policy::pause::{self, Pause, Scope, Subject};
use muster_proto::Timestamp;
use muster_proto::rest::{DevicePause, PauseView, Resumed};
use muster_store::device::DeviceRow;
use muster_store::pause::PauseRow;
use muster_store::removal::RemovalRow;
use muster_store::{StoreError, Tx, held, removal};

use super::recompile::{self, Compiled};
use super::{AppError, assign};

/// What may keep devices as they are, read once for many.
pub(super) struct Holds {
    pauses: Vec<Pause>,
    any_removal: bool,
    now: Timestamp,
}

impl Holds {
    /// What there is at `now`.
    pub(super) fn read(tx: &mut Tx<'_>, now: Timestamp) -> Result<Self, AppError> {
        let pauses = muster_store::pause::list(tx)?.iter().map(paused).collect::<Result<_, _>>()?;
        Ok(Self { pauses, any_removal: removal::any(tx)?, now })
    }

    /// The pause that keeps this device as it is.
    pub(super) fn pause(&self, device: &DeviceRow, compiled: &Compiled) -> Option<&Pause> {
        let subject = Subject {
            device: device.id,
            labels: &compiled.labels,
            current: compiled.current.as_ref(),
            next: compiled.next.as_ref(),
        };
        pause::over(&self.pauses, &subject, self.now)
    }

    /// Whether anything keeps this device from its next state. A removal that would not come about any more is over.
    fn keep(&self, tx: &mut Tx<'_>, device: &DeviceRow, compiled: &Compiled) -> Result<bool, StoreError> {
        let waits = !self.removals(tx, device, compiled)?.is_empty();
        Ok(waits || self.pause(device, compiled).is_some())
    }

    fn removals(
        &self,
        tx: &mut Tx<'_>,
        device: &DeviceRow,
        compiled: &Compiled,
    ) -> Result<Vec<RemovalRow>, StoreError> {
        if !self.any_removal {
            return Ok(Vec::new());
        }
        if !compiled.removes() {
            removal::leave(tx, device.id)?;
        }
        removal::of_device(tx, device.id)
    }

    /// Writes down what waits for a device that is kept as it is, or that nothing does.
    pub(super) fn settle(
        &self,
        tx: &mut Tx<'_>,
        device: &DeviceRow,
        compiled: &Compiled,
    ) -> Result<Settled, StoreError> {
        let kept = self.keep(tx, device, compiled)?;
        Ok(match &compiled.next {
            Some(next) if kept => {
                held::put(tx, device.id, &pause::changes(compiled.current.as_ref(), next), self.now)?;
                Settled::Waits
            }
            Some(_) => {
                held::clear(tx, device.id)?;
                Settled::Goes
            }
            None if held::clear(tx, device.id)? => Settled::Waits,
            None => Settled::Same,
        })
    }
}

/// What is to be done with a device's next state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settled {
    /// There is none.
    Same,
    /// What waits for the device has changed; its state has not.
    Waits,
    /// The device gets it.
    Goes,
}

impl Compiled {
    /// Whether a profile leaves the device altogether.
    fn removes(&self) -> bool {
        match (&self.current, &self.next) {
            (Some(current), Some(next)) => !guard::leaving(&current.revisions, &next.revisions).is_empty(),
            _ => false,
        }
    }
}

/// Compiles anew what something held, as that has ended.
pub(super) fn release(tx: &mut Tx<'_>, now: Timestamp) -> Result<Resumed, AppError> {
    let waiting = held::devices(tx)?;
    let devices = recompile::devices(tx, &waiting, now)? as u64;
    Ok(Resumed { devices, still_held: held::devices(tx)?.len() as u64 })
}

/// What an admin should know who is about to change these devices.
pub(super) fn warnings(
    tx: &mut Tx<'_>,
    devices: &[DeviceRow],
    now: Timestamp,
) -> Result<Vec<String>, AppError> {
    let assignments = recompile::assignments(tx)?;
    let holds = Holds::read(tx, now)?;
    let (mut paused, mut removals) = (0, 0);
    if holds.pauses.is_empty() && !holds.any_removal {
        return Ok(Vec::new());
    }
    for device in devices {
        let compiled = recompile::compiled(tx, device, &assignments, now)?;
        paused += usize::from(holds.pause(device, &compiled).is_some());
        removals += usize::from(!removal::of_device(tx, device.id)?.is_empty());
    }
    let some = |count: usize, why: &str, list: &str| {
        (count > 0).then(|| format!("kept as they are {why}: {count} of these devices ({list})"))
    };
    let why = [
        some(paused, "by a pause", "muster pause list"),
        some(removals, "until a removal is confirmed", "muster removal list"),
    ];
    Ok(why.into_iter().flatten().collect())
}

/// The pause that keeps a device as it is, with what waits for it.
pub(super) fn of_device(
    tx: &mut Tx<'_>,
    device: &DeviceRow,
    now: Timestamp,
) -> Result<Option<DevicePause>, AppError> {
    let assignments = recompile::assignments(tx)?;
    let compiled = recompile::compiled(tx, device, &assignments, now)?;
    let holds = Holds::read(tx, now)?;
    let Some(pause) = holds.pause(device, &compiled).cloned() else { return Ok(None) };
    let waiting = held::changes(tx, device.id)?.unwrap_or_default();
    Ok(Some(DevicePause { pause: view(tx, pause, now)?, waiting }))
}

/// A stored pause, as the policy takes it.
pub(super) fn paused(row: &PauseRow) -> Result<Pause, AppError> {
    let defect = || AppError::Defect(format!("a pause of {} {:?}", row.target_kind, row.target));
    let scope = match row.target_kind.as_str() {
        "everyone" => Scope::Devices(Target::Everyone),
        "label" => Scope::Devices(Target::Label(row.target.clone())),
        "device" => Scope::Devices(Target::Device(row.target.parse().map_err(|_| defect())?)),
        "profile" => Scope::Profile(row.target.parse().map_err(|_| defect())?),
        _ => return Err(defect()),
    };
    let PauseRow { paused_by, since, until, reason, .. } = row.clone();
    Ok(Pause { scope, by: paused_by, since, until, reason })
}

/// A pause as it is shown.
pub(super) fn view(tx: &mut Tx<'_>, pause: Pause, now: Timestamp) -> Result<PauseView, AppError> {
    let (target, devices) = match &pause.scope {
        Scope::Devices(target) => assign::target_view(tx, target)?,
        Scope::Profile(profile) => {
            let (devices, _) = muster_store::state::devices_of_profile(tx, profile.as_str(), now)?;
            (pause.scope.to_string(), devices)
        }
    };
    let Pause { by, since, until, reason, .. } = pause;
    Ok(PauseView { target, by, since, until, reason, devices })
}
