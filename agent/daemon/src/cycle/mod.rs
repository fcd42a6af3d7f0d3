//! The convergence loop: one thread, woken by the server, by drift and by timer, that does the same work every time.
//!
//! A turn composes the accepted state, reads, plans, writes in stages, reads again, and keeps what it came to in the
//! ledger. Nothing in a turn is retried: a failure only makes the next turn come sooner.

mod artifacts;
mod barred;
mod dry_run;
mod hands;
mod in_force;
mod inspect;
mod last_order;
mod leases;
mod look_at;
mod machine;
mod make;
mod outcomes;
mod pause;
mod reading;
mod rest;
mod settling;
mod stages;
#[cfg(test)]
mod tests;
mod texts;
mod trial;
mod unwritten;

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result};
use muster_converge::accept::{self, Acceptance};
use muster_converge::fight::Fights;
use muster_converge::schedule;
use muster_proto::clock::ClockSkew;
use muster_proto::compose::Composition;
use muster_proto::cost::Cost;
use muster_proto::report::{Event, Outcome, OutcomeKind};
use muster_proto::state::DesiredState;
use muster_proto::when::Facts;
use muster_proto::{DeviceId, Digest, Generation, Timestamp, fit, wire};

use self::hands::{Hands, Owed};
use self::leases::Leases;
use self::make::Scope;
use self::rest::Rest;
use self::unwritten::Unwritten;
use crate::artifacts::Named;
use crate::clock::{self, Clock};
use crate::config::Config;
use crate::host::Host;
use crate::ledger::{Ledger, Ordered, Settlement, cant_be_written};
use crate::watch::Watch;
use crate::{facts, resource};

pub(crate) use self::dry_run::DryRun;
pub(crate) use self::last_order::Stage;
pub(crate) use self::leases::LOOK;
pub(crate) use self::unwritten::Note;

/// Seconds between two times that the trusted time is written down, at least. While nothing else happens it is told each ten minutes,
/// and each of these is written down.
const MARK_EVERY: i64 = 5 * 60;

/// Everything a turn works on; owned by the convergence thread.
pub(crate) struct Cycle {
    device: DeviceId,
    config: Config,
    hands: Hands,
    facts: Facts,
    /// The composition in force, kept while neither state nor facts change, and no claim begins or ends.
    composed: Option<(Digest, Composition)>,
    /// What the last turn found if there was nothing to do.
    rest: Option<Rest>,
    /// The outcomes of the last turn.
    outcomes: Vec<Outcome>,
    failures: u32,
    /// When checks were last asked, by the trusted clock.
    inspected: Option<Timestamp>,
    /// Whether nothing was wrong by any check then.
    checks_pass: bool,
    /// What the ledger has no room for.
    unwritten: Unwritten,
    /// A last order that the ledger has no room for.
    unwritten_order: Option<Ordered>,
    /// By how much this machine's clock differed from the server's when that was last heard.
    skew: Option<ClockSkew>,
    /// What the work took when that was last told.
    cost: Cost,
}

/// What to do after a turn.
#[derive(Debug)]
pub(crate) struct Next {
    /// How long to wait when nothing wakes the loop before.
    pub(crate) wait: Duration,
    /// When the next lease ends.
    pub(crate) next_end: Option<Timestamp>,
    /// Documents that the accepted state names and that are not here.
    pub(crate) missing: BTreeSet<Digest>,
    /// The artifacts that are to be here; `None` where that is as it was, since nobody looked.
    pub(crate) artifacts: Option<Named>,
}

impl Cycle {
    /// Starts from what the ledger keeps.
    pub(crate) fn start(device: DeviceId, config: Config, ledger: Ledger, host: Host) -> Result<Self> {
        let clock = Clock::start(ledger.mark()?);
        let skew = ledger.section_document(ClockSkew::SECTION)?;
        let skew = skew.map(|document| serde_json::from_slice(&document)).transpose();
        let skew = skew.context("the ledger's clock can't be read")?.flatten();
        let cost = ledger.section_document(Cost::SECTION)?;
        let cost = cost.map(|document| serde_json::from_slice(&document)).transpose();
        let cost = cost.context("the ledger's cost can't be read")?.unwrap_or_default();
        let unwritten = Unwritten::begin(&host.scratch);
        let deny_kinds = config.deny_kinds.clone();
        let (fights, owed) = (Fights::default(), Owed::default());
        let (trials, trials_begun) = (ledger.trials()?, 1);
        let tabulated = None;
        let hands = Hands { ledger, host, clock, deny_kinds, fights, owed, trials, trials_begun, tabulated };
        Ok(Self {
            device,
            hands,
            facts: facts::read(&config),
            config,
            composed: None,
            rest: None,
            outcomes: Vec::new(),
            failures: 0,
            inspected: None,
            checks_pass: true,
            unwritten,
            unwritten_order: None,
            skew,
            cost,
        })
    }

