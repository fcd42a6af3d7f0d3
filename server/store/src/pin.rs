//! What the assignments of a profile to a target pinned, one after the other: where a rollback goes back to.

use std::collections::BTreeMap;

use muster_proto::state::Mode;
use muster_proto::{RevisionNumber, Timestamp};

use crate::assignment::AssignmentRow;
use crate::value::Param;
use crate::{Row, StoreError, Tx};

/// Something pinned, as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinRow {
    /// Grows with every pin of the profile to the target.
    pub number: u64,
    /// The revision.
    pub revision: RevisionNumber,
    /// Higher wins.
    pub precedence: i32,
    /// Enforce or audit.
    pub mode: Mode,
    /// Parameters given with it.
    pub params: BTreeMap<String, String>,
}

fn read(row: &Row<'_>) -> Result<PinRow, StoreError> {
    let params: String = row.get(4)?;
    Ok(PinRow {
        number: row.get(0)?,
        revision: row.get(1)?,
        precedence: row.get(2)?,
        mode: row.get(3)?,
        params: serde_json::from_str(&params)
            .map_err(|_| StoreError::Column { column: 4, expected: "a JSON object" })?,
    })
}

/// What was pinned for the target of this assignment and not rolled back since, the oldest first.
pub fn standing(tx: &mut Tx<'_>, assignment: &AssignmentRow) -> Result<Vec<PinRow>, StoreError> {
    tx.query(
        "SELECT number, revision, precedence, mode, params FROM pin
         WHERE profile = $1 AND target_kind = $2 AND target = $3 AND undone IS NULL ORDER BY number",
        &[(&assignment.profile).into(), (&assignment.target_kind).into(), (&assignment.target).into()],
        read,
    )
}

/// Adds what an assignment pins.
pub fn push(tx: &mut Tx<'_>, assignment: &AssignmentRow) -> Result<(), StoreError> {
    let newest: Option<u64> = tx.query_one(
        "SELECT COALESCE(MAX(number), 0) FROM pin WHERE profile = $1 AND target_kind = $2 AND target = $3",
        &[(&assignment.profile).into(), (&assignment.target_kind).into(), (&assignment.target).into()],
        |row| row.get(0),
    )?;
    let params: Param<'_> = Param::Made(serde_json::json!(assignment.params).to_string());
    tx.execute(
        "INSERT INTO pin
             (profile, target_kind, target, number, revision, precedence, mode, params, pinned_by, pinned)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        &[
            (&assignment.profile).into(),
            (&assignment.target_kind).into(),
            (&assignment.target).into(),
            (newest.unwrap_or(0) + 1).into(),
            assignment.revision.into(),
            assignment.precedence.into(),
            assignment.mode.into(),
            params,
            (&assignment.created_by).into(),
            assignment.created.into(),
        ],
    )?;
    Ok(())
}

/// Marks what was pinned after `number` for the target of this assignment as rolled back.
pub fn undo_after(
    tx: &mut Tx<'_>,
    assignment: &AssignmentRow,
    number: u64,
    at: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE pin SET undone = $1
         WHERE profile = $2 AND target_kind = $3 AND target = $4 AND number > $5 AND undone IS NULL",
        &[
            at.into(),
            (&assignment.profile).into(),
            (&assignment.target_kind).into(),
            (&assignment.target).into(),
            number.into(),
        ],
    )?;
    Ok(())
}

/// Forgets what was pinned for the target of an assignment that ended: one made anew goes back to nothing before it.
pub fn forget(tx: &mut Tx<'_>, assignment: &AssignmentRow) -> Result<(), StoreError> {
    tx.execute(
        "DELETE FROM pin WHERE profile = $1 AND target_kind = $2 AND target = $3",
        &[(&assignment.profile).into(), (&assignment.target_kind).into(), (&assignment.target).into()],
    )?;
    Ok(())
}
