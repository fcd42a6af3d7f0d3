//! Changes that can cut a device off: one stands only when the server was reached after it, over a new connection.
//!
//! Such a change is on trial from before it is made. When the server is not reached in time, what was there before comes
//! back, and the change is left alone until the desired state asks for something else or an admin asks for it again:
//! otherwise the device would be cut off over and over.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use muster_proto::condition::Condition;
use muster_proto::{ResourceId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::fight;
use crate::plan::Step;
use crate::record::{Record, restricted, together};

/// The kinds whose changes can keep a device from its server, or its people from the device.
const KINDS: [&str; 5] = ["certificate", "login_rule", "ssh_server", "network", "firewall"];

/// How long the server may take to be reached where the device's owner says nothing else. Time in which the device sleeps
/// does not count.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// A change on trial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// What was there before, of all that the change touches.
    pub back: Condition,
    /// What the change brings.
    pub wanted: Condition,
    /// When it was given up; `None` while the server may still be reached.
    pub given_up: Option<Timestamp>,
}

/// The changes on trial, and those that were given up.
pub type Trials = BTreeMap<ResourceId, Trial>;

/// Whether a change of this resource may have to be undone.
pub fn may_cut_off(id: &ResourceId) -> bool {
    KINDS.contains(&id.kind())
}

/// The trial that a step has to stand; `None` for one that stands none. A repair stands none, as what it makes again was
/// confirmed, and the end of a lease must not be undone.
pub fn of(step: &Step, record: Option<&Record>, earlier: Option<&Trial>) -> Option<Trial> {
    if !may_cut_off(&step.id)
        || step.differences.is_empty()
        || step.ending
        || step.undoes
        || is_distrust(step)
        || fight::is_repair(step, record)
    {
        return None;
    }
    // What is on trial already was never confirmed, so there is no use in going back to it.
    let before = restricted(&step.from, &step.to);
    let back = match earlier.filter(|trial| trial.given_up.is_none()) {
        Some(earlier) => together(&before, &earlier.back),
        None => before,
    };
    Some(Trial { back, wanted: step.to.clone(), given_up: None })
}

/// Whether a certificate is trusted no more. The agent itself trusts its server by another one, and who can drop packets would
/// otherwise have it trusted again.
fn is_distrust(step: &Step) -> bool {
    step.id.kind() == "certificate" && step.takes_away()
}

impl Trial {
    /// The trial of a change of which the ledger keeps this record: what someone else made of it meanwhile is not what there was before.
    pub fn told_by(mut self, record: &Record) -> Self {
        if let Condition::Present(back) = &mut self.back {
            Arc::make_mut(back).retain(|name, _| record.named().any(|named| named == name));
        }
        self
    }

    /// Whether going to `wanted` has been given up.
    pub(crate) fn forbids(&self, wanted: &Condition) -> bool {
        self.given_up.is_some() && self.wanted == *wanted
    }

    /// Why the resource is not as it should be, for an admin.
    pub(crate) fn reason(&self) -> String {
        let when = self.given_up.map(|at| format!(" at {}", at.whole_seconds())).unwrap_or_default();
        format!(
            "undone{when}: after the change the server was not reached in time; a state that asks for something else, or \
             `muster device apply-now`, tries again"
        )
    }
}

#[cfg(test)]
mod tests {
    use muster_proto::condition::{Action, Difference};

    use crate::record::record_of;

    use super::*;

    fn file(digest: &str) -> Condition {
        Condition::present([("file", digest.into()), ("table", "loaded".into())])
    }

    fn step(from: Condition, to: Condition) -> Step {
        Step {
            id: ResourceId::new("firewall", "inbound"),
            action: Action::Change,
            from,
            to,
            differences: vec![Difference::new("file", "a".into(), "b".into())],
            claim: None,
            restart: false,
            ending: false,
            follows: false,
            undoes: false,
        }
    }

    #[test]
    fn a_change_goes_back_to_what_was_last_confirmed_however_often_it_changes_meanwhile() {
        let first = of(&step(file("a"), file("b")), None, None).unwrap();
        let second = of(&step(file("b"), file("c")), None, Some(&first)).unwrap();
        assert_eq!((second.back, second.wanted), (file("a"), file("c")));
        let undone = Trial { given_up: Some(Timestamp::default()), ..first };
        let other = of(&step(file("a"), file("c")), None, Some(&undone)).unwrap();
        assert_eq!(other.back, file("a"));
    }

    #[test]
    fn what_was_left_to_who_made_it_is_not_undone_and_what_is_written_over_later_comes_back() {
        let wanted = file("b");
        let first = of(&step(file("a"), wanted.clone()), None, None).unwrap();
        let table = Condition::present([("table", "loaded".into())]);
        let record = record_of(&step(table.clone(), table.clone()), None, serde_json::Value::Null);
        let left = first.told_by(&record);
        assert_eq!((&left.back, &left.wanted), (&table, &wanted));
        let second = of(&step(file("theirs"), wanted), None, Some(&left)).unwrap();
        assert_eq!(second.back, file("theirs"));
    }

    #[test]
    fn ends_of_leases_undoing_and_kinds_that_cut_nobody_off_stand_no_trial() {
        let change = step(file("a"), file("b"));
        assert_eq!(of(&Step { ending: true, ..change.clone() }, None, None), None);
        assert_eq!(of(&Step { undoes: true, ..change.clone() }, None, None), None);
        let distrust =
            Step { id: ResourceId::new("certificate", "corp"), action: Action::Remove, ..change.clone() };
        assert_eq!(of(&distrust, None, None), None);
        assert_eq!(of(&Step { id: ResourceId::new("file", "/etc/motd"), ..change }, None, None), None);
    }

    #[test]
    fn only_the_change_that_was_given_up_is_forbidden() {
        let trial = of(&step(file("a"), file("b")), None, None).unwrap();
        assert!(!trial.forbids(&file("b")), "it may still be confirmed");
        let trial = Trial { given_up: Some(Timestamp::default()), ..trial };
        assert!(trial.forbids(&file("b")) && !trial.forbids(&file("c")));
        assert!(trial.reason().starts_with("undone at 1970-01-01"), "{}", trial.reason());
    }
}
