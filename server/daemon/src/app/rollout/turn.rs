//! Takes rollouts on: stops them, or begins the next step, or makes them an assignment like any other.

use muster_policy::rollout::Verdict;
use muster_proto::Timestamp;
use muster_proto::rest::{RolloutCause, RolloutState};
use muster_store::Tx;
use muster_store::rollout::RolloutRow;
use serde_json::json;

use super::look::{Look, look};
use super::named;
use crate::app::assign::{put_in_place, reached};
use crate::app::audit::{self, Act};
use crate::app::presence::Presence;
use crate::app::{App, AppError, recompile};

/// Who takes rollouts on, in the audit.
const ACTOR: &str = "server";

/// Whether any rollout runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Running {
    /// None does.
    None,
    /// Some do; the first thing that time alone brings about is due then.
    Some(Option<Timestamp>),
}

impl App {
    /// Looks at each rollout that runs, and takes it on as far as what is recorded lets it go.
    pub(crate) async fn turn_rollouts(&self) -> Result<Running, AppError> {
        let (now, presence) = (self.now(), self.presence().clone());
        let found = {
            let presence = presence.clone();
            self.store().read(move |tx| survey(tx, &presence, now)).await?
        };
        if found.settled {
            return Ok(found.running);
        }
        self.store()
            .write(move |tx| {
                for row in running(tx)? {
                    let look = look(tx, &row, &presence, now)?;
                    take_on(tx, &row, &look, &presence, now)?;
                }
                Ok::<_, AppError>(survey(tx, &presence, now)?.running)
            })
            .await
    }
}

struct Survey {
    running: Running,
    /// Whether nothing is to be written.
    settled: bool,
}

fn survey(tx: &mut Tx<'_>, presence: &Presence, now: Timestamp) -> Result<Survey, AppError> {
    let (mut due, mut settled, rows) = (None, true, running(tx)?);
    for row in &rows {
        let look = look(tx, row, presence, now)?;
        let new = look.members.iter().any(|seen| seen.has_passed() || seen.generation.is_some());
        settled &= look.cause.is_none() && look.verdict != Verdict::Pass && !new;
        if let Verdict::Soak(until) = look.verdict {
            due = Some(due.map_or(until, |due: Timestamp| due.min(until)));
        }
    }
    let running = if rows.is_empty() { Running::None } else { Running::Some(due) };
    Ok(Survey { running, settled })
}

fn running(tx: &mut Tx<'_>) -> Result<Vec<RolloutRow>, AppError> {
    let mut rows = muster_store::rollout::open(tx)?;
    rows.retain(|row| row.state == RolloutState::Running);
    Ok(rows)
}

fn take_on(
    tx: &mut Tx<'_>,
    row: &RolloutRow,
    look: &Look,
    presence: &Presence,
    now: Timestamp,
) -> Result<(), AppError> {
    for seen in &look.members {
        if let Some(generation) = seen.generation {
            muster_store::rollout::set_generation(tx, &row.id, seen.row.device, generation)?;
        }
        // Who is well beside one that failed is judged anew when the rollout is resumed.
        if seen.has_passed() && look.cause.is_none() {
            muster_store::rollout::set_passed(tx, &row.id, seen.row.device, now)?;
        }
    }
    match (&look.cause, look.verdict) {
        (Some(cause), _) => stop(tx, row, cause, now),
        (None, Verdict::Pass) if row.in_last_step() => finish(tx, row, now),
        (None, Verdict::Pass) => begin_step(tx, row, row.step + 1, presence, now),
        (None, Verdict::Wait | Verdict::Soak(_)) => Ok(()),
    }
}

fn stop(tx: &mut Tx<'_>, row: &RolloutRow, cause: &RolloutCause, at: Timestamp) -> Result<(), AppError> {
    let detail = json!({"rollout": named(row), "step": row.step, "cause": cause});
    muster_store::rollout::set_running(tx, &row.id, Some(&json!(cause).to_string()))?;
    audit::write(tx, Act { at, actor: ACTOR, action: "rollout.stop" }, &row.id, detail)?;
    Ok(())
}

/// Gives the devices of a step the revision.
pub(super) fn begin_step(
    tx: &mut Tx<'_>,
    row: &RolloutRow,
    step: u32,
    presence: &Presence,
    at: Timestamp,
) -> Result<(), AppError> {
    let mut row = row.clone();
    row.step = step;
    muster_store::rollout::set_step(tx, &row.id, step)?;
    if row.in_last_step() {
        let all = reached(tx, &recompile::assignment(&row.assignment)?.target)?;
        muster_store::rollout::lay_down(tx, &row.id, step, &all)?;
    }
    let members = muster_store::rollout::members(tx, &row.id, step)?;
    let mut devices = Vec::with_capacity(members.len());
    for member in members {
        let online = presence.is_connected(member.device);
        muster_store::rollout::give(tx, &row.id, member.device, at, online)?;
        devices.push(member.device);
    }
    recompile::devices(tx, &devices, at)?;
    let detail = json!({"rollout": named(&row), "step": step, "steps": row.steps, "devices": devices.len()});
    audit::write(tx, Act { at, actor: ACTOR, action: "rollout.step" }, &row.id, detail)?;
    Ok(())
}

/// Makes it an assignment. States stay as they are, since it holds for the whole target already and keeps its id.
fn finish(tx: &mut Tx<'_>, row: &RolloutRow, at: Timestamp) -> Result<(), AppError> {
    let new = &row.assignment;
    let mut replaced = muster_store::assignment::list(tx)?;
    replaced.retain(|old| {
        (&old.profile, &old.target_kind, &old.target) == (&new.profile, &new.target_kind, &new.target)
    });
    muster_store::rollout::end(tx, &row.id, RolloutState::Done, ACTOR, at)?;
    put_in_place(tx, new, &replaced, ACTOR, at)?;
    let detail = json!({"rollout": named(row), "assignment": new.id});
    audit::write(tx, Act { at, actor: ACTOR, action: "rollout.done" }, &row.id, detail)?;
    Ok(())
}
