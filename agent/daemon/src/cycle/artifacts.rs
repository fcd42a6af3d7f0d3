//! The artifacts that a state names: which are needed here, and what is heard of them.

use std::collections::BTreeSet;

use muster_proto::Digest;
use muster_proto::compose::{Claimed, Composition};
use muster_proto::state::Mode;

use super::Cycle;
use crate::artifacts::{Heard, Named};

impl Cycle {
    /// The artifacts that are to be here: those of claims that are made so, or will be at their time. What one of them takes from the
    /// server is taken from there for all.
    pub(super) fn named_artifacts(&self, composition: &Composition) -> Named {
        let now = self.now();
        let claims = composition.claims.iter().filter(|(id, claim)| {
            claim.source.mode == Mode::Enforce
                && !self.hands.deny_kinds.contains(id.kind())
                && claim.common.not_after.is_none_or(|end| end > now)
        });
        let (mut named, mut at_server) = (Named::new(), BTreeSet::new());
        for (_, claim) in claims {
            let Claimed::Apply(resource) = &claim.claimed else { continue };
            for (artifact, url) in resource.artifacts() {
                let places = named.entry(artifact).or_default();
                match url {
                    Some(url) if places.contains(url) => {}
                    Some(url) => places.push(url.clone()),
                    None => drop(at_server.insert(artifact)),
                }
            }
        }
        for artifact in at_server {
            named.insert(artifact, vec![]);
        }
        named
    }

    /// Whether one of them has yet to come: as long as that is so, a state is not applied.
    pub(super) fn awaits_artifacts(&self, composition: &Composition) -> bool {
        self.named_artifacts(composition).keys().any(|artifact| !self.hands.host.artifacts.has(artifact))
    }

    /// Takes what is `told` of an artifact that is not here, or that it came; true when that is worth a turn.
    pub(crate) fn heard_of(&mut self, artifact: Digest, told: Option<Heard>) -> bool {
        let known = &mut self.hands.host.told_of_artifacts;
        match told {
            Some(told) => known.insert(artifact, told.clone()) != Some(told),
            None => {
                known.remove(&artifact);
                true
            }
        }
    }
}
