//! Connections that have not said anything yet: a few of them are kept, and the oldest goes for a newer one.
//!
//! A mutex over a short list rather than a task: it is taken twice a connection for some microseconds.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::share::site;

/// Silent connections at once. Whoever means it begins to speak as soon as it is connected.
const SILENT: usize = 2048;

/// Of these, from one address.
const SILENT_PER_ADDRESS: usize = 512;

/// For the first byte.
const PATIENCE: Duration = Duration::from_secs(3);

/// The silent connections, oldest first; cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Silent(Arc<Mutex<VecDeque<Waiting>>>);

#[derive(Clone)]
struct Waiting {
    address: IpAddr,
    leave: Arc<Notify>,
}

/// A place in the list, until it is dropped.
struct Place<'a> {
    silent: &'a Silent,
    waiting: Waiting,
}

impl Silent {
    /// Waits until the other end says something; false when it says nothing in time or must make room.
    pub(super) async fn speaks(&self, tcp: &TcpStream, address: IpAddr) -> bool {
        let place = self.join(site(address));
        let mut byte = [0];
        tokio::select! {
            biased;
            came = timeout(PATIENCE, tcp.peek(&mut byte)) => matches!(came, Ok(Ok(1))),
            () = place.waiting.leave.notified() => false,
        }
    }

    fn join(&self, address: IpAddr) -> Place<'_> {
        let waiting = Waiting { address, leave: Arc::default() };
        let mut list = self.list();
        let of_address = list.iter().filter(|other| other.address == address).count();
        let oldest = if of_address >= SILENT_PER_ADDRESS {
            list.iter().position(|other| other.address == address)
        } else {
            (list.len() >= SILENT).then_some(0)
        };
        if let Some(oldest) = oldest.and_then(|index| list.remove(index)) {
            oldest.leave.notify_one();
        }
        list.push_back(waiting.clone());
        drop(list);
        Place { silent: self, waiting }
    }

    fn list(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut list = self.silent.list();
        if let Some(index) = list.iter().position(|other| Arc::ptr_eq(&other.leave, &self.waiting.leave)) {
            list.remove(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn left(place: &Place<'_>) -> bool {
        place.waiting.leave.notified().now_or_never().is_some()
    }

    #[test]
    fn the_oldest_silent_one_goes_for_a_newer_one_and_of_its_own_address_first() {
        let silent = Silent::default();
        let other = silent.join(IpAddr::from([192, 0, 2, 2]));
        let many: Vec<_> = (0..=SILENT_PER_ADDRESS).map(|_| silent.join(ONE)).collect();
        assert!(left(&many[0]) && !left(&many[1]) && !left(&other));
        let rest: Vec<_> = (0..SILENT as u32).map(|n| silent.join(IpAddr::from(n.to_be_bytes()))).collect();
        assert!(left(&other) && rest.len() == SILENT);
        drop((other, many, rest));
        assert!(silent.list().is_empty());
    }
}
