//! The stages of a turn: by kind, what is taken away first.

use muster_converge::plan::Step;
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

pub(super) fn stages() -> impl Iterator<Item = Stage> {
    let removing = KINDS.iter().rev().map(|kind| Stage { kind, removing: true });
    removing.chain(KINDS.iter().map(|kind| Stage { kind, removing: false }))
}
