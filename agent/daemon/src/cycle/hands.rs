//! What changes are made with.

use std::collections::BTreeSet;

use anyhow::Result;

use crate::clock::Clock;
use crate::config::Config;
use crate::host::Host;
use crate::ledger::Ledger;
use crate::service::SCRATCH;

/// The ledger, the machine and the time.
pub(crate) struct Hands<M = Host> {
    pub(super) ledger: Ledger,
    pub(super) host: M,
    pub(super) clock: Clock,
    /// Kinds that the device's owner forbids.
    pub(super) deny_kinds: BTreeSet<String>,
}

impl Hands {
    /// Opens the ledger and the machine, with a time that is known already.
    pub(super) fn open(config: &Config, clock: Clock) -> Result<Self> {
        Ok(Self {
            ledger: Ledger::open(&config.ledger())?,
            host: Host::open(SCRATCH.as_ref(), &config.state_dir)?,
            clock,
            deny_kinds: config.deny_kinds.clone(),
        })
    }
}
