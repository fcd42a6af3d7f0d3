//! Rollouts as they are shown.

use std::collections::BTreeMap;

use muster_policy::rights::ViewRight;
use muster_policy::rollout::Verdict;
use muster_proto::Timestamp;
use muster_proto::rest::{
    RolloutCause, RolloutDetail, RolloutDevice, RolloutStanding, RolloutState, RolloutStep, RolloutView,
};
use muster_store::Tx;
use muster_store::rollout::{MemberRow, RolloutRow, Tally};

use super::find;
use super::look::{Look, look, troubles};
use crate::app::assign::{NAMES, target_name};
use crate::app::presence::Presence;
use crate::app::{App, AppError};

/// How many rollouts a list has, the newest of all.
const LIST: u32 = 500;

impl App {
    /// All rollouts, the newest first.
    pub(crate) async fn list_rollouts(&self, _right: &ViewRight) -> Result<Vec<RolloutView>, AppError> {
        let (now, presence) = (self.now(), self.presence().clone());
        self.store()
            .read(move |tx| {
                let rows = muster_store::rollout::list(tx, LIST)?;
                rows.iter().map(|row| view(tx, row, &presence, now)).collect()
            })
            .await
    }

    /// One rollout with its devices.
    pub(crate) async fn show_rollout(
        &self,
        _right: &ViewRight,
        id: String,
    ) -> Result<RolloutDetail, AppError> {
        let (now, presence) = (self.now(), self.presence().clone());
        self.store()
            .read(move |tx| {
                let row = find(tx, &id)?;
                let devices = devices(tx, &row, &presence, now)?;
                Ok(RolloutDetail { rollout: view(tx, &row, &presence, now)?, devices })
            })
            .await
    }
}

/// A rollout as it is shown.
pub(super) fn by_id(
    tx: &mut Tx<'_>,
    id: &str,
    presence: &Presence,
    now: Timestamp,
) -> Result<RolloutView, AppError> {
    let row = find(tx, id)?;
    view(tx, &row, presence, now)
}

fn view(
    tx: &mut Tx<'_>,
    row: &RolloutRow,
    presence: &Presence,
    now: Timestamp,
) -> Result<RolloutView, AppError> {
    let target = target_name(tx, &row.assignment)?;
    let cause: Option<RolloutCause> = row
        .cause
        .as_deref()
        .map(serde_json::from_str)
        .transpose()
        .map_err(|error| AppError::Defect(format!("cause of {}: {error}", row.id)))?;
    let present = if row.ended.is_none() { Some(look(tx, row, presence, now)?) } else { None };
    let steps = steps(tx, row, present.as_ref())?;
    let next_at = match &present {
        Some(Look { verdict: Verdict::Soak(until), cause: None, .. })
            if row.state == RolloutState::Running =>
        {
            Some(*until)
        }
        _ => None,
    };
    let assignment = row.assignment.clone();
    Ok(RolloutView {
        id: row.id.clone(),
        replaces: row.replaces.map(|number| format!("{}@{number}", assignment.profile)),
        profile: assignment.profile,
        revision: assignment.revision.0,
        target,
        mode: assignment.mode,
        state: row.state,
        step: row.step,
        steps,
        soak: row.soak,
        next_at,
        cause,
        created_by: assignment.created_by,
        created: assignment.created,
        ended: row.ended,
        ended_by: row.ended_by.clone(),
    })
}

/// All steps. Those before the present one have left behind who did not answer in time.
fn steps(tx: &mut Tx<'_>, row: &RolloutRow, present: Option<&Look>) -> Result<Vec<RolloutStep>, AppError> {
    let laid: BTreeMap<u32, Tally> =
        muster_store::rollout::tally(tx, &row.id)?.into_iter().map(|tally| (tally.step, tally)).collect();
    let bad: BTreeMap<String, String> = wrong(tx, row, present.is_some())?;
    let mut steps = Vec::new();
    for number in 1..=row.steps {
        let Some(tally) = laid.get(&number) else {
            let devices = if number == row.steps { row.rest } else { 0 };
            steps.push(RolloutStep { number, devices, ..RolloutStep::default() });
            continue;
        };
        let mut step =
            RolloutStep { number, devices: tally.devices, began: tally.began, ..RolloutStep::default() };
        match present {
            Some(look) if number == row.step => count(&mut step, look, &bad),
            _ if tally.began.is_some() => {
                (step.passed, step.failed, step.working) = (tally.passed, tally.failed, tally.working);
                if !bad.is_empty() {
                    take_out(&mut step, &bad, &muster_store::rollout::members(tx, &row.id, number)?);
                }
                step.not_answered = step.devices - step.passed - step.failed - step.working;
            }
            _ => {}
        }
        steps.push(step);
    }
    Ok(steps)
}

