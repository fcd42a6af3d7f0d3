//! What a cycle would come to, for who only asks.

use muster_proto::ResourceId;
use muster_proto::condition::{Action, Condition};

use crate::plan::{Input, Observed, Plan, Step, in_the_way, is_path, plan};

/// Plans a whole cycle for who only asks: as it would go if every step of it succeeded. What is made of [`plan`] instead is
/// read and planned anew between its stages, and so finds places that an earlier stage has cleared.
pub fn foresee(input: &Input<'_>) -> Plan {
    let first = plan(input);
    once_cleared(input, &first).unwrap_or(first)
}

/// The plan of a whole cycle where the `first` one clears places that something else waits for; `None` where it does not.
pub fn once_cleared(input: &Input<'_>, first: &Plan) -> Option<Plan> {
    let observed = cleared(input.observed, first)?;
    Some(plan(&Input { observed: &observed, ..*input }))
}

/// What is there once a plan has removed files, directories and links in the place of others, or on the way to them, or has links
/// there lead elsewhere; `None` when it clears no place that anything else waits for.
fn cleared(observed: &Observed, plan: &Plan) -> Option<Observed> {
    let goes = |step: &&Step| match step.action {
        Action::Remove => is_path(&step.id),
        Action::Change => step.id.kind() == "link",
        Action::Create => false,
    };
    let going: Vec<&ResourceId> = plan.steps.iter().filter(goes).map(|step| &step.id).collect();
    let free: Vec<&ResourceId> = observed
        .iter()
        .filter(|(id, there)| there.is_err() && going.iter().any(|gone| in_the_way(gone, id)))
        .map(|(id, _)| id)
        .collect();
    if free.is_empty() {
        return None;
    }
    let mut after = observed.clone();
    after.extend(free.into_iter().map(|id| (id.clone(), Ok(Condition::Absent))));
    Some(after)
}
