//! Records that a stranger's claim made, until an admin names the device.

use muster_proto::DeviceId;

use crate::{StoreError, Tx};

/// Notes that nobody but a stranger speaks of this device.
pub fn note(tx: &mut Tx<'_>, device: DeviceId) -> Result<(), StoreError> {
    tx.execute("INSERT INTO claimed (device) VALUES ($1) ON CONFLICT (device) DO NOTHING", &[device.into()])?;
    Ok(())
}

/// Whether nobody but a stranger speaks of this device.
pub fn is(tx: &mut Tx<'_>, device: DeviceId) -> Result<bool, StoreError> {
    let found: Option<i64> =
        tx.query_one("SELECT 1 FROM claimed WHERE device = $1", &[device.into()], |row| row.get(0))?;
    Ok(found.is_some())
}

/// An admin has named the device.
pub fn end(tx: &mut Tx<'_>, device: DeviceId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM claimed WHERE device = $1", &[device.into()])?;
    Ok(())
}