    /// Takes a desired state that came, or refuses it; true when it is newer than the one in force. One that the ledger has
    /// no room for is taken once it has.
    pub(crate) fn offer(&mut self, bytes: &[u8]) -> Result<bool> {
        self.unwritten.state = None;
        match self.take(bytes) {
            Err(error) if cant_be_written(&error) => {
                self.unwritten.state = Some(bytes.to_owned());
                self.unwritten.meet(error);
                Ok(true)
            }
            taken => taken,
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<bool> {
        let now = self.hands.clock.now();
        match accept::accept(self.device, self.hands.ledger.current()?, bytes) {
            Acceptance::Same => Ok(false),
            Acceptance::Accept(state) => {
                self.hands.ledger.accept(&state, bytes, now)?;
                self.hands.fights.forget();
                tracing::info!(generation = state.generation.0, "accepted a new desired state");
                Ok(true)
            }
            Acceptance::Refuse { generation, reason } => {
                tracing::warn!(generation = generation.0, reason, "refused a desired state");
                self.hands.ledger.event(now, &Event::Refused { generation, reason })?;
                Ok(false)
            }
        }
    }

    /// Keeps documents that came. False when there was nothing to keep them for or with: asking for them again at once would
    /// bring no more.
    pub(crate) fn keep(&mut self, documents: &[(Digest, Vec<u8>)]) -> Result<bool> {
        let Some(state) = self.hands.ledger.state()? else { return Ok(false) };
        let written = self.hands.ledger.keep_documents(&state, documents);
        let kept = written.is_ok();
        self.unwritten.put_off(written)?;
        Ok(kept)
    }

    /// Takes the server's word for the time, where it is to be believed; true when there is something new to tell of it.
    pub(crate) fn vouched(&mut self, server_time: Timestamp) -> Result<bool> {
        let system = Timestamp::from_system(std::time::SystemTime::now());
        let news = self.note_skew(ClockSkew::between(system, server_time))?;
        let Some(mark) = self.hands.clock.vouched(server_time) else {
            if news {
                tracing::warn!(
                    "the server says that it is {server_time}, and neither this machine's clock nor what it said before \
                     agrees: look at the server's clock. Leases end by what was known before"
                );
            }
            return Ok(news);
        };
        let known = self.hands.ledger.mark()?;
        let kept = known.map_or(0, |mark| mark.time.seconds());
        // Every word taken raises the mark in memory; on disk a lag of some minutes only makes a lease end that much later
        // after a boot without a server.
        if (kept - clock::SLACK..kept + MARK_EVERY).contains(&server_time.seconds())
            && known.is_none_or(|mark| mark.ended.is_none())
        {
            return Ok(news);
        }
        let raised = self.hands.ledger.raise_mark(mark);
        self.unwritten.put_off(raised)?;
        Ok(news)
    }

    /// Keeps by how much this machine's clock differs from the server's; true when that is new.
    fn note_skew(&mut self, skew: Option<ClockSkew>) -> Result<bool> {
        if ClockSkew::same(self.skew, skew) {
            return Ok(false);
        }
        self.skew = skew;
        let kept = self.hands.ledger.section(ClockSkew::SECTION, &serde_json::to_vec(&skew)?);
        self.unwritten.put_off(kept)?;
        Ok(true)
    }

    /// What the server has not acknowledged.
    pub(crate) fn report(&self) -> Result<Option<wire::ReportRequest>> {
        let applied = self.hands.ledger.applied()?;
        let report = self.hands.ledger.report(applied)?;
        Ok(self.unwritten.with_outcomes(report, || self.hands.ledger.empty_report(applied)))
    }

    /// Forgets what the server made durable, and what an earlier state of the server did: `restored` says when its record
    /// was put back. False when that could not be written down: the same is then sent again, and not at once.
    pub(crate) fn acknowledged(
        &mut self,
        report: &wire::ReportRequest,
        sequence: u64,
        restored: i64,
    ) -> Result<bool> {
        self.unwritten.acknowledged(report);
        let ledger = &mut self.hands.ledger;
        let written =
            ledger.acknowledge(report, sequence).and_then(|()| ledger.server_was_restored(restored));
        let kept = written.is_ok();
        self.unwritten.put_off(written)?;
        Ok(kept)
    }

    /// The newest generation accepted.
    pub(crate) fn generation(&self) -> Result<Generation> {
        Ok(self.hands.ledger.current()?.generation)
    }

    /// One turn. An error concerns the ledger or the bus, not a resource: those have outcomes. A ledger that can't be
    /// written is no error but said: leases end all the same, and the next turn finds out whether it can be again.
    ///
    /// What happens after it looked is told by `watch`, where that is given.
    pub(crate) async fn turn(&mut self, watch: Option<&mut Watch>) -> Result<Next> {
        if self.unwritten.is_known() {
            // This turn may have nothing else to write, and what could not be written before it is no news.
            self.unwritten.forget();
            let tried = self.hands.ledger.try_to_write(self.hands.clock.now());
            self.unwritten.put_off(tried)?;
        }
        let paid = self.hands.pay();
        self.unwritten.put_off(paid)?;
        if let Some(state) = self.unwritten.state.take() {
            self.offer(&state)?;
        }
        let turned = self.turn_once(watch).await?;
        self.end_of_turn(turned)
    }

    async fn turn_once(&mut self, watch: Option<&mut Watch>) -> Result<Next> {
        let began = self.hands.clock.now();
        self.note_facts()?;
        let paused = match self.paused() {
            Err(error) if cant_be_written(&error) => {
                self.unwritten.meet(error);
                None
            }
            paused => paused?,
        };
        let told = self.hands.ledger.tell_repeated(self.hands.clock.now());
        self.unwritten.put_off(told)?;
        let Some(state) = self.hands.ledger.state()? else {
            self.inspect(&Composition::default())?;
            // As another device it has no state yet, and leases on record from before.
            let composition = self.unread()?;
            self.keep_end(&composition)?;
            make::end_leases(&mut self.hands, &composition, make::NO_KIND).await?;
            let next_end = self.next_end(&composition, began)?;
            return Ok(Next { wait: schedule::SCAN, next_end, missing: BTreeSet::new(), artifacts: None });
        };
        let digest = self.hands.ledger.current()?.digest;
        let composed =
            self.composed.take().filter(|(of, known)| Some(of) == digest.as_ref() && known.span.has(began));
        let (documents, missing) =
            if composed.is_some() { Default::default() } else { self.hands.ledger.documents(&state)? };
        if !missing.is_empty() {
            // The last state in force stays as it is until the new one is whole, and ends as it was accepted.
            let composition = self.unread()?;
            self.keep_end(&composition)?;
            make::end_leases(&mut self.hands, &composition, make::NO_KIND).await?;
            let next_end = self.next_end(&composition, began)?;
            return Ok(Next { wait: schedule::FIRST_RETRY, next_end, missing, artifacts: None });
        }
        let composition = match composed {
            Some((_, composition)) => composition,
            None => {
                self.rest = None;
                self.compose(&state, &documents)?
            }
        };
        self.keep_end(&composition)?;
        if let Some(pause) = paused {
            return self.turn_paused(composition, &pause, began).await;
        }
        self.forget_old_trials(&composition)?;
        self.hands.host.meter.begin_turn();
        self.hands.host.digests.begin_turn();
        let leases = Leases { config: &self.config, clock: self.hands.clock, composition: &composition };
        reading::catch_up(&mut self.hands, &leases).await?;
        // Before anything is read: one that comes meanwhile is made use of by the turn that it is worth.
        let awaits_artifacts = self.awaits_artifacts(&composition);
        // What could not be kept in the ledger is still to be told.
        let rest = self.rest.take().filter(|_| !self.unwritten.is_known());
        let left_behind = schedule::left_behind(&composition, &*self.hands.ledger.records()?, began);
        let made = make::converge(&mut self.hands, &leases, Scope::Whole, rest, watch).await;
        let result = match made {
            Ok(made) => {
                // The turn after the last of them has come is to take the state for applied.
                self.rest = made.rest.filter(|_| !awaits_artifacts);
                self.finish(&state, &composition, made.outcomes, awaits_artifacts)
            }
            Err(error) => Err(error),
        };
        self.hands.host.digests.end_turn();
        self.hands.ledger.release_memory();
        let now = self.hands.clock.now();
        let next_end = self.next_end(&composition, began)?;
        let mut wait = schedule::wait(next_end, self.failures, now, jitter()).min(self.inspection_in(now));
        let has = |kind| self.outcomes.iter().any(|outcome| outcome.outcome == kind);
        let is_next_turns = |reason: &str| resource::is_next(reason) || reason == outcomes::FOLLOWS;
        let is_next = |outcome: &Outcome| outcome.reason.as_deref().is_some_and(is_next_turns);
        // What fails takes the memory that others wait for, and would again at once.
        let is_soon = !has(OutcomeKind::Failed) && self.outcomes.iter().any(is_next);
        // What was taken back has yet to be looked at by who asks for no more.
        let is_looked_at =
            left_behind > schedule::left_behind(&composition, &*self.hands.ledger.records()?, began);
        if has(OutcomeKind::Repaired) || is_soon || is_looked_at {
            wait = wait.min(schedule::AFTER_CHANGE);
        }
        let artifacts = Some(self.named_artifacts(&composition));
        self.keep_composed(composition)?;
        result?;
        Ok(Next { wait, next_end, missing: BTreeSet::new(), artifacts })
    }

    /// Waits for the commands of an agent that ended before they did, while leases go on ending, removes what a crash left beside
    /// files, and has programs read what it kept from them.
    pub(crate) async fn reattach(&mut self) -> Result<()> {
        let composition = self.in_force()?;
        let leases = Leases { config: &self.config, clock: self.hands.clock, composition: &composition };
        leases.kept_during("package", self.hands.host.reattach()).await?;
        let records = self.hands.ledger.records()?;
        resource::remove_leftovers(&self.hands.host, records.as_ref());
        resource::catch_up(&mut self.hands.host, records.as_ref()).await;
        self.forget_ways_back(records.keys().filter(|id| !self.hands.trials.contains_key(*id)));
        Ok(())
    }

    /// The time by the rule for leases.
    pub(crate) fn now(&self) -> Timestamp {
        self.hands.clock.now()
    }

    /// The plan as it would be made now, and nothing done: for `muster-agent plan`.
    pub(crate) async fn plan(&mut self) -> Result<Option<muster_converge::plan::Plan>> {
        let Some(composition) = self.accepted()? else { return Ok(None) };
        make::look(&mut self.hands, &composition).await.map(Some)
    }

    /// Takes back everything Muster created or changed, as if nothing were desired: for `muster-agent unenroll --restore`.
    pub(crate) async fn restore(&mut self) -> Result<Vec<Outcome>> {
        let nothing = Composition::default();
        let leases = Leases { config: &self.config, clock: self.hands.clock, composition: &nothing };
        let known = self.hands.ledger.records()?;
        let made = make::converge(&mut self.hands, &leases, Scope::Whole, None, None).await?;
        // There is no server any more without which it would be undone.
        self.forget_ways_back(known.keys());
        Ok(made.outcomes.unwrap_or_default())
    }

    fn finish(
        &mut self,
        state: &DesiredState,
        composition: &Composition,
        outcomes: Option<Vec<Outcome>>,
        awaits_artifacts: bool,
    ) -> Result<()> {
        let Some(outcomes) = outcomes else { return self.inspect(composition) };
        let failed = self.say_failures(&outcomes)?;
        let waits = outcomes.iter().any(|outcome| outcome.outcome == OutcomeKind::Waiting);
        // Of an artifact it is told when it came; what else is waited for has to be tried.
        let is_soon = failed > 0 || (waits && !awaits_artifacts);
        self.failures = if is_soon { self.failures.saturating_add(1) } else { 0 };
        let changed = outcomes.iter().any(|o| o.outcome == OutcomeKind::Repaired);
        let document = fit::outcomes(&outcomes)?;
        let kept = self.hands.ledger.section("outcomes", &document);
        self.unwritten.outcomes_kept(&kept, document);
        self.unwritten.put_off(kept)?;
        self.outcomes = outcomes;
        let first_time = self.hands.ledger.applied()? != state.generation;
        // What is on trial may still be undone, and what is not here yet could not be made.
        if failed == 0 && self.on_trial().is_none() && !waits && !awaits_artifacts {
            let applied = self.hands.ledger.set_applied(state.generation);
            self.unwritten.put_off(applied)?;
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
            let resource = outcome.resource.clone();
            events.push(match outcome.outcome {
                OutcomeKind::Failed => Event::Failed { resource, reason, times: 1 },
                _ => Event::Blocked { resource, reason, times: 1 },
            });
        }
        self.hands.settle(Settlement { events, ..Settlement::default() })?;
        Ok(outcomes.iter().filter(bad).count())
    }

    /// Has the next turn do all that there is to do, by an admin's word: ask the checks and read the tables, however lately that
    /// was done, put right again what others keep changing, and try again what was undone.
    pub(crate) fn begin_anew(&mut self) -> Result<()> {
        self.inspected = None;
        self.hands.tabulated = None;
        self.hands.host.firewall = None;
        self.hands.fights.forget();
        self.retry_trials()
    }

    fn note_facts(&mut self) -> Result<()> {
        let facts = facts::read(&self.config);
        if facts != self.facts {
            self.facts = facts;
            self.composed = None;
        }
        let kept = self.hands.ledger.section("facts", &serde_json::to_vec(&self.facts)?);
        self.unwritten.put_off(kept)
    }
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
