//! Which links follow which device, so that a change wakes those it concerns and no other: with 10,000 links, waking all
//! for each report would be the server's main work.
//!
//! A mutex over a table rather than a task: it is taken for less than a microsecond.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use muster_proto::DeviceId;
use muster_store::Change;
use tokio::sync::Notify;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

/// The links that follow; cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Followers {
    links: Arc<Mutex<HashMap<DeviceId, Vec<Arc<Woken>>>>>,
}

/// What a link waits for.
#[derive(Default)]
struct Woken {
    notify: Notify,
    /// Whether the device is to be told to converge now; several requests before it is told are one.
    apply_now: AtomicBool,
}

/// One link's place, until it is dropped.
pub(super) struct Follower {
    followers: Followers,
    device: DeviceId,
    woken: Arc<Woken>,
}

impl Followers {
    /// Takes up a link. It is woken by every change from now on, so what it reads next is not missed.
    pub(super) fn follow(&self, device: DeviceId) -> Follower {
        let woken = Arc::new(Woken::default());
        self.links().entry(device).or_default().push(Arc::clone(&woken));
        Follower { followers: self.clone(), device, woken }
    }

    /// Whether a link follows this device.
    pub(super) fn has(&self, device: DeviceId) -> bool {
        self.links().contains_key(&device)
    }

    /// Wakes links until the store is gone.
    pub(super) async fn wake(self, mut changes: Receiver<Change>) {
        loop {
            match changes.recv().await {
                Ok(Change::States(devices)) => devices.iter().for_each(|device| self.wake_device(*device)),
                Ok(Change::Revoked(device)) => self.wake_device(device),
                Ok(Change::ApplyNow(device)) => self.apply_now(device),
                Ok(_) => {}
                // Changes were missed, so everyone looks for themselves.
                Err(RecvError::Lagged(_)) => {
                    self.links().values().flatten().for_each(|woken| woken.notify.notify_one());
                }
                Err(RecvError::Closed) => return,
            }
        }
    }

    fn wake_device(&self, device: DeviceId) {
        for woken in self.links().get(&device).into_iter().flatten() {
            woken.notify.notify_one();
        }
    }

    fn apply_now(&self, device: DeviceId) {
        for woken in self.links().get(&device).into_iter().flatten() {
            woken.apply_now.store(true, Ordering::Relaxed);
            woken.notify.notify_one();
        }
    }

    fn links(&self) -> MutexGuard<'_, HashMap<DeviceId, Vec<Arc<Woken>>>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Follower {
    /// Waits until something changed that concerns this link.
    pub(super) async fn woken(&self) {
        self.woken.notify.notified().await;
    }

    /// Whether the device is to be told to converge now, since this was asked last.
    pub(super) fn takes_apply_now(&self) -> bool {
        self.woken.apply_now.swap(false, Ordering::Relaxed)
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let mut links = self.followers.links();
        if let Some(of_device) = links.get_mut(&self.device) {
            of_device.retain(|woken| !Arc::ptr_eq(woken, &self.woken));
            if of_device.is_empty() {
                links.remove(&self.device);
            }
        }
    }
}
