//! Rolls a profile back: every assignment of it pins again what it pinned before, or a named revision.

use std::collections::{BTreeMap, BTreeSet};

use muster_policy::assign::{self, Assignment};
use muster_policy::rights::AdminRight;
use muster_policy::rollback::{self, Goal, Pin, Step};
use muster_proto::rest::{ConflictView, RevisionMove, Rollback, RollbackResult, RolledBack};
use muster_proto::{Digest, ProfileName, RevisionNumber, Timestamp};
use muster_store::Tx;
use muster_store::assignment::AssignmentRow;
use muster_store::device::DeviceRow;
use muster_store::pin::PinRow;
use serde_json::json;

use super::assign::{NAMES, conflicts, reached, read_profile, read_target, target_name};
use super::audit::{self, Act};
use super::import::Trial;
use super::{App, AppError, artifact, hold, profile, recompile, rollout, secret};

/// One assignment that goes back.
struct Turn {
    old: AssignmentRow,
    new: AssignmentRow,
    target: String,
    /// The pin that it goes back to, if it ever had this one.
    back_to: Option<u64>,
}

/// What a rollback would do.
struct Preview {
    turns: Vec<Turn>,
    devices: Vec<DeviceRow>,
    moves: Vec<RevisionMove>,
    conflicts: Vec<ConflictView>,
    warnings: Vec<String>,
}

impl App {
    /// Takes every assignment of a profile back, or the one to the target that is asked for, and compiles the states of the devices it reaches anew; all or nothing.
    /// While rollouts of the profile are open, it is these that are taken back, and nothing else.
    pub(crate) async fn roll_back(
        &self,
        right: &AdminRight,
        profile: String,
        request: Rollback,
        trial: Trial,
    ) -> Result<RollbackResult, AppError> {
        let (now, actor, presence) = (self.now(), right.actor().to_owned(), self.presence().clone());
        let run = move |tx: &mut Tx<'_>| -> Result<RollbackResult, AppError> {
            if let Some(result) = rollout::roll_back(tx, &profile, &request, &presence, &actor, trial, now)? {
                return Ok(result);
            }
            let preview = preview(tx, &profile, &request, &actor, now)?;
            let plan = preview.plan();
            if trial == Trial::Dry {
                return Ok(preview.result(profile, plan));
            }
            refuse_another(&profile, &request, &plan)?;
            if !preview.conflicts.is_empty() {
                return Err(AppError::Conflicts(preview.conflicts));
            }
            preview.carry_out(tx, &profile, Act { at: now, actor: &actor, action: "profile.rollback" })?;
            Ok(preview.result(profile, plan))
        };
        match trial {
            Trial::Dry => self.store().read(run).await,
            Trial::Real => self.store().write(run).await,
        }
    }
}

/// Refused when an admin agreed to something else than `plan`.
pub(super) fn refuse_another(profile: &str, request: &Rollback, plan: &str) -> Result<(), AppError> {
    match &request.plan {
        Some(agreed) if agreed != plan => Err(AppError::Taken(format!(
            "the assignments of {profile} or their devices have changed since you looked: look again"
        ))),
        _ => Ok(()),
    }
}

fn preview(
    tx: &mut Tx<'_>,
    name: &str,
    request: &Rollback,
    actor: &str,
    now: Timestamp,
) -> Result<Preview, AppError> {
    muster_store::profile::get(tx, name)?.ok_or_else(|| AppError::not_found("profile", name))?;
    let goal = request.to.map_or(Goal::Before, |number| Goal::Revision(RevisionNumber(number)));
    let all = muster_store::assignment::list(tx)?;
    let on = request.on.as_deref().map(|target| read_target(tx, target)).transpose()?;
    let is_meant = |row: &AssignmentRow| {
        row.profile == name
            && on.as_ref().is_none_or(|(kind, target)| (&row.target_kind, &row.target) == (kind, target))
    };
    let meant: Vec<_> = all.into_iter().filter(is_meant).collect();
    let turns = turns(tx, &meant, name, goal, actor, now)?;
    let before = recompile::assignments(tx)?;
    let after = after(&before, &turns)?;
    let mut ids = BTreeSet::new();
    for turn in &turns {
        ids.extend(reached(tx, &recompile::assignment(&turn.new)?.target)?);
    }
    let mut devices = Vec::new();
    for id in ids {
        devices.extend(muster_store::device::get(tx, id)?);
    }
    Ok(Preview {
        moves: moves(tx, name, &devices, &before, &after)?,
        conflicts: conflicts(tx, &devices, &after, name, now)?,
        warnings: hold::warnings(tx, &devices, now)?,
        turns,
        devices,
    })
}

