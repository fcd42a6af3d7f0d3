//! What a caller learns of a refusal: a reference to the audit and nothing else, and not too often.
//!
//! A mutex over a small table rather than a task: it is taken for less than a microsecond, and only by those who failed.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tonic::Status;

use crate::app::App;
use crate::listen::{Peer, site};

/// An office whose devices were all given a used-up token fails this often at once, and is not shut out for it.
const AT_ONCE: f64 = 60.0;

/// After that an address may fail once in this many seconds.
const EACH: f64 = 2.0;

/// Addresses remembered. More of them fail only under attack, and then the oldest are forgotten.
const MAX_ADDRESSES: usize = 10_000;

/// Counts refusals by address, and audits them.
#[derive(Clone)]
pub(super) struct Refusals {
    app: App,
    table: Arc<Mutex<HashMap<IpAddr, Allowance>>>,
}

#[derive(Clone, Copy)]
struct Allowance {
    left: f64,
    at: Instant,
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
            Some(allowance) if allowance.at(now).left < 1.0 => {
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

    /// Counts a refusal that an operation decided and audited.
    pub(super) fn refused(&self, peer: &Peer, reference: &str) -> Status {
        self.count(peer);
        told(reference)
    }

    fn count(&self, peer: &Peer) {
        let now = Instant::now();
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if table.len() >= MAX_ADDRESSES {
            table.retain(|_, allowance| allowance.at(now).left < AT_ONCE);
            if table.len() >= MAX_ADDRESSES {
                table.clear();
            }
        }
        let allowance = table.entry(site(peer.address.ip())).or_insert(Allowance { left: AT_ONCE, at: now });
        *allowance = allowance.at(now);
        allowance.left = (allowance.left - 1.0).max(0.0);
    }
}

impl Allowance {
    fn at(self, now: Instant) -> Self {
        let since: Duration = now.saturating_duration_since(self.at);
        Self { left: (self.left + since.as_secs_f64() / EACH).min(AT_ONCE), at: now }
    }
}

fn told(reference: &str) -> Status {
    Status::permission_denied(format!("refused (reference {reference})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_failed_too_often_is_let_back_one_call_at_a_time() {
        let start = Instant::now();
        let spent = Allowance { left: 0.0, at: start };
        assert!(spent.at(start + Duration::from_secs(1)).left < 1.0);
        assert!(spent.at(start + Duration::from_secs(2)).left >= 1.0);
        assert!(spent.at(start + Duration::from_secs(3600)).left <= AT_ONCE);
    }
}
