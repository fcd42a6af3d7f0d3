//! What a turn plans from: everything that is claimed or on record, as it is found.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use muster_converge::plan::{self, Input, Observed, Plan, Record};
use muster_converge::schedule;
use muster_proto::ResourceId;
use muster_proto::compose::{Claim, Claimed, Composition};
use muster_proto::report::OutcomeKind;
use muster_proto::resource::Resource;
use muster_proto::state::Mode;

use super::hands::Hands;
use super::leases::Leases;
use super::machine::Machine;
use super::make::NO_KIND;
use crate::resource::{self, Wanted};

/// Whether programs of an admin's may be run to find out how things are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asks {
    /// Those of the accepted state.
    Programs,
    /// None: who may only ask what would be must not have anything run.
    Nothing,
}

pub(super) async fn read<M: Machine>(
    hands: &mut Hands<M>,
    composition: &Composition,
    records: &BTreeMap<ResourceId, Record>,
    which: &dyn Fn(&ResourceId) -> bool,
) -> Observed {
    read_as(hands, composition, records, which, Asks::Programs).await
}

pub(super) async fn read_as<M: Machine>(
    hands: &mut Hands<M>,
    composition: &Composition,
    records: &BTreeMap<ResourceId, Record>,
    which: &dyn Fn(&ResourceId) -> bool,
    asks: Asks,
) -> Observed {
    let ids: BTreeSet<&ResourceId> =
        composition.claims.keys().chain(records.keys()).filter(|id| which(id)).collect();
    let versions =
        if ids.iter().any(|id| id.kind() == "updates") { versions(composition) } else { BTreeMap::new() };
    let now = hands.clock.now();
    let settled = hands.trials.values().all(|trial| trial.given_up.is_some());
    let one = |id| {
        let claim = composition.claims.get(id);
        // What its owner denies is not even asked by a program.
        let asks =
            asks == Asks::Programs && !is_audited(composition, id) && !hands.deny_kinds.contains(id.kind());
        Wanted {
            id,
            resource: claim.and_then(|claim| match &claim.claimed {
                Claimed::Apply(resource) => Some(resource),
                Claimed::NotApplicable | Claimed::Blocked { .. } | Claimed::Unsupported { .. } => None,
            }),
            record: records.get(id),
            audited: is_audited(composition, id),
            asks,
            holds: asks && claim.is_some_and(|claim| claim.common.not_after.is_none_or(|end| end > now)),
            versions: &versions,
            now,
            settled,
        }
    };
    let wanted: Vec<Wanted<'_>> = ids.into_iter().map(one).collect();
    hands.host.read(&wanted).await
}

/// As [`read`], which may take long where programs of an admin's are asked; leases end meanwhile.
pub(super) async fn read_long<M: Machine>(
    hands: &mut Hands<M>,
    leases: &Leases<'_>,
    composition: &Composition,
    records: &BTreeMap<ResourceId, Record>,
    which: &dyn Fn(&ResourceId) -> bool,
) -> Observed {
    leases.kept_during(NO_KIND, read(hands, composition, records, which)).await
}

/// What claims ask of the versions of packages. What nobody can say, or may decide, leaves a package as it is.
fn versions(composition: &Composition) -> BTreeMap<String, Option<String>> {
    let of_package = |claimed: &Claimed| match claimed {
        // It stays what its artifact brought.
        Claimed::Apply(Resource::Package(package)) if package.artifact.is_some() => Some(None),
        Claimed::Apply(Resource::Package(package)) => Some(Some(package.version.as_ref()?.to_string())),
        Claimed::Apply(_) | Claimed::NotApplicable => None,
        Claimed::Unsupported { .. } | Claimed::Blocked { .. } => Some(None),
    };
    let packages = composition.of_kind("package");
    packages.filter_map(|(id, claim)| Some((id.key().to_owned(), of_package(&claim.claimed)?))).collect()
}

/// Fetches what lies on this machine of what is elsewhere and old, where a claim goes by it that is to be made so.
pub(super) async fn freshen<M: Machine>(hands: &mut Hands<M>, composition: &Composition) {
    let is_made_so = |(id, claim): (&ResourceId, &Claim)| {
        id.kind() == "updates"
            && matches!(claim.claimed, Claimed::Apply(_))
            && claim.source.mode == Mode::Enforce
            && !hands.deny_kinds.contains(id.kind())
    };
    if composition.claims.iter().any(is_made_so) {
        hands.host.freshen(hands.clock.now()).await;
    }
}

/// Has dconf make its database anew where it failed to after files of its settings went.
pub(super) async fn catch_up(hands: &mut Hands, leases: &Leases<'_>) -> Result<()> {
    if hands.host.dconf_is_behind.is_none() {
        return Ok(());
    }
    let records = hands.ledger.records()?;
    let claims = &schedule::applicable(leases.composition, &records, hands.clock.now()).claims;
    // Where a claim is left, its step does it.
    let is_left = |id: &ResourceId| {
        let is_claimed = claims.get(id).is_some_and(|claim| claim.claimed != Claimed::NotApplicable);
        id.kind() == "dconf" && !is_claimed
    };
    if records.keys().any(is_left) {
        leases.kept_during("dconf", resource::catch_up(&mut hands.host, records.as_ref())).await;
    }
    Ok(())
}

pub(super) fn replan<M>(
    hands: &Hands<M>,
    composition: &Composition,
    records: &BTreeMap<ResourceId, Record>,
    observed: &Observed,
    given_up: &BTreeMap<ResourceId, OutcomeKind>,
) -> Result<Plan> {
    let restarts_due = hands.restarts_due()?;
    Ok(plan::plan(&input(hands, composition, records, observed, &restarts_due, given_up)))
}

pub(super) fn input<'a, M>(
    hands: &'a Hands<M>,
    composition: &'a Composition,
    records: &'a BTreeMap<ResourceId, Record>,
    observed: &'a Observed,
    restarts_due: &'a BTreeSet<ResourceId>,
    given_up: &'a BTreeMap<ResourceId, OutcomeKind>,
) -> Input<'a> {
    let Hands { deny_kinds, fights, trials, .. } = hands;
    let now = hands.clock.now();
    Input { composition, observed, records, restarts_due, given_up, deny_kinds, fights, trials, now }
}

fn is_audited(composition: &Composition, id: &ResourceId) -> bool {
    composition.claims.get(id).is_some_and(|claim| claim.source.mode == Mode::Audit)
}
