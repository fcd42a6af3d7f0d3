//! What one address may have at once: beyond that it waits for its own, and keeps nobody else waiting.
//!
//! A mutex over a small table rather than a task: it is taken twice a connection for less than a microsecond.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// How much an address may have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    /// At once.
    pub(super) at_once: usize,
    /// Further ones that may wait.
    pub(super) waiting: usize,
    /// How long they wait.
    pub(super) patience: Duration,
}

/// The shares of all addresses; cheap to clone.
#[derive(Clone)]
pub(super) struct Shares {
    limit: Limit,
    table: Arc<Mutex<HashMap<IpAddr, Entry>>>,
}

struct Entry {
    places: Arc<Semaphore>,
    /// Who has a place or waits for one.
    taken: usize,
}

/// One of an address's places, until it is dropped.
pub(super) struct Share {
    _waiting: Waiting,
    _permit: OwnedSemaphorePermit,
}

struct Waiting {
    shares: Shares,
    address: IpAddr,
}

impl Shares {
    pub(super) fn new(limit: Limit) -> Self {
        Self { limit, table: Arc::default() }
    }

    /// Waits for a place; none when too many wait already or none came free in time.
    pub(super) async fn take(&self, address: IpAddr) -> Option<Share> {
        let (waiting, places) = self.join(site(address))?;
        let permit = timeout(self.limit.patience, places.acquire_owned()).await.ok()?.ok()?;
        Some(Share { _waiting: waiting, _permit: permit })
    }

    fn join(&self, address: IpAddr) -> Option<(Waiting, Arc<Semaphore>)> {
        let mut table = self.table();
        let entry = table
            .entry(address)
            .or_insert_with(|| Entry { places: Arc::new(Semaphore::new(self.limit.at_once)), taken: 0 });
        if entry.taken >= self.limit.at_once + self.limit.waiting {
            return None;
        }
        entry.taken += 1;
        Some((Waiting { shares: self.clone(), address }, Arc::clone(&entry.places)))
    }

    fn table(&self) -> MutexGuard<'_, HashMap<IpAddr, Entry>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut table = self.shares.table();
        if let Some(entry) = table.get_mut(&self.address) {
            entry.taken -= 1;
            if entry.taken == 0 {
                table.remove(&self.address);
            }
        }
    }
}

/// What counts as one caller: an IPv4 address, or the /64 that one IPv6 host can choose addresses from.
pub(crate) fn site(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Limit = Limit { at_once: 2, waiting: 1, patience: Duration::from_millis(50) };
    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    #[tokio::test]
    async fn one_address_waits_for_its_own_and_keeps_no_other_waiting() {
        let shares = Shares::new(LIMIT);
        let first = shares.take(ONE).await.unwrap();
        let _second = shares.take(ONE).await.unwrap();
        assert!(shares.take(OTHER).await.is_some());
        let (third, fourth, ()) = tokio::join!(shares.take(ONE), shares.take(ONE), async {
            tokio::task::yield_now().await;
            drop(first);
        });
        assert!(third.is_some(), "it waited");
        assert!(fourth.is_none(), "too many wait");
        assert!(shares.take(ONE).await.is_none(), "none came free in time");
    }

    #[tokio::test]
    async fn addresses_that_are_gone_are_forgotten() {
        let shares = Shares::new(LIMIT);
        drop(shares.take(ONE).await);
        assert!(shares.table().is_empty());
    }

    #[test]
    fn addresses_that_one_host_can_choose_from_count_as_one() {
        let [a, b, c] =
            ["2001:db8:0:1::1", "2001:db8:0:1:ffff::9", "2001:db8:0:2::1"].map(|text| text.parse().unwrap());
        assert_eq!(site(a), site(b));
        assert_ne!(site(a), site(c));
        assert_eq!(site("::ffff:192.0.2.1".parse().unwrap()), IpAddr::from([192, 0, 2, 1]));
    }
}
