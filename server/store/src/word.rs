//! Enums as the words they are stored as: those of the documents and the API. A test pins that they agree.

use muster_proto::check::Verdict;
use muster_proto::report::OutcomeKind;
use muster_proto::rest::{Compliance, DeviceState, Role, RolloutStanding, RolloutState, Unknown};
use muster_proto::state::Mode;

use crate::value::{Column, Param, Value};

macro_rules! words {
    ($($type:ident { $($variant:ident = $word:literal),+ $(,)? })+) => {
        $(
            impl From<$type> for Param<'_> {
                fn from(value: $type) -> Self {
                    Param::Plain(Value::Text(match value { $($type::$variant => $word),+ }))
                }
            }

            impl Column for $type {
                const EXPECTED: &'static str = concat!("one of", $(" ", $word),+);

                fn read(value: Value<'_>) -> Option<Self> {
                    match value {
                        $(Value::Text($word) => Some($type::$variant),)+
                        _ => None,
                    }
                }
            }
        )+

        #[cfg(test)]
        mod tests {
            use super::*;

            #[test]
            fn stored_words_are_those_of_the_documents() {
                $($(
                    assert_eq!(serde_json::to_value($type::$variant).unwrap(), $word);
                    assert_eq!($type::read(Value::Text($word)), Some($type::$variant));
                )+)+
            }
        }
    };
}

words! {
    DeviceState {
        Registered = "registered", Pending = "pending", Enrolled = "enrolled", Ready = "ready", Held = "held",
        Lost = "lost", Revoked = "revoked",
    }
    Compliance {
        Compliant = "compliant", Failing = "failing", Unknown = "unknown", Stale = "stale", Unmanaged = "unmanaged",
    }
    OutcomeKind {
        Kept = "kept", Repaired = "repaired", Drifted = "drifted", Waiting = "waiting", Failed = "failed",
        Blocked = "blocked",
        NotApplicable = "not_applicable", Unsupported = "unsupported",
    }
    Verdict { Pass = "pass", Fail = "fail", Unknown = "unknown", NotApplicable = "not_applicable" }
    Mode { Audit = "audit", Enforce = "enforce" }
    Role { Admin = "admin", Auditor = "auditor" }
    Unknown { Pending = "pending", Refuse = "refuse" }
    RolloutStanding {
        Waiting = "waiting", Passed = "passed", Failed = "failed", Working = "working",
        NotAnswered = "not_answered", Held = "held", Gone = "gone",
    }
    RolloutState { Running = "running", Stopped = "stopped", Done = "done", Cancelled = "cancelled" }
}
