//! What a plan said, held against what the turn after it came to.

use std::collections::{BTreeMap, BTreeSet};

use muster_converge::plan::Record;
use muster_proto::condition::{Action, Attributes, Difference};
use muster_proto::plan::{PlanView, StepView};
use muster_proto::report::{Event, Outcome, OutcomeKind};
use muster_proto::state::Mode;
use muster_proto::{ResourceId, compose};
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;
use serde_json::Value;

use super::simulated::World;

/// What was asked for, where the restart of a service is one with what else was made of it before.
fn with_late_restarts(asked: &[StepView]) -> Vec<StepView> {
    let mut steps: Vec<StepView> = vec![];
    for step in asked {
        let is_restart_alone = step.restart && step.differences.is_empty();
        match steps.iter_mut().find(|earlier| earlier.resource == step.resource && !earlier.restart) {
            Some(earlier) if is_restart_alone => earlier.restart = true,
            _ => steps.push(step.clone()),
        }
    }
    steps
}

/// Whether a path is another one or below it.
fn at_or_below(id: &ResourceId, other: &ResourceId) -> bool {
    id.key().strip_prefix(other.key()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What a plan said, and what the turn after it came to.
pub(super) struct Done<'a> {
    said: &'a PlanView,
    /// The steps of the plan, with restarts only of services that have something to read: that steps would fail, no plan knew.
    steps: Vec<StepView>,
    /// What is settled as blocked and has nothing to read.
    needless: BTreeSet<ResourceId>,
    outcomes: BTreeMap<&'a ResourceId, &'a Outcome>,
    /// Resources whose step takes back what no claim asks for.
    taken_back: BTreeSet<ResourceId>,
}

/// What a turn began with.
pub(super) struct Before<'a> {
    pub(super) composition: &'a compose::Composition,
    pub(super) records: &'a BTreeMap<ResourceId, Record>,
    /// Services that owed a restart.
    pub(super) owed: BTreeSet<ResourceId>,
}

impl<'a> Done<'a> {
    pub(super) fn new(
        said: &'a PlanView,
        before: &Before<'_>,
        outcomes: &'a [Outcome],
        taken_back: BTreeSet<ResourceId>,
    ) -> Self {
        let outcomes = outcomes.iter().map(|outcome| (&outcome.resource, outcome)).collect();
        let mut done =
            Self { said, steps: said.steps.clone(), needless: BTreeSet::new(), outcomes, taken_back };
        let due = |id: &ResourceId| before.owed.contains(id) || done.is_told(id, before);
        let mut steps = said.steps.clone();
        for step in &mut steps {
            step.restart = step.restart && due(&step.resource);
        }
        let was_restart_alone = |step: &StepView| step.differences.is_empty() && !step.restart;
        steps.retain(|step| !was_restart_alone(step));
        let is_needless = |told: &&Outcome| {
            matches!(told.outcome, OutcomeKind::Blocked | OutcomeKind::Waiting) && !due(&told.resource)
        };
        let needless = said.settled.iter().filter(is_needless).map(|told| told.resource.clone()).collect();
        (done.steps, done.needless) = (steps, needless);
        done
    }

    /// Whether a service has something to read, by what came of the steps of the plan.
    fn is_told(&self, service: &ResourceId, before: &Before<'_>) -> bool {
        // Who only restarts has changed nothing.
        let came = |step: &&StepView| !step.differences.is_empty() && self.made(step);
        let changed: Vec<_> = self.said.steps.iter().filter(came).map(|step| &step.resource).collect();
        let notifies = |id: &&&ResourceId| {
            let claimed = before.composition.claims.get(*id).map(|claim| &claim.common.notify);
            let recorded = before.records.get(*id).map(|record| &record.notify);
            let names = if self.taken_back.contains(*id) { recorded } else { claimed };
            names.is_some_and(|names| names.contains(service))
        };
        match before.composition.claims.get(service).map(|claim| &claim.claimed) {
            Some(compose::Claimed::Apply(resource)) => {
                resource.restart_on().iter().any(|on| changed.contains(&on))
                    || changed.iter().any(|id| notifies(&id))
            }
            _ => false,
        }
    }

