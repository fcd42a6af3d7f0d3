//! Devices that were reported lost, with their last order and the receipt for it.

use muster_proto::{DeviceId, Timestamp};

use crate::{Change, Row, StoreError, Tx};

/// A report as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostRow {
    /// The order's id.
    pub id: String,
    /// Who reported it.
    pub reported_by: String,
    /// When.
    pub since: Timestamp,
    /// Why.
    pub reason: Option<String>,
    /// JSON `Holdings`: what the device held then.
    pub holdings: String,
    /// When the order was first given.
    pub given: Option<Timestamp>,
    /// When the receipt was recorded.
    pub received: Option<Timestamp>,
    /// JSON `Receipt`.
    pub receipt: Option<String>,
}

const COLUMNS: &str = "id, reported_by, since, reason, holdings, given, received, receipt";

fn read(row: &Row<'_>) -> Result<LostRow, StoreError> {
    Ok(LostRow {
        id: row.get(0)?,
        reported_by: row.get(1)?,
        since: row.get(2)?,
        reason: row.get(3)?,
        holdings: row.get(4)?,
        given: row.get(5)?,
        received: row.get(6)?,
        receipt: row.get(7)?,
    })
}

/// Reports a device lost. Its links are woken, to give the order.
pub fn insert(tx: &mut Tx<'_>, device: DeviceId, row: &LostRow) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO lost (device, id, reported_by, since, reason, holdings) VALUES ($1, $2, $3, $4, $5, $6)",
        &[
            device.into(),
            (&row.id).into(),
            (&row.reported_by).into(),
            row.since.into(),
            row.reason.as_deref().into(),
            (&row.holdings).into(),
        ],
    )?;
    tx.tell(Change::Device(device));
    tx.tell(Change::States([device].into()));
    Ok(())
}

/// The report of a device.
pub fn get(tx: &mut Tx<'_>, device: DeviceId) -> Result<Option<LostRow>, StoreError> {
    tx.query_one(&format!("SELECT {COLUMNS} FROM lost WHERE device = $1"), &[device.into()], read)
}

/// Devices whose last order has no receipt yet, the longest reported first; not those that were revoked since.
pub fn waiting(tx: &mut Tx<'_>, limit: u32) -> Result<Vec<DeviceId>, StoreError> {
    tx.query(
        "SELECT l.device FROM lost l JOIN device d ON d.id = l.device
         WHERE l.received IS NULL AND d.state NOT IN ('lost', 'revoked') ORDER BY l.since, l.device LIMIT $1",
        &[limit.into()],
        |row| row.get(0),
    )
}

/// The order was given for the first time; false when it had been before.
pub fn give(tx: &mut Tx<'_>, device: DeviceId, at: Timestamp) -> Result<bool, StoreError> {
    let sql = "UPDATE lost SET given = $1 WHERE device = $2 AND given IS NULL";
    let first = tx.execute(sql, &[at.into(), device.into()])? == 1;
    if first {
        tx.tell(Change::Device(device));
    }
    Ok(first)
}

/// Records what the device did; false when a receipt is there already, or none is awaited.
pub fn receive(tx: &mut Tx<'_>, device: DeviceId, receipt: &str, at: Timestamp) -> Result<bool, StoreError> {
    let sql = "UPDATE lost SET received = $1, receipt = $2 WHERE device = $3 AND received IS NULL";
    Ok(tx.execute(sql, &[at.into(), receipt.into(), device.into()])? == 1)
}

/// Forgets the report, as it was taken back or the device enrolled again.
pub fn forget(tx: &mut Tx<'_>, device: DeviceId) -> Result<(), StoreError> {
    if tx.execute("DELETE FROM lost WHERE device = $1", &[device.into()])? > 0 {
        tx.tell(Change::Device(device));
        tx.tell(Change::States([device].into()));
    }
    Ok(())
}
