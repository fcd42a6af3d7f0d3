//! The plan: the exact changes from what is observed to what is desired. A value, printable, empty when converged.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use muster_proto::compose::{Claim, Claimed, Composition};
use muster_proto::condition::{Action, Condition};
use muster_proto::plan::{PlanView, StepView};
use muster_proto::report::{Outcome, OutcomeKind};
use muster_proto::resource::{OnRemoval, Resource};
use muster_proto::state::Mode;
use muster_proto::{ResourceId, Timestamp};

use crate::fight::Fights;
use crate::order;
use crate::outcome;
use crate::record::end_target;
pub use crate::record::{Record, record_of, record_of_failed, record_of_left, reversal_target};
use crate::restarts;
pub use crate::step::Step;
use crate::trial::{Trial, Trials};

/// Said of a lease that is over and that audit mode keeps from being ended.
const ENDED_IN_AUDIT: &str = "its not_after has passed; audit mode leaves it";

/// What is there, or why that could not be read.
pub type Observed = BTreeMap<ResourceId, Result<Condition, String>>;

/// What the plan is made from.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// What should be.
    pub composition: &'a Composition,
    /// What is, for every id of `composition` and `records`; the error of a read that failed.
    pub observed: &'a Observed,
    /// What Muster did earlier.
    pub records: &'a BTreeMap<ResourceId, Record>,
    /// Services that still owe a restart from an earlier cycle.
    pub restarts_due: &'a BTreeSet<ResourceId>,
    /// Resources that this cycle has tried to change and did not, each with what came of it instead: they restart nothing.
    pub given_up: &'a BTreeMap<ResourceId, OutcomeKind>,
    /// Kinds that the device's owner forbids.
    pub deny_kinds: &'a BTreeSet<String>,
    /// What was put right lately: what others keep changing is left as it is for a while.
    pub fights: &'a Fights,
    /// Changes that are to prove that they cut nobody off, and those that did not.
    pub trials: &'a Trials,
    /// The time by the ledger's rule.
    pub now: Timestamp,
}

/// The exact changes, in the order in which they are made, and the outcomes of what needs none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// What takes away first, then what brings or changes, each in its order.
    pub steps: Vec<Step>,
    /// What is settled without a change.
    pub settled: Vec<Outcome>,
    /// Records that have nothing left to take back.
    pub forget: Vec<ResourceId>,
    /// Records whose claim changed while what is there did not: another profile, another end, another wish for removal.
    pub renew: Vec<(ResourceId, Record)>,
    /// What is told of steps to who only asks, by their resources.
    pub notes: BTreeMap<ResourceId, String>,
}

impl Plan {
    /// As people and programs see it.
    pub fn view(&self) -> PlanView {
        let step = |step: &Step| StepView {
            resource: step.id.clone(),
            action: step.action,
            differences: step.differences.clone(),
            restart: step.restart,
            note: self.notes.get(&step.id).cloned(),
        };
        let steps = self.steps.iter().map(step).collect();
        PlanView { steps, settled: self.settled.clone(), checks: vec![] }
    }
}

/// The kinds that are at a path and nowhere else.
pub const AT_A_PATH: [&str; 4] = ["archive", "directory", "file", "link"];

/// Whether it is of a kind that is at a path.
pub fn is_path(id: &ResourceId) -> bool {
    AT_A_PATH.contains(&id.kind())
}

/// Whether nothing can be at `id` while `other` is there.
pub(crate) fn in_the_way(other: &ResourceId, id: &ResourceId) -> bool {
    let below = || id.key().strip_prefix(other.key()).is_some_and(|rest| rest.starts_with('/'));
    is_path(id)
        && if other.key() == id.key() {
            other.kind() != id.kind()
        } else {
            !matches!(other.kind(), "archive" | "directory") && below()
        }
}

/// Plans one cycle.
pub fn plan(input: &Input<'_>) -> Plan {
    match ousted(input) {
        Some(observed) => plan_from(&Input { observed: &observed, ..*input }),
        None => plan_from(input),
    }
}

