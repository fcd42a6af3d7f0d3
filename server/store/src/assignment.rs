//! Assignments: which revision holds for which devices.

use std::collections::BTreeMap;

use muster_proto::state::Mode;
use muster_proto::{Digest, RevisionNumber, Timestamp};

use crate::value::Param;
use crate::{Change, Row, StoreError, Tx};

/// An assignment as stored, with the document of the revision it pins.
#[derive(Clone, Debug)]
pub struct AssignmentRow {
    /// Its id.
    pub id: String,
    /// The profile.
    pub profile: String,
    /// The revision it pins.
    pub revision: RevisionNumber,
    /// That revision's document.
    pub digest: Digest,
    /// `device`, `label` or `everyone`.
    pub target_kind: String,
    /// A device's id, a label, or nothing.
    pub target: String,
    /// Higher wins.
    pub precedence: i32,
    /// Enforce or audit.
    pub mode: Mode,
    /// Parameters it gives.
    pub params: BTreeMap<String, String>,
    /// Whether it takes each revision that is saved after it.
    pub follows: bool,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created: Timestamp,
}

const SELECT: &str =
    "SELECT a.id, a.profile, a.revision, r.digest, a.target_kind, a.target, a.precedence, a.mode,
    a.params, a.follows, a.created_by, a.created
    FROM assignment a JOIN revision r ON r.profile = a.profile AND r.number = a.revision";

fn read(row: &Row<'_>) -> Result<AssignmentRow, StoreError> {
    let params: String = row.get(8)?;
    Ok(AssignmentRow {
        id: row.get(0)?,
        profile: row.get(1)?,
        revision: row.get(2)?,
        digest: row.get(3)?,
        target_kind: row.get(4)?,
        target: row.get(5)?,
        precedence: row.get(6)?,
        mode: row.get(7)?,
        params: serde_json::from_str(&params)
            .map_err(|_| StoreError::Column { column: 8, expected: "a JSON object" })?,
        follows: row.get(9)?,
        created_by: row.get(10)?,
        created: row.get(11)?,
    })
}

/// The assignment with this id.
pub fn get(tx: &mut Tx<'_>, id: &str) -> Result<Option<AssignmentRow>, StoreError> {
    tx.query_one(&format!("{SELECT} WHERE a.id = $1"), &[id.into()], read)
}

/// All of them, the oldest first. There are as many as an admin made by hand: hundreds, not millions.
pub fn list(tx: &mut Tx<'_>) -> Result<Vec<AssignmentRow>, StoreError> {
    tx.query(&format!("{SELECT} ORDER BY a.created, a.id"), &[], read)
}

/// Adds an assignment.
pub fn insert(tx: &mut Tx<'_>, assignment: &AssignmentRow) -> Result<(), StoreError> {
    let params: Param<'_> = Param::Made(serde_json::json!(assignment.params).to_string());
    tx.execute(
        "INSERT INTO assignment
             (id, profile, revision, target_kind, target, precedence, mode, params, follows, created_by, created)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        &[
            (&assignment.id).into(),
            (&assignment.profile).into(),
            assignment.revision.into(),
            (&assignment.target_kind).into(),
            (&assignment.target).into(),
            assignment.precedence.into(),
            assignment.mode.into(),
            params,
            assignment.follows.into(),
            (&assignment.created_by).into(),
            assignment.created.into(),
        ],
    )?;
    tx.tell(Change::Assignment(assignment.id.clone()));
    Ok(())
}

/// Takes an assignment away.
pub fn remove(tx: &mut Tx<'_>, id: &str) -> Result<(), StoreError> {
    tx.execute("DELETE FROM assignment WHERE id = $1", &[id.into()])?;
    tx.tell(Change::Assignment(id.to_owned()));
    Ok(())
}
