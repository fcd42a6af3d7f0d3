//! What a whole turn found when there was nothing to do, by which the next one knows that there is nothing to do either.
//!
//! The machine is read whole in every turn. Where all is found as it was, by the same state, records and time, the same plan would
//! come of it: it is not made again, and nothing is told.

use std::hash::{BuildHasher as _, RandomState};
use std::rc::Rc;

use anyhow::Result;
use muster_converge::plan::{Observed, Plan};
use muster_converge::schedule;
use muster_proto::Timestamp;
use muster_proto::compose::Composition;
use muster_proto::report::OutcomeKind;

use super::hands::Hands;
use crate::ledger::Records;

/// Valid for one composition.
#[derive(Debug)]
pub(super) struct Rest {
    /// Nobody who decides what is found can aim at a hash whose keys they do not know.
    keys: RandomState,
    observed: u64,
    records: Rc<Records>,
    since: Timestamp,
    /// When a lease ends or begins.
    until: Option<Timestamp>,
}

impl Rest {
    /// `None` where there is something to do, to be told or to be waited for.
    pub(super) fn of<M>(
        hands: &Hands<M>,
        composition: &Composition,
        plan: &Plan,
        observed: &Observed,
        records: &Rc<Records>,
    ) -> Result<Option<Self>> {
        let is_quiet = plan.steps.is_empty()
            && plan.forget.is_empty()
            && plan.renew.is_empty()
            && plan
                .settled
                .iter()
                .all(|told| matches!(told.outcome, OutcomeKind::Kept | OutcomeKind::NotApplicable));
        if !is_quiet || !hands.are_idle()? {
            return Ok(None);
        }
        let since = hands.clock.now();
        let keys = RandomState::new();
        Ok(Some(Self {
            observed: keys.hash_one(observed),
            keys,
            records: Rc::clone(records),
            since,
            until: schedule::next_end(composition, records, since),
        }))
    }

    /// Whether all is as it was.
    pub(super) fn holds<M>(
        &self,
        hands: &Hands<M>,
        observed: &Observed,
        records: &Rc<Records>,
    ) -> Result<bool> {
        let now = hands.clock.now();
        Ok(self.since <= now
            && self.until.is_none_or(|until| now < until)
            && Rc::ptr_eq(&self.records, records)
            && hands.are_idle()?
            && self.keys.hash_one(observed) == self.observed)
    }
}
