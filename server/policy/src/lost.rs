//! A device that is lost: who can be given a last order, and until when it can be taken back.
//!
//! Whoever owns the server could order this of the whole fleet, as they could assign anything else to it. What is held
//! against a stolen session of an admin is that each order names one device, is audited, and erases nothing.

use muster_proto::Timestamp;
use muster_proto::rest::{DeviceState, RemedyStep};
use muster_proto::text::shell_word;

/// A last order, as far as it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Nobody gave one.
    None,
    /// It waits for the device's receipt.
    Waits,
    /// The device's receipt is recorded.
    Received(Timestamp),
}

/// Why no last order can be given, or none be taken back. Each is the end of a sentence that begins with the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotPossible {
    /// There is nobody to order.
    #[error("has not enrolled: nobody would hear the order; muster device revoke ends its registration")]
    NeverEnrolled,
    /// Two machines would be meant.
    #[error(
        "is held, because two machines use its identity: decide with muster device allow-reenroll, or muster device revoke"
    )]
    Held,
    /// It hears nothing any more.
    #[error("is revoked: it hears no order any more")]
    Revoked,
    /// It was done.
    #[error("is lost, and carried its last order out: its receipt came at {0}")]
    Received(Timestamp),
    /// It is under way.
    #[error("is reported lost already: muster device show says how far its last order has come")]
    Reported,
    /// Nothing was ordered.
    #[error("is not reported lost")]
    NotReported,
    /// The device has said that it did it.
    #[error(
        "can't be taken back: it carried its last order out at {0}; once it is found, muster device allow-reenroll lets it in anew"
    )]
    TooLate(Timestamp),
}

/// Whether a device in this state can be given a last order.
pub fn may_order(state: DeviceState, order: Order) -> Result<(), NotPossible> {
    match (state, order) {
        (DeviceState::Lost | DeviceState::Revoked, Order::Received(at)) => Err(NotPossible::Received(at)),
        (DeviceState::Lost | DeviceState::Revoked, _) => Err(NotPossible::Revoked),
        (DeviceState::Registered | DeviceState::Pending, _) => Err(NotPossible::NeverEnrolled),
        (DeviceState::Held, _) => Err(NotPossible::Held),
        (DeviceState::Enrolled | DeviceState::Ready, Order::None) => Ok(()),
        (DeviceState::Enrolled | DeviceState::Ready, _) => Err(NotPossible::Reported),
    }
}

/// Whether a last order can be taken back.
pub fn may_take_back(order: Order) -> Result<(), NotPossible> {
    match order {
        Order::None => Err(NotPossible::NotReported),
        Order::Waits => Ok(()),
        Order::Received(at) => Err(NotPossible::TooLate(at)),
    }
}

/// What brings a device back that carried its last order out and was found, in order. `allowed` is whether an admin's leave to
/// enroll again stands open, `has_token` whether a token that is bound to its serial can still be used.
pub fn way_back(name: &str, serial: &str, allowed: bool, has_token: bool) -> Vec<RemedyStep> {
    let step = |text: &str, command: String, done| RemedyStep { text: text.to_owned(), command, done };
    vec![
        step(
            "let one new key become it",
            format!("muster device allow-reenroll {}", shell_word(name)),
            allowed,
        ),
        step(
            "make a join file, and put it on the device as /etc/muster/join.toml",
            format!("muster token create --serial {} > join.toml", shell_word(serial)),
            has_token,
        ),
        step(
            "on the device: enroll it anew, which keeps what it knows of what was made there",
            "sudo muster-agent enroll --join-file /etc/muster/join.toml".to_owned(),
            false,
        ),
        step("on the device: keep it so", "sudo systemctl start muster-agent".to_owned(), false),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_device_that_is_heard_of_can_be_ordered_and_only_once() {
        let at = Timestamp::default();
        for (state, order, expected) in [
            (DeviceState::Ready, Order::None, Ok(())),
            (DeviceState::Enrolled, Order::None, Ok(())),
            (DeviceState::Ready, Order::Waits, Err(NotPossible::Reported)),
            (DeviceState::Registered, Order::None, Err(NotPossible::NeverEnrolled)),
            (DeviceState::Pending, Order::None, Err(NotPossible::NeverEnrolled)),
            (DeviceState::Held, Order::None, Err(NotPossible::Held)),
            (DeviceState::Revoked, Order::None, Err(NotPossible::Revoked)),
            (DeviceState::Lost, Order::Received(at), Err(NotPossible::Received(at))),
        ] {
            assert_eq!(may_order(state, order), expected, "{state:?} {order:?}");
        }
    }

    #[test]
    fn the_way_back_marks_what_the_server_knows_to_be_done() {
        let done = |allowed, has_token| {
            way_back("lap-1", "PF 1", allowed, has_token).iter().map(|step| step.done).collect::<Vec<_>>()
        };
        assert_eq!(done(false, false), [false; 4]);
        assert_eq!(done(true, false), [true, false, false, false]);
        assert_eq!(done(true, true), [true, true, false, false]);
        let steps = way_back("lap-1", "PF 1", false, false);
        assert_eq!(steps[1].command, "muster token create --serial 'PF 1' > join.toml");
    }

    #[test]
    fn an_order_is_taken_back_until_the_device_has_said_that_it_is_done() {
        let at = Timestamp::default();
        assert_eq!(may_take_back(Order::Waits), Ok(()));
        assert_eq!(may_take_back(Order::None), Err(NotPossible::NotReported));
        assert_eq!(may_take_back(Order::Received(at)), Err(NotPossible::TooLate(at)));
    }
}