/// What becomes of each of these assignments of the profile; refused when there is nothing to go back to.
fn turns(
    tx: &mut Tx<'_>,
    meant: &[AssignmentRow],
    name: &str,
    goal: Goal,
    actor: &str,
    now: Timestamp,
) -> Result<Vec<Turn>, AppError> {
    if meant.is_empty() {
        return Err(AppError::Invalid(format!(
            "{name} is assigned to nothing, or not there, so there is nothing to roll back: muster assignments lists what is"
        )));
    }
    let (mut turns, mut nowhere) = (Vec::new(), Vec::new());
    for old in meant {
        let target = target_name(tx, old)?;
        let history = muster_store::pin::standing(tx, old)?;
        let pins: Vec<_> = history.iter().map(|p| Pin { number: p.number, revision: p.revision }).collect();
        let found = |pin: Pin| history.iter().find(|row| row.number == pin.number);
        let (revision, terms) = match rollback::step(old.revision, &pins, goal) {
            Step::Stay => continue,
            Step::Nowhere => {
                nowhere.push((old, target));
                continue;
            }
            Step::Back(pin) => (pin.revision, found(pin)),
            Step::Anew(revision) => (revision, None),
        };
        let new = pinning(tx, old, revision, terms, actor, now)?;
        check(tx, &new, &target)?;
        turns.push(Turn { old: old.clone(), new, target, back_to: terms.map(|row| row.number) });
    }
    // The newest assignment is the one that an admin who rolls back has in mind, and the safer one to end.
    match (nowhere.last(), turns.is_empty()) {
        (Some((row, target)), only) => Err(AppError::Invalid(format!(
            "{name}@{} to {target} pinned no other revision before: name one with --to N, or end this one first with \
             muster unassign {name} --from {target}{}",
            row.revision,
            others_back(name, &turns, only)
        ))),
        (None, true) => Err(AppError::Invalid(format!(
            "every assignment of {name} pins that revision already: muster assignments lists them"
        ))),
        (None, false) => Ok(turns),
    }
}

/// What can be rolled back all the same, where not all of a profile can.
fn others_back(name: &str, turns: &[Turn], none: bool) -> String {
    let Some(first) = turns.first().filter(|_| !none) else { return String::new() };
    let more = if turns.len() > 1 { format!(" (of {})", turns.len()) } else { String::new() };
    format!("; what can go back goes alone with muster rollback {name} --on {}{more}", first.target)
}

/// The assignment with another revision, on the terms that revision was pinned on or else on its present ones.
fn pinning(
    tx: &mut Tx<'_>,
    old: &AssignmentRow,
    revision: RevisionNumber,
    terms: Option<&PinRow>,
    actor: &str,
    now: Timestamp,
) -> Result<AssignmentRow, AppError> {
    Ok(AssignmentRow {
        id: secret::id("as-"),
        revision,
        digest: profile::find_revision(tx, &old.profile, revision.0)?.digest,
        precedence: terms.map_or(old.precedence, |terms| terms.precedence),
        mode: terms.map_or(old.mode, |terms| terms.mode),
        params: terms.map_or_else(|| old.params.clone(), |terms| terms.params.clone()),
        created_by: actor.to_owned(),
        created: now,
        ..old.clone()
    })
}

