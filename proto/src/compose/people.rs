//! Accounts of people: that of the device's owner, and one for each member of a group.

use std::collections::BTreeMap;

use super::{Candidate, Claimed};
use crate::id::ResourceId;
use crate::resource::account::{OWNER_KEY, group_of_key};
use crate::resource::value::PeopleGroup;
use crate::state::{Bindings, MAX_PEOPLE, PERSON_UIDS, Person};

/// For how many a resource is declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Breadth {
    /// What it names.
    Named,
    /// The device's owner.
    Owner,
    /// Whoever is in a group.
    Group,
}

/// Whom a declared resource is for.
pub(super) enum Whom<'a> {
    /// What it names.
    Named,
    /// One account each; nobody's when there is nobody.
    People(Vec<&'a Person>),
    /// It can't be said, as there is no such group.
    NoGroup(PeopleGroup),
}

/// Whom a declared resource is for, by its id alone: that can be read even of one that is otherwise Unsupported, whose
/// claims on the people's accounts have to stand.
pub(super) fn whom<'a>(declared: &ResourceId, bindings: &'a Bindings) -> Whom<'a> {
    match (breadth(declared), group_of(declared)) {
        (Breadth::Owner, _) => Whom::People(bindings.owner.iter().collect()),
        (Breadth::Group, Some(group)) => match bindings.groups.get(&group) {
            Some(members) => Whom::People(members.iter().collect()),
            None => Whom::NoGroup(group),
        },
        (Breadth::Named | Breadth::Group, _) => Whom::Named,
    }
}

/// For how many a resource of this id is declared.
pub(super) fn breadth(declared: &ResourceId) -> Breadth {
    match declared.key() {
        _ if declared.kind() != "account" => Breadth::Named,
        OWNER_KEY => Breadth::Owner,
        _ if group_of(declared).is_some() => Breadth::Group,
        _ => Breadth::Named,
    }
}

fn group_of(declared: &ResourceId) -> Option<PeopleGroup> {
    if declared.kind() == "account" { group_of_key(declared.key()) } else { None }
}

/// Blocks the account of a group's member that goes beyond what bindings may bring in, whatever sent them.
pub(super) fn bounded(
    claimed: Claimed,
    declared: &ResourceId,
    person: &Person,
    bindings: &Bindings,
) -> Claimed {
    match claimed {
        Claimed::Apply(_) if breadth(declared) == Breadth::Group => {
            let reason = refusal(person, bindings);
            reason.map_or(claimed, |reason| Claimed::Blocked { reason })
        }
        claimed => claimed,
    }
}

fn refusal(person: &Person, bindings: &Bindings) -> Option<String> {
    let people: usize = bindings.groups.values().map(Vec::len).sum();
    if people > MAX_PEOPLE {
        return Some(format!(
            "the groups of its profiles have {people} members together, and at most {MAX_PEOPLE} get accounts on a device"
        ));
    }
    match person.uid {
        Some(uid) if PERSON_UIDS.contains(&uid) => None,
        uid => Some(format!(
            "{} has {} in the record, not one from {} to {}",
            person.username,
            uid.map_or_else(|| "no uid".to_owned(), |uid| format!("uid {uid}")),
            PERSON_UIDS.start(),
            PERSON_UIDS.end()
        )),
    }
}

/// Of the claims of one profile on one account, leaves the narrowest: who writes `for: owner` beside a group that the owner
/// is in means the owner's to be as it stands there. Two groups are equally wide.
pub(super) fn narrowest(candidates: Vec<(Breadth, Candidate)>) -> Vec<Candidate> {
    let mut narrowest: BTreeMap<ResourceId, Breadth> = BTreeMap::new();
    if candidates.iter().any(|(breadth, _)| *breadth != Breadth::Named) {
        let holding = candidates.iter().filter(|(_, candidate)| candidate.claimed != Claimed::NotApplicable);
        for (breadth, candidate) in holding {
            let least = narrowest.entry(candidate.id.clone()).or_insert(*breadth);
            *least = (*least).min(*breadth);
        }
    }
    let stands =
        |breadth, candidate: &Candidate| narrowest.get(&candidate.id).is_none_or(|least| breadth == *least);
    candidates
        .into_iter()
        .filter(|(breadth, candidate)| stands(*breadth, candidate))
        .map(|(_, candidate)| candidate)
        .collect()
}

#[cfg(test)]
mod tests;
