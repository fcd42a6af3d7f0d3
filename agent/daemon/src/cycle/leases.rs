//! Leases end on time although a turn waits for something long, such as a package transaction.
//!
//! What ends them then has hands of its own: the turn's are not free. The two never touch the same resource, since the
//! kind that the turn is busy with waits for the turn.

use std::time::Duration;

use anyhow::Result;
use muster_proto::compose::Composition;

use super::hands::Hands;
use super::make;
use crate::clock::Clock;
use crate::config::Config;

/// How often the time is looked at while something long goes on or a lease has an end ahead. A timer alone sleeps with
/// the machine, and the clock may be set.
pub(crate) const LOOK: Duration = Duration::from_secs(20);

/// The leases of one turn.
pub(super) struct Leases<'a> {
    pub(super) config: &'a Config,
    pub(super) clock: Clock,
    pub(super) composition: &'a Composition,
}

impl Leases<'_> {
    /// Waits for `work`, which may change resources of the kind `busy`, and ends the leases of all others meanwhile.
    pub(super) async fn kept_during<T>(&self, busy: &str, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = tokio::time::sleep(LOOK) => {
                    if let Err(error) = self.end_due(busy).await {
                        // The work must not be given up for it, and both the next look and the next turn try again.
                        tracing::warn!("a lease could not be ended while a turn goes on, and is tried again: {error:#}");
                    }
                }
            }
        }
    }

    async fn end_due(&self, busy: &str) -> Result<()> {
        let mut hands = Hands::open(self.config, self.clock)?;
        make::end_leases(&mut hands, self.composition, busy).await
    }
}