/// Counts a device of an earlier step that is not well any more as one that failed, as the list of devices does.
fn take_out(step: &mut RolloutStep, bad: &BTreeMap<String, String>, members: &[MemberRow]) {
    for member in members.iter().filter(|member| bad.contains_key(&member.name)) {
        step.failed += 1;
        step.passed -= u64::from(member.passed.is_some());
    }
}

fn count(step: &mut RolloutStep, look: &Look, bad: &BTreeMap<String, String>) {
    for seen in &look.members {
        match seen.standing {
            _ if bad.contains_key(&seen.row.name) => step.failed += 1,
            RolloutStanding::Passed => step.passed += 1,
            RolloutStanding::Working => step.working += 1,
            _ => step.not_answered += 1,
        }
    }
}

/// What is wrong now, by the name of the device; nothing is asked of a rollout that has ended.
fn wrong(tx: &mut Tx<'_>, row: &RolloutRow, open: bool) -> Result<BTreeMap<String, String>, AppError> {
    if !open {
        return Ok(BTreeMap::new());
    }
    let mut bad = BTreeMap::new();
    for cause in troubles(tx, row)? {
        bad.entry(cause.device).or_insert_with(|| format!("{} {}", cause.subject, cause.error));
    }
    Ok(bad)
}

/// How a device of a rollout stands, or stood when the rollout ended.
pub(super) struct Stands {
    pub(super) row: MemberRow,
    pub(super) standing: RolloutStanding,
    /// What is wrong there.
    pub(super) trouble: Option<String>,
}

/// How at most `limit` devices of a rollout stand, in the order of steps.
pub(super) fn standings(
    tx: &mut Tx<'_>,
    row: &RolloutRow,
    presence: &Presence,
    limit: u32,
    now: Timestamp,
) -> Result<Vec<Stands>, AppError> {
    let open = row.ended.is_none();
    let mut present = BTreeMap::new();
    if open {
        present.extend(look(tx, row, presence, now)?.members.into_iter().map(|s| (s.row.device, s.standing)));
    }
    let mut bad = wrong(tx, row, open)?;
    let mut members = muster_store::rollout::newest_members(tx, &row.id, limit)?;
    // Who was not reached when it ended waits for nothing any more.
    members.retain(|member| open || member.given.is_some());
    let stands = |mut row: MemberRow| {
        let trouble = bad.remove(&row.name).or_else(|| row.trouble.take());
        let standing = match (present.get(&row.device), row.given, row.passed) {
            _ if trouble.is_some() => RolloutStanding::Failed,
            (Some(standing), _, _) => *standing,
            (None, None, _) => RolloutStanding::Waiting,
            (None, Some(_), Some(_)) => row.stood.unwrap_or(RolloutStanding::Passed),
            (None, Some(_), None) => row.stood.unwrap_or(RolloutStanding::NotAnswered),
        };
        Stands { row, standing, trouble }
    };
    Ok(members.into_iter().map(stands).collect())
}

fn devices(
    tx: &mut Tx<'_>,
    row: &RolloutRow,
    presence: &Presence,
    now: Timestamp,
) -> Result<Vec<RolloutDevice>, AppError> {
    let limit = u32::try_from(NAMES).unwrap_or(u32::MAX);
    let shown = |Stands { row, standing, trouble }| RolloutDevice {
        device: row.name,
        step: row.step,
        standing,
        trouble,
        given: row.given,
        passed: row.passed,
    };
    Ok(standings(tx, row, presence, limit, now)?.into_iter().map(shown).collect())
}
