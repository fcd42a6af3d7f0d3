//! What a turn asks of the machine beside its resources: the checks, and the tables that are reported.

use std::time::Duration;

use anyhow::Result;
use muster_converge::schedule;
use muster_proto::check::Verdict;
use muster_proto::compose::Composition;
use muster_proto::cost::Cost;
use muster_proto::{Timestamp, fit};

use super::Cycle;
use crate::inventory;

impl Cycle {
    /// How long until the checks have to be asked and the tables read.
    pub(super) fn inspection_in(&self, now: Timestamp) -> Duration {
        schedule::at_most(self.inspected, now).min(schedule::at_most(self.hands.tabulated, now))
    }

    /// Asks the checks and reads the tables that are reported, each when that is due.
    pub(super) fn inspect(&mut self, composition: &Composition) -> Result<()> {
        let now = self.hands.clock.now();
        if schedule::is_due(self.inspected, now) {
            self.inspected = Some(now);
            let (results, took) = inventory::checks(composition);
            self.checks_pass =
                results.iter().all(|result| matches!(result.verdict, Verdict::Pass | Verdict::NotApplicable));
            let kept = self.hands.ledger.section("checks", &fit::checks(&results)?);
            self.unwritten.put_off(kept)?;
            self.note_cost(Cost { kinds: self.hands.host.meter.costs(), checks: took })?;
        }
        if schedule::is_due(self.hands.tabulated, now) {
            self.hands.tabulated = Some(now);
            for (name, document) in inventory::tables() {
                let kept = self.hands.ledger.section(&name, &document);
                self.unwritten.put_off(kept)?;
            }
        }
        Ok(())
    }

    /// Keeps what the work took; figures that only waver are no news.
    fn note_cost(&mut self, cost: Cost) -> Result<()> {
        if !cost.same(&self.cost) {
            let kept = self.hands.ledger.section(Cost::SECTION, &serde_json::to_vec(&cost)?);
            self.unwritten.put_off(kept)?;
            self.cost = cost;
        }
        Ok(())
    }
}
