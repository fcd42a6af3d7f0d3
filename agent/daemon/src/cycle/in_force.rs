//! What holds on this device: the accepted state, composed for what the device is, and which leases of it are over.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use muster_converge::schedule;
use muster_proto::compose::{self, Composition};
use muster_proto::state::DesiredState;
use muster_proto::{Digest, Timestamp};

use super::Cycle;
use crate::ledger::Ledger;

impl Cycle {
    /// The composition in force, for watching what it manages.
    pub(crate) fn composition(&self) -> Option<&Composition> {
        self.composed.as_ref().map(|(_, composition)| composition)
    }

    /// The accepted state, composed; `None` when there is none or documents of it are still to come.
    pub(super) fn accepted(&self) -> Result<Option<Composition>> {
        let Some(state) = self.hands.ledger.state()? else { return Ok(None) };
        let (documents, missing) = self.hands.ledger.documents(&state)?;
        if !missing.is_empty() {
            return Ok(None);
        }
        self.compose(&state, &documents).map(Some)
    }

    /// What holds while documents of the accepted state are still to come: the state before it. Where that is not known either,
    /// the records alone, of which no profile can be read.
    pub(super) fn unread(&self) -> Result<Composition> {
        if let Some(state) = self.hands.ledger.last_whole()? {
            let (documents, missing) = self.hands.ledger.documents(&state)?;
            if missing.is_empty() {
                return compose::compose_at(&state, &documents, &self.facts, self.hands.clock.now())
                    .context("the state before the accepted one can't be composed");
            }
        }
        let reason = "its document has not come yet";
        let records = self.hands.ledger.records()?;
        let unsupported =
            records.values().map(|record| (record.profile.clone(), reason.to_owned())).collect();
        Ok(Composition { unsupported, ..Composition::default() })
    }

    /// What leases are ended by.
    pub(super) fn in_force(&self) -> Result<Composition> {
        match self.accepted()? {
            Some(composition) => Ok(composition),
            None => self.unread(),
        }
    }

    /// When the first lease ends or begins after the turn `began`. It may have passed by now: what was planned before takes no notice
    /// of it, and the next turn comes at once.
    pub(super) fn next_end(&self, composition: &Composition, began: Timestamp) -> Result<Option<Timestamp>> {
        let records = self.hands.ledger.records()?;
        Ok(schedule::next_end(composition, &records, began))
    }

    /// Keeps which leases are over before they are ended.
    pub(super) fn keep_end(&mut self, composition: &Composition) -> Result<()> {
        let records = self.hands.ledger.records()?;
        if let Some(end) = schedule::last_end(composition, &records, self.hands.clock.now()) {
            self.hands.clock.ended(end);
            let kept = self.hands.ledger.keep_end(end);
            self.unwritten.put_off(kept)?;
        }
        Ok(())
    }

    pub(super) fn compose(
        &self,
        state: &DesiredState,
        documents: &BTreeMap<Digest, Vec<u8>>,
    ) -> Result<Composition> {
        let now = self.hands.clock.now();
        compose::compose_at(state, documents, &self.facts, now)
            .context("the accepted state can't be composed")
    }

    /// Keeps the composition for as long as it is in force.
    pub(super) fn keep_composed(&mut self, composition: Composition) -> Result<()> {
        self.composed = Some((digest_of(&self.hands.ledger)?, composition));
        Ok(())
    }
}

fn digest_of(ledger: &Ledger) -> Result<Digest> {
    ledger.current()?.digest.context("there is no accepted state")
}
