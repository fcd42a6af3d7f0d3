//! The order in which resources are applied: what may be needed first, first. Removal goes the other way round.
//!
//! The kinds have an order of their own; what a profile's author says by `after` goes before it.

use std::collections::{BTreeMap, BTreeSet};

use muster_proto::compose::{Claim, Claimed, Composition};
use muster_proto::report::OutcomeKind;
use muster_proto::resource::KINDS;
use muster_proto::{ResourceId, Timestamp};

use crate::outcome;
use crate::plan::{Input, Plan, Record, Step};

/// The rank of a resource's kind; unknown kinds come last.
pub fn rank(id: &ResourceId) -> usize {
    KINDS.iter().position(|kind| *kind == id.kind()).unwrap_or(KINDS.len())
}

/// Orders ids for applying: by kind, and within a kind by key, so that a directory comes before what is in it.
pub fn applying(a: &ResourceId, b: &ResourceId) -> std::cmp::Ordering {
    rank(a).cmp(&rank(b)).then_with(|| a.cmp(b))
}

/// Orders the steps of a plan: removals first, from what depends to what is depended on; then the rest the other way round.
pub(crate) fn sort(steps: &mut [Step], input: &Input<'_>) {
    let rounds = rounds(input.composition, input.records, steps);
    let round = |step: &Step| rounds.get(&step.id).copied().unwrap_or_default();
    steps.sort_by(|a, b| match (a.takes_away(), b.takes_away()) {
        (true, false) => std::cmp::Ordering::Less,
        (false, true) => std::cmp::Ordering::Greater,
        (true, true) => applying(&b.id, &a.id),
        (false, false) => round(a).cmp(&round(b)).then_with(|| applying(&a.id, &b.id)),
    });
}

/// Which of the steps that take nothing away wait for which others of them: what comes after something by its author's word,
/// and a service that is told of changes after these were made. Those that wait for nothing are left out.
///
/// A change may come after a service and be told to it as well, by whatever way. Where the service is only to be restarted, it
/// runs already, and restarts once the change was made; where there is more to be made of it, that does not wait for the change
/// (see [`is_told_later`]). Which of them waits is said by the whole state and not by what is left to be made, so that it stays the same for a whole turn.
pub fn predecessors<'s>(
    composition: &Composition,
    records: &BTreeMap<ResourceId, Record>,
    steps: impl IntoIterator<Item = &'s Step>,
) -> BTreeMap<ResourceId, BTreeSet<ResourceId>> {
    let making: Vec<&Step> = steps.into_iter().filter(|step| !step.takes_away()).collect();
    if making.iter().all(|step| after(step).is_empty() && !step.restart) {
        return BTreeMap::new();
    }
    let made: BTreeSet<&ResourceId> = making.iter().map(|step| &step.id).collect();
    let graph = Graph::of(composition);
    let restarts = making.iter().filter(|step| step.is_restart_alone());
    let before_restarts: BTreeMap<&ResourceId, BTreeSet<&ResourceId>> =
        restarts.map(|step| (&step.id, graph.before_restart(&step.id))).collect();
    let mut predecessors: BTreeMap<ResourceId, BTreeSet<ResourceId>> = BTreeMap::new();
    for step in &making {
        let comes_before = |id: &&ResourceId| {
            made.contains(id) && before_restarts.get(id).is_none_or(|others| !others.contains(&step.id))
        };
        let first = after(step).iter().filter(comes_before);
        let tells = |other: &&&Step| {
            step.restart
                && !other.is_restart_alone()
                && tells(composition, records, other, &step.id)
                && (before_restarts.contains_key(&step.id) || !graph.leads(&other.id, &step.id))
        };
        let first: BTreeSet<ResourceId> =
            first.chain(making.iter().filter(tells).map(|other| &other.id)).cloned().collect();
        if !first.is_empty() {
            predecessors.insert(step.id.clone(), first);
        }
    }
    predecessors
}

/// Whether a service is told of some of these steps that come after it: what else is to be made of it is made first then, and it
/// restarts at the end.
pub fn is_told_later(
    composition: &Composition,
    records: &BTreeMap<ResourceId, Record>,
    steps: &[Step],
    service: &Step,
) -> bool {
    if !service.restart || service.is_restart_alone() {
        return false;
    }
    let graph = Graph::of(composition);
    let mut making = steps.iter().filter(|step| !step.takes_away() && !step.is_restart_alone());
    making.any(|step| tells(composition, records, step, &service.id) && graph.leads(&step.id, &service.id))
}

