//! The order in which resources are applied: what may be needed first, first. Removal goes the other way round.

use muster_proto::ResourceId;
use muster_proto::resource::KINDS;

/// The rank of a resource's kind; unknown kinds come last.
pub fn rank(id: &ResourceId) -> usize {
    KINDS.iter().position(|kind| *kind == id.kind()).unwrap_or(KINDS.len())
}

/// Orders ids for applying: by kind, and within a kind by key, so that a directory comes before what is in it.
pub fn applying(a: &ResourceId, b: &ResourceId) -> std::cmp::Ordering {
    rank(a).cmp(&rank(b)).then_with(|| a.cmp(b))
}
