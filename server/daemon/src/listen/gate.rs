//! How many connections are let in, in all and from one address.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::share::{Limit, Share, Shares};
use super::silent::Silent;

/// TLS handshakes at once.
const HANDSHAKES: usize = 1024;

/// Of these, for one address. A site of ten thousand devices returns at once after a restart: the others wait, for less
/// than the 15 seconds that a device gives a handshake.
const HANDSHAKES_PER_ADDRESS: Limit =
    Limit { at_once: 64, waiting: 12_000, patience: Duration::from_secs(12) };

/// Connections at once; each needs a file descriptor, of which the unit allows 131,072.
const CONNECTIONS: usize = 100_000;

/// For a TLS handshake. Honest ones take milliseconds, or seconds when a whole fleet returns at once.
pub(super) const HANDSHAKE_TIME: Duration = Duration::from_secs(5);

/// Lets connections in; cheap to clone.
#[derive(Clone)]
pub(super) struct Gate {
    silent: Silent,
    handshakes: Arc<Semaphore>,
    handshakes_by_address: Shares,
    connections: Arc<Semaphore>,
    kept_by_address: Shares,
}

/// A connection's place, until it is dropped.
pub(super) struct Place {
    _connection: OwnedSemaphorePermit,
}

/// A handshake's place, until it is dropped.
pub(super) struct Handshake {
    _share: Share,
    _permit: OwnedSemaphorePermit,
}

impl Gate {
    /// One that keeps so many connections of one address for whom [`Gate::keep`] is asked.
    pub(super) fn new(kept: Limit) -> Self {
        Self {
            silent: Silent::default(),
            handshakes: Arc::new(Semaphore::new(HANDSHAKES)),
            handshakes_by_address: Shares::new(HANDSHAKES_PER_ADDRESS),
            connections: Arc::new(Semaphore::new(CONNECTIONS)),
            kept_by_address: Shares::new(kept),
        }
    }

    /// Waits until one more connection may be accepted.
    pub(super) async fn room(&self) -> Place {
        let connection = Arc::clone(&self.connections).acquire_owned().await;
        Place { _connection: connection.expect("this semaphore is never closed") }
    }

    /// Lets a handshake begin once the other end speaks and its turn comes; none for one that is silent, or whose address
    /// has too many.
    pub(super) async fn begin(&self, tcp: &TcpStream, address: IpAddr) -> Option<Handshake> {
        if !self.silent.speaks(tcp, address).await {
            return None;
        }
        let share = self.handshakes_by_address.take(address).await?;
        let permit = Arc::clone(&self.handshakes).acquire_owned().await.ok()?;
        Some(Handshake { _share: share, _permit: permit })
    }

    /// Lets a connection stay, when its address has not too many that stay.
    pub(super) async fn keep(&self, address: IpAddr) -> Option<Share> {
        self.kept_by_address.take(address).await
    }
}
