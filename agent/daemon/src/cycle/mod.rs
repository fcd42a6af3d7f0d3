//! The convergence loop: one thread, woken by the server, by drift and by timer, that does the same work every time.
//!
//! A turn composes the accepted state, reads, plans, writes in stages, reads again, and keeps what it came to in the
//! ledger. Nothing in a turn is retried: a failure only makes the next turn come sooner.

mod make;
mod outcomes;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result};
use muster_converge::accept::{self, Acceptance};
use muster_converge::schedule;
use muster_proto::compose::{self, Composition};
use muster_proto::report::{Event, Outcome, OutcomeKind};
use muster_proto::state::DesiredState;
use muster_proto::when::Facts;
use muster_proto::{DeviceId, Digest, Generation, Timestamp, wire};

use crate::clock::Clock;
use crate::config::Config;
use crate::host::Host;
use crate::ledger::{Ledger, Settlement};
use crate::{facts, inventory};

/// How often the trusted time is written down while nothing else happens.
const MARK_EVERY: i64 = 10 * 60;

/// Everything a turn works on; owned by the convergence thread.
pub(crate) struct Cycle {
    device: DeviceId,
    config: Config,
    ledger: Ledger,
    host: Host,
    clock: Clock,
    facts: Facts,
    /// The composition in force, kept while neither state nor facts change.
    composed: Option<(Digest, Composition)>,
    /// The outcomes of the last turn.
    outcomes: Vec<Outcome>,
    failures: u32,
    /// When checks were last asked and tables last read, by the trusted clock.
    inspected: Option<Timestamp>,
}

/// What to do after a turn.
#[derive(Debug)]
pub(crate) struct Next {
    /// How long to wait when nothing wakes the loop before.
    pub(crate) wait: Duration,
    /// Documents that the accepted state names and that are not here.
    pub(crate) missing: BTreeSet<Digest>,
}

impl Cycle {
    /// Starts from what the ledger keeps.
    pub(crate) fn start(device: DeviceId, config: Config, ledger: Ledger, host: Host) -> Result<Self> {
        let clock = Clock::start(ledger.mark()?);
        Ok(Self {
            device,
            config,
            ledger,
            host,
            clock,
            facts: facts::read(),
            composed: None,
            outcomes: Vec::new(),
            failures: 0,
            inspected: None,
        })
    }

    /// Takes a desired state that came, or refuses it; true when it is newer than the one in force.
    pub(crate) fn offer(&mut self, bytes: &[u8]) -> Result<bool> {
        let now = self.clock.now();
        match accept::accept(self.device, self.ledger.current()?, bytes) {
            Acceptance::Same => Ok(false),
            Acceptance::Accept(state) => {
                self.ledger.accept(&state, bytes, now)?;
                tracing::info!(generation = state.generation.0, "accepted a new desired state");
                Ok(true)
            }
            Acceptance::Refuse { generation, reason } => {
                tracing::warn!(generation = generation.0, reason, "refused a desired state");
                self.ledger.event(now, &Event::Refused { generation, reason })?;
                Ok(false)
            }
        }
    }

    /// Keeps documents that came.
    pub(crate) fn keep(&mut self, documents: &[(Digest, Vec<u8>)]) -> Result<()> {
        match self.ledger.state()? {
            Some(state) => self.ledger.keep_documents(&state, documents),
            None => Ok(()),
        }
    }

    /// Takes the server's word for the time.
    pub(crate) fn vouched(&mut self, server_time: Timestamp) -> Result<()> {
        let kept = self.ledger.mark()?.map_or(0, |mark| mark.time.seconds());
        let mark = self.clock.vouched(server_time);
        // Every notice raises the mark in memory; on disk a lag of some minutes only makes a lease end that much later
        // after a boot without a server.
        if server_time.seconds() - kept >= MARK_EVERY { self.ledger.raise_mark(mark) } else { Ok(()) }
    }

    /// What the server has not acknowledged.
    pub(crate) fn report(&self) -> Result<Option<wire::ReportRequest>> {
        self.ledger.report(self.ledger.applied()?)
    }

    /// Forgets what the server made durable.
    pub(crate) fn acknowledged(&mut self, report: &wire::ReportRequest, sequence: u64) -> Result<()> {
        self.ledger.acknowledge(report, sequence)
    }

    /// The newest generation accepted.
    pub(crate) fn generation(&self) -> Result<Generation> {
        Ok(self.ledger.current()?.generation)
    }

    /// The composition in force, for watching what it manages.
    pub(crate) fn composition(&self) -> Option<&Composition> {
        self.composed.as_ref().map(|(_, composition)| composition)
    }

