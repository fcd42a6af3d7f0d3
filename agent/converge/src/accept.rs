//! Whether a desired state that came over the link is taken.

use muster_proto::state::DesiredState;
use muster_proto::{DeviceId, Digest, Generation};

/// What the ledger says of the state in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Current {
    /// Its generation; 0 when nothing was accepted yet.
    pub generation: Generation,
    /// The digest of its bytes; `None` when nothing was accepted yet.
    pub digest: Option<Digest>,
}

/// What to do with a state that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// Newer: keep it and converge.
    Accept(DesiredState),
    /// The one in force.
    Same,
    /// Not taken; the reason is reported.
    Refuse {
        /// The generation it claims, 0 when it could not be read.
        generation: Generation,
        /// Why, for the admin.
        reason: String,
    },
}

/// What can be read of any state.
#[derive(serde::Deserialize)]
struct Head {
    composition: u32,
    generation: Generation,
}

/// Decides on the bytes of a desired state.
pub fn accept(device: DeviceId, current: Current, bytes: &[u8]) -> Acceptance {
    let digest = Digest::of(bytes);
    if current.digest == Some(digest) {
        return Acceptance::Same;
    }
    let refuse = |generation, reason: String| Acceptance::Refuse { generation, reason };
    // Before the whole, in which newer rules may have put what can't be read here.
    if let Ok(Head { composition, generation }) = serde_json::from_slice(bytes)
        && composition > muster_proto::COMPOSITION_VERSION
    {
        return refuse(generation, format!("composition {composition} is not known: upgrade the agent"));
    }
    let state: DesiredState = match serde_json::from_slice(bytes) {
        Ok(state) => state,
        Err(error) => return refuse(Generation(0), format!("the state can't be read: {error}")),
    };
    if state.muster != 1 {
        return refuse(
            state.generation,
            format!("state version {} is not known: upgrade the agent", state.muster),
        );
    }
    if state.device != device {
        return refuse(state.generation, format!("the state is for device {}", state.device));
    }
    if state.generation < current.generation {
        return refuse(state.generation, format!("generation {} is in force and newer", current.generation));
    }
    if state.generation == current.generation {
        return refuse(state.generation, "the same generation came with different contents".to_owned());
    }
    Acceptance::Accept(state)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device() -> DeviceId {
        "6c8e7f0a-0d0c-4b0a-9d5e-0a1b2c3d4e5f".parse().unwrap()
    }

    fn state(generation: u64, name: &str) -> Vec<u8> {
        format!(
            r#"{{"muster":1,"composition":1,"device":"{}","generation":{generation},"issued":"2026-01-01T00:00:00Z","revisions":[],"bindings":{{"name":"{name}","serial":"S1"}}}}"#,
            device()
        )
        .into_bytes()
    }

    fn after(bytes: &[u8], generation: u64) -> Current {
        Current { generation: Generation(generation), digest: Some(Digest::of(bytes)) }
    }

    #[test]
    fn a_newer_state_is_taken_and_the_same_one_changes_nothing() {
        let none = Current { generation: Generation(0), digest: None };
        assert!(matches!(accept(device(), none, &state(1, "a")), Acceptance::Accept(_)));
        let first = state(1, "a");
        assert_eq!(accept(device(), after(&first, 1), &first), Acceptance::Same);
    }

    #[test]
    fn a_state_of_newer_rules_is_refused_for_that_whatever_else_it_holds() {
        let none = Current { generation: Generation(0), digest: None };
        let newer = String::from_utf8(state(7, "a")).unwrap();
        let newer = newer.replace("\"composition\":1,", "\"composition\":9,\"of_a_newer_server\":true,");
        let refused = accept(device(), none, newer.as_bytes());
        let reason = "composition 9 is not known: upgrade the agent".to_owned();
        assert_eq!(refused, Acceptance::Refuse { generation: Generation(7), reason });
    }

    #[test]
    fn an_older_state_or_the_same_generation_with_other_contents_is_refused() {
        let second = state(2, "a");
        assert!(matches!(accept(device(), after(&second, 2), &state(1, "a")), Acceptance::Refuse { .. }));
        assert!(matches!(accept(device(), after(&second, 2), &state(2, "b")), Acceptance::Refuse { .. }));
    }

    #[test]
    fn a_state_for_another_device_or_with_an_unknown_field_is_refused() {
        let none = Current { generation: Generation(0), digest: None };
        let other = DeviceId(Default::default());
        assert!(matches!(accept(other, none, &state(1, "a")), Acceptance::Refuse { .. }));
        let unknown =
            String::from_utf8(state(1, "a")).unwrap().replace("\"muster\":1,", "\"muster\":1,\"only\":true,");
        assert!(matches!(accept(device(), none, unknown.as_bytes()), Acceptance::Refuse { .. }));
    }
}
