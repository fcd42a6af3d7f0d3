//! Steps that are not made although each by itself could be, on account of what else is claimed or on record.

use std::collections::{BTreeMap, BTreeSet};

use muster_converge::plan::{Record, Step, is_path};
use muster_proto::ResourceId;
use muster_proto::compose::{Claim, Claimed, Composition};
use muster_proto::condition::Condition;
use muster_proto::state::Mode;

use super::hands::Hands;
use super::machine::Machine;

/// What bars steps of one stage.
pub(super) struct Barred<'c> {
    /// Claims whose paths lead to the place of another one, by a link on the way, each with that other: no profile can know of it,
    /// and each turn would undo the one for the other. The greater claim has the place; of equal ones none changes it.
    displaced: BTreeMap<&'c ResourceId, &'c ResourceId>,
}

impl<'c> Barred<'c> {
    pub(super) fn of<M: Machine>(hands: &Hands<M>, composition: &'c Composition, steps: &[&Step]) -> Self {
        let wanted = steps.iter().filter(|step| is_path(&step.id) && step.claim.is_some());
        let named: BTreeSet<&str> = wanted.filter_map(|step| Some(of_path(&step.id)?.1)).collect();
        let now = hands.clock.now();
        let holds = |claim: &Claim| {
            claim.source.mode == Mode::Enforce && claim.common.not_after.is_none_or(|end| end > now)
        };
        let (mut folders, mut places) = (BTreeMap::new(), BTreeMap::<_, Vec<_>>::new());
        for (id, claim) in composition.claims.iter().filter(|(id, _)| !named.is_empty() && is_path(id)) {
            let Some((above, name)) = of_path(id).filter(|(_, name)| named.contains(name)) else { continue };
            if holds(claim)
                && let Some(folder) = *folders.entry(above).or_insert_with(|| hands.host.folder(above))
            {
                places.entry((folder, name)).or_default().push((id, claim));
            }
        }
        let mut displaced = BTreeMap::new();
        for claims in places.into_values().filter(|claims| claims.len() > 1) {
            let claims: Vec<_> = claims
                .into_iter()
                .filter_map(|(id, claim)| Some((id, claim.weight(), desired(claim)?)))
                .collect();
            for (id, weight, desired) in &claims {
                let agree = |other: &ResourceId, wanted: &Condition| {
                    wanted == desired && (other.kind() == id.kind() || *desired == Condition::Absent)
                };
                let other = claims.iter().find(|(other, others, wanted)| {
                    other.key() != id.key() && others >= weight && !agree(other, wanted)
                });
                displaced.extend(other.map(|(other, ..)| (*id, *other)));
            }
        }
        Self { displaced }
    }

    /// Why a step is not made; `None` where nothing bars it.
    pub(super) fn reason(
        &self,
        step: &Step,
        composition: &Composition,
        records: &BTreeMap<ResourceId, Record>,
    ) -> Option<String> {
        if let Some(id) = left_behind(composition, records, step) {
            return Some(format!("it is the group of {id}, which is still there"));
        }
        let other = self.displaced.get(&step.id).filter(|_| step.claim.is_some())?;
        let whose = &composition.claims.get(*other)?.source.profile;
        Some(format!(
            "a link on the way leads to {other} of {whose}, which says something else: take one of them out, or give its \
             profile a lower precedence"
        ))
    }
}

/// The directory of what is at a path, and its name there.
fn of_path(id: &ResourceId) -> Option<(&str, &str)> {
    id.key().rsplit_once('/')
}

fn desired(claim: &Claim) -> Option<Condition> {
    match &claim.claimed {
        Claimed::Apply(resource) => Some(resource.desired()),
        Claimed::NotApplicable | Claimed::Blocked { .. } | Claimed::Unsupported { .. } => None,
    }
}

/// What a group that is removed would leave behind, and so would be the property of whoever gets its number next: what nobody
/// asks for any more, and could not be taken away before.
fn left_behind<'r>(
    composition: &Composition,
    records: &'r BTreeMap<ResourceId, Record>,
    step: &Step,
) -> Option<&'r ResourceId> {
    if step.id.kind() != "group" || !step.takes_away() {
        return None;
    }
    let group = |record: &Record| record.wrote.attributes()?.get("group").cloned();
    let is_left = |id: &ResourceId, record: &Record| {
        !composition.claims.contains_key(id) && group(record).is_some_and(|group| group == step.id.key())
    };
    records.iter().find(|(id, record)| is_left(id, record)).map(|(id, _)| id)
}
