//! Rollouts: an assignment that reaches its devices step by step, each step gated by what became of the one before.
//!
//! Until it is done a rollout is no assignment: what it brings holds for the devices of the steps so far, and what was
//! assigned before holds for all others, [`share`] says how. So taking it back is to forget it, and no device ever has two
//! revisions of it or none. [`look`] judges a step, [`turn`] does what follows from that, and [`drive`] turns whenever
//! something changed. [`back`] takes rollouts back, [`show`] shows them.

use muster_policy::rights::AdminRight;
use muster_policy::rollout::{self, Candidate};
use muster_proto::Timestamp;
use muster_proto::rest::{NewRollout, RolloutState, RolloutView, StepSize, TroubleKind};
use muster_store::Tx;
use muster_store::assignment::AssignmentRow;
use muster_store::rollout::RolloutRow;
use serde_json::json;

use super::assign::{Preview, describe, preview, target_name};
use super::audit::{self, Act};
use super::hold::Holds;
use super::presence::Presence;
use super::{App, AppError, detail, recompile, secret};

mod back;
mod drive;
mod look;
mod share;
mod show;
mod turn;

pub(super) use back::roll_back;
pub(super) use share::share_out;

/// What the steps before the last are when nobody says: one device, then a tenth.
const SIZES: [StepSize; 2] = [StepSize::Devices(1), StepSize::Percent(10)];
/// The most steps before the last.
const MAX_SIZES: usize = 20;
/// Ten minutes: a service that falls over under its first load has done so by then.
const SOAK: u64 = 600;
/// The longest soak: thirty days.
const LONGEST_SOAK: u64 = 30 * 86_400;

impl App {
    /// Starts a rollout: its first step begins at once.
    pub(crate) async fn start_rollout(
        &self,
        right: &AdminRight,
        request: NewRollout,
    ) -> Result<RolloutView, AppError> {
        let (at, actor, presence) = (self.now(), right.actor().to_owned(), self.presence().clone());
        let (sizes, soak) = terms(&request)?;
        self.store()
            .write(move |tx| {
                if request.assignment.follow {
                    return Err(AppError::Invalid(
                        "follow: a rollout brings one revision step by step; to take each one at once, assign with follow and \
                         without a rollout"
                            .to_owned(),
                    ));
                }
                let preview = preview(tx, &request.assignment, &actor, at)?;
                if !preview.conflicts.is_empty() {
                    return Err(AppError::Conflicts(preview.conflicts));
                }
                let id = secret::id("ro-");
                let candidates = candidates(tx, &preview, &presence, at)?;
                let steps = rollout::lay_down(&id, &candidates, &sizes);
                let row = RolloutRow {
                    id,
                    assignment: preview.row,
                    replaces: preview.replaced.first().map(|replaced| replaced.revision),
                    soak,
                    state: RolloutState::Running,
                    step: 1,
                    steps: u32::try_from(steps.first.len() + 1).unwrap_or(u32::MAX),
                    rest: steps.rest as u64,
                    cause: None,
                    ended: None,
                    ended_by: None,
                };
                muster_store::rollout::insert(tx, &row)?;
                for (number, devices) in (1..).zip(&steps.first) {
                    muster_store::rollout::lay_down(tx, &row.id, number, devices)?;
                }
                let act = Act { at, actor: &actor, action: "rollout.start" };
                let sizes: Vec<_> = sizes.iter().map(ToString::to_string).collect();
                let detail = json!({"assignment": describe(&row.assignment), "sizes": sizes, "soak": soak});
                audit::write(tx, act, &row.id, detail)?;
                turn::begin_step(tx, &row, 1, &presence, at)?;
                show::by_id(tx, &row.id, &presence, at)
            })
            .await
    }

    /// Lets a stopped rollout go on; refused while what stopped it is still so. The devices of the step soak anew.
    pub(crate) async fn resume_rollout(
        &self,
        right: &AdminRight,
        id: String,
    ) -> Result<RolloutView, AppError> {
        let (at, actor, presence) = (self.now(), right.actor().to_owned(), self.presence().clone());
        self.store()
            .write(move |tx| {
                let row = find(tx, &id)?;
                if row.state != RolloutState::Stopped {
                    let state = word(row.state);
                    return Err(AppError::Invalid(format!(
                        "{id} is {state}, and only what stopped can be resumed: see muster rollout show {id}"
                    )));
                }
                if let Some(cause) = look::trouble(tx, &row)? {
                    let accept = match cause.kind {
                        TroubleKind::Check => format!(", accept it with muster waiver add {}", cause.subject),
                        TroubleKind::Failed | TroubleKind::Blocked => String::new(),
                    };
                    return Err(AppError::Taken(format!(
                        "{id} would stop again at once, as {} still has {}: {}; mend that first{accept}, or take it back \
                         with muster rollout cancel {id}",
                        cause.device, cause.subject, cause.error
                    )));
                }
                muster_store::rollout::clear_passed(tx, &id, row.step)?;
                muster_store::rollout::set_running(tx, &id, None)?;
                let act = Act { at, actor: &actor, action: "rollout.resume" };
                audit::write(tx, act, &id, json!({"step": row.step}))?;
                show::by_id(tx, &id, &presence, at)
            })
            .await
    }