/// What is there, said of what nobody asks for and could not be read because something else is found in its place, or a file
/// on the way to it: it is gone. `None` when there is no such thing.
fn ousted(input: &Input<'_>) -> Option<Observed> {
    let is_wanted = |id: &ResourceId| {
        let claim = input.composition.claims.get(id);
        claim.is_some_and(|claim| matches!(claim.claimed, Claimed::Apply(_)))
    };
    let gone = |id: &ResourceId| {
        input.observed.iter().any(|(other, there)| {
            let in_place = is_path(other) && (other.key() == id.key() || other.kind() == "file");
            matches!(there, Ok(Condition::Present(_))) && in_place && in_the_way(other, id)
        })
    };
    let unread = input.observed.iter().filter(|(id, there)| there.is_err() && is_path(id));
    let gone: Vec<&ResourceId> = unread.map(|(id, _)| id).filter(|id| !is_wanted(id) && gone(id)).collect();
    if gone.is_empty() {
        return None;
    }
    let mut observed = input.observed.clone();
    observed.extend(gone.into_iter().map(|id| (id.clone(), Ok(Condition::Absent))));
    Some(observed)
}

fn plan_from(input: &Input<'_>) -> Plan {
    let mut plan = Plan::default();
    for (id, claim) in &input.composition.claims {
        plan_claim(&mut plan, input, id, claim);
    }
    for (id, record) in input.records {
        let claimed = input.composition.claims.get(id).is_some_and(|c| c.claimed != Claimed::NotApplicable);
        if !claimed {
            // A lease that was accepted ends although the profile behind it can't be read any more.
            let ending = unreadable(input, record).is_some() && passed(record.not_after, input.now);
            plan_reversal(&mut plan, input, id, record, ending);
        }
    }
    // Of what does not apply here and is taken back, the taking back is told: each resource has one outcome.
    let told: BTreeMap<_, _> =
        std::mem::take(&mut plan.settled).into_iter().map(|told| (told.resource.clone(), told)).collect();
    plan.settled = told.into_values().collect();
    // Before restarts, as what is kept back is told to nobody, and once more as restarts may be kept back.
    order::hold_back(&mut plan, input);
    restarts::add(&mut plan, input);
    order::hold_back(&mut plan, input);
    order::sort(&mut plan.steps, input);
    plan
}

fn plan_claim(plan: &mut Plan, input: &Input<'_>, id: &ResourceId, claim: &Claim) {
    let settle =
        |plan: &mut Plan, kind, reason| plan.settled.push(outcome::of_claim(id, claim, kind, vec![], reason));
    let record = input.records.get(id);
    let held = record.filter(|record| !passed(record.not_after, input.now));
    let unreadable = held.and_then(|record| unreadable(input, record));
    match (&claim.claimed, unreadable) {
        (Claimed::NotApplicable, _) => {
            let begin = claim.common.not_before.filter(|begin| *begin > input.now);
            settle(plan, OutcomeKind::NotApplicable, begin.map(|begin| format!("it begins at {begin}")));
        }
        // Until its lease ends, what an unreadable profile claimed is not handed to the next one, which it may outrank.
        (_, Some(reason)) => plan_untouched(plan, input, id, claim, OutcomeKind::Unsupported, reason),
        (Claimed::Unsupported { reason }, None) => {
            plan_untouched(plan, input, id, claim, OutcomeKind::Unsupported, reason.clone());
        }
        (Claimed::Blocked { reason }, None) => {
            plan_untouched(plan, input, id, claim, OutcomeKind::Blocked, reason.clone());
        }
        (Claimed::Apply(_), None) if input.deny_kinds.contains(id.kind()) => {
            let reason = format!("the device's owner denies {} in agent.toml", id.kind());
            settle(plan, OutcomeKind::Blocked, Some(reason));
        }
        (Claimed::Apply(resource), None) => {
            if !plan_end_before(plan, input, id, claim, resource) {
                plan_apply(plan, input, id, claim, resource);
            }
        }
    }
}

