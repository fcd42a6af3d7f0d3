//! Takes rollouts back.

use std::collections::BTreeSet;

use muster_proto::rest::{Rollback, RollbackResult, RolledBack, RolloutStanding, RolloutState};
use muster_proto::{DeviceId, Digest, Timestamp};
use muster_store::Tx;
use muster_store::assignment::AssignmentRow;
use muster_store::device::DeviceRow;
use muster_store::rollout::RolloutRow;
use serde_json::json;

use super::{named, share_out, show};
use crate::app::assign::{conflicts, reached, read_target, target_name};
use crate::app::audit::{self, Act};
use crate::app::import::Trial;
use crate::app::presence::Presence;
use crate::app::rollback::{moves, refuse_another};
use crate::app::{AppError, hold, recompile};

/// Takes a rollout back, and compiles anew what it gave to devices. How these stood is written down first, as nothing is asked of
/// them for it any more.
pub(super) fn cancel(
    tx: &mut Tx<'_>,
    row: &RolloutRow,
    presence: &Presence,
    act: Act<'_>,
) -> Result<(), AppError> {
    for seen in show::standings(tx, row, presence, u32::MAX, act.at)? {
        let device = seen.row.device;
        match seen.standing {
            RolloutStanding::Waiting => {}
            RolloutStanding::Passed => muster_store::rollout::set_passed(tx, &row.id, device, act.at)?,
            stood => muster_store::rollout::set_stood(tx, &row.id, device, stood, seen.trouble.as_deref())?,
        }
    }
    let devices = having(tx, row)?;
    muster_store::rollout::end(tx, &row.id, RolloutState::Cancelled, act.actor, act.at)?;
    let changed = recompile::devices(tx, &devices, act.at)?;
    let detail = json!({"rollout": named(row), "step": row.step, "steps": row.steps, "devices": changed});
    audit::write(tx, act, &row.id, detail)?;
    Ok(())
}

/// The devices that may have what a rollout brings.
fn having(tx: &mut Tx<'_>, row: &RolloutRow) -> Result<Vec<DeviceId>, AppError> {
    let mut devices: BTreeSet<_> = muster_store::rollout::given(tx, &row.id)?.into_iter().collect();
    if row.in_last_step() {
        devices.extend(reached(tx, &recompile::assignment(&row.assignment)?.target)?);
    }
    Ok(devices.into_iter().collect())
}

/// A rollback of a profile with open rollouts takes these back and nothing else; `None` when it has none.
pub(in crate::app) fn roll_back(
    tx: &mut Tx<'_>,
    profile: &str,
    request: &Rollback,
    presence: &Presence,
    actor: &str,
    trial: Trial,
    now: Timestamp,
) -> Result<Option<RollbackResult>, AppError> {
    let mut open = muster_store::rollout::open(tx)?;
    let on = request.on.as_deref().map(|target| read_target(tx, target)).transpose()?;
    open.retain(|RolloutRow { assignment, .. }| {
        assignment.profile == profile
            && on
                .as_ref()
                .is_none_or(|(kind, at)| (&assignment.target_kind, &assignment.target) == (kind, at))
    });
    let Some(first) = open.first() else { return Ok(None) };
    if request.to.is_some() {
        return Err(AppError::Taken(format!(
            "the rollout {} of {} is under way: take it back first with muster rollout cancel {0}",
            first.id,
            named(first)
        )));
    }
    let result = preview(tx, profile, &open, now)?;
    if trial == Trial::Dry {
        return Ok(Some(result));
    }
    refuse_another(profile, request, &result.plan)?;
    if !result.conflicts.is_empty() {
        return Err(AppError::Conflicts(result.conflicts));
    }
    for row in &open {
        cancel(tx, row, presence, Act { at: now, actor, action: "rollout.cancel" })?;
    }
    Ok(Some(result))
}

fn preview(
    tx: &mut Tx<'_>,
    profile: &str,
    open: &[RolloutRow],
    now: Timestamp,
) -> Result<RollbackResult, AppError> {
    let before = recompile::assignments(tx)?;
    let after = without(tx, open)?;
    let mut ids = BTreeSet::new();
    let mut assignments = Vec::new();
    for row in open {
        ids.extend(having(tx, row)?);
        if let Some(to) = row.replaces {
            let target = target_name(tx, &row.assignment)?;
            let follows = followed(tx, row)?;
            assignments.push(RolledBack { target, from: row.assignment.revision.0, to: to.0, follows });
        }
    }
    let mut devices: Vec<DeviceRow> = Vec::new();
    for id in ids {
        devices.extend(muster_store::device::get(tx, id)?);
    }
    let moves = moves(tx, profile, &devices, &before, &after)?;
    let plan = json!([
        open.iter().map(|row| json!([row.id, row.step])).collect::<Vec<_>>(),
        moves.iter().map(|m| json!([m.from, m.to, m.names])).collect::<Vec<_>>(),
    ]);
    Ok(RollbackResult {
        profile: profile.to_owned(),
        assignments,
        conflicts: conflicts(tx, &devices, &after, profile, now)?,
        warnings: hold::warnings(tx, &devices, now)?,
        moves,
        plan: Digest::of(plan.to_string().as_bytes()).to_string(),
    })
}

/// Whether what a rollout was to replace follows its profile.
fn followed(tx: &mut Tx<'_>, row: &RolloutRow) -> Result<bool, AppError> {
    let new = &row.assignment;
    let is_old = |old: &AssignmentRow| {
        (&old.profile, &old.target_kind, &old.target) == (&new.profile, &new.target_kind, &new.target)
    };
    Ok(muster_store::assignment::list(tx)?.iter().any(|old| is_old(old) && old.follows))
}

/// All assignments as they would be without these rollouts.
fn without(
    tx: &mut Tx<'_>,
    rollouts: &[RolloutRow],
) -> Result<Vec<muster_policy::assign::Assignment>, AppError> {
    let mut all =
        muster_store::assignment::list(tx)?.iter().map(recompile::assignment).collect::<Result<_, _>>()?;
    let others = |row: &RolloutRow| rollouts.iter().all(|gone| gone.id != row.id);
    let open: Vec<_> = muster_store::rollout::open(tx)?.into_iter().filter(others).collect();
    share_out(tx, &mut all, &open)?;
    Ok(all)
}
