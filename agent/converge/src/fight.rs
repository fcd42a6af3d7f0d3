//! Telling a fight from drift: someone who changes again and again what Muster puts right.
//!
//! Drift is put right at once. Whoever undoes that each time, be it a script or another tool, would have the two take turns
//! without end, so that after the third repair in a row Muster stands back, says so, and tries again an hour later.

use std::collections::BTreeMap;

use muster_proto::condition::Condition;
use muster_proto::{ResourceId, Timestamp};

use crate::plan::{Record, Step};

/// So many repairs of one resource within [`WINDOW`] are a fight.
pub const REPAIRS: usize = 3;

/// In seconds.
pub const WINDOW: i64 = 10 * 60;

/// For how many seconds after the last repair the resource is left as it is.
pub const TRUCE: i64 = 60 * 60;

/// What was put right lately, by resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fights(BTreeMap<ResourceId, Repairs>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Repairs {
    /// When, oldest first: the last [`REPAIRS`] of them.
    at: Vec<Timestamp>,
    /// Who may be behind it, as seen when the last one was made.
    suspects: Vec<String>,
}

impl Fights {
    /// Whether one more repair of this resource now would make it a fight: the time to look for who is behind it.
    pub fn is_near(&self, id: &ResourceId, now: Timestamp) -> bool {
        let lately = |at: &&Timestamp| now.seconds() - at.seconds() <= WINDOW;
        self.0.get(id).is_some_and(|repairs| repairs.at.iter().filter(lately).count() + 1 >= REPAIRS)
    }

    /// Notes that a resource was put right, and who may have made that necessary.
    pub fn repaired(&mut self, id: &ResourceId, at: Timestamp, suspects: Vec<String>) {
        self.0.retain(|_, repairs| repairs.at.last().is_none_or(|last| ago(*last, at) <= WINDOW + TRUCE));
        let repairs = self.0.entry(id.clone()).or_default();
        repairs.at.push(at);
        if repairs.at.len() > REPAIRS {
            repairs.at.remove(0);
        }
        repairs.suspects = suspects;
    }

    /// Why a resource is not put right now, for an admin; `None` when it may be.
    pub fn reason(&self, id: &ResourceId, now: Timestamp) -> Option<String> {
        let repairs = self.0.get(id).filter(|repairs| repairs.at.len() >= REPAIRS)?;
        let (first, last) = (repairs.at.first()?, repairs.at.last()?);
        let is_fight = ago(*first, *last) <= WINDOW && ago(*last, now) < TRUCE;
        let who = match repairs.suspects.as_slice() {
            [] => {
                "who does it is not known: look for another tool or a script that manages the same".to_owned()
            }
            suspects => format!("it was open for writing in {}", suspects.join(", ")),
        };
        is_fight.then(|| {
            format!(
                "put right {REPAIRS} times within {} min, and changed again each time: left as it is until {}, a new \
                 state or `muster device apply-now`; {who}",
                WINDOW / 60,
                last.plus_seconds(TRUCE).whole_seconds()
            )
        })
    }

    /// Begins anew: the desired state is another, or an admin asks for it.
    pub fn forget(&mut self) {
        self.0.clear();
    }
}

/// Whether a step makes again what Muster had made already, so that someone changed it in between.
pub fn is_repair(step: &Step, record: Option<&Record>) -> bool {
    let made = |record: &Record| {
        record.intended.is_none()
            && match &step.to {
                Condition::Absent => record.wrote == Condition::Absent,
                Condition::Present(_) => record.wrote.towards(&step.to).is_none(),
            }
    };
    step.claim.is_some() && !step.ending && !step.differences.is_empty() && record.is_some_and(made)
}

fn ago(then: Timestamp, now: Timestamp) -> i64 {
    now.seconds() - then.seconds()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn motd() -> ResourceId {
        ResourceId::new("file", "/etc/motd")
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::default().plus_seconds(seconds)
    }

    #[test]
    fn three_repairs_within_the_window_are_a_fight_until_the_truce_is_over() {
        let mut fights = Fights::default();
        fights.repaired(&motd(), at(0), vec![]);
        fights.repaired(&motd(), at(60), vec![]);
        assert_eq!(fights.reason(&motd(), at(61)), None, "twice may be chance");
        assert!(fights.is_near(&motd(), at(61)) && !fights.is_near(&motd(), at(WINDOW + 61)));
        fights.repaired(&motd(), at(WINDOW), vec!["puppet (process 7)".to_owned()]);
        let reason = fights.reason(&motd(), at(WINDOW + 1)).unwrap();
        assert!(
            reason.contains("3 times within 10 min") && reason.contains("puppet (process 7)"),
            "{reason}"
        );
        assert!(fights.reason(&motd(), at(WINDOW + TRUCE - 1)).is_some());
        assert_eq!(fights.reason(&motd(), at(WINDOW + TRUCE)), None);
        assert_eq!(fights.reason(&ResourceId::new("file", "/etc/issue"), at(WINDOW + 1)), None);
    }

    #[test]
    fn repairs_that_lie_further_apart_are_drift() {
        let mut fights = Fights::default();
        for round in 0..20 {
            let now = at(round * (WINDOW / 2 + 1));
            assert_eq!(fights.reason(&motd(), now), None);
            fights.repaired(&motd(), now, vec![]);
        }
    }

    #[test]
    fn what_was_repaired_long_ago_is_not_kept() {
        let mut fights = Fights::default();
        fights.repaired(&motd(), at(0), vec![]);
        fights.repaired(&ResourceId::new("file", "/etc/issue"), at(WINDOW + TRUCE + 1), vec![]);
        assert_eq!(fights.0.len(), 1);
        fights.forget();
        assert_eq!(fights, Fights::default());
    }
}
