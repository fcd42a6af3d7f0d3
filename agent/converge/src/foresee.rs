//! What a cycle would come to, for who only asks.

use muster_proto::ResourceId;
use muster_proto::condition::{Action, Condition};

use crate::plan::{Input, Observed, Plan, in_the_way, is_path, plan};

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

/// What is there once a plan has removed files, directories and links in the place of others, or on the way to them;
/// `None` when it clears no place that anything else waits for.
fn cleared(observed: &Observed, plan: &Plan) -> Option<Observed> {
    let removed = plan.steps.iter().filter(|step| step.action == Action::Remove).map(|step| &step.id);
    let going: Vec<&ResourceId> = removed.filter(|id| is_path(id)).collect();
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
