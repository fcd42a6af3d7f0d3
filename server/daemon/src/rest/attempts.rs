//! How often a password, link or token may be guessed: by name and by where the caller is.
//!
//! A mutex over a table rather than a task: it is held for a look at a few hundred entries at most.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::problem::Refusal;

/// Within this time ...
const WINDOW: Duration = Duration::from_secs(15 * 60);
/// ... a name may be guessed at this often. Sessions and API tokens that exist go on working meanwhile.
const BY_NAME: u32 = 10;
/// ... and one place may guess this often.
const BY_PLACE: u32 = 30;
/// Places and names remembered; the oldest go first.
const REMEMBERED: usize = 10_000;
/// Passwords hashed at the same time: each takes tens of milliseconds of a core and 19 MiB.
const AT_ONCE: usize = 2;
/// How long a login may wait for its turn.
const TURN: Duration = Duration::from_secs(10);

/// Failed attempts so far; cheap to clone.
#[derive(Clone)]
pub(crate) struct Attempts {
    failed: Arc<Mutex<HashMap<Key, Failures>>>,
    turns: Arc<Semaphore>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Key {
    Name(String),
    Place(IpAddr),
}

struct Failures {
    count: u32,
    since: Instant,
}

impl Default for Attempts {
    fn default() -> Self {
        Self { failed: Arc::default(), turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

impl Attempts {
    /// Runs a login when it is its turn, and counts it when it fails; too many failures and it is not run at all.
    pub(super) async fn run<T>(
        &self,
        name: &str,
        place: IpAddr,
        login: impl Future<Output = Result<T, Refusal>>,
    ) -> Result<T, Refusal> {
        let keys = [(Key::Name(name.to_owned()), BY_NAME), (Key::Place(place), BY_PLACE)];
        self.count(&keys, Instant::now())?;
        let turn = tokio::time::timeout(TURN, self.turns.acquire()).await;
        let Ok(Ok(_turn)) = turn else {
            return Err(Refusal::too_many("Many logins are under way. Try again in a minute.", 60));
        };
        let result = login.await;
        if result.is_ok() {
            self.forget(&keys);
        }
        result
    }

    /// Counts before the outcome is known, so that guesses at the same time count too.
    fn count(&self, keys: &[(Key, u32)], now: Instant) -> Result<(), Refusal> {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.retain(|_, failures| now.duration_since(failures.since) < WINDOW);
        for (key, limit) in keys {
            if let Some(failures) = failed.get(key).filter(|failures| failures.count >= *limit) {
                let left = WINDOW.saturating_sub(now.duration_since(failures.since)).as_secs() + 1;
                let detail = format!("Too many attempts failed. Try again in {} minutes.", left.div_ceil(60));
                return Err(Refusal::too_many(detail, left));
            }
        }
        if failed.len() >= REMEMBERED
            && let Some(oldest) = failed.iter().min_by_key(|(_, f)| f.since).map(|(key, _)| key.clone())
        {
            failed.remove(&oldest);
        }
        for (key, _) in keys {
            failed.entry(key.clone()).or_insert(Failures { count: 0, since: now }).count += 1;
        }
        Ok(())
    }

    fn forget(&self, keys: &[(Key, u32)]) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, _) in keys {
            failed.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[tokio::test]
    async fn a_name_is_not_guessed_at_without_end() {
        let attempts = Attempts::default();
        let wrong = || async { Err::<(), _>(Refusal::unauthorized("No.")) };
        for _ in 0..BY_NAME {
            attempts.run("kim", HERE, wrong()).await.unwrap_err();
        }
        let ran = std::cell::Cell::new(false);
        let right = async {
            ran.set(true);
            Ok(())
        };
        assert!(attempts.run("kim", HERE, right).await.is_err());
        assert!(!ran.get());
        assert!(attempts.run("ada", HERE, async { Ok(()) }).await.is_ok());
    }
}
