//! The chain from what is wrong on a device to who asked for it.

use std::collections::{BTreeMap, BTreeSet};

use muster_policy::assign;
use muster_proto::DeviceId;
use muster_proto::check::{CheckResult, Verdict};
use muster_proto::report::{Outcome, OutcomeKind};
use muster_proto::rest::{AssignmentView, Cause, Device, DevicePause, DeviceState};
use muster_proto::when::Facts;
use muster_store::Tx;
use muster_store::assignment::AssignmentRow;
use muster_store::device::DeviceRow;
use muster_store::removal::RemovalRow;

use super::away;
use super::rules::Rules;
use crate::app::compliance::{difference, outcome_problem, pinned, verdict_problem};
use crate::app::{AppError, recompile};

/// Rows of evidence that a cause shows; the check's own page has all that were reported.
const ROWS: usize = 3;

/// The assignments that hold for a device.
pub(super) fn assignments(tx: &mut Tx<'_>, device: DeviceId) -> Result<Vec<AssignmentView>, AppError> {
    let labels = muster_store::label::of_device(tx, device)?;
    let holding = assign::holding(&recompile::assignments(tx)?, device, &labels);
    let holds = |row: &AssignmentRow| holding.iter().any(|applied| applied.assignment == row.id);
    let mut views = crate::app::assign::views(tx, holds)?;
    // What a rollout brings is no assignment yet, and holds all the same.
    for row in muster_store::rollout::open(tx)?.into_iter().filter(|row| holds(&row.assignment)) {
        views.push(crate::app::assign::view(tx, row.assignment)?);
    }
    Ok(views)
}

/// Everything that keeps a device from being compliant, the heaviest first.
pub(super) fn of(
    tx: &mut Tx<'_>,
    row: &DeviceRow,
    view: &Device,
    assignments: &[AssignmentView],
) -> Result<Vec<Cause>, AppError> {
    let mut causes = away::of(tx, row, view)?;
    if row.state == DeviceState::Registered || row.state.is_out() || row.state == DeviceState::Held {
        return Ok(causes);
    }
    if let Some(pause) = super::paused_there(tx, row.id)? {
        let problem = format!("paused on the device until {}: {}", pause.until, pause.reason);
        let mut cause = plain("paused_there", &row.name, &problem, None);
        cause.since = Some(pause.since);
        cause.remedy = Some("Wait, or `muster-agent resume` on the device.".to_owned());
        causes.push(cause);
    }
    let chain = Chain(assignments.iter().map(|a| (a.id.as_str(), a)).collect());
    let facts: Facts = serde_json::from_str(&row.facts).unwrap_or_default();
    causes.extend(of_resources(tx, row.id, &facts.denied_kinds, &chain)?);
    causes.extend(of_checks(tx, row.id, &chain)?);
    causes.extend(away::behind(tx, row, view, causes.is_empty())?);
    Ok(causes)
}

/// What keeps a device from a newer state.
pub(super) fn of_holds(row: &DeviceRow, paused: Option<&DevicePause>, removals: &[RemovalRow]) -> Vec<Cause> {
    let mut causes = Vec::new();
    if let Some(DevicePause { pause, waiting }) = paused.filter(|paused| !paused.waiting.is_empty()) {
        let problem = format!("a newer state waits while it is paused: {}", waiting.join(", "));
        let remedy = format!("muster resume {}", pause.target);
        let cause = plain("paused", &row.name, &problem, Some(remedy));
        causes.push(Cause { since: Some(pause.since), ..cause });
    }
    for removal in removals {
        let problem = format!("a newer state waits for a removal to be confirmed: {}", removal.cause);
        let remedy = format!("muster removal confirm {0}, or muster removal drop {0}", removal.id);
        let cause = plain("removal", &row.name, &problem, Some(remedy));
        causes.push(Cause { since: Some(removal.at), ..cause });
    }
    causes
}

struct Chain<'a>(BTreeMap<&'a str, &'a AssignmentView>);

impl Chain<'_> {
    /// Adds who assigned it, by the assignment's id or else by the revision.
    fn complete(&self, mut cause: Cause, assignment: Option<&str>) -> Cause {
        let by_id = assignment.and_then(|id| self.0.get(id));
        let by_revision = || self.0.values().find(|a| pinned(&a.profile, a.revision) == cause.profile);
        if let Some(assignment) = by_id.or_else(by_revision) {
            cause.assignment =
                Some(format!("{}@{} to {}", assignment.profile, assignment.revision, assignment.target));
            cause.assigned_by = Some(assignment.created_by.clone());
            cause.assigned_at = Some(assignment.created);
        }
        cause
    }
}

