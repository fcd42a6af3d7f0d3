//! The standing link of a device: what it should be, and that it is there.

use muster_proto::{DeviceId, Generation};
use muster_store::StoreError;

use super::App;
use super::presence::Link;

/// What an agent says of itself when its link comes up.
pub(crate) struct Hello {
    /// Newest generation it accepted.
    pub(crate) generation: Generation,
    /// Its version.
    pub(crate) agent_version: String,
    /// Newest composition rules it has.
    pub(crate) composition: u32,
    /// Kinds of resource it knows.
    pub(crate) kinds: Vec<String>,
}

/// A device's desired state.
pub(crate) struct StateNotice {
    /// Its generation.
    pub(crate) generation: Generation,
    /// JSON `DesiredState`, exactly the bytes its digest was made of.
    pub(crate) bytes: Vec<u8>,
}

impl App {
    /// A device's link is up; it counts as connected until the `Link` is dropped.
    pub(crate) async fn connect(&self, device: DeviceId, hello: Hello) -> Result<Link, StoreError> {
        todo!()
    }

    /// The device's desired state if it is newer than `after`. Asked at first and on `Change::States` that names it.
    pub(crate) async fn newer_state(
        &self,
        device: DeviceId,
        after: Generation,
    ) -> Result<Option<StateNotice>, StoreError> {
        todo!()
    }

    /// The device was heard of just now. Kept in memory; written down by [`App::turn`].
    pub(crate) fn seen(&self, device: DeviceId) {
        todo!()
    }

    /// Writes down what is only in memory: who was seen, and how the fleet stands today. To be called every
    /// [`TURN`] and at shutdown.
    pub(crate) async fn turn(&self) -> Result<(), StoreError> {
        todo!()
    }
}

/// How often [`App::turn`] is to be called.
pub(crate) const TURN: std::time::Duration = std::time::Duration::from_secs(60);
