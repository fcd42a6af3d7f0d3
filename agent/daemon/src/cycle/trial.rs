//! Changes on trial, as the rest of the agent sees them: they wait for the server, stand, or are given up.

use anyhow::Result;
use muster_converge::schedule;
use muster_converge::trial::Trial;
use muster_proto::ResourceId;
use muster_proto::compose::{Claimed, Composition};

use super::Cycle;
use crate::resource;

impl Cycle {
    /// How many times changes were put on trial since this agent started, while any of them waits for the server to be reached
    /// anew; `None` when none does.
    pub(crate) fn on_trial(&self) -> Option<u64> {
        let waits = self.hands.trials.values().any(|trial| trial.given_up.is_none());
        waits.then_some(self.hands.trials_begun)
    }

    /// The server was reached after the changes: they stand.
    pub(crate) fn confirm_trials(&mut self) -> Result<()> {
        tracing::info!(
            "the server was reached over a new connection: the changes that could cut this device off stand"
        );
        let is_waiting = |trial: &Trial| trial.given_up.is_none();
        let standing = self.hands.trials.extract_if(.., |_, trial| is_waiting(trial)).map(|(id, _)| id);
        let standing: Vec<ResourceId> = standing.collect();
        let kept = self.keep_trials();
        self.forget_ways_back(&standing);
        kept
    }

    /// Forgets what was kept for ways back that nobody will go.
    pub(super) fn forget_ways_back<'i>(&self, ids: impl IntoIterator<Item = &'i ResourceId>) {
        for id in ids {
            // It is root's alone, and the next start tries again.
            if let Err(error) = resource::forget_way_back(&self.hands.host, id) {
                tracing::warn!(resource = %id, reason = %format!("{error:#}"), "removing a key that is no longer needed");
            }
        }
    }

    /// The server was not reached in time: the next turn brings back what was there before.
    pub(crate) fn give_up_trials(&mut self) -> Result<()> {
        let now = self.hands.clock.now();
        for (id, trial) in self.hands.trials.iter_mut().filter(|(_, trial)| trial.given_up.is_none()) {
            tracing::warn!(resource = %id, "the server was not reached after this change: it is undone");
            trial.given_up = Some(now);
        }
        self.keep_trials()
    }

    /// Lets changes be tried again that were given up.
    pub(crate) fn retry_trials(&mut self) -> Result<()> {
        if self.hands.trials.values().all(|trial| trial.given_up.is_none()) {
            return Ok(());
        }
        self.hands.trials.retain(|_, trial| trial.given_up.is_none());
        self.keep_trials()
    }

    /// Forgets of what was given up what nobody asks for any more: who asks for it later means to try it.
    pub(super) fn forget_old_trials(&mut self, composition: &Composition) -> Result<()> {
        if self.hands.trials.values().all(|trial| trial.given_up.is_none()) {
            return Ok(());
        }
        let records = self.hands.ledger.records()?;
        let composition = &*schedule::applicable(composition, &records, self.hands.clock.now());
        let before = self.hands.trials.len();
        self.hands.trials.retain(|id, trial| {
            let asked_for = match composition.claims.get(id).map(|claim| &claim.claimed) {
                Some(Claimed::Apply(resource)) => resource.desired() == trial.wanted,
                Some(Claimed::Blocked { .. } | Claimed::Unsupported { .. }) => true,
                Some(Claimed::NotApplicable) | None => records.contains_key(id),
            };
            trial.given_up.is_none() || asked_for
        });
        if self.hands.trials.len() == before { Ok(()) } else { self.keep_trials() }
    }

    /// What a full disk keeps from being written down holds for as long as this agent runs.
    fn keep_trials(&mut self) -> Result<()> {
        let kept = self.hands.ledger.keep_trials(&self.hands.trials);
        self.unwritten.put_off(kept)
    }
}
