//! A look at the places where something happened, and at nothing else: what most drift is answered with.
//!
//! It goes the way of a whole turn over a part of the state. Whatever that part could hang together with, or would have to be told
//! beyond that it was put right, is left to a whole turn.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::Result;
use muster_converge::plan::Record;
use muster_proto::ResourceId;
use muster_proto::compose::{Claimed, Composition};
use muster_proto::report::{Outcome, OutcomeKind};

use super::Cycle;
use super::leases::Leases;
use super::make::{self, Scope};

/// The kinds that are at a path and nowhere else.
const AT_A_PATH: [&str; 3] = ["directory", "file", "link"];

/// What comes after a slash among the characters: all paths below a directory are before it.
const AFTER_SLASH: char = '0';

impl Cycle {
    /// Looks at what is managed in these places, and puts it right. False when a whole turn has to follow.
    pub(crate) async fn look_at(&mut self, places: &BTreeSet<PathBuf>) -> Result<bool> {
        if !self.is_at_rest()? {
            return Ok(false);
        }
        let Some((digest, composition)) = self.composed.take() else { return Ok(false) };
        let looked = self.look_at_part(&composition, places).await;
        self.composed = Some((digest, composition));
        looked
    }

    /// Whether the last turn left nothing to be done, and nothing has come since.
    fn is_at_rest(&self) -> Result<bool> {
        let Some((digest, _)) = &self.composed else { return Ok(false) };
        let ledger = &self.hands.ledger;
        let idle = self.failures == 0
            && !self.unwritten.is_known()
            && self.unwritten.state.is_none()
            && self.hands.trials.is_empty();
        Ok(idle
            && ledger.current()?.digest.as_ref() == Some(digest)
            && ledger.pause()?.is_none()
            && self.hands.restarts_due()?.is_empty())
    }

    async fn look_at_part(&mut self, composition: &Composition, places: &BTreeSet<PathBuf>) -> Result<bool> {
        let ids = self.concerned(composition, places)?;
        if ids.is_empty() {
            return Ok(true);
        }
        let records = self.hands.ledger.records_of(&ids)?;
        if !ids.iter().all(|id| stands_alone(composition, records.get(id), id)) {
            return Ok(false);
        }
        let claims: BTreeMap<_, _> =
            ids.iter().filter_map(|id| Some((id.clone(), composition.claims.get(id)?.clone()))).collect();
        let unsupported = composition.unsupported.clone();
        let part = Composition { claims, unsupported, ..Composition::default() };
        let leases = Leases { config: &self.config, clock: self.hands.clock, composition };
        let made = make::converge(&mut self.hands, &leases, Scope::Part(&part), None).await?;
        let outcomes = made.outcomes.unwrap_or_default();
        Ok(!made.again && outcomes.iter().all(|outcome| self.is_no_news(outcome)))
    }

    /// What is managed at these places or below them.
    fn concerned(
        &self,
        composition: &Composition,
        places: &BTreeSet<PathBuf>,
    ) -> Result<BTreeSet<ResourceId>> {
        let mut ids = BTreeSet::new();
        // What is no text names no resource.
        for place in places.iter().filter_map(|place| place.to_str()) {
            for kind in AT_A_PATH {
                let at = ResourceId::new(kind, place);
                let below = ResourceId::new(kind, &format!("{place}/"));
                let end = ResourceId::new(kind, &format!("{place}{AFTER_SLASH}"));
                ids.extend(composition.claims.range(below.clone()..end.clone()).map(|(id, _)| id.clone()));
                ids.extend(self.hands.ledger.recorded(&below, &end)?);
                if composition.claims.contains_key(&at) || !self.hands.ledger.records_of([&at])?.is_empty() {
                    ids.insert(at);
                }
            }
        }
        Ok(ids)
    }

    /// Whether what is known of the resource still says all, beside the event of its being put right.
    fn is_no_news(&self, now: &Outcome) -> bool {
        let known = self.outcomes.binary_search_by(|known| known.resource.cmp(&now.resource));
        known.is_ok_and(|index| {
            let known = &self.outcomes[index];
            let was_right = known.outcome == OutcomeKind::Kept;
            known == now || was_right && matches!(now.outcome, OutcomeKind::Kept | OutcomeKind::Repaired)
        })
    }
}

/// Whether a change of this resource concerns no other one, and no time.
fn stands_alone(composition: &Composition, record: Option<&Record>, id: &ResourceId) -> bool {
    let Some(claim) = composition.claims.get(id) else { return false };
    let common = &claim.common;
    let tells = |claimed: &Claimed| match claimed {
        Claimed::Apply(resource) => resource.restart_on().contains(id),
        Claimed::NotApplicable | Claimed::Blocked { .. } | Claimed::Unsupported { .. } => false,
    };
    matches!(claim.claimed, Claimed::Apply(_))
        && common.after.is_empty()
        && common.notify.is_empty()
        && common.not_before.is_none()
        && common.not_after.is_none()
        && record.is_none_or(|record| record.notify.is_empty() && record.not_after.is_none())
        && !composition.claims.values().any(|other| tells(&other.claimed))
}
