//! Devices that one new key may become, for a while.

use muster_proto::{DeviceId, Timestamp};

use crate::{Change, StoreError, Tx};

/// Lets one new key become this device until then, in place of what was said before.
pub fn allow(
    tx: &mut Tx<'_>,
    device: DeviceId,
    allowed_by: &str,
    until: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO reenrollment (device, allowed_by, until) VALUES ($1, $2, $3)
         ON CONFLICT (device) DO UPDATE SET allowed_by = excluded.allowed_by, until = excluded.until",
        &[device.into(), allowed_by.into(), until.into()],
    )?;
    tx.tell(Change::Device(device));
    Ok(())
}

/// Until when a new key may become this device; that time may have passed.
pub fn until(tx: &mut Tx<'_>, device: DeviceId) -> Result<Option<Timestamp>, StoreError> {
    tx.query_one("SELECT until FROM reenrollment WHERE device = $1", &[device.into()], |row| row.get(0))
}

/// Ends all of them. Gives how many.
pub fn end_all(tx: &mut Tx<'_>) -> Result<u64, StoreError> {
    tx.execute("DELETE FROM reenrollment", &[])
}

/// Ends it, as it was used or taken back.
pub fn end(tx: &mut Tx<'_>, device: DeviceId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM reenrollment WHERE device = $1", &[device.into()])?;
    Ok(())
}
