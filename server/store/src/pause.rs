//! Pauses: what keeps its desired states for a while.

use muster_proto::Timestamp;

use crate::{Row, StoreError, Tx};

/// A pause as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PauseRow {
    /// `everyone`, `label`, `device` or `profile`.
    pub target_kind: String,
    /// Nothing, a label, a device's id, or a profile.
    pub target: String,
    /// Who paused it.
    pub paused_by: String,
    /// Since when.
    pub since: Timestamp,
    /// When it ends by itself.
    pub until: Option<Timestamp>,
    /// Why.
    pub reason: Option<String>,
}

fn read(row: &Row<'_>) -> Result<PauseRow, StoreError> {
    Ok(PauseRow {
        target_kind: row.get(0)?,
        target: row.get(1)?,
        paused_by: row.get(2)?,
        since: row.get(3)?,
        until: row.get(4)?,
        reason: row.get(5)?,
    })
}

/// All pauses that an admin made and nobody ended, the oldest first; some may be over.
pub fn list(tx: &mut Tx<'_>) -> Result<Vec<PauseRow>, StoreError> {
    tx.query(
        "SELECT target_kind, target, paused_by, since, until, reason FROM pause
         ORDER BY since, target_kind, target",
        &[],
        read,
    )
}

/// Pauses something; who did, until when and why take the place of what was said before.
pub fn put(tx: &mut Tx<'_>, pause: &PauseRow) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO pause (target_kind, target, paused_by, since, until, reason) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (target_kind, target) DO UPDATE SET paused_by = excluded.paused_by, until = excluded.until,
             reason = excluded.reason",
        &[
            (&pause.target_kind).into(),
            (&pause.target).into(),
            (&pause.paused_by).into(),
            pause.since.into(),
            pause.until.into(),
            pause.reason.as_ref().into(),
        ],
    )?;
    Ok(())
}

/// Ends a pause; says whether there was one.
pub fn remove(tx: &mut Tx<'_>, target_kind: &str, target: &str) -> Result<bool, StoreError> {
    let sql = "DELETE FROM pause WHERE target_kind = $1 AND target = $2";
    Ok(tx.execute(sql, &[target_kind.into(), target.into()])? > 0)
}
