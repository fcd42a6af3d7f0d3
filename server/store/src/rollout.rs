//! Rollouts: assignments that are under way to their devices.

use muster_proto::rest::RolloutState;
use muster_proto::{RevisionNumber, Timestamp};

use crate::assignment::AssignmentRow;
use crate::value::Param;
use crate::{Change, Row, StoreError, Tx};

mod member;
mod trouble;

pub use member::{
    MemberRow, Tally, clear_passed, give, given, lay_down, members, newest_members, set_generation,
    set_passed, set_stood, tally,
};
pub use trouble::{WrongCheck, WrongOutcome, wrong_checks, wrong_outcomes};

/// A rollout as stored.
#[derive(Clone, Debug)]
pub struct RolloutRow {
    /// Its id.
    pub id: String,
    /// What becomes an assignment when it is done.
    pub assignment: AssignmentRow,
    /// The revision that was assigned to the target when it began.
    pub replaces: Option<RevisionNumber>,
    /// Seconds for which all is to be well before the next step.
    pub soak: u64,
    /// Where it is.
    pub state: RolloutState,
    /// The step that it is in, from 1.
    pub step: u32,
    /// How many steps there are.
    pub steps: u32,
    /// How many devices were left for the last step when it was laid down.
    pub rest: u64,
    /// JSON `RolloutCause`: why it stopped.
    pub cause: Option<String>,
    /// When it was done or cancelled.
    pub ended: Option<Timestamp>,
    /// By whom; unknown of those that ended before it was written down.
    pub ended_by: Option<String>,
}

impl RolloutRow {
    /// Whether it is in the step that has all devices that are left.
    pub fn in_last_step(&self) -> bool {
        self.step >= self.steps
    }
}

const SELECT: &str = "SELECT o.id, o.assignment, o.profile, o.revision, r.digest, o.target_kind, o.target,
    o.precedence, o.mode, o.params, o.created_by, o.created, o.replaces, o.soak, o.state, o.step, o.steps, o.rest,
    o.cause, o.ended, o.ended_by
    FROM rollout o JOIN revision r ON r.profile = o.profile AND r.number = o.revision";

fn read(row: &Row<'_>) -> Result<RolloutRow, StoreError> {
    let params: String = row.get(9)?;
    let assignment = AssignmentRow {
        id: row.get(1)?,
        profile: row.get(2)?,
        revision: row.get(3)?,
        digest: row.get(4)?,
        target_kind: row.get(5)?,
        target: row.get(6)?,
        precedence: row.get(7)?,
        mode: row.get(8)?,
        params: serde_json::from_str(&params)
            .map_err(|_| StoreError::Column { column: 9, expected: "a JSON object" })?,
        // One revision is brought step by step; whoever takes each one at once can't ask for that too.
        follows: false,
        created_by: row.get(10)?,
        created: row.get(11)?,
    };
    Ok(RolloutRow {
        id: row.get(0)?,
        assignment,
        replaces: row.get(12)?,
        soak: row.get(13)?,
        state: row.get(14)?,
        step: row.get(15)?,
        steps: row.get(16)?,
        rest: row.get(17)?,
        cause: row.get(18)?,
        ended: row.get(19)?,
        ended_by: row.get(20)?,
    })
}

/// The rollout with this id.
pub fn get(tx: &mut Tx<'_>, id: &str) -> Result<Option<RolloutRow>, StoreError> {
    tx.query_one(&format!("{SELECT} WHERE o.id = $1"), &[id.into()], read)
}

/// The newest first, at most `limit`.
pub fn list(tx: &mut Tx<'_>, limit: u32) -> Result<Vec<RolloutRow>, StoreError> {
    tx.query(&format!("{SELECT} ORDER BY o.created DESC, o.id LIMIT $1"), &[limit.into()], read)
}

/// Those that are neither done nor cancelled, the oldest first.
pub fn open(tx: &mut Tx<'_>) -> Result<Vec<RolloutRow>, StoreError> {
    tx.query(&format!("{SELECT} WHERE o.state IN ('running', 'stopped') ORDER BY o.created, o.id"), &[], read)
}

/// Adds a rollout.
pub fn insert(tx: &mut Tx<'_>, rollout: &RolloutRow) -> Result<(), StoreError> {
    let assignment = &rollout.assignment;
    let params: Param<'_> = Param::Made(serde_json::json!(assignment.params).to_string());
    tx.execute(
        "INSERT INTO rollout
             (id, assignment, profile, revision, target_kind, target, precedence, mode, params, created_by, created,
              replaces, soak, state, step, steps, rest)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
        &[
            (&rollout.id).into(),
            (&assignment.id).into(),
            (&assignment.profile).into(),
            assignment.revision.into(),
            (&assignment.target_kind).into(),
            (&assignment.target).into(),
            assignment.precedence.into(),
            assignment.mode.into(),
            params,
            (&assignment.created_by).into(),
            assignment.created.into(),
            rollout.replaces.into(),
            rollout.soak.into(),
            rollout.state.into(),
            rollout.step.into(),
            rollout.steps.into(),
            rollout.rest.into(),
        ],
    )?;
    tx.tell(Change::Rollout(rollout.id.clone()));
    Ok(())
}

/// Writes down which step it is in.
pub fn set_step(tx: &mut Tx<'_>, id: &str, step: u32) -> Result<(), StoreError> {
    tx.execute("UPDATE rollout SET step = $1 WHERE id = $2", &[step.into(), id.into()])?;
    tx.tell(Change::Rollout(id.to_owned()));
    Ok(())
}

/// Writes down that it runs, or that it stopped and why.
pub fn set_running(tx: &mut Tx<'_>, id: &str, cause: Option<&str>) -> Result<(), StoreError> {
    let state = if cause.is_some() { RolloutState::Stopped } else { RolloutState::Running };
    tx.execute(
        "UPDATE rollout SET state = $1, cause = $2 WHERE id = $3",
        &[state.into(), cause.into(), id.into()],
    )?;
    tx.tell(Change::Rollout(id.to_owned()));
    Ok(())
}

/// Writes down that it is done or cancelled, and by whom. What stopped it is kept.
pub fn end(
    tx: &mut Tx<'_>,
    id: &str,
    state: RolloutState,
    by: &str,
    at: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE rollout SET state = $1, ended = $2, ended_by = $3 WHERE id = $4",
        &[state.into(), at.into(), by.into(), id.into()],
    )?;
    tx.tell(Change::Rollout(id.to_owned()));
    Ok(())
}