    /// Whether a step was made, by the outcomes. What is taken back leaves no outcome, unless by a claim that stays.
    fn made(&self, step: &StepView) -> bool {
        let Some(outcome) = self.outcomes.get(&step.resource) else { return true };
        let of_claim = self.taken_back.contains(&step.resource) && !outcome.assignment.is_empty();
        of_claim
            || !matches!(outcome.outcome, OutcomeKind::Failed | OutcomeKind::Blocked | OutcomeKind::Waiting)
    }

    /// The machine was asked for steps of the plan alone, each once, as they were said and in their order; what it was not
    /// asked for has an outcome that says why.
    pub(super) fn asked_in_order(&self, asked: &[StepView]) -> TestCaseResult {
        let asked = with_late_restarts(asked);
        let mut ahead = asked.iter().peekable();
        for step in &self.steps {
            // A service that is to restart at the end does not where what is made of it before fails.
            let failed = StepView { restart: false, ..step.clone() };
            let is_step = |next: &StepView| next == step || (!self.made(step) && *next == failed);
            if ahead.next_if(|next| is_step(next)).is_none() {
                prop_assert!(!self.made(step), "not asked for, and nobody says so: {step:?}");
            }
        }
        prop_assert_eq!(ahead.next(), None, "asked for what no plan said");
        Ok(())
    }

    /// What is there is what was there, with the differences of the steps that were made.
    pub(super) fn there(&self, before: &World, after: &World) -> TestCaseResult {
        let mut expected = before.clone();
        for step in self.steps.iter().filter(|step| self.made(step)) {
            let there = expected.remove(&step.resource);
            let named = |there: &Attributes| -> Vec<(String, Value)> {
                let names = step.differences.iter().map(|d| d.attribute.clone());
                names.map(|name| (name.clone(), there.get(&name).cloned().unwrap_or_default())).collect()
            };
            let froms = step.differences.iter().map(|d| (d.attribute.clone(), d.from.clone()));
            let tos: Vec<_> = step.differences.iter().map(|d| (d.attribute.clone(), d.to.clone())).collect();
            match (step.action, there, after.get(&step.resource)) {
                (Action::Create, None, Some(after)) => {
                    prop_assert_eq!(&named(after)[1..], &tos[1..], "{:?}", step);
                    expected.insert(step.resource.clone(), after.clone());
                }
                (Action::Change, Some(mut there), Some(_)) => {
                    prop_assert_eq!(named(&there), froms.collect::<Vec<_>>(), "{:?}", step);
                    there.extend(tos);
                    // Where nothing is unpacked any more, it is no matter how much was left out of the names.
                    if there.get("artifact").is_some_and(|artifact| artifact == "none") {
                        there.insert("strip".to_owned(), Value::Null);
                    }
                    expected.insert(step.resource.clone(), there);
                }
                (Action::Remove, Some(_), None) => {}
                (_, there, after) => prop_assert!(false, "{step:?} from {there:?} to {after:?}"),
            }
        }
        prop_assert_eq!(&expected, after);
        Ok(())
    }

    /// A service was restarted once if its step said so, and never otherwise.
    pub(super) fn restarted(&self, restarts: &BTreeMap<ResourceId, u32>) -> TestCaseResult {
        let said: BTreeMap<_, _> = self
            .steps
            .iter()
            .filter(|step| step.restart && self.made(step))
            .map(|step| (step.resource.clone(), 1))
            .collect();
        prop_assert_eq!(&said, restarts);
        Ok(())
    }

