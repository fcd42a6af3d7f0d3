//! The removal guard: what nobody asked for by name is not taken from many devices at once.
//!
//! A removal is a profile that leaves a device altogether. Another revision of it in its place, or another assignment,
//! is a change of what is wanted and not guarded.

use std::collections::BTreeSet;

use muster_proto::ProfileName;
use muster_proto::state::Applied;

/// A removal that touches more devices than this waits: a mistake in a file that takes more is no longer mended by hand.
pub const FREE: usize = 10;

/// The profiles that leave a device for which this held before, and this holds after.
pub fn leaving(before: &[Applied], after: &[Applied]) -> BTreeSet<ProfileName> {
    let staying: BTreeSet<_> = after.iter().map(|applied| &applied.profile).collect();
    before.iter().map(|applied| &applied.profile).filter(|p| !staying.contains(p)).cloned().collect()
}

/// Whether a removal that nobody asked for by name waits for a confirmation.
pub fn waits(devices: usize) -> bool {
    devices > FREE
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use muster_proto::state::Mode;
    use muster_proto::{Digest, RevisionNumber};

    use super::*;

    fn applied(assignment: &str, profile: &str, revision: u32) -> Applied {
        Applied {
            assignment: assignment.into(),
            profile: profile.parse().unwrap(),
            revision: RevisionNumber(revision),
            digest: Digest::of(b"document"),
            precedence: 0,
            mode: Mode::Enforce,
            params: BTreeMap::new(),
        }
    }

    #[test]
    fn a_profile_that_is_not_there_afterwards_leaves() {
        let before = [applied("as-1", "base", 1), applied("as-2", "web", 1)];
        let leaving = leaving(&before, &before[..1]);
        assert_eq!(leaving.into_iter().map(|p| p.to_string()).collect::<Vec<_>>(), ["web"]);
    }

    #[test]
    fn another_revision_or_assignment_of_a_profile_is_no_removal() {
        let (narrow, wide) = (applied("as-1", "base", 4), applied("as-2", "base", 3));
        assert!(leaving(&[narrow], &[wide]).is_empty());
    }

    #[test]
    fn ten_devices_are_free_and_eleven_wait() {
        assert!(!waits(10));
        assert!(waits(11));
    }
}
