//! The resource that was meant, where its name was mistyped.

use crate::id::ResourceId;
use crate::near::most_edits;

/// The longest key that is compared, in bytes, and the most names for which a near one is looked for: a text that is made to name
/// thousands of long ones must not keep the server busy.
const LONGEST: usize = 100;
const LOOKED_FOR: usize = 10;

/// The names of a profile's resources.
pub(super) struct Names<'a> {
    names: Vec<&'a ResourceId>,
    looked_for: usize,
}

impl<'a> Names<'a> {
    pub(super) fn of(names: impl Iterator<Item = &'a ResourceId>) -> Self {
        Self { names: names.filter(|name| name.key().len() <= LONGEST).collect(), looked_for: 0 }
    }

    /// The one of the same kind that is an edit or two away.
    pub(super) fn to(&mut self, mistyped: &ResourceId) -> Option<&'a ResourceId> {
        let (kind, key) = (mistyped.kind(), mistyped.key());
        if key.len() > LONGEST || self.looked_for == LOOKED_FOR {
            return None;
        }
        self.looked_for += 1;
        let most = most_edits(key);
        let same_kind = self.names.iter().filter(|name| name.kind() == kind);
        let near = same_kind.map(|name| (strsim::osa_distance(name.key(), key), *name));
        near.filter(|(edits, _)| *edits <= most).min().map(|(_, name)| name)
    }
}
