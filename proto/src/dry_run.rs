//! A dry run: what a device would do if its state were another one. Asked over the link and answered with a plan.

use serde::{Deserialize, Serialize};

use crate::state::DesiredState;

/// What a device is asked. The state stands one level down, so that these bytes can't be read as a [`DesiredState`] and
/// be accepted by accident, whichever way they came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// The state that the device would have.
    pub what_if: DesiredState,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{DeviceId, Generation};
    use crate::timestamp::Timestamp;

    #[test]
    fn a_question_is_never_read_as_a_state_nor_a_state_as_a_question() {
        let state = DesiredState {
            muster: 1,
            composition: 1,
            device: DeviceId(uuid::Uuid::from_u128(1)),
            generation: Generation(7),
            issued: Timestamp::default(),
            revisions: vec![],
            bindings: Default::default(),
        };
        let question = serde_json::to_vec(&Question { what_if: state.clone() }).unwrap();
        assert!(serde_json::from_slice::<DesiredState>(&question).is_err());
        assert!(serde_json::from_slice::<Question>(&serde_json::to_vec(&state).unwrap()).is_err());
        assert_eq!(serde_json::from_slice::<Question>(&question).unwrap().what_if, state);
    }
}
