//! Results of checks as intervals: from when to when a check had a result on a device.

use muster_policy::keep::Amount;
use muster_proto::check::{CheckResult, Verdict};
use muster_proto::{DeviceId, Timestamp};

use crate::device::LEFT_OUT;
use crate::value::Param;
use crate::{Row, StoreError, Tx};

pub mod fleet;

/// One interval.
#[derive(Clone, Debug)]
pub struct Interval {
    /// Which check.
    pub check: String,
    /// From when.
    pub from: Timestamp,
    /// To when; none while it lasts.
    pub to: Option<Timestamp>,
    /// The result.
    pub verdict: Verdict,
    /// JSON `CheckResult`, the newest of the interval.
    pub document: String,
}

/// Checks with the same trouble.
pub struct Trouble {
    /// Which check.
    pub check: String,
    /// Its result.
    pub verdict: Verdict,
    /// The profile.
    pub profile: String,
    /// Its revision.
    pub revision: u32,
    /// On how many devices.
    pub devices: u64,
}

fn read(row: &Row<'_>) -> Result<Interval, StoreError> {
    Ok(Interval {
        check: row.get(0)?,
        from: row.get(1)?,
        to: row.get(2)?,
        verdict: row.get(3)?,
        document: row.get(4)?,
    })
}

/// The present results of a device.
pub fn now(tx: &mut Tx<'_>, device: DeviceId) -> Result<Vec<Interval>, StoreError> {
    tx.query(
        "SELECT check_id, from_at, to_at, verdict, document FROM check_result
         WHERE device = $1 AND to_at IS NULL ORDER BY check_id",
        &[device.into()],
        read,
    )
}

/// What a device that is asked no more was last found to be: the results that ended last, all at once.
pub fn last(tx: &mut Tx<'_>, device: DeviceId) -> Result<Vec<Interval>, StoreError> {
    tx.query(
        "SELECT check_id, from_at, to_at, verdict, document FROM check_result
         WHERE device = $1 AND to_at = (SELECT MAX(to_at) FROM check_result WHERE device = $1) ORDER BY check_id",
        &[device.into()],
        read,
    )
}

/// All results that a check ever had on a device, the oldest first.
pub fn history(tx: &mut Tx<'_>, device: DeviceId, check: &str) -> Result<Vec<Interval>, StoreError> {
    tx.query(
        "SELECT check_id, from_at, to_at, verdict, document FROM check_result
         WHERE device = $1 AND check_id = $2 ORDER BY from_at",
        &[device.into(), check.into()],
        read,
    )
}

/// Begins an interval. One that begins and ends in the same instant is written over: it never lasted.
pub fn begin(
    tx: &mut Tx<'_>,
    device: DeviceId,
    result: &CheckResult,
    document: &str,
    at: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO check_result (device, check_id, from_at, to_at, verdict, profile, revision, document)
         VALUES ($1, $2, $3, NULL, $4, $5, $6, $7)
         ON CONFLICT (device, check_id, from_at) DO UPDATE SET to_at = NULL, verdict = excluded.verdict,
             profile = excluded.profile, revision = excluded.revision, document = excluded.document",
        &[
            device.into(),
            (&result.id).into(),
            at.into(),
            result.verdict.into(),
            (&result.profile).into(),
            result.revision.into(),
            document.into(),
        ],
    )?;
    Ok(())
}

/// Renews what the present interval says beside its verdict, such as the evidence.
pub fn renew(
    tx: &mut Tx<'_>,
    device: DeviceId,
    result: &CheckResult,
    document: &str,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE check_result SET profile = $1, revision = $2, document = $3
         WHERE device = $4 AND check_id = $5 AND to_at IS NULL",
        &[
            (&result.profile).into(),
            result.revision.into(),
            document.into(),
            device.into(),
            (&result.id).into(),
        ],
    )?;
    Ok(())
}

