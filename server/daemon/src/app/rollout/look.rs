//! Looks at the step that a rollout is in. Nothing is changed here.

use muster_policy::rollout::{self, Answer, Brought, Member, Place, Verdict};
use muster_proto::check::CheckResult;
use muster_proto::report::Outcome;
use muster_proto::rest::{RolloutCause, RolloutStanding, TroubleKind};
use muster_proto::state::DesiredState;
use muster_proto::{DeviceId, Generation, Timestamp};
use muster_store::Tx;
use muster_store::rollout::{MemberRow, RolloutRow};

use crate::app::presence::Presence;
use crate::app::{AppError, compliance, detail};

/// What a rollout's step has come to.
pub(super) struct Look {
    /// Its devices.
    pub(super) members: Vec<Seen>,
    /// What stops the rollout.
    pub(super) cause: Option<RolloutCause>,
    /// What becomes of the step if nothing stops it.
    pub(super) verdict: Verdict,
}

/// A device of the step.
pub(super) struct Seen {
    pub(super) row: MemberRow,
    pub(super) standing: RolloutStanding,
    /// The generation that first named the revision, when that is not written down yet.
    pub(super) generation: Option<Generation>,
}

impl Seen {
    /// Whether it passed just now.
    pub(super) fn has_passed(&self) -> bool {
        self.standing == RolloutStanding::Passed && self.row.passed.is_none()
    }
}

/// Looks at the step that a rollout is in.
pub(super) fn look(
    tx: &mut Tx<'_>,
    rollout: &RolloutRow,
    presence: &Presence,
    now: Timestamp,
) -> Result<Look, AppError> {
    let (mut seen, mut members) = (Vec::new(), Vec::new());
    let mut began = rollout.assignment.created;
    for row in muster_store::rollout::members(tx, &rollout.id, rollout.step)? {
        let (answer, generation) = match row.passed {
            Some(_) => (Answer::Applied, None),
            None => answer(tx, rollout, &row)?,
        };
        let given = row.given.unwrap_or(now);
        began = began.max(given);
        let connected = presence.is_connected(row.device);
        let member = Member { given, online: row.online, connected, passed: row.passed, answer };
        seen.push(Seen { standing: rollout::standing(&member, now), row, generation });
        members.push(member);
    }
    let place = if rollout.in_last_step() { Place::Last } else { Place::Before };
    let verdict = rollout::judge(&members, place, began, rollout.soak, now);
    Ok(Look { members: seen, cause: trouble(tx, rollout)?, verdict })
}

/// What the record says of a device that has not passed yet, and since which generation it has the revision if that is new.
fn answer(
    tx: &mut Tx<'_>,
    rollout: &RolloutRow,
    row: &MemberRow,
) -> Result<(Answer, Option<Generation>), AppError> {
    let Some(named) = naming(tx, row.device, &rollout.assignment.id)? else {
        let held = muster_store::held::changes(tx, row.device)?.is_some();
        return Ok((if held { Answer::Held } else { Answer::Gone }, None));
    };
    let new = row.generation.is_none().then_some(named);
    let since = row.generation.unwrap_or(named);
    let answer = if row.applied >= since || said_all_is_well(tx, rollout, row)? {
        Answer::Applied
    } else if detail::paused_there(tx, row.device)?.is_some() {
        Answer::Held
    } else {
        Answer::Pending
    };
    Ok((answer, new))
}

/// The generation of the device's state, if that names the assignment.
fn naming(tx: &mut Tx<'_>, device: DeviceId, assignment: &str) -> Result<Option<Generation>, AppError> {
    let Some(stored) = muster_store::state::get(tx, device)? else { return Ok(None) };
    let state: DesiredState = serde_json::from_slice(&stored.bytes)
        .map_err(|error| AppError::Defect(format!("desired state of {device}: {error}")))?;
    let names = state.revisions.iter().any(|applied| applied.assignment == assignment);
    Ok(names.then_some(stored.generation))
}

/// Whether the device has said what became of the revision's resources. Where something of another profile failed before,
/// that is all there will be: such a device applies no generation whole.
fn said_all_is_well(tx: &mut Tx<'_>, rollout: &RolloutRow, row: &MemberRow) -> Result<bool, AppError> {
    let outcomes = muster_store::outcome::of_device(tx, row.device)?;
    let mut ours = Vec::new();
    for outcome in outcomes {
        let read: Outcome = read(&outcome.document, &row.name)?;
        if read.assignment == rollout.assignment.id {
            ours.push(read);
        }
    }
    let brought = brought(rollout);
    let since = Timestamp::default();
    Ok(!ours.is_empty()
        && ours.iter().all(|outcome| rollout::stops(&brought, since, outcome, since).is_none()))
}

/// What stops a rollout: of several things a failure before what was not tried, and that before a check, the oldest first.
pub(super) fn trouble(tx: &mut Tx<'_>, rollout: &RolloutRow) -> Result<Option<RolloutCause>, AppError> {
    let mut all = troubles(tx, rollout)?;
    all.sort_by_key(|cause| (cause.kind, cause.since));
    Ok(all.into_iter().next())
}

/// Everything that stops a rollout.
pub(super) fn troubles(tx: &mut Tx<'_>, rollout: &RolloutRow) -> Result<Vec<RolloutCause>, AppError> {
    let brought = brought(rollout);
    let mut causes = Vec::new();
    for wrong in muster_store::rollout::wrong_outcomes(tx, rollout)? {
        let outcome: Outcome = read(&wrong.document, &wrong.device)?;
        if let Some(kind) = rollout::stops(&brought, wrong.given, &outcome, wrong.since) {
            let (device, since) = (wrong.device, wrong.since);
            let error = compliance::outcome_problem(&outcome);
            causes.push(RolloutCause { device, subject: outcome.resource.to_string(), kind, error, since });
        }
    }
    for wrong in muster_store::rollout::wrong_checks(tx, rollout)? {
        let result: CheckResult = read(&wrong.document, &wrong.device)?;
        if rollout::check_stops(&brought, wrong.given, &result, wrong.from) {
            let error = compliance::verdict_problem(&result);
            let (device, since) = (wrong.device, wrong.from);
            causes.push(RolloutCause { device, subject: result.id, kind: TroubleKind::Check, error, since });
        }
    }
    Ok(causes)
}

fn brought(rollout: &RolloutRow) -> Brought<'_> {
    let assignment = &rollout.assignment;
    Brought { assignment: &assignment.id, profile: &assignment.profile, revision: assignment.revision.0 }
}

fn read<T: serde::de::DeserializeOwned>(document: &str, device: &str) -> Result<T, AppError> {
    serde_json::from_str(document)
        .map_err(|error| AppError::Defect(format!("what {device} reported: {error}")))
}