/// Ends the lease of another profile before what `claim` asks for takes its place, where that alone would leave some of it: all of
/// it where the claim only looks, and of a file what only the lease speaks of. False when there is nothing to end first.
fn plan_end_before(
    plan: &mut Plan,
    input: &Input<'_>,
    id: &ResourceId,
    claim: &Claim,
    resource: &Resource,
) -> bool {
    let over = input.records.get(id).filter(|record| record.is_followed_by(claim, input.now));
    let Some(record) = over else { return false };
    if claim.source.mode == Mode::Audit {
        return plan_reversal(plan, input, id, record, true) == Reversal::Begun;
    }
    if id.kind() != "file" || record.is_replaced_by(&resource.desired()) {
        return false;
    }
    let begun = plan_reversal(plan, input, id, record, true) == Reversal::Begun;
    // What takes the place of a lease of which nothing is left goes on with its record.
    plan.forget.retain(|forgotten| forgotten != id);
    begun
}

/// What this agent does not understand, or may not decide, stays as it is. It can still be ended: the lease was accepted
/// when it was understood.
fn plan_untouched(
    plan: &mut Plan,
    input: &Input<'_>,
    id: &ResourceId,
    claim: &Claim,
    kind: OutcomeKind,
    reason: String,
) {
    let end = |record: &Record| match kind {
        // A lease that is cut short is heard of although the rest is not understood.
        OutcomeKind::Unsupported => {
            record.not_after.map(|end| claim.common.not_after.map_or(end, |new| end.min(new)))
        }
        _ => record.not_after,
    };
    let ended = input.records.get(id).filter(|record| passed(end(record), input.now));
    if let Some(record) = ended
        && plan_reversal(plan, input, id, record, true) == Reversal::Begun
    {
        return;
    }
    plan.settled.push(outcome::of_claim(id, claim, kind, vec![], Some(reason)));
}

fn plan_apply(plan: &mut Plan, input: &Input<'_>, id: &ResourceId, claim: &Claim, resource: &Resource) {
    let settle = |plan: &mut Plan, kind, differences, reason| {
        plan.settled.push(outcome::of_claim(id, claim, kind, differences, reason));
    };
    let ending = passed(claim.common.not_after, input.now);
    let ended = resource.ended();
    let desired = match (ending, &ended) {
        // What is to be locked is locked with all that it has.
        (false, ended) if ended.as_ref() == Some(&resource.desired()) => resource.desired(),
        (false, _) => match (id.kind(), input.records.get(id)) {
            ("account", Some(record)) => record.and_nothing_dropped(resource.desired()),
            ("directory" | "service", Some(record)) => {
                record.and_nothing_lent(id, claim, input.now, resource.desired())
            }
            _ => resource.desired(),
        },
        (true, Some(ended)) => ended.clone(),
        (true, None) => return plan_ended(plan, input, id, claim),
    };
    let observed = match input.observed.get(id) {
        Some(Ok(observed)) => observed,
        Some(Err(reason)) => return settle(plan, OutcomeKind::Failed, vec![], Some(reason.clone())),
        None => return settle(plan, OutcomeKind::Failed, vec![], Some("it was not read".to_owned())),
    };
    // An account that never was need not be locked.
    if ended.as_ref() == Some(&desired) && *observed == Condition::Absent {
        return settle(plan, OutcomeKind::Kept, vec![], None);
    }
    let given_up = input.trials.get(id).filter(|trial| !ending && trial.forbids(&desired));
    if let (Some(trial), Mode::Enforce) = (given_up, claim.source.mode) {
        if !plan_undoing(plan, id, trial, observed) {
            let differences = observed.towards(&desired).map(|(_, differences)| differences);
            settle(plan, OutcomeKind::Blocked, differences.unwrap_or_default(), Some(trial.reason()));
        }
        return;
    }
    match (observed.towards(&desired), claim.source.mode) {
        (None, mode) => {
            settle(plan, OutcomeKind::Kept, vec![], observed.told().map(str::to_owned));
            if let (Mode::Enforce, Some(record)) = (mode, input.records.get(id)) {
                let renewed = record.renewed(claim, observed);
                if renewed != *record {
                    plan.renew.push((id.clone(), renewed));
                }
            }
        }
        (Some((_, differences)), Mode::Audit) => {
            let reason = if ending { ENDED_IN_AUDIT } else { "audit mode: left as it is" };
            settle(plan, OutcomeKind::Drifted, differences, Some(reason.to_owned()));
        }
        (Some((_, differences)), Mode::Enforce) if observed.left().or(observed.waits()).is_some() => {
            let kind = if observed.left().is_some() { OutcomeKind::Drifted } else { OutcomeKind::Waiting };
            settle(plan, kind, differences, observed.left().or(observed.waits()).map(str::to_owned));
        }
        (Some((action, differences)), Mode::Enforce) => {
            // Who undoes a repair must not keep an access by it that is over.
            let follows = input.records.get(id).is_some_and(|record| record.is_followed_by(claim, input.now));
            if let Some(reason) = input.fights.reason(id, input.now).filter(|_| !ending && !follows) {
                return settle(plan, OutcomeKind::Blocked, differences, Some(reason));
            }
            plan.steps.push(Step {
                id: id.clone(),
                action,
                from: observed.clone(),
                to: desired,
                differences,
                claim: Some(Arc::new(claim.clone())),
                restart: false,
                ending,
                follows,
                undoes: false,
            });
        }
    }
}

