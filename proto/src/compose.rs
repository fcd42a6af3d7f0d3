//! Composition: the one place where revisions merge into what a device should be. Pure, and the same on both sides.
//!
//! Higher precedence wins the whole resource. Equal precedence with different content is a conflict. An audit claim
//! never overrides an enforced one. Claims of different kinds on one path are rivals as if they were on one resource. What
//! is declared for people becomes one claim for each of them. A claim whose time is not now gives way to those it outranks.

pub(crate) mod after;
mod lines;
mod paths;
mod people;
mod time;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use crate::check::Check;
use crate::id::{Digest, ResourceId};
use crate::profile::Profile;
use crate::resource::{Body, Common, Declared, Resource};
use crate::state::{Applied, Bindings, DesiredState, Mode, Person};
use crate::template::Names;
use crate::text::one_line;
use crate::timestamp::Timestamp;
use crate::when::Facts;

use people::Whom;

pub use time::Span;

/// What a device should be, merged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Composition {
    /// One claim per resource.
    pub claims: BTreeMap<ResourceId, Claim>,
    /// Checks by id; the highest precedence wins.
    pub checks: BTreeMap<String, ClaimedCheck>,
    /// Profiles that this reader can't read at all, with the reason: what they claimed before stays as it is.
    pub unsupported: BTreeMap<String, String>,
    /// While it holds, where it is of one time.
    pub span: Span,
}

impl Composition {
    /// The claims on resources of this kind.
    pub fn of_kind<'c>(&'c self, kind: &'c str) -> impl Iterator<Item = (&'c ResourceId, &'c Claim)> {
        self.claims.range(ResourceId::new(kind, "")..).take_while(move |(id, _)| id.kind() == kind)
    }
}

/// The claim that won a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// What it comes to on this device.
    pub claimed: Claimed,
    /// Where it stands; shared by all claims of one profile.
    pub source: Arc<Applied>,
    /// The author's note, lease and wish for removal.
    pub common: Common,
    /// Profiles whose claims lost to this one.
    pub overrides: Vec<String>,
    /// All the profiles with another claim on the same that holds here, those that ask for the same included.
    pub beside: Vec<String>,
}

impl Claim {
    /// What decides between claims: the greater wins.
    pub fn weight(&self) -> (Mode, i32) {
        (self.source.mode, self.source.precedence)
    }
}

/// What a claim comes to on one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// This should be so.
    Apply(Resource),
    /// It holds for other devices only.
    NotApplicable,
    /// It can't be filled in, or contradicts another claim: left as it last was.
    Blocked {
        /// Why.
        reason: String,
    },
    /// Of a newer language: neither changed nor reversed.
    Unsupported {
        /// What is not known.
        reason: String,
    },
}

/// A check and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimedCheck {
    /// The check.
    pub check: Check,
    /// Where it stands.
    pub source: Applied,
}

/// Two claims of equal weight that differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// On which resource.
    pub resource: ResourceId,
    /// The profiles, in the state's order.
    pub profiles: Vec<String>,
}

/// Why a state can't be composed at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ComposeError {
    /// The state asks for rules that this reader does not have.
    #[error("the state asks for composition {asked}, this agent has {known}: upgrade the agent", known = crate::COMPOSITION_VERSION)]
    Composition {
        /// The version asked for.
        asked: u32,
    },
    /// A document that the state names is not here.
    #[error("profile {profile}: document {digest} is missing")]
    Missing {
        /// The profile it belongs to.
        profile: String,
        /// The document.
        digest: Digest,
    },
}

/// Merges the revisions that `state` names, read from `documents`, for a device with these facts, whatever the time: each claim
/// counts as long as the state names it.
pub fn compose(
    state: &DesiredState,
    documents: &BTreeMap<Digest, Vec<u8>>,
    facts: &Facts,
) -> Result<Composition, ComposeError> {
    compose_for(state, documents, facts, None)
}

/// As [`compose`], at one time: a claim that has yet to begin or is over keeps none from its resource that holds now.
pub fn compose_at(
    state: &DesiredState,
    documents: &BTreeMap<Digest, Vec<u8>>,
    facts: &Facts,
    now: Timestamp,
) -> Result<Composition, ComposeError> {
    compose_for(state, documents, facts, Some(now))
}

