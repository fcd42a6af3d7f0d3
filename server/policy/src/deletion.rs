//! Which devices can be deleted: those that nobody lets in any more or yet, so that no machine works on under a record
//! that is gone.

use muster_proto::rest::DeviceState;

/// Why a device can't be deleted. Each is the end of a sentence that begins with the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotPossible {
    /// A machine shows a code.
    #[error(
        "has a machine that waits to be let in: let it in with muster device approve, or refuse it with muster device revoke"
    )]
    Waiting,
    /// It is managed.
    #[error("is enrolled: retire it first with muster device revoke, or muster device lost")]
    Enrolled,
    /// Two machines use it.
    #[error("is held, because two machines use its identity: put both out first with muster device revoke")]
    Held,
}

/// Whether a device in this state can be deleted. One that is lost has given the receipt for its last order.
pub fn may_delete(state: DeviceState) -> Result<(), NotPossible> {
    match state {
        DeviceState::Registered | DeviceState::Lost | DeviceState::Revoked => Ok(()),
        DeviceState::Pending => Err(NotPossible::Waiting),
        DeviceState::Enrolled | DeviceState::Ready => Err(NotPossible::Enrolled),
        DeviceState::Held => Err(NotPossible::Held),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_device_that_is_not_in_can_be_deleted() {
        for (state, expected) in [
            (DeviceState::Registered, Ok(())),
            (DeviceState::Pending, Err(NotPossible::Waiting)),
            (DeviceState::Enrolled, Err(NotPossible::Enrolled)),
            (DeviceState::Ready, Err(NotPossible::Enrolled)),
            (DeviceState::Held, Err(NotPossible::Held)),
            (DeviceState::Lost, Ok(())),
            (DeviceState::Revoked, Ok(())),
        ] {
            assert_eq!(may_delete(state), expected, "{state:?}");
        }
    }
}
