//! The outcomes of one turn, gathered over its stages.

use std::collections::BTreeMap;

use muster_converge::outcome::{self, Tried};
use muster_converge::plan::{Plan, Record, Step};
use muster_proto::ResourceId;
use muster_proto::report::{Outcome, OutcomeKind};

/// Said of what takes the place of a lease that ended in this turn: nothing is tried twice in one.
pub(super) const FOLLOWS: &str =
    "a lease of another profile ended here a moment ago: this follows in the next turn";

/// What was tried, and what it came to.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    tried: BTreeMap<ResourceId, Option<Outcome>>,
    given_up: BTreeMap<ResourceId, OutcomeKind>,
}

impl Outcomes {
    /// Notes what a step came to.
    pub(super) fn note(&mut self, step: &Step, records: &BTreeMap<ResourceId, Record>, tried: Tried) {
        if tried != Tried::Done {
            self.given_up.insert(step.id.clone(), tried.kind());
        } else if step.is_restart_alone() && self.tried(&step.id) {
            // What came to it before it restarted says more.
            return;
        }
        self.tried.insert(step.id.clone(), outcome::of_step(step, records.get(&step.id), tried));
    }

    /// Whether a resource was tried in this turn. Nothing is tried twice, but that a service may restart at the end.
    pub(super) fn tried(&self, id: &ResourceId) -> bool {
        self.tried.contains_key(id)
    }

    /// How many were tried in this turn.
    pub(super) fn count(&self) -> usize {
        self.tried.len()
    }

    /// What was tried and did not become as it should be, with what came of it.
    pub(super) fn given_up(&self) -> &BTreeMap<ResourceId, OutcomeKind> {
        &self.given_up
    }

    /// Adds what the last plan found settled; what was tried keeps its own outcome.
    pub(super) fn complete(self, plan: &Plan) -> Vec<Outcome> {
        let mut all: BTreeMap<ResourceId, Outcome> =
            plan.settled.iter().map(|o| (o.resource.clone(), o.clone())).collect();
        for (id, outcome) in self.tried {
            if let Some(outcome) = outcome {
                // What there is to tell of what is as it should be is told at once.
                let found = all.remove(&id).filter(|found| found.outcome == OutcomeKind::Kept);
                let told = found.and_then(|found| found.reason);
                all.insert(id, Outcome { reason: outcome.reason.or(told), ..outcome });
            } else if let Some(step) = plan.steps.iter().find(|step| step.id == id)
                && let Some(claim) = &step.claim
            {
                let (differences, reason) = (step.differences.clone(), Some(FOLLOWS.to_owned()));
                let follows = outcome::of_claim(&id, claim, OutcomeKind::Waiting, differences, reason);
                all.insert(id, follows);
            }
        }
        all.into_values().collect()
    }
}