fn compose_for(
    state: &DesiredState,
    documents: &BTreeMap<Digest, Vec<u8>>,
    facts: &Facts,
    now: Option<Timestamp>,
) -> Result<Composition, ComposeError> {
    if state.composition > crate::COMPOSITION_VERSION {
        return Err(ComposeError::Composition { asked: state.composition });
    }
    let mut composition = Composition::default();
    let mut candidates: BTreeMap<ResourceId, Vec<Candidate>> = BTreeMap::new();
    for applied in ordered(&state.revisions) {
        let bytes = documents.get(&applied.digest).ok_or_else(|| ComposeError::Missing {
            profile: applied.profile.to_string(),
            digest: applied.digest,
        })?;
        match Profile::read(bytes) {
            Err(error) => {
                composition.unsupported.insert(applied.profile.to_string(), error.reason);
            }
            Ok((mut profile, _)) => {
                claim_checks(&mut composition.checks, std::mem::take(&mut profile.checks), applied);
                for candidate in bind(profile, applied, &state.bindings, state, facts) {
                    match candidates.entry(candidate.id.clone()) {
                        Entry::Occupied(mut rivals) => rivals.get_mut().push(candidate),
                        // Room for one: nearly all stand alone, and there are thousands of them.
                        Entry::Vacant(first) => drop(first.insert(vec![candidate])),
                    }
                }
            }
        }
    }
    if let Some(now) = now {
        composition.span = Span::of(candidates.values().flatten().map(|candidate| &candidate.common), now);
    }
    composition.claims =
        candidates.into_iter().filter_map(|(id, rivals)| Some((id, settle(rivals, now)?))).collect();
    let elsewhen = time::set_aside(&mut composition.claims, now);
    paths::settle(&mut composition.claims);
    lines::settle(&mut composition.claims);
    composition.claims.extend(elsewhen);
    after::settle(&mut composition.claims);
    Ok(composition)
}

/// The conflicts that composing `state` brings about.
pub fn conflicts(composition: &Composition) -> Vec<Conflict> {
    composition
        .claims
        .iter()
        .filter(|(_, claim)| matches!(&claim.claimed, Claimed::Blocked { reason } if reason.starts_with(CONFLICT)))
        .map(|(id, claim)| Conflict {
            resource: id.clone(),
            profiles: std::iter::once(claim.source.profile.to_string()).chain(claim.overrides.clone()).collect(),
        })
        .collect()
}

const CONFLICT: &str = "conflict: ";

struct Candidate {
    id: ResourceId,
    claimed: Claimed,
    common: Common,
    source: Arc<Applied>,
}

/// The revisions in an order that does not depend on how they arrived: by weight, then by name.
fn ordered(revisions: &[Applied]) -> Vec<&Applied> {
    let mut all: Vec<_> = revisions.iter().collect();
    all.sort_by(|a, b| {
        let weight = |r: &Applied| (r.mode, r.precedence);
        weight(b).cmp(&weight(a)).then_with(|| {
            let name = |r: &Applied| {
                (r.profile.clone(), r.revision, r.assignment.clone(), r.digest, r.params.clone())
            };
            name(a).cmp(&name(b))
        })
    });
    all
}

fn bind(
    profile: Profile,
    applied: &Applied,
    bindings: &Bindings,
    state: &DesiredState,
    facts: &Facts,
) -> Vec<Candidate> {
    let names = profile.bind_params(&applied.params).and_then(|mut names| {
        names.define("device.id", state.device.to_string());
        // A serial is what a machine once claimed: it can't bring lines of its own into a file.
        for (name, value) in [("device.name", &bindings.name), ("device.serial", &bindings.serial)] {
            if !one_line(value) {
                return Err(format!("{name} is not one line: correct it in the device's record"));
            }
            names.define(name, value);
        }
        if let Some(owner) = &bindings.owner {
            names.define("person.username", owner.username.as_str());
            names.define("person.full_name", owner.full_name.as_ref().map_or("", |n| n.as_str()));
        }
        Ok(names)
    });
    let source = Arc::new(applied.clone());
    let candidates = profile.resources.into_iter().flat_map(|declared| {
        let (breadth, common) = (people::breadth(&declared.id), declared.common.clone());
        let bound = bind_each(declared, names.as_ref(), bindings, facts).into_iter();
        let source = &source;
        bound.map(move |(id, claimed)| {
            (breadth, Candidate { id, claimed, common: common.clone(), source: Arc::clone(source) })
        })
    });
    people::narrowest(candidates.collect())
}

