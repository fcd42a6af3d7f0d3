//! Operations: what the server can be asked to do, whichever door it came through.
//!
//! Each is one store transaction that reads, asks the policy, writes and audits. For devices: [`enroll`], [`renew`],
//! [`standing`], [`twins`], [`returning`], [`follow`], [`fetch`], [`report`]. For admins: [`admin`], [`admins`],
//! [`account`] with [`code`] and [`hash`], [`api_token`], [`device`], [`import`], [`token`], [`person`], [`group`],
//! [`profile`] with [`question`], [`artifact`], [`assign`], [`dry_run`], [`rollout`], [`rollback`], [`pause`], [`removal`], [`reenroll`], [`lost`],
//! [`deletion`], [`waiver`],
//! [`compliance`] with [`needs`], [`controls`], [`checks`], [`outcomes`], [`detail`],
//! [`reveal`], [`audit`] with [`searches`]. Between them [`recompile`] keeps desired states true to what is assigned, [`hold`] says which
//! wait, [`presence`] knows whose link is up, and [`keep`] lets the oldest go. For root on the server's machine:
//! [`restore`].

pub(crate) mod account;
pub(crate) mod admin;
pub(crate) mod admins;
pub(crate) mod api_token;
mod apply_now;
pub(crate) mod artifact;
pub(crate) mod assign;
pub(crate) mod audit;
pub(crate) mod checks;
mod code;
pub(crate) mod compliance;
pub(crate) mod controls;
mod deletion;
pub(crate) mod detail;
pub(crate) mod device;
pub(crate) mod dry_run;
pub(crate) mod enroll;
pub(crate) mod error;
pub(crate) mod fetch;
pub(crate) mod follow;
pub(crate) mod follower;
pub(crate) mod group;
mod hash;
mod hold;
pub(crate) mod import;
pub(crate) mod keep;
pub(crate) mod lost;
mod needs;
mod outcomes;
mod page;
pub(crate) mod pause;
pub(crate) mod person;
pub(crate) mod presence;
pub(crate) mod profile;
mod question;
mod recompile;
mod reenroll;
mod removal;
pub(crate) mod renew;
pub(crate) mod report;
pub(crate) mod restore;
pub(crate) mod returning;
pub(crate) mod reveal;
mod rollback;
pub(crate) mod rollout;
pub(crate) mod seal;
pub(crate) mod searches;
pub(crate) mod secret;
pub(crate) mod standing;
pub(crate) mod token;
pub(crate) mod twins;
pub(crate) mod waiver;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use muster_proto::{Digest, Timestamp};
use muster_store::{Change, Store};
use tokio::sync::broadcast;

use crate::artifacts::Artifacts;
use crate::install::snippet::Origin;
use dry_run::Desk;
use presence::Presence;
use seal::SealingKey;
use searches::Searches;

pub(crate) use error::AppError;

/// What the operations work with; cheap to clone.
#[derive(Clone)]
pub(crate) struct App(Arc<Parts>);

/// Where the parts come from is for who wires the server.
pub(crate) struct Parts {
    /// The record.
    pub(crate) store: Store,
    /// The files of artifacts.
    pub(crate) artifacts: Artifacts,
    /// Seals first-login passwords at rest.
    pub(crate) sealing_key: SealingKey,
    /// What time it is.
    pub(crate) clock: fn() -> Timestamp,
    /// How devices and admins reach and know this server.
    pub(crate) site: Site,
    /// Whose link is up.
    pub(crate) presence: Presence,
    /// When the record was last put back from a backup.
    pub(crate) restored: Option<Timestamp>,
    /// Who can be asked for a dry run.
    pub(crate) desk: Desk,
    /// Seconds after the end of its certificate in which a device comes back by itself.
    pub(crate) return_window: i64,
    /// Who searches the audit.
    pub(crate) searches: Searches,
}

/// How devices and admins reach and know this server.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    /// The name under which certificates are issued, such as `corp.example`.
    pub(crate) trust_domain: String,
    /// The server's own name, such as `muster.corp.example`.
    pub(crate) server_name: String,
    /// Host and port of the listener for devices.
    pub(crate) device_address: String,
    /// Digests of the root certificates that devices may be shown.
    pub(crate) roots: Vec<Digest>,
    /// How devices reach the packages.
    pub(crate) origin: Origin,
}

/// The clock that the server runs by.
pub(crate) fn system_clock() -> Timestamp {
    Timestamp::from_system(std::time::SystemTime::now())
}

impl App {
    /// Puts the parts together.
    pub(crate) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// How devices and admins reach and know this server.
    pub(crate) fn site(&self) -> &Site {
        &self.0.site
    }

    /// When the record was last put back from a backup. What was acknowledged before is then not certain.
    pub(crate) fn restored(&self) -> Option<Timestamp> {
        self.0.restored
    }

    /// Seconds after the end of its certificate in which a device comes back by itself.
    fn return_window(&self) -> i64 {
        self.0.return_window
    }

    /// What time it is.
    pub(crate) fn now(&self) -> Timestamp {
        (self.0.clock)()
    }

    /// Everything that changes from now on, told after it is durable.
    pub(crate) fn changes(&self) -> broadcast::Receiver<Change> {
        self.0.store.changes()
    }

    /// Whose link is up.
    pub(crate) fn presence(&self) -> &Presence {
        &self.0.presence
    }

    /// The files of artifacts.
    pub(crate) fn artifacts(&self) -> &Artifacts {
        &self.0.artifacts
    }

    fn store(&self) -> &Store {
        &self.0.store
    }
}
