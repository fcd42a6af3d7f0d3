//! Whose link is up and who was heard of when, in memory.
//!
//! A mutex rather than a task: every call of a device touches it for less than a microsecond and must not wait for a
//! queue.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use muster_proto::{DeviceId, Timestamp};
use muster_store::{Change, Store};

/// Whose link is up and who was heard of when; cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Presence(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    /// How many links each device has up: a new one may come before the old one is known to be gone.
    links: HashMap<DeviceId, u32>,
    /// Who was heard of since that was last written down.
    seen: BTreeMap<DeviceId, Timestamp>,
}

/// A link that is up, until it is dropped.
pub(crate) struct Link {
    presence: Presence,
    device: DeviceId,
    store: Store,
}

impl Presence {
    /// Counts a link as up; tells so, and when it goes down.
    pub(super) fn link(&self, device: DeviceId, store: Store) -> Link {
        *self.known().links.entry(device).or_default() += 1;
        store.announce(Change::Device(device));
        Link { presence: self.clone(), device, store }
    }

    /// Whether the device has a link up.
    pub(super) fn is_connected(&self, device: DeviceId) -> bool {
        self.known().links.contains_key(&device)
    }

    /// How many devices have a link up.
    pub(crate) fn connected(&self) -> usize {
        self.known().links.len()
    }

    /// The device was heard of.
    pub(super) fn see(&self, device: DeviceId, at: Timestamp) {
        let mut known = self.known();
        let seen = known.seen.entry(device).or_default();
        *seen = at.max(*seen);
    }

    /// When the device was heard of, if that is not written down yet.
    pub(super) fn unwritten(&self, device: DeviceId) -> Option<Timestamp> {
        self.known().seen.get(&device).copied()
    }

    /// Takes out what is to be written down. Those with a link up count as heard of at `now`.
    pub(super) fn take_seen(&self, now: Timestamp) -> BTreeMap<DeviceId, Timestamp> {
        let mut known = self.known();
        let mut seen = std::mem::take(&mut known.seen);
        seen.extend(known.links.keys().map(|device| (*device, now)));
        seen
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let mut known = self.presence.known();
        if let Some(links) = known.links.get_mut(&self.device) {
            *links -= 1;
            if *links == 0 {
                known.links.remove(&self.device);
            }
        }
        drop(known);
        self.store.announce(Change::Device(self.device));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_connected_while_any_link_of_it_is_up() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("muster.db")).unwrap();
        let presence = Presence::default();
        let device = DeviceId(uuid::Uuid::from_u128(1));
        let old = presence.link(device, store.clone());
        let new = presence.link(device, store);
        drop(old);
        assert!(presence.is_connected(device));
        drop(new);
        assert!(!presence.is_connected(device));
        assert_eq!(presence.connected(), 0);
    }
}
