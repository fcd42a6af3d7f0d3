//! The stages of a turn: by kind, what is taken away first.

use std::collections::{BTreeMap, BTreeSet};

use muster_converge::plan::{Record, Step};
use muster_proto::ResourceId;
use muster_proto::compose::Composition;
use muster_proto::resource::KINDS;

/// One stage: what is taken away, or the rest, of one kind.
pub(super) struct Stage {
    pub(super) kind: &'static str,
    pub(super) removing: bool,
}

impl Stage {
    pub(super) fn has(&self, step: &Step) -> bool {
        step.id.kind() == self.kind && step.takes_away() == self.removing
    }

    /// Whether its steps are not made at once, as a directory that holds another one is never removed.
    pub(super) fn goes_inside_out(&self) -> bool {
        self.removing && self.kind == "directory"
    }

    /// Those of its steps that come first: of directories that are removed the innermost.
    pub(super) fn first(&self, steps: Vec<Step>) -> Vec<Step> {
        if !self.goes_inside_out() {
            return steps;
        }
        let holds = |outer: &Step, inner: &Step| {
            inner.id.key().strip_prefix(outer.id.key()).is_some_and(|rest| rest.starts_with('/'))
        };
        steps.iter().filter(|outer| !steps.iter().any(|inner| holds(outer, inner))).cloned().collect()
    }
}

/// The stages of the kinds that are claimed or on record: of others nothing is ever made.
pub(super) fn stages(
    composition: &Composition,
    records: &BTreeMap<ResourceId, Record>,
) -> impl Iterator<Item = Stage> + use<> {
    let there: BTreeSet<&str> =
        composition.claims.keys().chain(records.keys()).map(ResourceId::kind).collect();
    let kinds: Vec<&'static str> = KINDS.iter().copied().filter(|kind| there.contains(kind)).collect();
    let removing: Vec<Stage> = kinds.iter().rev().map(|kind| Stage { kind, removing: true }).collect();
    removing.into_iter().chain(kinds.into_iter().map(|kind| Stage { kind, removing: false }))
}
