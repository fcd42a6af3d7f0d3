//! Where an assignment goes back to, and what that changes for a device.

use std::collections::BTreeSet;

use muster_proto::state::Applied;
use muster_proto::{ProfileName, RevisionNumber};

/// Something that an assignment pinned and that was not rolled back since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pin {
    /// Its place in the order.
    pub number: u64,
    /// The revision.
    pub revision: RevisionNumber,
}

/// What an admin asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// What was pinned before.
    Before,
    /// This revision.
    Revision(RevisionNumber),
}

/// What becomes of one assignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It pins the revision already.
    Stay,
    /// It pins again what it pinned then, on the terms of then; what came after is rolled back.
    Back(Pin),
    /// It pins a revision that it never did, on its present terms.
    Anew(RevisionNumber),
    /// It pinned nothing before.
    Nowhere,
}

/// Decides. `history` has the oldest first; what it pinned with the present revision is not before it, though the terms
/// were others.
pub fn step(present: RevisionNumber, history: &[Pin], goal: Goal) -> Step {
    let latest = |wanted: &dyn Fn(RevisionNumber) -> bool| {
        history.iter().rev().find(|pin| wanted(pin.revision)).copied()
    };
    match goal {
        Goal::Before => latest(&|revision| revision != present).map_or(Step::Nowhere, Step::Back),
        Goal::Revision(wanted) if wanted == present => Step::Stay,
        Goal::Revision(wanted) => {
            latest(&|revision| revision == wanted).map_or(Step::Anew(wanted), Step::Back)
        }
    }
}

/// The revisions of a profile among what holds for a device, such as `base@3`. Several hold where two labels bring
/// different ones.
pub fn revisions(holding: &[Applied], profile: &ProfileName) -> String {
    let numbers: BTreeSet<_> = holding.iter().filter(|a| a.profile == *profile).map(|a| a.revision).collect();
    let names: Vec<_> = numbers.into_iter().map(|number| format!("{profile}@{number}")).collect();
    if names.is_empty() { "nothing".to_owned() } else { names.join(" and ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(revisions: &[u32]) -> Vec<Pin> {
        let pin = |(index, revision): (usize, &u32)| Pin {
            number: index as u64 + 1,
            revision: RevisionNumber(*revision),
        };
        revisions.iter().enumerate().map(pin).collect()
    }

    fn back(number: u64, revision: u32) -> Step {
        Step::Back(Pin { number, revision: RevisionNumber(revision) })
    }

    #[test]
    fn an_assignment_goes_back_to_the_latest_other_revision() {
        let decide = |revisions: &[u32]| {
            step(RevisionNumber(*revisions.last().unwrap()), &history(revisions), Goal::Before)
        };
        assert_eq!(decide(&[1, 2, 3]), back(2, 2));
        assert_eq!(decide(&[1, 3, 3]), back(1, 1), "the same revision on other terms is not before it");
        assert_eq!(decide(&[2, 1, 2]), back(2, 1));
        assert_eq!(decide(&[3]), Step::Nowhere);
    }

    #[test]
    fn a_second_rollback_goes_further_back_not_forth() {
        let now = history(&[1, 2]);
        assert_eq!(step(RevisionNumber(2), &now, Goal::Before), back(1, 1));
    }

    #[test]
    fn a_named_revision_is_taken_up_where_it_was_or_pinned_anew() {
        let goal = |revision| Goal::Revision(RevisionNumber(revision));
        let history = history(&[1, 2, 3]);
        assert_eq!(step(RevisionNumber(3), &history, goal(1)), back(1, 1));
        assert_eq!(step(RevisionNumber(3), &history, goal(7)), Step::Anew(RevisionNumber(7)));
        assert_eq!(step(RevisionNumber(3), &history, goal(3)), Step::Stay);
    }
}
