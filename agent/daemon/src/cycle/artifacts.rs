//! The artifacts that a state names: which are needed here, and what is heard of them.

use std::collections::BTreeSet;

use muster_proto::Digest;
use muster_proto::compose::{Claimed, Composition};
use muster_proto::state::Mode;

use super::Cycle;

impl Cycle {
    /// The artifacts that are to be here: those of claims that are made so, or will be at their time.
    pub(super) fn named_artifacts(&self, composition: &Composition) -> BTreeSet<Digest> {
        let now = self.now();
        let claims = composition.claims.iter().filter(|(id, claim)| {
            claim.source.mode == Mode::Enforce
                && !self.hands.deny_kinds.contains(id.kind())
                && claim.common.not_after.is_none_or(|end| end > now)
        });
        let of_claim = |claimed: &Claimed| match claimed {
            Claimed::Apply(resource) => resource.artifacts(),
            Claimed::NotApplicable | Claimed::Blocked { .. } | Claimed::Unsupported { .. } => vec![],
        };
        claims.flat_map(|(_, claim)| of_claim(&claim.claimed)).collect()
    }

    /// Whether one of them has yet to come: as long as that is so, a state is not applied.
    pub(super) fn awaits_artifacts(&self, composition: &Composition) -> bool {
        self.named_artifacts(composition).iter().any(|artifact| !self.hands.host.artifacts.has(artifact))
    }

    /// Takes what is `told` of an artifact that is not here, or that it came; true when that is worth a turn.
    pub(crate) fn heard_of(&mut self, artifact: Digest, told: Option<String>) -> bool {
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