fn of_resources(
    tx: &mut Tx<'_>,
    device: DeviceId,
    denied_kinds: &[String],
    chain: &Chain<'_>,
) -> Result<Vec<Cause>, AppError> {
    let mut rows = muster_store::outcome::of_device(tx, device)?;
    let weight = |outcome| match outcome {
        OutcomeKind::Failed => Some(0),
        OutcomeKind::Blocked => Some(1),
        OutcomeKind::Drifted => Some(2),
        OutcomeKind::Unsupported => Some(3),
        OutcomeKind::Waiting => Some(4),
        OutcomeKind::Kept | OutcomeKind::Repaired | OutcomeKind::NotApplicable => None,
    };
    rows.retain(|row| weight(row.outcome).is_some());
    rows.sort_by_key(|row| weight(row.outcome));
    let mut causes = Vec::new();
    for row in rows {
        let outcome: Outcome = serde_json::from_str(&row.document)
            .map_err(|error| AppError::Defect(format!("outcome of {}: {error}", row.resource)))?;
        let mut problem = outcome_problem(&outcome);
        let names_reason = matches!(row.outcome, OutcomeKind::Blocked | OutcomeKind::Drifted);
        if let (true, Some(_), Some(first)) = (names_reason, &outcome.reason, outcome.differences.first()) {
            problem.push_str(&format!(" ({})", difference(first)));
        }
        if let Some(note) = &outcome.note {
            problem.push_str(&format!(" (its profile says: {note})"));
        }
        let denied = row.outcome == OutcomeKind::Blocked
            && denied_kinds.iter().any(|kind| kind == outcome.resource.kind());
        let remedy = denied.then(|| denied_remedy(outcome.resource.kind()));
        let mut cause = plain("resource", &row.resource, &problem, remedy);
        cause.profile = pinned(&outcome.profile, outcome.revision);
        cause.since = Some(row.since);
        causes.push(chain.complete(cause, Some(&outcome.assignment)));
    }
    Ok(causes)
}

fn denied_remedy(kind: &str) -> String {
    format!(
        "Ask the device's owner to take {kind} from deny_kinds in its agent.toml, or assign the profile elsewhere."
    )
}

fn of_checks(tx: &mut Tx<'_>, device: DeviceId, chain: &Chain<'_>) -> Result<Vec<Cause>, AppError> {
    let mut rules = Rules::default();
    let mut weighed = Vec::new();
    let waived: BTreeSet<_> =
        muster_store::waiver::covers(tx, device)?.into_iter().map(|cover| cover.check).collect();
    for interval in muster_store::check::now(tx, device)? {
        let accepted = interval.verdict == Verdict::Fail && waived.contains(&interval.check);
        if accepted || matches!(interval.verdict, Verdict::Pass | Verdict::NotApplicable) {
            continue;
        }
        let result: CheckResult = serde_json::from_str(&interval.document)
            .map_err(|error| AppError::Defect(format!("result of {}: {error}", interval.check)))?;
        let check = rules.check(tx, &result.profile, result.revision, &result.id)?;
        let severity = check.as_ref().map(|check| check.severity).unwrap_or_default();
        let mut cause = plain("check", &result.id, &verdict_problem(&result), None);
        cause.title = check.as_ref().map(|check| check.title.clone());
        cause.severity = Some(severity);
        cause.rows = result.evidence.len() as u64;
        cause.remedy = check.and_then(|check| check.remediation);
        cause.profile = pinned(&result.profile, result.revision);
        cause.since = Some(interval.from);
        cause.evidence = result.evidence.into_iter().take(ROWS).collect();
        weighed.push((severity, chain.complete(cause, None)));
    }
    weighed.sort_by(|(a, _), (b, _)| b.cmp(a));
    Ok(weighed.into_iter().map(|(_, cause)| cause).collect())
}

pub(super) fn plain(kind: &str, subject: &str, problem: &str, remedy: Option<String>) -> Cause {
    Cause {
        kind: kind.to_owned(),
        subject: subject.to_owned(),
        title: None,
        severity: None,
        problem: problem.to_owned(),
        rows: 0,
        evidence: Vec::new(),
        profile: None,
        assignment: None,
        assigned_by: None,
        assigned_at: None,
        since: None,
        remedy,
        steps: Vec::new(),
    }
}