/// A lease that ended by taking back what was written: afterwards the claim asks for nothing.
fn plan_ended(plan: &mut Plan, input: &Input<'_>, id: &ResourceId, claim: &Claim) {
    let record = input.records.get(id);
    let outcome = match (claim.source.mode, record) {
        (Mode::Enforce, Some(record)) if plan_reversal(plan, input, id, record, true) == Reversal::Begun => {
            return;
        }
        (Mode::Audit, Some(record)) => left_in_audit(input, id, claim, record),
        _ => None,
    };
    let over = || {
        let reason = "its not_after has passed".to_owned();
        outcome::of_claim(id, claim, OutcomeKind::NotApplicable, vec![], Some(reason))
    };
    plan.settled.push(outcome.unwrap_or_else(over));
}

/// What Muster wrote before its assignment went to audit, and nothing takes back at its end; `None` when none of it is left.
fn left_in_audit(input: &Input<'_>, id: &ResourceId, claim: &Claim, record: &Record) -> Option<Outcome> {
    let (kind, differences, reason) = match input.observed.get(id) {
        Some(Ok(observed)) => {
            let (_, differences) = observed.towards(&end_target(id, record))?;
            (OutcomeKind::Drifted, differences, ENDED_IN_AUDIT)
        }
        Some(Err(reason)) => (OutcomeKind::Failed, vec![], reason.as_str()),
        None => (OutcomeKind::Failed, vec![], "it was not read"),
    };
    Some(outcome::of_claim(id, claim, kind, differences, Some(reason.to_owned())))
}

/// Whether taking something back has begun or been reported, or nothing is left of it.
#[derive(PartialEq, Eq)]
enum Reversal {
    Begun,
    NothingLeft,
}

