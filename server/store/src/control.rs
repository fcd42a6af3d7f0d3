//! Results of checks on many devices at once, for counting.

use muster_proto::check::Verdict;
use muster_proto::{DeviceId, Digest, Timestamp};

use crate::{Row, StoreError, Tx};

/// One result and how long it lasted.
#[derive(Clone, Debug)]
pub struct ResultRow {
    /// On which device.
    pub device: DeviceId,
    /// Of which check.
    pub check: String,
    /// From when.
    pub from: Timestamp,
    /// To when; none while it lasts.
    pub to: Option<Timestamp>,
    /// The result.
    pub verdict: Verdict,
    /// The profile that asks.
    pub profile: String,
    /// Its revision.
    pub revision: u32,
}

/// How long a failure was waived.
#[derive(Clone, Debug)]
pub struct CoverRow {
    /// On which device.
    pub device: DeviceId,
    /// Of which check.
    pub check: String,
    /// From when.
    pub from: Timestamp,
    /// To when; none while it is.
    pub to: Option<Timestamp>,
    /// By which waiver.
    pub waiver: String,
}

fn read(row: &Row<'_>) -> Result<ResultRow, StoreError> {
    Ok(ResultRow {
        device: row.get(0)?,
        check: row.get(1)?,
        from: row.get(2)?,
        to: row.get(3)?,
        verdict: row.get(4)?,
        profile: row.get(5)?,
        revision: row.get(6)?,
    })
}

/// At most `limit` results that lasted into the time since, the oldest first.
pub fn results(tx: &mut Tx<'_>, since: Timestamp, limit: u32) -> Result<Vec<ResultRow>, StoreError> {
    tx.query(
        "SELECT device, check_id, from_at, to_at, verdict, profile, revision FROM check_result
         WHERE to_at IS NULL OR to_at > $1 ORDER BY device, check_id, from_at LIMIT $2",
        &[since.into(), limit.into()],
        read,
    )
}

/// Covers that lasted into the time since.
pub fn covers(tx: &mut Tx<'_>, since: Timestamp) -> Result<Vec<CoverRow>, StoreError> {
    tx.query(
        "SELECT device, check_id, from_at, to_at, waiver FROM waived
         WHERE to_at IS NULL OR to_at > $1 ORDER BY device, check_id, from_at",
        &[since.into()],
        |row| {
            Ok(CoverRow {
                device: row.get(0)?,
                check: row.get(1)?,
                from: row.get(2)?,
                to: row.get(3)?,
                waiver: row.get(4)?,
            })
        },
    )
}

/// Which documents the states of devices name.
pub fn documents(tx: &mut Tx<'_>) -> Result<Vec<(DeviceId, Digest)>, StoreError> {
    tx.query("SELECT device, digest FROM state_document ORDER BY device, digest", &[], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })
}

/// The newest revision that has a document, as its profile and number.
pub fn revision_of(tx: &mut Tx<'_>, document: Digest) -> Result<Option<(String, u32)>, StoreError> {
    tx.query_one(
        "SELECT profile, number FROM revision WHERE digest = $1 ORDER BY number DESC LIMIT 1",
        &[document.into()],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}
