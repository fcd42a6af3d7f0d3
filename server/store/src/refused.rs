//! The last machine that was refused as a device, until the device enrolls.

use muster_proto::{DeviceId, Timestamp};

use crate::{Change, StoreError, Tx};

/// A refusal that concerns a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedRow {
    /// When.
    pub at: Timestamp,
    /// What the machine was told, and the audit has.
    pub reference: String,
    /// Why, for the admin.
    pub reason: String,
    /// What the admin may do.
    pub remedy: String,
    /// Where the machine called from.
    pub address: String,
    /// The serial that it claimed: not always the device's own.
    pub claimed_serial: String,
}

/// Notes a refusal in place of the one before it.
pub fn note(tx: &mut Tx<'_>, device: DeviceId, row: &RefusedRow) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO refused (device, at, reference, reason, remedy, address, claimed_serial)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (device) DO UPDATE SET at = excluded.at, reference = excluded.reference,
             reason = excluded.reason, remedy = excluded.remedy, address = excluded.address,
             claimed_serial = excluded.claimed_serial",
        &[
            device.into(),
            row.at.into(),
            (&row.reference).into(),
            (&row.reason).into(),
            (&row.remedy).into(),
            (&row.address).into(),
            (&row.claimed_serial).into(),
        ],
    )?;
    tx.tell(Change::Device(device));
    Ok(())
}

/// The last refusal that concerns a device.
pub fn of_device(tx: &mut Tx<'_>, device: DeviceId) -> Result<Option<RefusedRow>, StoreError> {
    tx.query_one(
        "SELECT at, reference, reason, remedy, address, claimed_serial FROM refused WHERE device = $1",
        &[device.into()],
        |row| {
            Ok(RefusedRow {
                at: row.get(0)?,
                reference: row.get(1)?,
                reason: row.get(2)?,
                remedy: row.get(3)?,
                address: row.get(4)?,
                claimed_serial: row.get(5)?,
            })
        },
    )
}

/// Devices that a machine was refused as after `since`, the latest refusal first; at most `limit`. Of those that are held or
/// revoked nobody waits for.
pub fn after(tx: &mut Tx<'_>, since: Timestamp, limit: u32) -> Result<Vec<DeviceId>, StoreError> {
    tx.query(
        "SELECT r.device FROM refused r JOIN device d ON d.id = r.device
         WHERE r.at > $1 AND d.state NOT IN ('held', 'revoked') ORDER BY r.at DESC, r.device LIMIT $2",
        &[since.into(), limit.into()],
        |row| row.get(0),
    )
}

/// The device has enrolled.
pub fn end(tx: &mut Tx<'_>, device: DeviceId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM refused WHERE device = $1", &[device.into()])?;
    Ok(())
}
