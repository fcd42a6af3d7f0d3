//! How many connections one device has: beyond a few, a newer one takes the place of the oldest.
//!
//! A mutex over a table rather than a task: it is taken twice a connection for less than a microsecond.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use muster_proto::DeviceId;

use super::peer::Peer;

/// An agent has one connection. One that came back may have two until the server notices that the first is dead, and
/// whoever tries things out on the device has another.
const MOST: usize = 4;

/// The connections of all devices; cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Crowd(Arc<Mutex<HashMap<DeviceId, VecDeque<Peer>>>>);

/// A connection's place, until it is dropped.
pub(super) struct Counted {
    crowd: Crowd,
    device: DeviceId,
    peer: Peer,
}

impl Crowd {
    /// Takes up a connection of a device, and cuts the oldest when there are too many.
    pub(super) fn join(&self, device: DeviceId, peer: &Peer) -> Counted {
        let mut table = self.table();
        let of_device = table.entry(device).or_default();
        of_device.push_back(peer.clone());
        if of_device.len() > MOST
            && let Some(oldest) = of_device.pop_front()
        {
            oldest.cut();
        }
        drop(table);
        Counted { crowd: self.clone(), device, peer: peer.clone() }
    }

    fn table(&self) -> MutexGuard<'_, HashMap<DeviceId, VecDeque<Peer>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut table = self.crowd.table();
        if let Some(of_device) = table.get_mut(&self.device) {
            of_device.retain(|peer| !peer.is(&self.peer));
            if of_device.is_empty() {
                table.remove(&self.device);
            }
        }
    }
}
