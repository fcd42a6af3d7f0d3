//! How many connections are let in, in all and from one address.
//!
//! A mutex over a small table rather than a task: it is taken twice a connection for less than a microsecond.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// TLS handshakes at once. Further connections wait in the kernel's queue.
const HANDSHAKES: usize = 1024;

/// Of these, for one address: an office behind one address needs many, and must not take all.
const HANDSHAKES_PER_ADDRESS: u32 = 768;

/// Connections at once; each needs a file descriptor, of which the unit allows 131,072.
const CONNECTIONS: usize = 100_000;

/// For a TLS handshake. Honest ones take milliseconds, or seconds when a whole fleet returns at once.
pub(super) const HANDSHAKE_TIME: Duration = Duration::from_secs(10);

/// Lets connections in.
#[derive(Clone)]
pub(super) struct Gate {
    handshakes: Arc<Semaphore>,
    connections: Arc<Semaphore>,
    by_address: Arc<Mutex<HashMap<IpAddr, u32>>>,
}

/// A connection's place, until it is dropped.
pub(super) struct Place {
    _connection: OwnedSemaphorePermit,
}

/// A handshake's place, until it is dropped.
pub(super) struct Handshake {
    gate: Gate,
    address: IpAddr,
    _permit: OwnedSemaphorePermit,
}

impl Gate {
    pub(super) fn new() -> Self {
        Self {
            handshakes: Arc::new(Semaphore::new(HANDSHAKES)),
            connections: Arc::new(Semaphore::new(CONNECTIONS)),
            by_address: Arc::default(),
        }
    }

    /// Waits until one more connection may be accepted.
    pub(super) async fn room(&self) -> (Place, OwnedSemaphorePermit) {
        const OPEN: &str = "these semaphores are never closed";
        let connection = Arc::clone(&self.connections).acquire_owned().await.expect(OPEN);
        let handshake = Arc::clone(&self.handshakes).acquire_owned().await.expect(OPEN);
        (Place { _connection: connection }, handshake)
    }

    /// Lets a handshake begin, unless its address has too many under way.
    pub(super) fn begin(&self, address: IpAddr, permit: OwnedSemaphorePermit) -> Option<Handshake> {
        let address = site(address);
        let mut table = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let count = table.entry(address).or_default();
        if *count >= HANDSHAKES_PER_ADDRESS {
            return None;
        }
        *count += 1;
        drop(table);
        Some(Handshake { gate: self.clone(), address, _permit: permit })
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        let mut table = self.gate.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = table.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
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

    #[tokio::test]
    async fn one_address_can_not_take_all_handshakes() {
        let gate = Gate::new();
        let (one, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let mut held = Vec::new();
        for _ in 0..HANDSHAKES_PER_ADDRESS {
            held.push(gate.begin(one, gate.room().await.1).expect("there is room"));
        }
        assert!(gate.begin(one, gate.room().await.1).is_none());
        assert!(gate.begin(other, gate.room().await.1).is_some());
        held.pop();
        assert!(gate.begin(one, gate.room().await.1).is_some());
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
