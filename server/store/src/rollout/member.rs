//! The devices of a rollout.

use muster_proto::rest::RolloutStanding;
use muster_proto::{DeviceId, Generation, Timestamp};

use crate::{Row, StoreError, Tx};

/// A device of a rollout as stored, with what its record says beside it.
#[derive(Clone, Debug)]
pub struct MemberRow {
    /// Which.
    pub device: DeviceId,
    /// Its name.
    pub name: String,
    /// Its step, from 1.
    pub step: u32,
    /// When it was given the revision.
    pub given: Option<Timestamp>,
    /// Whether it had a link up then.
    pub online: bool,
    /// The generation of the first state that names the revision, once there is one.
    pub generation: Option<Generation>,
    /// When it was first seen to be well with it.
    pub passed: Option<Timestamp>,
    /// The newest generation that it applied whole.
    pub applied: Generation,
    /// How it stood when the rollout was cancelled, where that was not well.
    pub stood: Option<RolloutStanding>,
    /// What was wrong then.
    pub trouble: Option<String>,
}

/// How many devices a step has.
#[derive(Clone, Copy, Debug)]
pub struct Tally {
    /// The step, from 1.
    pub step: u32,
    /// Its devices.
    pub devices: u64,
    /// Those that passed.
    pub passed: u64,
    /// Those that something was wrong with when the rollout was cancelled.
    pub failed: u64,
    /// Those that were at work on it then.
    pub working: u64,
    /// When the first of them was given the revision.
    pub began: Option<Timestamp>,
}

const SELECT: &str =
    "SELECT m.device, d.name, m.step, m.given, m.online, m.generation, m.passed, d.generation_applied,
    m.stood, m.trouble
    FROM rollout_device m JOIN device d ON d.id = m.device";

fn read(row: &Row<'_>) -> Result<MemberRow, StoreError> {
    Ok(MemberRow {
        device: row.get(0)?,
        name: row.get(1)?,
        step: row.get(2)?,
        given: row.get(3)?,
        online: row.get(4)?,
        generation: row.get(5)?,
        passed: row.get(6)?,
        applied: row.get(7)?,
        stood: row.get(8)?,
        trouble: row.get(9)?,
    })
}

/// The devices of a step.
pub fn members(tx: &mut Tx<'_>, rollout: &str, step: u32) -> Result<Vec<MemberRow>, StoreError> {
    tx.query(
        &format!("{SELECT} WHERE m.rollout = $1 AND m.step = $2 ORDER BY d.name"),
        &[rollout.into(), step.into()],
        read,
    )
}

/// Devices of all steps in the order of steps, those that have not passed first; at most `limit`.
pub fn newest_members(tx: &mut Tx<'_>, rollout: &str, limit: u32) -> Result<Vec<MemberRow>, StoreError> {
    tx.query(
        &format!(
            "{SELECT} WHERE m.rollout = $1
             ORDER BY m.step, CASE WHEN m.passed IS NULL THEN 0 ELSE 1 END, d.name LIMIT $2"
        ),
        &[rollout.into(), limit.into()],
        read,
    )
}

/// The devices that were given the revision.
pub fn given(tx: &mut Tx<'_>, rollout: &str) -> Result<Vec<DeviceId>, StoreError> {
    tx.query(
        "SELECT device FROM rollout_device WHERE rollout = $1 AND given IS NOT NULL ORDER BY device",
        &[rollout.into()],
        |row| row.get(0),
    )
}

/// Each step that has devices, in order.
pub fn tally(tx: &mut Tx<'_>, rollout: &str) -> Result<Vec<Tally>, StoreError> {
    tx.query(
        "SELECT step, COUNT(*), COUNT(CASE WHEN stood IS NULL THEN passed END), MIN(given),
             COUNT(CASE WHEN stood = 'failed' THEN 1 END), COUNT(CASE WHEN stood = 'working' THEN 1 END)
         FROM rollout_device WHERE rollout = $1 GROUP BY step ORDER BY step",
        &[rollout.into()],
        |row| {
            Ok(Tally {
                step: row.get(0)?,
                devices: row.get(1)?,
                passed: row.get(2)?,
                began: row.get(3)?,
                failed: row.get(4)?,
                working: row.get(5)?,
            })
        },
    )
}

/// Puts devices into a step that has not begun. One that has a step already keeps it.
pub fn lay_down(tx: &mut Tx<'_>, rollout: &str, step: u32, devices: &[DeviceId]) -> Result<(), StoreError> {
    for device in devices {
        tx.execute(
            "INSERT INTO rollout_device (rollout, device, step, online) VALUES ($1, $2, $3, 0)
             ON CONFLICT (rollout, device) DO NOTHING",
            &[rollout.into(), (*device).into(), step.into()],
        )?;
    }
    Ok(())
}

/// Writes down that a device is given the revision.
pub fn give(
    tx: &mut Tx<'_>,
    rollout: &str,
    device: DeviceId,
    at: Timestamp,
    online: bool,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE rollout_device SET given = $1, online = $2 WHERE rollout = $3 AND device = $4",
        &[at.into(), online.into(), rollout.into(), device.into()],
    )?;
    Ok(())
}

/// Writes down which generation first named the revision.
pub fn set_generation(
    tx: &mut Tx<'_>,
    rollout: &str,
    device: DeviceId,
    generation: Generation,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE rollout_device SET generation = $1 WHERE rollout = $2 AND device = $3",
        &[generation.into(), rollout.into(), device.into()],
    )?;
    Ok(())
}

/// Writes down that a device is well with the revision.
pub fn set_passed(tx: &mut Tx<'_>, rollout: &str, device: DeviceId, at: Timestamp) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE rollout_device SET passed = $1 WHERE rollout = $2 AND device = $3 AND passed IS NULL",
        &[at.into(), rollout.into(), device.into()],
    )?;
    Ok(())
}

/// Writes down how a device stands that is not well with the revision, as the rollout ends.
pub fn set_stood(
    tx: &mut Tx<'_>,
    rollout: &str,
    device: DeviceId,
    stood: RolloutStanding,
    trouble: Option<&str>,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE rollout_device SET stood = $1, trouble = $2 WHERE rollout = $3 AND device = $4",
        &[stood.into(), trouble.into(), rollout.into(), device.into()],
    )?;
    Ok(())
}

/// Forgets which devices of a step passed, so that they soak anew.
pub fn clear_passed(tx: &mut Tx<'_>, rollout: &str, step: u32) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE rollout_device SET passed = NULL WHERE rollout = $1 AND step = $2",
        &[rollout.into(), step.into()],
    )?;
    Ok(())
}
