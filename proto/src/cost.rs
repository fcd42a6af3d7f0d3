//! What an agent spends on each kind of resource and on each check, as it measures itself. For people: nothing is decided by it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Times that differ by less than this, in microseconds, or by less than a factor of two, are taken for the same.
const SAME: u64 = 1_000;

/// What the last turns took.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Cost {
    /// By kind of resource.
    pub kinds: BTreeMap<String, KindCost>,
    /// By check: microseconds until its question was answered.
    pub checks: BTreeMap<String, u64>,
}

/// What one kind took. The work of package managers and other programs that the agent starts is not in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KindCost {
    /// How many resources were looked at.
    pub resources: u64,
    /// Microseconds of CPU time to look at them, in the last turn.
    pub read: u64,
    /// Microseconds of CPU time to write, in the last turn that wrote any.
    pub written: u64,
}

impl Cost {
    /// The name of the section that tells of it.
    pub const SECTION: &'static str = "cost";

    /// Whether both say the same to people, so that figures that waver are not told every time.
    pub fn same(&self, other: &Self) -> bool {
        let close =
            |a: u64, b: u64| a.abs_diff(b) < SAME || (a < b.saturating_mul(2) && b < a.saturating_mul(2));
        let kinds = |(a, b): (&KindCost, &KindCost)| {
            a.resources == b.resources && close(a.read, b.read) && close(a.written, b.written)
        };
        self.kinds.keys().eq(other.kinds.keys())
            && self.checks.keys().eq(other.checks.keys())
            && self.kinds.values().zip(other.kinds.values()).all(kinds)
            && self.checks.values().zip(other.checks.values()).all(|(a, b)| close(*a, *b))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wavers_is_the_same_and_what_doubles_or_comes_anew_is_not() {
        let cost = |read, check: Option<u64>| Cost {
            kinds: BTreeMap::from([("file".to_owned(), KindCost { resources: 5, read, written: 0 })]),
            checks: check.map(|took| ("c".to_owned(), took)).into_iter().collect(),
        };
        assert!(cost(10, None).same(&cost(900, None)), "both are next to nothing");
        assert!(cost(5_000, None).same(&cost(9_000, None)));
        assert!(!cost(5_000, None).same(&cost(10_000, None)));
        assert!(!cost(10, None).same(&cost(10, Some(1))));
        assert!(!cost(10, Some(5_000)).same(&cost(10, Some(50_000))));
    }
}
