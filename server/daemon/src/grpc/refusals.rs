//! What a caller learns of a refusal: a reference to the audit and nothing else, and not too often.
//!
//! A mutex over a small table rather than a task: it is taken for less than a microsecond, and only by those who failed.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use muster_policy::pace::{Bucket, Rate};
use muster_proto::{DeviceId, Digest};
use tonic::Status;

use crate::app::App;
use crate::listen::{Peer, site};

/// An office whose devices were all given a used-up token fails 60 times at once, and is not shut out for it. After that
/// an address may fail once in two seconds.
const RATE: Rate = Rate { at_once: 60.0, each_second: 0.5 };

/// All strangers together, wherever they are: each refusal is a row of the audit for good, and a /48 has 65,536 sites.
const OF_STRANGERS: Rate = Rate { at_once: 1_000.0, each_second: 1.0 };

/// Callers remembered. More of them fail only under attack, and then all are forgotten.
const MAX_CALLERS: usize = 10_000;

/// Counts refusals, and audits them.
#[derive(Clone)]
pub(super) struct Refusals {
    app: App,
    table: Arc<Mutex<Table>>,
}

#[derive(Default)]
struct Table {
    callers: HashMap<Caller, Bucket>,
    /// Of who shows nothing that is known; full when there is none yet.
    strangers: Option<Bucket>,
}

/// Whose refusals are counted together: strangers behind an address, and beside them each token that is known there, each
/// certificate, and each device that shows by a signature that it comes back. So a stranger shuts nobody else of a whole
/// site out.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Caller {
    site: IpAddr,
    shown: Option<Digest>,
}

impl Caller {
    /// Who shows nothing that is known, but for a certificate.
    pub(super) fn of(peer: &Peer) -> Self {
        Self { site: site(peer.address.ip()), shown: peer.device.as_ref().map(|device| device.key) }
    }

    /// Who shows this token, which is known.
    pub(super) fn with_token(peer: &Peer, token: &str) -> Self {
        Self { shown: Some(Digest::of(token.as_bytes())), ..Self::of(peer) }
    }

    /// Who signed as this device, with the key of a certificate that is on record.
    pub(super) fn returning(peer: &Peer, device: DeviceId) -> Self {
        Self { shown: Some(Digest::of(device.to_string().as_bytes())), ..Self::of(peer) }
    }
}

impl Refusals {
    pub(super) fn new(app: App) -> Self {
        Self { app, table: Arc::default() }
    }

    /// Turns away who failed too often, before anything is done for them.
    pub(super) fn check(&self, caller: Caller) -> Result<(), Status> {
        let now = Instant::now();
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if table.callers.get(&caller).is_some_and(|bucket| bucket.left(RATE, now) < 1.0) {
            return Err(Status::resource_exhausted("too many refusals from this address; try again later"));
        }
        let spent = |bucket: &Bucket| bucket.left(OF_STRANGERS, now) < 1.0;
        if caller.shown.is_none() && table.strangers.as_ref().is_some_and(spent) {
            return Err(Status::resource_exhausted("too many refusals of strangers; try again later"));
        }
        Ok(())
    }

    /// Audits a refusal decided here, and gives what the caller is told.
    pub(super) async fn refuse(
        &self,
        caller: Caller,
        peer: &Peer,
        action: &'static str,
        reason: String,
    ) -> Status {
        self.count(caller);
        match self.app.refuse(action, peer.address.ip().to_string(), reason).await {
            Ok(reference) => told(&reference),
            Err(error) => super::unavailable(&error),
        }
    }

    /// The answer to a device's call from one who showed no certificate.
    pub(super) async fn without_certificate(&self, peer: &Peer) -> Status {
        let caller = Caller::of(peer);
        match self.check(caller) {
            Ok(()) => self.refuse(caller, peer, "device.call", "no certificate was shown".to_owned()).await,
            Err(status) => status,
        }
    }

    /// Counts a refusal that an operation decided and audited.
    pub(super) fn refused(&self, caller: Caller, reference: &str) -> Status {
        self.count(caller);
        told(reference)
    }

    fn count(&self, caller: Caller) {
        let now = Instant::now();
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if caller.shown.is_none() {
            table.strangers.get_or_insert_with(|| OF_STRANGERS.full(now)).spend(OF_STRANGERS, 1.0, now);
        }
        let table = &mut table.callers;
        if table.len() >= MAX_CALLERS {
            table.retain(|_, bucket| !bucket.is_full(RATE, now));
            if table.len() >= MAX_CALLERS {
                table.clear();
            }
        }
        let bucket = table.entry(caller).or_insert_with(|| RATE.full(now));
        bucket.spend(RATE, 1.0, now);
    }
}

fn told(reference: &str) -> Status {
    Status::permission_denied(format!("refused (reference {reference})"))
}
