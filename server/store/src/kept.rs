//! What grows with time, counted by device, and how the oldest of it goes.

use muster_policy::keep::{Amount, Kind};
use muster_proto::{DeviceId, Timestamp};

use crate::value::Param;
use crate::{StoreError, Tx};

impl From<Kind> for Param<'_> {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Event => "event".into(),
            Kind::EndedCheck => "ended_check".into(),
        }
    }
}

/// How much of a kind is kept of a device.
pub fn amount(tx: &mut Tx<'_>, device: DeviceId, kind: Kind) -> Result<Amount, StoreError> {
    let found = tx.query_one(
        "SELECT entries, bytes FROM kept WHERE device = $1 AND kind = $2",
        &[device.into(), kind.into()],
        |row| Ok(Amount { entries: row.get(0)?, bytes: row.get(1)? }),
    )?;
    Ok(found.unwrap_or_default())
}

/// Writes down how much of a kind is kept of a device.
pub fn set(tx: &mut Tx<'_>, device: DeviceId, kind: Kind, amount: Amount) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO kept (device, kind, entries, bytes) VALUES ($1, $2, $3, $4)
         ON CONFLICT (device, kind) DO UPDATE SET entries = excluded.entries, bytes = excluded.bytes",
        &[device.into(), kind.into(), amount.entries.into(), amount.bytes.into()],
    )?;
    Ok(())
}

/// Removes at most `limit` of a device that are older than `before`, the oldest first; gives how much went.
pub fn remove_oldest(
    tx: &mut Tx<'_>,
    device: DeviceId,
    kind: Kind,
    before: Timestamp,
    limit: u32,
) -> Result<Amount, StoreError> {
    match kind {
        Kind::Event => remove_events(tx, device, before, limit),
        Kind::EndedCheck => remove_checks(tx, device, before, limit),
    }
}

/// Some devices of which something older than `before` is kept.
pub fn overdue(tx: &mut Tx<'_>, before: Timestamp, limit: u32) -> Result<Vec<DeviceId>, StoreError> {
    tx.query(
        "SELECT id FROM device
         WHERE EXISTS (SELECT 1 FROM event WHERE device = id AND recorded < $1)
             OR EXISTS (SELECT 1 FROM check_result WHERE device = id AND to_at IS NOT NULL AND to_at < $1)
         LIMIT $2",
        &[before.into(), limit.into()],
        |row| row.get(0),
    )
}

/// The mark of an event's epoch comes to cover it: sent once more it must not come back.
fn remove_events(
    tx: &mut Tx<'_>,
    device: DeviceId,
    before: Timestamp,
    limit: u32,
) -> Result<Amount, StoreError> {
    let oldest: Vec<(String, u64, u64)> = tx.query(
        "SELECT epoch, sequence, OCTET_LENGTH(document) FROM event WHERE device = $1 AND recorded < $2
         ORDER BY recorded, sequence LIMIT $3",
        &[device.into(), before.into(), limit.into()],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    let mut gone = Amount::default();
    for (epoch, sequence, bytes) in &oldest {
        tx.execute(
            "DELETE FROM event WHERE device = $1 AND epoch = $2 AND sequence = $3",
            &[device.into(), epoch.into(), (*sequence).into()],
        )?;
        tx.execute(
            "UPDATE epoch SET acknowledged = $1 WHERE device = $2 AND epoch = $3 AND acknowledged < $1",
            &[(*sequence).into(), device.into(), epoch.into()],
        )?;
        gone.add(Amount::one(*bytes));
    }
    Ok(gone)
}

fn remove_checks(
    tx: &mut Tx<'_>,
    device: DeviceId,
    before: Timestamp,
    limit: u32,
) -> Result<Amount, StoreError> {
    let oldest: Vec<(String, Timestamp, u64)> = tx.query(
        "SELECT check_id, from_at, OCTET_LENGTH(document) FROM check_result
         WHERE device = $1 AND to_at IS NOT NULL AND to_at < $2 ORDER BY to_at LIMIT $3",
        &[device.into(), before.into(), limit.into()],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    let mut gone = Amount::default();
    for (check, from, bytes) in &oldest {
        tx.execute(
            "DELETE FROM check_result WHERE device = $1 AND check_id = $2 AND from_at = $3",
            &[device.into(), check.into(), (*from).into()],
        )?;
        gone.add(Amount::one(*bytes));
    }
    Ok(gone)
}
