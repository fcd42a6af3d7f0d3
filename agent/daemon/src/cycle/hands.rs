//! What changes are made with.

use std::collections::BTreeSet;

use anyhow::Result;
use muster_converge::fight::Fights;
use muster_converge::trial::{Trial, Trials};
use muster_proto::report::Event;
use muster_proto::{ResourceId, Timestamp};

use crate::clock::Clock;
use crate::config::Config;
use crate::host::Host;
use crate::ledger::{Ledger, Settlement, cant_be_written};
use crate::service::SCRATCH;

/// The ledger, the machine and the time.
pub(crate) struct Hands<M = Host> {
    pub(super) ledger: Ledger,
    pub(super) host: M,
    pub(super) clock: Clock,
    /// Kinds that the device's owner forbids.
    pub(super) deny_kinds: BTreeSet<String>,
    /// What was put right lately. An agent that starts begins anew: then it is put right at most thrice more.
    pub(super) fights: Fights,
    /// What the ledger had no room for.
    pub(super) owed: Owed,
    /// What has to prove that it cuts nobody off, as in the ledger.
    pub(super) trials: Trials,
    /// How many times something was put on trial, with what an earlier agent left on trial as the first.
    pub(super) trials_begun: u64,
    /// When the tables that are reported were last read, by the trusted clock; `None` where something was made or taken away since
    /// of which they tell.
    pub(super) tabulated: Option<Timestamp>,
}

/// What was done and could not be written down. It is written before anything else is, so that the ledger tells things in
/// the order in which they were; what a restart of the agent loses of it, the next turn finds by looking, but for the events and
/// for services whose own restart failed meanwhile.
#[derive(Debug, Default)]
pub(super) struct Owed {
    settlement: Settlement,
    events: Vec<(Timestamp, Event)>,
    restarts: BTreeSet<ResourceId>,
}

impl Owed {
    fn is_empty(&self) -> bool {
        self.settlement.is_empty() && self.events.is_empty() && self.restarts.is_empty()
    }

    /// Adds what came later: of each resource the last word counts.
    fn add(&mut self, later: Settlement, now: Timestamp) {
        let Settlement { written, forgotten, restarted, events } = later;
        for (id, record) in written {
            self.forget(&id);
            self.settlement.written.push((id, record));
        }
        for id in forgotten {
            self.forget(&id);
            self.settlement.forgotten.push(id);
        }
        for id in restarted {
            self.restarts.remove(&id);
            if !self.settlement.restarted.contains(&id) {
                self.settlement.restarted.push(id);
            }
        }
        self.events.extend(events.into_iter().map(|event| (now, event)));
    }

    fn forget(&mut self, id: &ResourceId) {
        self.settlement.written.retain(|(written, _)| written != id);
        self.settlement.forgotten.retain(|forgotten| forgotten != id);
    }
}

impl Hands {
    /// Opens the ledger and the machine, with a time that is known already.
    pub(super) fn open(config: &Config, clock: Clock) -> Result<Self> {
        let ledger = Ledger::open(&config.ledger())?;
        Ok(Self {
            trials: ledger.trials()?,
            trials_begun: 1,
            ledger,
            host: Host::open(SCRATCH.as_ref(), &config.state_dir, config.packages)?,
            clock,
            deny_kinds: config.deny_kinds.clone(),
            fights: Fights::default(),
            owed: Owed::default(),
            tabulated: None,
        })
    }
}

impl<M> Hands<M> {
    /// Keeps what a batch of writes came to, or remembers it until the ledger has room.
    pub(super) fn settle(&mut self, settlement: Settlement) -> Result<()> {
        let now = self.clock.now();
        if settlement.is_empty() {
            return Ok(());
        }
        let paid = self.pay();
        // Not consumed when it fails: the same is owed then.
        match paid.and_then(|()| self.ledger.settle(&settlement, now)) {
            Err(error) if cant_be_written(&error) => {
                self.owed.add(settlement, now);
                Ok(())
            }
            settled => settled,
        }
    }

    /// Has this and nothing else of a resource on trial, as that is known once it was tried. In the ledger too: what nothing came of
    /// would count as undone after a restart without the server, and be left alone for good.
    pub(super) fn keep_trial(&mut self, id: &ResourceId, trial: Option<Trial>) -> Result<()> {
        self.trials.remove(id);
        self.trials.extend(trial.map(|trial| (id.clone(), trial)));
        match self.ledger.keep_trials(&self.trials) {
            // It holds for as long as this agent runs.
            Err(error) if cant_be_written(&error) => Ok(()),
            kept => kept,
        }
    }

    /// Services that will owe a restart, of a change that the ledger had no room for.
    pub(super) fn owe_restarts(&mut self, restarts: BTreeSet<ResourceId>) {
        // They owe one more than the one that they may have had since.
        self.owed.settlement.restarted.retain(|id| !restarts.contains(id));
        self.owed.restarts.extend(restarts);
    }

    /// Services that owe a restart, by the ledger and by what it has no room for.
    pub(super) fn restarts_due(&self) -> Result<BTreeSet<ResourceId>> {
        let mut due = self.ledger.restarts_due()?;
        due.retain(|id| !self.owed.settlement.restarted.contains(id));
        due.extend(self.owed.restarts.iter().cloned());
        Ok(due)
    }

    /// Whether no change is on trial or was given up, and no service owes a restart.
    pub(super) fn are_idle(&self) -> Result<bool> {
        Ok(self.trials.is_empty() && self.restarts_due()?.is_empty())
    }

    /// Writes down what the ledger had no room for.
    pub(super) fn pay(&mut self) -> Result<()> {
        if self.owed.is_empty() {
            return Ok(());
        }
        self.ledger.intend(&[], &[], &self.owed.restarts, &[])?;
        self.owed.restarts.clear();
        self.ledger.settle(&self.owed.settlement, self.clock.now())?;
        self.owed.settlement = Settlement::default();
        while let Some((at, event)) = self.owed.events.first() {
            self.ledger.event(*at, event)?;
            self.owed.events.remove(0);
        }
        Ok(())
    }
}