/// What waits for what in a whole state, whatever of it is to be changed.
struct Graph<'c> {
    composition: &'c Composition,
    notifying: BTreeMap<&'c ResourceId, Vec<&'c ResourceId>>,
}

impl<'c> Graph<'c> {
    fn of(composition: &'c Composition) -> Self {
        let mut notifying: BTreeMap<&ResourceId, Vec<&ResourceId>> = BTreeMap::new();
        for (id, claim) in &composition.claims {
            for service in &claim.common.notify {
                notifying.entry(service).or_default().push(id);
            }
        }
        Self { composition, notifying }
    }

    /// Whether `from` waits for `to`, by whatever way.
    fn leads(&self, from: &'c ResourceId, to: &ResourceId) -> bool {
        self.reached(vec![from], to).contains(to)
    }

    /// What a service is told of, and what that waits for, up to the service itself.
    fn before_restart(&self, service: &'c ResourceId) -> BTreeSet<&'c ResourceId> {
        self.reached(self.tellers(service).collect(), service)
    }

    /// These, and all that they wait for, without going on from `end`.
    fn reached(&self, mut next: Vec<&'c ResourceId>, end: &ResourceId) -> BTreeSet<&'c ResourceId> {
        let mut seen = BTreeSet::new();
        while let Some(id) = next.pop() {
            if !seen.insert(id) || id == end {
                continue;
            }
            next.extend(self.composition.claims.get(id).into_iter().flat_map(|claim| &claim.common.after));
            next.extend(self.tellers(id));
        }
        seen
    }

    /// What a service is told of.
    fn tellers(&self, service: &ResourceId) -> impl Iterator<Item = &'c ResourceId> {
        let restart_on = match self.composition.claims.get(service).map(|claim| &claim.claimed) {
            Some(Claimed::Apply(resource)) => resource.restart_on(),
            _ => &[],
        };
        let notifying = self.notifying.get(service).into_iter().flatten().copied();
        restart_on.iter().chain(notifying)
    }
}

/// In which round through the kinds each step is made, but for those of the first, which is 0. A round makes all of a kind at
/// once, so that what waits for something of its own kind or of a later one is made in the next.
pub fn rounds(
    composition: &Composition,
    records: &BTreeMap<ResourceId, Record>,
    steps: &[Step],
) -> BTreeMap<ResourceId, usize> {
    let predecessors = predecessors(composition, records, steps);
    let mut waits_for: BTreeMap<&ResourceId, BTreeSet<&ResourceId>> =
        predecessors.iter().map(|(id, first)| (id, first.iter().collect())).collect();
    let mut kept_waiting: BTreeMap<&ResourceId, Vec<&ResourceId>> = BTreeMap::new();
    for (id, first) in &predecessors {
        for one in first {
            kept_waiting.entry(one).or_default().push(id);
        }
    }
    let mut rounds: BTreeMap<ResourceId, usize> = BTreeMap::new();
    let mut next: Vec<&ResourceId> =
        kept_waiting.keys().filter(|id| !predecessors.contains_key(**id)).copied().collect();
    while let Some(first) = next.pop() {
        let round = rounds.get(first).copied().unwrap_or_default();
        for id in kept_waiting.remove(first).unwrap_or_default() {
            let earliest = round + usize::from(rank(first) >= rank(id));
            let round = rounds.entry(id.clone()).or_default();
            *round = earliest.max(*round);
            if let Some(left) = waits_for.get_mut(id) {
                left.remove(first);
                if left.is_empty() {
                    next.push(id);
                }
            }
        }
    }
    rounds
}

/// What a step comes after by its author's word.
fn after(step: &Step) -> &[ResourceId] {
    step.claim.as_ref().map_or(&[], |claim| claim.common.after.as_slice())
}

/// Settles as Blocked what would come after something that is not as it should be and will not be by this plan, and as Waiting what
/// would come after something that waits: one failure keeps back what depends on it, and nothing else.
pub(crate) fn hold_back(plan: &mut Plan, input: &Input<'_>) {
    let waits = |step: &Step| !step.takes_away() && !after(step).is_empty();
    if !plan.steps.iter().any(waits) {
        return;
    }
    let mut unmet: BTreeMap<ResourceId, OutcomeKind> = plan
        .settled
        .iter()
        .filter(|told| {
            !matches!(told.outcome, OutcomeKind::Kept | OutcomeKind::Repaired | OutcomeKind::NotApplicable)
        })
        .map(|told| (told.resource.clone(), told.outcome))
        .chain(input.given_up.iter().map(|(id, outcome)| (id.clone(), *outcome)))
        // What does not apply here is not waited for, be it taken back or not.
        .filter(|(id, _)| {
            input.composition.claims.get(id).is_some_and(|claim| claim.claimed != Claimed::NotApplicable)
        })
        .collect();
    loop {
        let kept: Vec<(usize, OutcomeKind, String)> = plan
            .steps
            .iter()
            .enumerate()
            .filter(|(_, step)| waits(step))
            .filter_map(|(index, step)| {
                let (first, outcome) = after(step).iter().find_map(|id| Some((id, unmet.get(id)?)))?;
                let kind = match outcome {
                    OutcomeKind::Waiting => OutcomeKind::Waiting,
                    _ => OutcomeKind::Blocked,
                };
                Some((index, kind, format!("it comes after {first}, which {}", unmet_as(*outcome))))
            })
            .collect();
        if kept.is_empty() {
            return;
        }
        for (index, kind, reason) in kept.into_iter().rev() {
            let Step { id, claim, differences, .. } = plan.steps.remove(index);
            unmet.insert(id.clone(), kind);
            if let Some(claim) = claim {
                plan.settled.push(outcome::of_claim(&id, &claim, kind, differences, Some(reason)));
            }
        }
    }
}

/// Says of something that it is not as it should be.
fn unmet_as(outcome: OutcomeKind) -> &'static str {
    match outcome {
        OutcomeKind::Failed => "failed",
        OutcomeKind::Blocked => "is blocked",
        OutcomeKind::Waiting => "is still waiting",
        OutcomeKind::Unsupported => "this agent does not know",
        OutcomeKind::Drifted | OutcomeKind::Kept | OutcomeKind::Repaired | OutcomeKind::NotApplicable => {
            "is not as it should be"
        }
    }
}