fn check(tx: &mut Tx<'_>, row: &AssignmentRow, target: &str) -> Result<(), AppError> {
    artifact::require_still(tx, &format!("{}@{}", row.profile, row.revision), row.digest)?;
    let document = read_profile(tx, &row.profile, row.digest)?;
    let wrong = |error| {
        AppError::Invalid(format!(
            "{0}@{1} to {target}: {error}; assign it with what it needs: muster assign {0}@{1} --to {target} --param ...",
            row.profile, row.revision
        ))
    };
    document.bind_params(&row.params).map(|_| ()).map_err(wrong)
}

fn after(before: &[Assignment], turns: &[Turn]) -> Result<Vec<Assignment>, AppError> {
    let gone: BTreeSet<&str> = turns.iter().map(|turn| turn.old.id.as_str()).collect();
    let kept = before.iter().filter(|assignment| !gone.contains(assignment.id.as_str()));
    let mut after: Vec<_> = kept.cloned().collect();
    for turn in turns {
        after.push(recompile::assignment(&turn.new)?);
    }
    Ok(after)
}

/// Devices by the revisions of a profile that they go from and to.
pub(super) fn moves(
    tx: &mut Tx<'_>,
    profile: &str,
    devices: &[DeviceRow],
    before: &[Assignment],
    after: &[Assignment],
) -> Result<Vec<RevisionMove>, AppError> {
    let profile: ProfileName =
        profile.parse().map_err(|_| AppError::Defect(format!("{profile} is no profile's name")))?;
    let mut moves: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for device in devices {
        let labels = muster_store::label::of_device(tx, device.id)?;
        let held = |all| rollback::revisions(&assign::holding(all, device.id, &labels), &profile);
        let (from, to) = (held(before), held(after));
        if from != to {
            moves.entry((from, to)).or_default().push(device.name.clone());
        }
    }
    let shown = |((from, to), mut names): ((String, String), Vec<String>)| {
        let devices = names.len() as u64;
        names.truncate(NAMES);
        RevisionMove { from, to, devices, names }
    };
    Ok(moves.into_iter().map(shown).collect())
}

impl Preview {
    /// A name for what would be done, so that what was agreed to is what is done. The new assignments' ids and times
    /// are left out, as they are made anew each time.
    fn plan(&self) -> String {
        let turns: Vec<_> = self.turns.iter().map(|turn| json!([turn.old.id, turn.new.revision])).collect();
        let moves: Vec<_> = self.moves.iter().map(|m| json!([m.from, m.to, m.names])).collect();
        Digest::of(json!([turns, moves]).to_string().as_bytes()).to_string()
    }

    fn carry_out(&self, tx: &mut Tx<'_>, profile: &str, act: Act<'_>) -> Result<(), AppError> {
        for turn in &self.turns {
            muster_store::assignment::remove(tx, &turn.old.id)?;
            muster_store::assignment::insert(tx, &turn.new)?;
            match turn.back_to {
                Some(number) => muster_store::pin::undo_after(tx, &turn.new, number, act.at)?,
                None => muster_store::pin::push(tx, &turn.new)?,
            }
        }
        let reached: Vec<_> = self.devices.iter().map(|device| device.id).collect();
        recompile::devices(tx, &reached, act.at)?;
        let turns: Vec<_> = self
            .turns
            .iter()
            .map(|turn| {
                json!({
                    "target": turn.target, "from": turn.old.revision, "to": turn.new.revision,
                    "ended": turn.old.id, "assignment": turn.new.id, "mode": turn.new.mode,
                    "precedence": turn.new.precedence, "params": turn.new.params,
                })
            })
            .collect();
        audit::write(tx, act, profile, json!({"assignments": turns}))?;
        Ok(())
    }

    fn result(self, profile: String, plan: String) -> RollbackResult {
        let shown = |turn: Turn| RolledBack {
            target: turn.target,
            from: turn.old.revision.0,
            to: turn.new.revision.0,
            follows: turn.new.follows,
        };
        RollbackResult {
            profile,
            assignments: self.turns.into_iter().map(shown).collect(),
            moves: self.moves,
            conflicts: self.conflicts,
            warnings: self.warnings,
            plan,
        }
    }
}
