//! Removals that nobody asked for by name, and the devices that keep their state until an admin has decided.

use std::collections::BTreeSet;

use muster_proto::{DeviceId, Timestamp};

use crate::{Row, StoreError, Tx};

/// A waiting removal as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemovalRow {
    /// Its id.
    pub id: String,
    /// What brought it about, in words.
    pub cause: String,
    /// Who did that.
    pub asked_by: String,
    /// When.
    pub at: Timestamp,
}

/// One device of a removal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touched {
    /// The device.
    pub device: DeviceId,
    /// Labels that were taken from it.
    pub labels: BTreeSet<String>,
    /// Profiles that leave it.
    pub profiles: BTreeSet<String>,
}

fn read(row: &Row<'_>) -> Result<RemovalRow, StoreError> {
    Ok(RemovalRow { id: row.get(0)?, cause: row.get(1)?, asked_by: row.get(2)?, at: row.get(3)? })
}

fn set(row: &Row<'_>, column: usize) -> Result<BTreeSet<String>, StoreError> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|_| StoreError::Column { column, expected: "a JSON list of texts" })
}

/// Adds a removal with its devices.
pub fn insert(tx: &mut Tx<'_>, removal: &RemovalRow, touched: &[Touched]) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO removal (id, cause, asked_by, at) VALUES ($1, $2, $3, $4)",
        &[(&removal.id).into(), (&removal.cause).into(), (&removal.asked_by).into(), removal.at.into()],
    )?;
    for device in touched {
        let (labels, profiles) =
            (serde_json::json!(device.labels).to_string(), serde_json::json!(device.profiles).to_string());
        tx.execute(
            "INSERT INTO removal_device (device, removal, labels, profiles) VALUES ($1, $2, $3, $4)",
            &[device.device.into(), (&removal.id).into(), (&labels).into(), (&profiles).into()],
        )?;
    }
    Ok(())
}

/// The removal with this id.
pub fn get(tx: &mut Tx<'_>, id: &str) -> Result<Option<RemovalRow>, StoreError> {
    tx.query_one("SELECT id, cause, asked_by, at FROM removal WHERE id = $1", &[id.into()], read)
}

/// All that wait, the oldest first.
pub fn list(tx: &mut Tx<'_>) -> Result<Vec<RemovalRow>, StoreError> {
    tx.query("SELECT id, cause, asked_by, at FROM removal ORDER BY at, id", &[], read)
}

/// Whether any waits.
pub fn any(tx: &mut Tx<'_>) -> Result<bool, StoreError> {
    let found: Option<i64> = tx.query_one("SELECT 1 FROM removal LIMIT 1", &[], |row| row.get(0))?;
    Ok(found.is_some())
}

/// The devices of a removal.
pub fn touched(tx: &mut Tx<'_>, id: &str) -> Result<Vec<Touched>, StoreError> {
    tx.query(
        "SELECT device, labels, profiles FROM removal_device WHERE removal = $1 ORDER BY device",
        &[id.into()],
        |row| Ok(Touched { device: row.get(0)?, labels: set(row, 1)?, profiles: set(row, 2)? }),
    )
}

/// The removals that a device waits for, the oldest first.
pub fn of_device(tx: &mut Tx<'_>, device: DeviceId) -> Result<Vec<RemovalRow>, StoreError> {
    tx.query(
        "SELECT r.id, r.cause, r.asked_by, r.at FROM removal_device d JOIN removal r ON r.id = d.removal
         WHERE d.device = $1 ORDER BY r.at, r.id",
        &[device.into()],
        read,
    )
}

/// Takes a device out of all removals, and with the last device the removal: what waited for it is no more.
pub fn leave(tx: &mut Tx<'_>, device: DeviceId) -> Result<(), StoreError> {
    if tx.execute("DELETE FROM removal_device WHERE device = $1", &[device.into()])? > 0 {
        tx.execute("DELETE FROM removal WHERE id NOT IN (SELECT removal FROM removal_device)", &[])?;
    }
    Ok(())
}

/// Forgets a removal that was decided.
pub fn remove(tx: &mut Tx<'_>, id: &str) -> Result<(), StoreError> {
    tx.execute("DELETE FROM removal WHERE id = $1", &[id.into()])?;
    Ok(())
}
