//! Whose turn it is to search the audit or to count what checks found: one at a time for each identity, and two counts in all. A
//! search reads rows until it has its page, and at worst all of them, and a count holds all that it counts in memory, so that one
//! auditor who asked without end would take every thread that reads, and all memory.
//!
//! A mutex over a small table rather than a task: it is held for a look at those who search right now.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::AppError;

/// How long a search waits for the one before it: as whoever types a filter sends one for each letter.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many counts are made at the same time.
const COUNTS: usize = 2;

/// Who searches; cheap to clone.
#[derive(Clone)]
pub(crate) struct Searches {
    under_way: Arc<Mutex<HashMap<String, Arc<Semaphore>>>>,
    counts: Arc<Semaphore>,
}

impl Default for Searches {
    fn default() -> Self {
        Self { under_way: Arc::default(), counts: Arc::new(Semaphore::new(COUNTS)) }
    }
}

impl Searches {
    /// A turn of this identity. It is to go with the search itself, which goes on when its caller hangs up.
    pub(super) async fn turn(&self, who: &str) -> Result<OwnedSemaphorePermit, AppError> {
        let own = {
            let mut all = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
            // What only the table holds is searched with by nobody.
            all.retain(|_, own| Arc::strong_count(own) > 1);
            Arc::clone(all.entry(who.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(1))))
        };
        let turn = tokio::time::timeout(PATIENCE, own.acquire_owned()).await;
        turn.ok().and_then(Result::ok).ok_or_else(|| {
            AppError::Busy(format!(
                "{who} searches or counts already: wait until that has ended, or narrow it by time or label"
            ))
        })
    }

    /// A turn of this identity to count, once fewer than two do. It is to go with the count itself.
    pub(super) async fn turn_to_count(&self, who: &str) -> Result<[OwnedSemaphorePermit; 2], AppError> {
        let own = self.turn(who).await?;
        let one = tokio::time::timeout(PATIENCE * 5, Arc::clone(&self.counts).acquire_owned()).await;
        let one = one.ok().and_then(Result::ok).ok_or_else(|| {
            AppError::Busy("others count what checks found: try again in a moment".to_owned())
        })?;
        Ok([own, one])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_identity_searches_once_at_a_time_and_keeps_no_other_waiting() {
        let searches = Searches::default();
        let first = searches.turn("admin:kim").await.unwrap();
        let other = searches.turn("admin:ada").await.unwrap();
        assert!(matches!(searches.turn("admin:kim").await, Err(AppError::Busy(_))));
        drop((first, other));
        drop(searches.turn("admin:kim").await.unwrap());
        assert_eq!(searches.under_way.lock().unwrap().len(), 1, "who searched is not remembered");
    }

    #[tokio::test]
    async fn two_count_at_a_time() {
        let searches = Searches::default();
        let first = searches.turn_to_count("admin:kim").await.unwrap();
        let _second = searches.turn_to_count("admin:ada").await.unwrap();
        let third = searches.turn_to_count("admin:ben");
        assert!(tokio::time::timeout(Duration::from_millis(50), third).await.is_err(), "it waits");
        drop(first);
        drop(searches.turn_to_count("admin:ben").await.unwrap());
    }
}