    /// What was said to be settled has that very outcome; a step has one with the differences that were said.
    pub(super) fn outcomes_as_said(&self) -> TestCaseResult {
        let mut expected: BTreeSet<&ResourceId> = BTreeSet::new();
        for settled in &self.said.settled {
            expected.insert(&settled.resource);
            let outcome = self.outcomes.get(&settled.resource);
            let not_cleared = self.said.steps.iter().any(|step| {
                step.action == Action::Remove
                    && !self.made(step)
                    && at_or_below(&settled.resource, &step.resource)
            });
            if not_cleared && outcome.is_some_and(|outcome| outcome.outcome == OutcomeKind::Failed) {
                continue;
            }
            let is_restart_kept_back =
                settled.differences.is_empty() && self.needless.contains(&settled.resource);
            if is_restart_kept_back && outcome.is_some_and(|outcome| outcome.outcome == OutcomeKind::Kept) {
                continue;
            }
            // What is only looked at is told as it is found afterwards, as is that something came back into the place of what is
            // not to be there.
            let is_near = |step: &&StepView| {
                let (a, b) = (&step.resource, &settled.resource);
                at_or_below(a, b) || at_or_below(b, a)
            };
            let mut near = self.said.steps.iter().filter(is_near);
            let is_unread = outcome.is_some_and(|outcome| outcome.outcome == OutcomeKind::Failed);
            if near.any(|step| settled.mode == Mode::Audit || (is_unread && step.action == Action::Create)) {
                continue;
            }
            // Of two that failed either may be named.
            let comes_after =
                |told: &Outcome| told.reason.as_ref().is_some_and(|r| r.starts_with("it comes after "));
            if comes_after(settled)
                && outcome.is_some_and(|outcome| comes_after(outcome) && outcome.outcome == settled.outcome)
            {
                continue;
            }
            if !self.steps.iter().any(|step| step.resource == settled.resource) {
                prop_assert_eq!(outcome, Some(&settled));
            }
        }
        for step in &self.said.steps {
            expected.insert(&step.resource);
            let Some(outcome) = self.outcomes.get(&step.resource) else {
                prop_assert!(self.taken_back.contains(&step.resource), "{step:?} came to nothing");
                continue;
            };
            let same = outcome.differences == step.differences;
            match outcome.outcome {
                OutcomeKind::Repaired => prop_assert!(same, "{step:?} came to {outcome:?}"),
                // Where the place was not cleared there is no reading what differs.
                OutcomeKind::Failed | OutcomeKind::Blocked | OutcomeKind::Waiting => {
                    prop_assert!(same || outcome.differences.is_empty(), "{step:?} came to {outcome:?}");
                    prop_assert!(outcome.reason.is_some(), "{step:?} came to {outcome:?}");
                }
                // A restart alone, on account of what did not change, or what a lease left as who only looks has it.
                OutcomeKind::Kept => prop_assert!(
                    !self.steps.contains(step) || self.taken_back.contains(&step.resource),
                    "{step:?} came to {outcome:?}"
                ),
                // What is taken back is nobody's, or theirs whose claim can't be carried out here.
                OutcomeKind::NotApplicable | OutcomeKind::Unsupported | OutcomeKind::Drifted => {
                    prop_assert!(self.taken_back.contains(&step.resource), "{step:?} came to {outcome:?}");
                }
            }
        }
        let all: BTreeSet<_> = self.outcomes.keys().copied().collect();
        prop_assert!(all.is_subset(&expected), "outcomes of what no plan said: {all:?}, {expected:?}");
        Ok(())
    }

    /// The record tells of the steps that were made, in their order and words.
    pub(super) fn told(&self, told: &[Event]) -> TestCaseResult {
        let mut changes: Vec<(&ResourceId, Action, &Vec<Difference>)> = vec![];
        for event in told {
            let Event::Changed { resource, action, differences, .. } = event else { continue };
            // A service that restarts at the end was told of before.
            if !differences.is_empty() || !changes.iter().any(|(earlier, ..)| *earlier == resource) {
                changes.push((resource, *action, differences));
            }
        }
        let said: Vec<_> = self
            .steps
            .iter()
            .filter(|step| self.made(step))
            .map(|step| (&step.resource, step.action, &step.differences))
            .collect();
        prop_assert_eq!(changes, said);
        Ok(())
    }

    /// Counts what the pair was good for.
    pub(super) fn count(&self, seen: &mut BTreeMap<&'static str, u32>) {
        let mut note = |what| *seen.entry(what).or_default() += 1;
        for step in &self.said.steps {
            note(match step.action {
                Action::Create => "create",
                Action::Change => "change",
                Action::Remove => "remove",
            });
            if step.restart {
                note("restart");
            }
            if self.taken_back.contains(&step.resource) {
                note("reversal");
            }
        }
        for outcome in self.outcomes.values() {
            match outcome.outcome {
                OutcomeKind::Failed => note("failed"),
                OutcomeKind::Blocked => note("blocked"),
                OutcomeKind::Waiting => note("waiting"),
                OutcomeKind::Drifted => note("drifted"),
                OutcomeKind::Unsupported => note("unsupported"),
                OutcomeKind::Kept | OutcomeKind::Repaired | OutcomeKind::NotApplicable => {}
            }
        }
    }
}
