//! Turns while the device's owner lets nothing be changed.
//!
//! New states are accepted and their documents fetched, checks are asked and facts told; only nothing is made so. Leases
//! end: a right with an end is nobody's to prolong.

use std::collections::BTreeSet;

use anyhow::Result;
use muster_converge::schedule;
use muster_proto::Timestamp;
use muster_proto::compose::Composition;
use muster_proto::report::Pause;

use super::{Cycle, Next, jitter, make};
use crate::ledger::Resumption;
use crate::resource;

impl Cycle {
    /// The pause in force. One whose time is over ends here, and is said to have ended.
    pub(super) fn paused(&mut self) -> Result<Option<Pause>> {
        let now = self.hands.clock.now();
        match self.hands.ledger.pause()? {
            Some(pause) if pause.until <= now => {
                tracing::info!("the pause is over: convergence goes on");
                self.hands.ledger.resume(Resumption::InTime, now)?;
                Ok(None)
            }
            pause => Ok(pause),
        }
    }

    /// A turn that changes nothing but what a lease's end changes.
    pub(super) async fn turn_paused(
        &mut self,
        composition: Composition,
        pause: &Pause,
        began: Timestamp,
    ) -> Result<Next> {
        tracing::debug!(until = %pause.until, "paused by the device's owner");
        make::end_leases(&mut self.hands, &composition, make::NO_KIND).await?;
        if let Err(error) = resource::call_off(&mut self.hands.host).await {
            tracing::warn!(reason = %format!("{error:#}"), "a reboot that was ordered before the pause stands");
        }
        self.inspect(&composition)?;
        self.hands.ledger.release_memory();
        let now = self.hands.clock.now();
        let next_end = self.next_end(&composition, began)?;
        let next_end = Some(next_end.map_or(pause.until, |end| end.min(pause.until)));
        self.keep_composed(composition)?;
        Ok(Next {
            wait: schedule::wait(next_end, 0, now, jitter()).min(self.inspection_in(now)),
            next_end,
            missing: BTreeSet::new(),
            artifacts: None,
        })
    }
}