/// What a declared resource comes to: one claim, or one for each of the people that it is for.
fn bind_each(
    declared: Declared,
    names: Result<&Names, &String>,
    bindings: &Bindings,
    facts: &Facts,
) -> Vec<(ResourceId, Claimed)> {
    match people::whom(&declared.id, bindings) {
        Whom::People(people) if !people.is_empty() => people
            .into_iter()
            .map(|person| {
                let (body, common) = (declared.body.clone(), &declared.common);
                let claimed = bind_one(body, common, Some(person), names, facts);
                let id = ResourceId::new("account", person.username.as_str());
                (id, people::bounded(claimed, &declared.id, person, bindings))
            })
            .collect(),
        Whom::NoGroup(group) => {
            let claimed = match bind_one(declared.body, &declared.common, None, names, facts) {
                Claimed::NotApplicable if holds(&declared.common, facts) => Claimed::Blocked {
                    reason: format!("there is no group {group}: make it by muster group add {group}"),
                },
                claimed => claimed,
            };
            vec![(declared.id, claimed)]
        }
        Whom::Named | Whom::People(_) => {
            vec![(declared.id, bind_one(declared.body, &declared.common, None, names, facts))]
        }
    }
}

fn holds(common: &Common, facts: &Facts) -> bool {
    common.when.as_ref().is_none_or(|when| when.holds(facts))
}

fn bind_one(
    body: Body,
    common: &Common,
    person: Option<&Person>,
    names: Result<&Names, &String>,
    facts: &Facts,
) -> Claimed {
    if !holds(common, facts) {
        return Claimed::NotApplicable;
    }
    let resource = match body {
        Body::Unsupported { reason } => return Claimed::Unsupported { reason },
        Body::Known(resource) => resource,
    };
    let bound = match (resource, person) {
        (Resource::Account(account), Some(person)) if account.name.is_none() => {
            Resource::Account(account.bind(person))
        }
        // Nobody owns the device or is in the group, so nobody's account is asked for.
        (Resource::Account(account), None) if account.name.is_none() => return Claimed::NotApplicable,
        (Resource::Network(network), _) => Resource::Network(network.bind(facts.network_manager)),
        (resource, _) if resource.template().is_some() => {
            match names.map_err(Clone::clone).and_then(|names| resource.filled(names)) {
                Ok(filled) => filled,
                Err(reason) => return Claimed::Blocked { reason },
            }
        }
        // As its author wrote it, it was checked when it was read.
        (resource, _) => return Claimed::Apply(resource),
    };
    // What bindings fill in obeys the rules of what an author writes: no owner becomes root.
    match bound.validate() {
        Ok(()) => Claimed::Apply(bound),
        Err(error) => Claimed::Blocked { reason: error.message },
    }
}

/// Picks the winner among claims on one resource, which come in order of weight.
fn settle(mut rivals: Vec<Candidate>, now: Option<Timestamp>) -> Option<Claim> {
    // A claim that does not hold here stands in nobody's way.
    if rivals.iter().any(|c| c.claimed != Claimed::NotApplicable) {
        rivals.retain(|c| c.claimed != Claimed::NotApplicable);
    }
    time::give_way(&mut rivals, now);
    let mut rivals = rivals.into_iter();
    let winner = rivals.next()?;
    let weight = |c: &Candidate| (c.source.mode, c.source.precedence);
    let rest = rivals.as_slice();
    let beside = rest.iter().map(|c| c.source.profile.to_string()).collect();
    let against: Vec<_> = rest
        .iter()
        .filter(|c| winner.claimed != Claimed::NotApplicable && weight(c) == weight(&winner))
        .filter(|c| !same_but_note(c, &winner))
        .map(|c| c.source.profile.to_string())
        .collect();
    let (claimed, overrides) = if against.is_empty() {
        let differing = rest.iter().filter(|c| c.claimed != winner.claimed);
        let overridden = differing.map(|c| c.source.profile.to_string()).collect();
        (winner.claimed, overridden)
    } else {
        let profile = &winner.source.profile;
        let reason = if against.iter().all(|other| other == profile.as_str()) {
            format!("{CONFLICT}{profile} asks for it by two groups, and differently")
        } else {
            format!(
                "{CONFLICT}{profile} and {} differ at equal precedence: assign one with a higher --precedence, or take it out of one",
                against.join(", ")
            )
        };
        (Claimed::Blocked { reason }, against)
    };
    Some(Claim { claimed, source: winner.source, common: winner.common, overrides, beside })
}

fn same_but_note(a: &Candidate, b: &Candidate) -> bool {
    let plain = |c: &Candidate| Common { note: None, when: None, ..c.common.clone() };
    a.claimed == b.claimed && plain(a) == plain(b)
}

fn claim_checks(into: &mut BTreeMap<String, ClaimedCheck>, checks: Vec<Check>, applied: &Applied) {
    for check in checks {
        into.entry(check.id.to_string()).or_insert_with(|| ClaimedCheck { check, source: applied.clone() });
    }
}

/// Whether a claim makes the device write.
pub fn enforces(claim: &Claim) -> bool {
    claim.source.mode == Mode::Enforce
}
