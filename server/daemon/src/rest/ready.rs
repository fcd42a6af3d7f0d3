//! Whether the server can do its work, looked at no more often than the answer is likely to change: anyone may ask.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio::time::timeout;

/// An answer holds this long.
const HOLDS: Duration = Duration::from_secs(5);
/// A look that takes longer found no working record.
const PATIENCE: Duration = Duration::from_secs(3);

/// What was found last; cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Ready(Arc<Mutex<Option<(Instant, bool)>>>);

impl Ready {
    /// What the last look found, or `look` when that was too long ago. Those who ask meanwhile wait for the same look.
    pub(super) async fn found(&self, look: impl Future<Output = bool>) -> bool {
        let mut last = self.0.lock().await;
        match *last {
            Some((at, ready)) if at.elapsed() < HOLDS => ready,
            _ => {
                let ready = timeout(PATIENCE, look).await.unwrap_or(false);
                *last = Some((Instant::now(), ready));
                ready
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test]
    async fn what_was_found_holds_for_a_while_and_a_failure_is_told() {
        let state = Ready::default();
        assert!(!state.found(ready(false)).await);
        assert!(!state.found(ready(true)).await, "it is not looked again at once");
        *state.0.lock().await = Some((Instant::now() - HOLDS, false));
        assert!(state.found(ready(true)).await);
        assert!(state.found(pending()).await);
    }
}
