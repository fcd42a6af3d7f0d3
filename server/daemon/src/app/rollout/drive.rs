//! Turns rollouts whenever something changed that may concern them, and when time alone brings something about.

use std::time::Duration;

use muster_proto::Timestamp;
use muster_store::Change;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

use super::turn::Running;
use crate::app::App;

/// The longest wait while a rollout runs: who falls silent says nothing.
const LOOK: Duration = Duration::from_secs(10);
/// The shortest wait between two turns: of a crowd of reports one turn sees all.
const PAUSE: Duration = Duration::from_millis(100);
/// A turn is followed by a rest of as many times its own length, so that a step of a whole fleet leaves readers free.
const REST: u32 = 4;

impl App {
    /// Takes rollouts on for as long as it is polled. What a server did before it ended is in the record, and the first
    /// turn goes on from there.
    pub(crate) async fn drive_rollouts(&self) {
        let mut changes = self.changes();
        loop {
            // What changed until now is seen by the turn that comes.
            changes = changes.resubscribe();
            let begun = Instant::now();
            let wait = match self.turn_rollouts().await {
                Ok(Running::None) => None,
                Ok(Running::Some(due)) => Some(self.until(due)),
                Err(error) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "rollouts could not be looked at"
                    );
                    Some(LOOK)
                }
            };
            tokio::time::sleep(PAUSE.max(begun.elapsed() * REST)).await;
            match wait {
                None => woken(&mut changes, |change| matches!(change, Change::Rollout(_))).await,
                Some(wait) => {
                    let concerns = |change: &Change| {
                        matches!(change, Change::Device(_) | Change::States(_) | Change::Rollout(_))
                    };
                    // Whether it was woken or the time is over: it looks.
                    tokio::time::timeout(wait, woken(&mut changes, concerns)).await.ok();
                }
            }
        }
    }

    fn until(&self, due: Option<Timestamp>) -> Duration {
        let left = due.map(|due| due.micros() - self.now().micros());
        let left = left.map(|micros| Duration::from_micros(u64::try_from(micros).unwrap_or(0)));
        left.map_or(LOOK, |left| left.min(LOOK))
    }
}

async fn woken(changes: &mut Receiver<Change>, concerns: impl Fn(&Change) -> bool) {
    loop {
        match changes.recv().await {
            Ok(change) if concerns(&change) => return,
            Ok(_) => {}
            Err(RecvError::Lagged(_)) => return,
            // The server ends.
            Err(RecvError::Closed) => return std::future::pending().await,
        }
    }
}
