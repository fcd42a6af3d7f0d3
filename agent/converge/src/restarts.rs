//! The restarts of services that a plan comes to.

use std::sync::Arc;

use muster_proto::compose::Claimed;
use muster_proto::condition::Action;
use muster_proto::report::OutcomeKind;
use muster_proto::resource::Resource;
use muster_proto::state::Mode;

use crate::order;
use crate::plan::{Input, Plan, Step, passed};

/// A service restarts when something it names changes now, or still owes a restart from an earlier cycle.
pub(crate) fn add(plan: &mut Plan, input: &Input<'_>) {
    let changing = plan.steps.iter().filter(|step| !input.given_up.contains_key(&step.id));
    let told = order::told(input.composition, input.records, changing, input.now);
    for (id, claim) in &input.composition.claims {
        let Claimed::Apply(resource @ Resource::Service(service)) = &claim.claimed else { continue };
        let is_over = passed(claim.common.not_after, input.now);
        let due = !is_over && (input.restarts_due.contains(id) || told.contains(id));
        if !due || claim.source.mode == Mode::Audit || service.running == Some(false) {
            continue;
        }
        if let Some(step) = plan.steps.iter_mut().find(|step| step.id == *id) {
            step.restart = true;
            continue;
        }
        let settled = plan.settled.iter().position(|o| o.resource == *id && o.outcome == OutcomeKind::Kept);
        let (Some(settled), Some(Ok(observed))) = (settled, input.observed.get(id)) else { continue };
        plan.settled.remove(settled);
        plan.steps.push(Step {
            id: id.clone(),
            action: Action::Change,
            from: observed.clone(),
            to: resource.desired(),
            differences: vec![],
            claim: Some(Arc::new(claim.clone())),
            restart: true,
            ending: false,
            follows: false,
            undoes: false,
        });
    }
}