    /// Takes back what the steps of a rollout gave: its devices have again what was assigned before.
    pub(crate) async fn cancel_rollout(
        &self,
        right: &AdminRight,
        id: String,
    ) -> Result<RolloutView, AppError> {
        let (at, actor, presence) = (self.now(), right.actor().to_owned(), self.presence().clone());
        self.store()
            .write(move |tx| {
                let row = find(tx, &id)?;
                if row.ended.is_some() {
                    return Err(AppError::Invalid(format!(
                        "{id} is {}: muster rollback {} takes an assignment back",
                        word(row.state),
                        row.assignment.profile
                    )));
                }
                back::cancel(tx, &row, &presence, Act { at, actor: &actor, action: "rollout.cancel" })?;
                show::by_id(tx, &id, &presence, at)
            })
            .await
    }
}

/// The devices that the rollout would bring something. What something narrower takes the place of, or a pause holds back, would
/// prove nothing in an early step.
fn candidates(
    tx: &mut Tx<'_>,
    preview: &Preview,
    presence: &Presence,
    now: Timestamp,
) -> Result<Vec<Candidate>, AppError> {
    let holds = Holds::read(tx, now)?;
    let mut candidates = Vec::new();
    for row in &preview.devices {
        let compiled = recompile::compiled(tx, row, &preview.all, now)?;
        let reached = compiled
            .next
            .as_ref()
            .is_some_and(|next| next.revisions.iter().any(|applied| applied.assignment == preview.row.id));
        if reached {
            let ready = presence.is_connected(row.id)
                && holds.pause(row, &compiled).is_none()
                && muster_store::held::changes(tx, row.id)?.is_none()
                && detail::paused_there(tx, row.id)?.is_none();
            candidates.push(Candidate { device: row.id, ready });
        }
    }
    Ok(candidates)
}

/// The sizes of the steps before the last, and the soak.
fn terms(request: &NewRollout) -> Result<(Vec<StepSize>, u64), AppError> {
    let sizes = request.steps.clone().unwrap_or_else(|| SIZES.to_vec());
    if sizes.is_empty() || sizes.len() > MAX_SIZES {
        return Err(AppError::Invalid(format!("steps: expected one to {MAX_SIZES} before the last")));
    }
    let soak = request.soak.unwrap_or(SOAK);
    if soak > LONGEST_SOAK {
        return Err(AppError::Invalid("soak: expected at most thirty days".to_owned()));
    }
    Ok((sizes, soak))
}

fn find(tx: &mut Tx<'_>, id: &str) -> Result<RolloutRow, AppError> {
    muster_store::rollout::get(tx, id)?.ok_or_else(|| AppError::not_found("rollout", id))
}

fn word(state: RolloutState) -> &'static str {
    match state {
        RolloutState::Running => "running",
        RolloutState::Stopped => "stopped",
        RolloutState::Done => "done",
        RolloutState::Cancelled => "cancelled",
    }
}

/// Refuses to touch what a rollout is about to take the place of: nobody could say what a device has afterwards.
pub(super) fn refuse_open(tx: &mut Tx<'_>, row: &AssignmentRow) -> Result<(), AppError> {
    let same = |open: &RolloutRow| {
        (&open.assignment.profile, &open.assignment.target_kind, &open.assignment.target)
            == (&row.profile, &row.target_kind, &row.target)
    };
    let Some(open) = muster_store::rollout::open(tx)?.into_iter().find(same) else { return Ok(()) };
    let target = target_name(tx, row)?;
    Err(AppError::Taken(format!(
        "a rollout of {}@{} to {target} is {} in step {} of {}: wait for it, or take it back with muster rollout cancel {}",
        open.assignment.profile,
        open.assignment.revision,
        word(open.state),
        open.step,
        open.steps,
        open.id
    )))
}

/// What a rollout brings, such as `base@4`.
fn named(row: &RolloutRow) -> String {
    format!("{}@{}", row.assignment.profile, row.assignment.revision)
}
