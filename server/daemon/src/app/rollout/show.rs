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
    })
}

/// All steps. Those before the present one have left behind who did not answer in time.
fn steps(tx: &mut Tx<'_>, row: &RolloutRow, present: Option<&Look>) -> Result<Vec<RolloutStep>, AppError> {
    let laid: BTreeMap<u32, Tally> =
        muster_store::rollout::tally(tx, &row.id)?.into_iter().map(|tally| (tally.step, tally)).collect();
    let bad: BTreeMap<String, String> = wrong(tx, row, present.is_some())?;
    let shown = |number: u32| {
        let Some(tally) = laid.get(&number) else {
            let devices = if number == row.steps { row.rest } else { 0 };
            return RolloutStep { number, devices, ..RolloutStep::default() };
        };
        let mut step =
            RolloutStep { number, devices: tally.devices, began: tally.began, ..RolloutStep::default() };
        match present {
            Some(look) if number == row.step => count(&mut step, look, &bad),
            _ if tally.began.is_some() => {
                step.passed = tally.passed;
                step.not_answered = tally.devices - tally.passed;
            }
            _ => {}
        }
        step
    };
    Ok((1..=row.steps).map(shown).collect())
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

fn devices(
    tx: &mut Tx<'_>,
    row: &RolloutRow,
    presence: &Presence,
    now: Timestamp,
) -> Result<Vec<RolloutDevice>, AppError> {
    let open = row.ended.is_none();
    let mut present = BTreeMap::new();
    if open {
        present.extend(look(tx, row, presence, now)?.members.into_iter().map(|s| (s.row.device, s.standing)));
    }
    let mut bad = wrong(tx, row, open)?;
    let limit = u32::try_from(NAMES).unwrap_or(u32::MAX);
    let members = muster_store::rollout::newest_members(tx, &row.id, limit)?;
    let shown = |member: MemberRow| {
        let trouble = bad.remove(&member.name);
        let standing = match (present.get(&member.device), member.given, member.passed) {
            _ if trouble.is_some() => RolloutStanding::Failed,
            (Some(standing), _, _) => *standing,
            (None, None, _) => RolloutStanding::Waiting,
            (None, Some(_), Some(_)) => RolloutStanding::Passed,
            (None, Some(_), None) => RolloutStanding::NotAnswered,
        };
        RolloutDevice {
            device: member.name,
            step: member.step,
            standing,
            trouble,
            given: member.given,
            passed: member.passed,
        }
    };
    Ok(members.into_iter().map(shown).collect())
}
