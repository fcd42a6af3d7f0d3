//! What changed, told after it is durable. Whoever listens reads the store again: a change names, it does not carry.

use std::sync::Arc;

use muster_proto::DeviceId;

/// Something that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A device's record, or how it complies.
    Device(DeviceId),
    /// The desired states of these devices.
    States(Arc<[DeviceId]>),
    /// A device is to look and converge now.
    ApplyNow(DeviceId),
    /// A device's certificates are no longer accepted: its link must go.
    Revoked(DeviceId),
    /// A profile has a new revision.
    Profile(String),
    /// An assignment came or went.
    Assignment(String),
    /// A rollout began, took a step, stopped or ended.
    Rollout(String),
    /// An enrollment token came, went or was used.
    Token(String),
    /// Something was audited.
    Audit,
}
