//! A look at the places where something happened, and at nothing else: what most drift is answered with.
//!
//! It goes the way of a whole turn over a part of the state. Whatever that part could hang together with, or would have to be told
//! beyond that it was put right, is left to a whole turn.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use muster_converge::plan::{AT_A_PATH, Record};
use muster_proto::ResourceId;
use muster_proto::compose::{Claimed, Composition};
use muster_proto::report::{Outcome, OutcomeKind};

use super::Cycle;
use super::leases::Leases;
use super::make::{self, Scope};
use crate::watch::{Happened, Watch};

impl Cycle {
    /// Looks at what is managed where something happened, and puts it right. False when a whole turn has to follow.
    ///
    /// What it puts right happens there too, and is looked at in the same breath: half a second later, all that it takes would have to
    /// be fetched from memory once more.
    pub(crate) async fn look_at(&mut self, happened: Happened, watch: &mut Watch) -> Result<bool> {
        let looked = self.look_once(happened).await?;
        if looked != Looked::Repaired {
            return Ok(looked == Looked::AsItWas);
        }
        let since = watch.and_since(Happened::At(BTreeSet::new())).await.context("inotify failed")?;
        Ok(self.look_once(since).await? != Looked::Unsettled)
    }

    async fn look_once(&mut self, happened: Happened) -> Result<Looked> {
        let Happened::At(places) = happened else { return Ok(Looked::Unsettled) };
        if !self.is_at_rest()? {
            return Ok(Looked::Unsettled);
        }
        let Some((digest, composition)) = self.composed.take() else { return Ok(Looked::Unsettled) };
        let looked = self.look_at_part(&composition, &places).await;
        self.composed = Some((digest, composition));
        looked
    }

    /// Whether the last turn left nothing to be done, and nothing has come since.
    fn is_at_rest(&self) -> Result<bool> {
        let Some((digest, composition)) = &self.composed else { return Ok(false) };
        let ledger = &self.hands.ledger;
        let idle = self.failures == 0 && !self.unwritten.is_known() && self.unwritten.state.is_none();
        Ok(idle
            && ledger.current()?.digest.as_ref() == Some(digest)
            && composition.span.has(self.hands.clock.now())
            && ledger.pause()?.is_none()
            && self.hands.are_idle()?)
    }

    async fn look_at_part(
        &mut self,
        composition: &Composition,
        places: &BTreeSet<PathBuf>,
    ) -> Result<Looked> {
        let ids = self.concerned(composition, places)?;
        if ids.is_empty() {
            return Ok(Looked::AsItWas);
        }
        let records = self.hands.ledger.records_of(&ids)?;
        let others = Others::of(composition);
        if !ids.iter().all(|id| others.leave_alone(id) && stands_alone(composition, records.get(id), id)) {
            return Ok(Looked::Unsettled);
        }
        let claims: BTreeMap<_, _> =
            ids.iter().filter_map(|id| Some((id.clone(), composition.claims.get(id)?.clone()))).collect();
        let unsupported = composition.unsupported.clone();
        let part = Composition { claims, unsupported, ..Composition::default() };
        let leases = Leases { config: &self.config, clock: self.hands.clock, composition };
        let made = make::converge(&mut self.hands, &leases, Scope::Part(&part), None, None).await?;
        let outcomes = made.outcomes.unwrap_or_default();
        let repaired = outcomes.iter().any(|outcome| outcome.outcome == OutcomeKind::Repaired);
        if repaired && !self.checks_pass {
            // What a check found may have been this very drift.
            self.inspected = None;
            return Ok(Looked::Unsettled);
        }
        if self.hands.tabulated.is_none() {
            return Ok(Looked::Unsettled);
        }
        Ok(if !outcomes.iter().all(|outcome| self.is_no_news(outcome)) {
            Looked::Unsettled
        } else if repaired {
            Looked::Repaired
        } else {
            Looked::AsItWas
        })
    }

    /// What is managed at these places. What is below them is not asked for: the watch tells of no place on the way to anything.
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
            let is_right = |one: &Outcome| matches!(one.outcome, OutcomeKind::Kept | OutcomeKind::Repaired);
            known == now || is_right(known) && is_right(now)
        })
    }
}

/// What a look at some places came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Looked {
    /// There was nothing to do.
    AsItWas,
    /// What was changed is as it is to be again.
    Repaired,
    /// A whole turn has to follow.
    Unsettled,
}

/// What of a state other resources hang together with.
struct Others<'c> {
    /// What services read.
    read: BTreeSet<&'c ResourceId>,
    /// Below which another file system is to be.
    mounts: Vec<&'c str>,
}

impl<'c> Others<'c> {
    fn of(composition: &'c Composition) -> Self {
        let read = |claimed: &'c Claimed| match claimed {
            Claimed::Apply(resource) => resource.restart_on(),
            Claimed::NotApplicable | Claimed::Blocked { .. } | Claimed::Unsupported { .. } => &[],
        };
        Self {
            read: composition.of_kind("service").flat_map(|(_, claim)| read(&claim.claimed)).collect(),
            mounts: composition.of_kind("mount").map(|(id, _)| id.key()).collect(),
        }
    }

    fn leave_alone(&self, id: &ResourceId) -> bool {
        !self.read.contains(id) && !self.mounts.iter().any(|mount| Path::new(id.key()).starts_with(mount))
    }
}

/// Whether a change of this resource concerns no other one by its own words, and no time.
fn stands_alone(composition: &Composition, record: Option<&Record>, id: &ResourceId) -> bool {
    let Some(claim) = composition.claims.get(id) else { return false };
    let common = &claim.common;
    matches!(claim.claimed, Claimed::Apply(_))
        && common.after.is_empty()
        && common.notify.is_empty()
        && common.not_before.is_none()
        && common.not_after.is_none()
        && record.is_none_or(|record| record.notify.is_empty() && record.not_after.is_none())
}

#[cfg(test)]
mod tests {
    use muster_proto::Digest;
    use muster_proto::compose::compose;

    use super::*;

    #[test]
    fn what_a_service_reads_and_what_is_below_a_mount_is_not_looked_at_alone() {
        let document = r#"{"muster":1,"profile":"site","resources":[
            {"mount":{"where":"/mnt/data","what":"tmpfs","type":"tmpfs"}},
            {"file":{"path":"/mnt/data/a","content":"x"}},
            {"file":{"path":"/mnt/database","content":"x"}},
            {"file":{"path":"/etc/web.conf","content":"x"}},
            {"service":{"name":"web","restart_on":["file:/etc/web.conf"]}}]}"#;
        let digest = Digest::of(document.as_bytes());
        let state = serde_json::json!({
            "muster": 1, "composition": 1, "device": uuid::Uuid::nil(), "generation": 1, "issued": "2026-01-01T00:00:00Z",
            "revisions": [{"assignment": "a", "profile": "site", "revision": 1, "precedence": 0, "mode": "enforce",
                "digest": digest.to_string()}],
            "bindings": {"name": "d", "serial": "s"}
        });
        let documents = BTreeMap::from([(digest, document.as_bytes().to_vec())]);
        let composition =
            compose(&serde_json::from_value(state).unwrap(), &documents, &Default::default()).unwrap();
        assert_eq!(composition.claims.len(), 5, "{composition:?}");
        let others = Others::of(&composition);
        let alone = |path: &str| others.leave_alone(&ResourceId::new("file", path));
        assert_eq!(["/mnt/data/a", "/mnt/database", "/etc/web.conf"].map(alone), [false, true, false]);
    }
}
