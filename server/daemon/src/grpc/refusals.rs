//! What a caller learns of a refusal: a reference to the audit and nothing else, and not too often.
//!
//! A mutex over a small table rather than a task: it is taken for less than a microsecond, and only by those who failed.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use muster_policy::pace::{Bucket, Rate};
use tonic::Status;

use crate::app::App;
use crate::listen::{Peer, site};

/// An office whose devices were all given a used-up token fails 60 times at once, and is not shut out for it. After that
/// an address may fail once in two seconds.
const RATE: Rate = Rate { at_once: 60.0, each_second: 0.5 };

/// Addresses remembered. More of them fail only under attack, and then the oldest are forgotten.
const MAX_ADDRESSES: usize = 10_000;

/// Counts refusals by address, and audits them.
#[derive(Clone)]
pub(super) struct Refusals {
    app: App,
    table: Arc<Mutex<HashMap<IpAddr, Bucket>>>,
}

impl Refusals {
    pub(super) fn new(app: App) -> Self {
        Self { app, table: Arc::default() }
    }

    /// Turns an address away that failed too often, before anything is done for it.
    pub(super) fn check(&self, peer: &Peer) -> Result<(), Status> {
        let now = Instant::now();
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        match table.get(&site(peer.address.ip())) {
            Some(bucket) if bucket.left(RATE, now) < 1.0 => {
                Err(Status::resource_exhausted("too many refusals from this address; try again later"))
            }
            _ => Ok(()),
        }
    }

    /// Audits a refusal decided here, and gives what the caller is told.
    pub(super) async fn refuse(&self, peer: &Peer, action: &'static str, reason: String) -> Status {
        self.count(peer);
        match self.app.refuse(action, peer.address.ip().to_string(), reason).await {
            Ok(reference) => told(&reference),
            Err(error) => super::unavailable(&error),
        }
    }

    /// The answer to a device's call from one who showed no certificate.
    pub(super) async fn without_certificate(&self, peer: &Peer) -> Status {
        match self.check(peer) {
            Ok(()) => self.refuse(peer, "device.call", "no certificate was shown".to_owned()).await,
            Err(status) => status,
        }
    }

    /// Counts a refusal that an operation decided and audited.
    pub(super) fn refused(&self, peer: &Peer, reference: &str) -> Status {
        self.count(peer);
        told(reference)
    }

    fn count(&self, peer: &Peer) {
        let now = Instant::now();
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if table.len() >= MAX_ADDRESSES {
            table.retain(|_, bucket| !bucket.is_full(RATE, now));
            if table.len() >= MAX_ADDRESSES {
                table.clear();
            }
        }
        let bucket = table.entry(site(peer.address.ip())).or_insert_with(|| RATE.full(now));
        bucket.spend(RATE, 1.0, now);
    }
}

fn told(reference: &str) -> Status {
    Status::permission_denied(format!("refused (reference {reference})"))
}