fn plan_reversal(
    plan: &mut Plan,
    input: &Input<'_>,
    id: &ResourceId,
    record: &Record,
    ending: bool,
) -> Reversal {
    let settle = |plan: &mut Plan, kind, differences, reason: String| {
        plan.settled.push(outcome::of_record(id, record, kind, differences, Some(reason)));
        Reversal::Begun
    };
    if !ending {
        if let Some(reason) = unreadable(input, record) {
            // Who cut the device off has to be undone although nobody can say what is wanted now.
            let given_up = input.trials.get(id).filter(|trial| trial.given_up.is_some());
            if let (Some(trial), Some(Ok(observed))) = (given_up, input.observed.get(id))
                && plan_undoing(plan, id, trial, observed)
            {
                return Reversal::Begun;
            }
            return settle(plan, OutcomeKind::Unsupported, vec![], reason);
        }
        if record.on_removal == OnRemoval::Keep {
            plan.forget.push(id.clone());
            return Reversal::NothingLeft;
        }
    }
    let observed = match input.observed.get(id) {
        Some(Ok(observed)) => observed,
        Some(Err(reason)) => return settle(plan, OutcomeKind::Failed, vec![], reason.clone()),
        None => return settle(plan, OutcomeKind::Failed, vec![], "it was not read".to_owned()),
    };
    let mut target = if ending { end_target(id, record) } else { reversal_target(record) };
    if *observed == Condition::Absent && target.locks() {
        // An account that somebody removed need not be made to be locked.
        plan.forget.push(id.clone());
        return Reversal::NothingLeft;
    }
    if let Some(trial) = input.trials.get(id).filter(|trial| !ending && trial.forbids(&target)) {
        if !plan_undoing(plan, id, trial, observed) {
            let differences = observed.towards(&target).map(|(_, differences)| differences);
            settle(plan, OutcomeKind::Blocked, differences.unwrap_or_default(), trial.reason());
        }
        return Reversal::Begun;
    }
    let Some((mut action, mut differences)) = observed.towards(&target) else {
        // A locked account that was there before Muster is still to be unlocked when its claim goes.
        // What is on trial is needed for the way back.
        if observed.towards(&reversal_target(record)).is_none() && !input.trials.contains_key(id) {
            plan.forget.push(id.clone());
        }
        return Reversal::NothingLeft;
    };
    // Until its end a lease overwrites what others change. Changing it in its last moment must not prolong it.
    if !ending && let Some(foreign) = record.foreign(observed, &target) {
        // Who changes the shell of their account must not keep by it what else they were given.
        let is_there = *observed != Condition::Absent;
        let rest = (id.kind() == "account" && is_there).then(|| target.but_for(&foreign));
        let Some((rest, towards)) = rest.and_then(|rest| Some((rest.clone(), observed.towards(&rest)?)))
        else {
            let reason = "someone changed it after Muster last wrote it: left as it is".to_owned();
            return settle(plan, OutcomeKind::Drifted, foreign, reason);
        };
        (target, (action, differences)) = (rest, towards);
    }
    if action == Action::Create && is_taken(input, id) {
        // It comes back when the claim that has its place goes.
        return Reversal::NothingLeft;
    }
    plan.steps.push(Step {
        id: id.clone(),
        action,
        from: observed.clone(),
        to: target,
        differences,
        claim: None,
        restart: false,
        ending,
        follows: false,
        undoes: false,
    });
    Reversal::Begun
}

/// Plans to bring back what was there before a change that was given up; false when it is there already.
fn plan_undoing(plan: &mut Plan, id: &ResourceId, trial: &Trial, observed: &Condition) -> bool {
    let Some((action, differences)) = observed.towards(&trial.back) else { return false };
    plan.steps.push(Step {
        id: id.clone(),
        action,
        from: observed.clone(),
        to: trial.back.clone(),
        differences,
        claim: None,
        restart: false,
        ending: false,
        follows: false,
        undoes: true,
    });
    true
}

/// Whether something else that is wanted has this place, or is a file on the way to it.
fn is_taken(input: &Input<'_>, id: &ResourceId) -> bool {
    input.composition.claims.iter().any(|(other, claim)| {
        let is_made = claim.source.mode == Mode::Enforce
            && matches!(&claim.claimed, Claimed::Apply(resource) if resource.desired() != Condition::Absent);
        is_made && is_path(other) && in_the_way(other, id)
    })
}

pub(crate) fn passed(end: Option<Timestamp>, now: Timestamp) -> bool {
    end.is_some_and(|end| end <= now)
}

/// Why what this record tells of has to stay: its profile can't be read.
fn unreadable(input: &Input<'_>, record: &Record) -> Option<String> {
    let reason = input.composition.unsupported.get(&record.profile)?;
    Some(format!("profile {} can't be read by this agent: {reason}", record.profile))
}