    /// One turn. An error concerns the ledger or the bus, not a resource: those have outcomes.
    pub(crate) async fn turn(&mut self) -> Result<Next> {
        self.note_facts()?;
        let Some(state) = self.ledger.state()? else {
            self.inspect(&Composition::default())?;
            return Ok(Next { wait: schedule::SCAN, missing: BTreeSet::new() });
        };
        let (documents, missing) = self.ledger.documents(&state)?;
        if !missing.is_empty() {
            // The last state in force stays as it is until the new one is whole.
            return Ok(Next { wait: schedule::FIRST_RETRY, missing });
        }
        let composition = self.compose(&state, &documents)?;
        let made = make::converge(self, &composition).await;
        let result = match made {
            Ok(outcomes) => self.finish(&state, &composition, outcomes),
            Err(error) => Err(error),
        };
        self.ledger.release_memory();
        let wait = self.wait(&composition);
        self.composed = Some((digest_of(&self.ledger)?, composition));
        result?;
        Ok(Next { wait, missing: BTreeSet::new() })
    }

    /// The plan as it would be made now, and nothing done: for `muster-agent plan`.
    pub(crate) async fn plan(&mut self) -> Result<Option<muster_converge::plan::Plan>> {
        let Some(state) = self.ledger.state()? else { return Ok(None) };
        let (documents, missing) = self.ledger.documents(&state)?;
        anyhow::ensure!(missing.is_empty(), "{} documents have not come from the server yet", missing.len());
        let composition = self.compose(&state, &documents)?;
        make::look(self, &composition).await.map(Some)
    }

    /// Takes back everything Muster created or changed, as if nothing were desired: for `muster-agent unenroll --restore`.
    pub(crate) async fn restore(&mut self) -> Result<Vec<Outcome>> {
        make::converge(self, &Composition::default()).await
    }

    fn compose(
        &mut self,
        state: &DesiredState,
        documents: &BTreeMap<Digest, Vec<u8>>,
    ) -> Result<Composition> {
        let digest = digest_of(&self.ledger)?;
        if let Some((known, composition)) = self.composed.take()
            && known == digest
        {
            return Ok(composition);
        }
        compose::compose(state, documents, &self.facts).context("the accepted state can't be composed")
    }

    fn finish(
        &mut self,
        state: &DesiredState,
        composition: &Composition,
        outcomes: Vec<Outcome>,
    ) -> Result<()> {
        let failed = self.say_failures(&outcomes)?;
        self.failures = if failed > 0 { self.failures.saturating_add(1) } else { 0 };
        let changed = outcomes.iter().any(|o| o.outcome == OutcomeKind::Repaired);
        self.ledger.section("outcomes", &serde_json::to_vec(&outcomes)?)?;
        self.outcomes = outcomes;
        let first_time = self.ledger.applied()? != state.generation;
        if failed == 0 {
            self.ledger.set_applied(state.generation)?;
        }
        if changed || first_time {
            self.inspected = None;
        }
        self.inspect(composition)
    }

    /// Tells the log and the server of failures that the last turn did not have; gives how many there are in all.
    fn say_failures(&mut self, outcomes: &[Outcome]) -> Result<usize> {
        let bad = |o: &&Outcome| matches!(o.outcome, OutcomeKind::Failed | OutcomeKind::Blocked);
        let mut events = Vec::new();
        for outcome in outcomes.iter().filter(bad) {
            if self.outcomes.iter().any(|o| o.resource == outcome.resource && o.reason == outcome.reason) {
                continue;
            }
            let reason = outcome.reason.clone().unwrap_or_default();
            tracing::warn!(resource = %outcome.resource, reason, "not as it should be");
            if outcome.outcome == OutcomeKind::Failed {
                events.push(Event::Failed { resource: outcome.resource.clone(), reason });
            }
        }
        self.ledger.settle(Settlement { events, ..Settlement::default() }, self.clock.now())?;
        Ok(outcomes.iter().filter(bad).count())
    }

    /// Asks the checks and reads the tables that are reported, when that is due.
    fn inspect(&mut self, composition: &Composition) -> Result<()> {
        let now = self.clock.now();
        let due = self
            .inspected
            .is_none_or(|at| now.seconds() - at.seconds() >= schedule::SCAN.as_secs().cast_signed());
        if !due {
            return Ok(());
        }
        self.inspected = Some(now);
        self.ledger.section("checks", &serde_json::to_vec(&inventory::checks(composition))?)?;
        for (name, document) in inventory::tables() {
            self.ledger.section(&name, &document)?;
        }
        Ok(())
    }

    fn note_facts(&mut self) -> Result<()> {
        let facts = facts::read();
        if facts != self.facts {
            self.facts = facts;
            self.composed = None;
        }
        self.ledger.section("facts", &serde_json::to_vec(&self.facts)?)?;
        Ok(())
    }

    fn wait(&self, composition: &Composition) -> Duration {
        schedule::wait(composition, self.failures, self.clock.now(), jitter())
    }
}

fn digest_of(ledger: &Ledger) -> Result<Digest> {
    ledger.current()?.digest.context("there is no accepted state")
}

/// A number in 0..1, so that devices do not all wake at once.
fn jitter() -> f64 {
    let mut bytes = [0; 4];
    // Without randomness there is no spread, and nothing else is lost.
    match aws_lc_rs::rand::fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX),
        Err(_) => 0.5,
    }
}
