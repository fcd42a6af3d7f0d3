//! Devices that keep a state which would differ by now.

use muster_proto::{DeviceId, Timestamp};

use crate::{Change, StoreError, Tx};

/// Writes down what waits for a device, as sentences. Since when it waits stays.
pub fn put(tx: &mut Tx<'_>, device: DeviceId, changes: &[String], at: Timestamp) -> Result<(), StoreError> {
    let changes = serde_json::json!(changes).to_string();
    tx.execute(
        "INSERT INTO held (device, changes, since) VALUES ($1, $2, $3)
         ON CONFLICT (device) DO UPDATE SET changes = excluded.changes",
        &[device.into(), (&changes).into(), at.into()],
    )?;
    tx.tell(Change::Device(device));
    Ok(())
}

/// Forgets what waited for a device; says whether anything did.
pub fn clear(tx: &mut Tx<'_>, device: DeviceId) -> Result<bool, StoreError> {
    Ok(tx.execute("DELETE FROM held WHERE device = $1", &[device.into()])? > 0)
}

/// What waits for a device; `None` when its state is as it should be.
pub fn changes(tx: &mut Tx<'_>, device: DeviceId) -> Result<Option<Vec<String>>, StoreError> {
    tx.query_one("SELECT changes FROM held WHERE device = $1", &[device.into()], |row| {
        let changes: String = row.get(0)?;
        serde_json::from_str(&changes)
            .map_err(|_| StoreError::Column { column: 0, expected: "a JSON list of texts" })
    })
}

/// All devices for which something waits.
pub fn devices(tx: &mut Tx<'_>) -> Result<Vec<DeviceId>, StoreError> {
    tx.query("SELECT device FROM held ORDER BY device", &[], |row| row.get(0))
}

/// How many devices wait for the end of a pause alone, and not for a removal to be confirmed.
pub fn count_paused(tx: &mut Tx<'_>) -> Result<u64, StoreError> {
    let sql = "SELECT COUNT(*) FROM held WHERE device NOT IN (SELECT device FROM removal_device)";
    Ok(tx.query_one(sql, &[], |row| row.get(0))?.unwrap_or(0))
}