/// Ends the present interval of a check; gives how much that adds to what has ended.
pub fn end(tx: &mut Tx<'_>, device: DeviceId, check: &str, at: Timestamp) -> Result<Amount, StoreError> {
    let ended = tx.query(
        "UPDATE check_result SET to_at = $1 WHERE device = $2 AND check_id = $3 AND to_at IS NULL
         RETURNING OCTET_LENGTH(document)",
        &[at.into(), device.into(), check.into()],
        |row| row.get(0),
    )?;
    Ok(sum(&ended))
}

/// Ends all present intervals of a device; gives how much that adds to what has ended.
pub fn end_all(tx: &mut Tx<'_>, device: DeviceId, at: Timestamp) -> Result<Amount, StoreError> {
    let ended = tx.query(
        "UPDATE check_result SET to_at = $1 WHERE device = $2 AND to_at IS NULL
         RETURNING OCTET_LENGTH(document)",
        &[at.into(), device.into()],
        |row| row.get(0),
    )?;
    Ok(sum(&ended))
}

fn sum(lengths: &[u64]) -> Amount {
    Amount { entries: lengths.len() as u64, bytes: lengths.iter().sum() }
}

/// Whether any device ever had a result of this check.
pub fn was_ever(tx: &mut Tx<'_>, check: &str) -> Result<bool, StoreError> {
    let found: Option<i64> =
        tx.query_one("SELECT 1 FROM check_result WHERE check_id = $1 LIMIT 1", &[check.into()], |row| {
            row.get(0)
        })?;
    Ok(found.is_some())
}

/// How many present results of each kind a device has.
pub fn tally(tx: &mut Tx<'_>, device: DeviceId) -> Result<Vec<(Verdict, u32)>, StoreError> {
    tx.query(
        "SELECT verdict, COUNT(*) FROM check_result WHERE device = $1 AND to_at IS NULL
         GROUP BY verdict ORDER BY verdict",
        &[device.into()],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// Troubles that nobody accepted, those of most devices first.
pub fn troubles(tx: &mut Tx<'_>, limit: u32) -> Result<Vec<Trouble>, StoreError> {
    tx.query(
        &format!(
            "SELECT check_id, verdict, profile, revision, COUNT(*) AS devices FROM check_result
             WHERE to_at IS NULL AND verdict IN ('fail', 'unknown') AND device NOT IN {LEFT_OUT} AND NOT EXISTS (
                 SELECT 1 FROM waived w
                 WHERE w.device = check_result.device AND w.check_id = check_result.check_id AND w.to_at IS NULL
             )
             GROUP BY verdict, profile, revision, check_id ORDER BY devices DESC, check_id LIMIT $1"
        ),
        &[limit.into()],
        |row| {
            Ok(Trouble {
                check: row.get(0)?,
                verdict: row.get(1)?,
                profile: row.get(2)?,
                revision: row.get(3)?,
                devices: row.get(4)?,
            })
        },
    )
}

/// Names of some devices with a trouble, and what each says of it.
pub fn examples(tx: &mut Tx<'_>, trouble: &Trouble, limit: u32) -> Result<Vec<(String, String)>, StoreError> {
    let verdict: Param<'_> = trouble.verdict.into();
    tx.query(
        "SELECT d.name, c.document FROM check_result c JOIN device d ON d.id = c.device
         WHERE c.to_at IS NULL AND c.verdict IN ('fail', 'unknown') AND c.verdict = $1 AND c.profile = $2
             AND c.revision = $3 AND c.check_id = $4 AND d.state NOT IN ('held', 'lost', 'revoked') AND NOT EXISTS (
                 SELECT 1 FROM waived w WHERE w.device = c.device AND w.check_id = c.check_id AND w.to_at IS NULL
             ) LIMIT $5",
        &[verdict, (&trouble.profile).into(), trouble.revision.into(), (&trouble.check).into(), limit.into()],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}
