//! Accepted failures of checks, and from when to when each covered which.

use muster_proto::{DeviceId, Timestamp};

use crate::device::LEFT_OUT;
use crate::{Row, StoreError, Tx};

/// A waiver as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaiverRow {
    /// Its id.
    pub id: String,
    /// The check.
    pub check: String,
    /// `everyone`, `label` or `device`.
    pub target_kind: String,
    /// Nothing, a label, or a device's id.
    pub target: String,
    /// Who accepts it.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created: Timestamp,
    /// When its time is over.
    pub until: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Who ended it.
    pub ended_by: Option<String>,
}

/// The present cover of a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cover {
    /// Of which check.
    pub check: String,
    /// By which waiver.
    pub waiver: String,
    /// Since when.
    pub from: Timestamp,
}

const COLUMNS: &str = "w.id, w.check_id, w.target_kind, w.target, w.owner, w.reason, w.created_by, w.created,
    w.until, w.ended, w.ended_by";

fn read(row: &Row<'_>) -> Result<WaiverRow, StoreError> {
    Ok(WaiverRow {
        id: row.get(0)?,
        check: row.get(1)?,
        target_kind: row.get(2)?,
        target: row.get(3)?,
        owner: row.get(4)?,
        reason: row.get(5)?,
        created_by: row.get(6)?,
        created: row.get(7)?,
        until: row.get(8)?,
        ended: row.get(9)?,
        ended_by: row.get(10)?,
    })
}

/// Adds a waiver.
pub fn insert(tx: &mut Tx<'_>, waiver: &WaiverRow) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO waiver
             (id, check_id, target_kind, target, owner, reason, created_by, created, until, ended, ended_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, NULL, NULL)",
        &[
            (&waiver.id).into(),
            (&waiver.check).into(),
            (&waiver.target_kind).into(),
            (&waiver.target).into(),
            (&waiver.owner).into(),
            (&waiver.reason).into(),
            (&waiver.created_by).into(),
            waiver.created.into(),
            waiver.until.into(),
        ],
    )?;
    Ok(())
}

/// The waiver with this id.
pub fn get(tx: &mut Tx<'_>, id: &str) -> Result<Option<WaiverRow>, StoreError> {
    tx.query_one(&format!("SELECT {COLUMNS} FROM waiver w WHERE w.id = $1"), &[id.into()], read)
}

/// All waivers that ever were, the newest first.
pub fn list(tx: &mut Tx<'_>) -> Result<Vec<WaiverRow>, StoreError> {
    tx.query(&format!("SELECT {COLUMNS} FROM waiver w ORDER BY w.created DESC, w.id"), &[], read)
}

/// Waivers in force, those that end first before others.
pub fn in_force(tx: &mut Tx<'_>) -> Result<Vec<WaiverRow>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM waiver w WHERE w.ended IS NULL ORDER BY w.until, w.id");
    tx.query(&sql, &[], read)
}

/// Waivers in force of the checks that fail on a device now.
pub fn of_failing(tx: &mut Tx<'_>, device: DeviceId) -> Result<Vec<WaiverRow>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM check_result c JOIN waiver w ON w.check_id = c.check_id
         WHERE c.device = $1 AND c.to_at IS NULL AND c.verdict = 'fail' AND w.ended IS NULL"
    );
    tx.query(&sql, &[device.into()], read)
}

/// Whether any waiver in force is for a label.
pub fn any_by_label(tx: &mut Tx<'_>) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM waiver WHERE ended IS NULL AND target_kind = 'label' LIMIT 1";
    Ok(tx.query_one::<i64>(sql, &[], |row| row.get(0))?.is_some())
}

/// Ends a waiver; its row stays.
pub fn end(tx: &mut Tx<'_>, id: &str, by: &str, at: Timestamp) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE waiver SET ended = $1, ended_by = $2 WHERE id = $3 AND ended IS NULL",
        &[at.into(), by.into(), id.into()],
    )?;
    Ok(())
}

/// On how many devices it covers a failure now.
pub fn covered(tx: &mut Tx<'_>, id: &str) -> Result<u64, StoreError> {
    let sql = "SELECT COUNT(*) FROM waived WHERE waiver = $1 AND to_at IS NULL";
    Ok(tx.query_one(sql, &[id.into()], |row| row.get(0))?.unwrap_or(0))
}

/// The failures of a device that are covered now.
pub fn covers(tx: &mut Tx<'_>, device: DeviceId) -> Result<Vec<Cover>, StoreError> {
    tx.query(
        "SELECT check_id, waiver, from_at FROM waived WHERE device = $1 AND to_at IS NULL ORDER BY check_id",
        &[device.into()],
        |row| Ok(Cover { check: row.get(0)?, waiver: row.get(1)?, from: row.get(2)? }),
    )
}

/// How many failures of each check are covered now on devices that count; of one check alone when it is named.
pub fn covered_by_check(tx: &mut Tx<'_>, check: Option<&str>) -> Result<Vec<(String, u64)>, StoreError> {
    let (narrowed, params) = match check {
        Some(check) => (" AND check_id = $1", vec![check.into()]),
        None => ("", Vec::new()),
    };
    let sql = format!(
        "SELECT check_id, COUNT(*) FROM waived WHERE to_at IS NULL AND device NOT IN {LEFT_OUT}{narrowed}
         GROUP BY check_id"
    );
    tx.query(&sql, &params, |row| Ok((row.get(0)?, row.get(1)?)))
}

/// How many failures of a device are covered now.
pub fn count(tx: &mut Tx<'_>, device: DeviceId) -> Result<u32, StoreError> {
    let sql = "SELECT COUNT(*) FROM waived WHERE device = $1 AND to_at IS NULL";
    Ok(tx.query_one(sql, &[device.into()], |row| row.get(0))?.unwrap_or(0))
}

/// Begins a cover. One that begins and ends in the same instant is written over: it never lasted.
pub fn begin_cover(
    tx: &mut Tx<'_>,
    device: DeviceId,
    check: &str,
    waiver: &str,
    at: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO waived (device, check_id, from_at, to_at, waiver) VALUES ($1, $2, $3, NULL, $4)
         ON CONFLICT (device, check_id, from_at) DO UPDATE SET to_at = NULL, waiver = excluded.waiver",
        &[device.into(), check.into(), at.into(), waiver.into()],
    )?;
    Ok(())
}

/// Ends the present cover of a failure.
pub fn end_cover(tx: &mut Tx<'_>, device: DeviceId, check: &str, at: Timestamp) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE waived SET to_at = $1 WHERE device = $2 AND check_id = $3 AND to_at IS NULL",
        &[at.into(), device.into(), check.into()],
    )?;
    Ok(())
}

/// Removes covers that ended before this; the waivers themselves stay.
pub fn remove_covers(tx: &mut Tx<'_>, before: Timestamp) -> Result<u64, StoreError> {
    tx.execute("DELETE FROM waived WHERE to_at IS NOT NULL AND to_at < $1", &[before.into()])
}

/// Devices on which a check fails now.
pub fn failing(tx: &mut Tx<'_>, check: &str) -> Result<Vec<DeviceId>, StoreError> {
    tx.query(
        "SELECT device FROM check_result WHERE check_id = $1 AND to_at IS NULL AND verdict = 'fail'
         ORDER BY device",
        &[check.into()],
        |row| row.get(0),
    )
}