/// The services that have to read what these steps change. One whose lease has ended is nobody's to restart.
pub fn told<'s>(
    composition: &Composition,
    records: &BTreeMap<ResourceId, Record>,
    steps: impl IntoIterator<Item = &'s Step>,
    now: Timestamp,
) -> BTreeSet<ResourceId> {
    let mut changed: BTreeSet<&ResourceId> = BTreeSet::new();
    let mut told: BTreeSet<&ResourceId> = BTreeSet::new();
    for step in steps {
        changed.insert(&step.id);
        told.extend(notify(records, step));
    }
    let reads = |id: &ResourceId, claim: &Claim| match &claim.claimed {
        Claimed::Apply(resource) => {
            let is_told = told.contains(id) || resource.restart_on().iter().any(|on| changed.contains(on));
            is_told && claim.common.not_after.is_none_or(|end| end > now)
        }
        Claimed::NotApplicable | Claimed::Blocked { .. } | Claimed::Unsupported { .. } => false,
    };
    let claims = composition.claims.iter();
    claims.filter(|(id, claim)| reads(id, claim)).map(|(id, _)| id.clone()).collect()
}

/// Whether a service has to read what this step changes.
fn tells(
    composition: &Composition,
    records: &BTreeMap<ResourceId, Record>,
    step: &Step,
    service: &ResourceId,
) -> bool {
    let by_service = match composition.claims.get(service).map(|claim| &claim.claimed) {
        Some(Claimed::Apply(resource)) => resource.restart_on().contains(&step.id),
        _ => false,
    };
    by_service || notify(records, step).contains(service)
}

/// The services that the author of what is changed wants to be told, or of what is taken back wanted.
fn notify<'a>(records: &'a BTreeMap<ResourceId, Record>, step: &'a Step) -> &'a [ResourceId] {
    match &step.claim {
        Some(claim) => &claim.common.notify,
        None => records.get(&step.id).map_or(&[], |record| &record.notify),
    }
}
