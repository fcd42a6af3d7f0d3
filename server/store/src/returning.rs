//! Devices that a restored server waits for.

use muster_proto::{DeviceId, Timestamp};

use crate::{StoreError, Tx};

/// Between which times what a device was certified is in no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReturningRow {
    /// When the backup was made.
    pub backed_up: Timestamp,
    /// When it was restored.
    pub restored: Timestamp,
}

/// Waits for every device that is enrolled, in place of those waited for since an earlier restore. Gives how many.
pub fn wait_for_all(tx: &mut Tx<'_>, row: &ReturningRow) -> Result<u64, StoreError> {
    wait_for_none(tx)?;
    tx.execute(
        "INSERT INTO returning_device (device, backed_up, restored)
         SELECT id, $1, $2 FROM device WHERE state IN ('enrolled', 'ready')",
        &[row.backed_up.into(), row.restored.into()],
    )
}

/// Waits for none any longer.
pub fn wait_for_none(tx: &mut Tx<'_>) -> Result<u64, StoreError> {
    tx.execute("DELETE FROM returning_device", &[])
}

/// Whether this device is waited for, and since when.
pub fn get(tx: &mut Tx<'_>, device: DeviceId) -> Result<Option<ReturningRow>, StoreError> {
    tx.query_one(
        "SELECT backed_up, restored FROM returning_device WHERE device = $1",
        &[device.into()],
        |row| Ok(ReturningRow { backed_up: row.get(0)?, restored: row.get(1)? }),
    )
}

/// The device is back; false when it was not waited for.
pub fn is_back(tx: &mut Tx<'_>, device: DeviceId) -> Result<bool, StoreError> {
    Ok(tx.execute("DELETE FROM returning_device WHERE device = $1", &[device.into()])? == 1)
}
