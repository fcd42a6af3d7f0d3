//! How often a password, link or token may be guessed: by name and where the caller is, and less narrowly by either alone.
//!
//! A mutex over a table rather than a task: it is held for a look at a few hundred entries at most.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use muster_proto::Digest;
use tokio::sync::Semaphore;

use super::problem::Refusal;

/// Within this time ...
const WINDOW: Duration = Duration::from_secs(15 * 60);
/// ... a name may be guessed at this often from one place. Sessions and API tokens that exist go on working meanwhile.
const BY_BOTH: u32 = 10;
/// ... one place may guess this often.
const BY_PLACE: u32 = 30;
/// ... and a name may be guessed at this often from everywhere. It is this many because whoever reaches it locks the name
/// out for its owner too; of passwords of twelve characters so few guesses find none.
const BY_NAME: u32 = 1_000;
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

/// Names are a stranger's words of any length, so their digests stand for them.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    Both(Digest, IpAddr),
    Place(IpAddr),
    Name(Digest),
}

/// What one attempt counts as, and how often each may fail.
type Keys = [(Key, u32); 3];

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
        let name = Digest::of(name.as_bytes());
        let keys =
            [(Key::Both(name, place), BY_BOTH), (Key::Place(place), BY_PLACE), (Key::Name(name), BY_NAME)];
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
    fn count(&self, keys: &Keys, now: Instant) -> Result<(), Refusal> {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.retain(|_, failures| now.duration_since(failures.since) < WINDOW);
        for (key, limit) in keys {
            if let Some(failures) = failed.get(key).filter(|failures| failures.count >= *limit) {
                let left = WINDOW.saturating_sub(now.duration_since(failures.since)).as_secs() + 1;
                let detail = format!("Too many attempts failed. Try again in {} minutes.", left.div_ceil(60));
                return Err(Refusal::too_many(detail, left));
            }
        }
        while failed.len() + keys.len() > REMEMBERED
            && let Some(oldest) = failed.iter().min_by_key(|(_, f)| f.since).map(|(key, _)| *key)
        {
            failed.remove(&oldest);
        }
        for (key, _) in keys {
            failed.entry(*key).or_insert(Failures { count: 0, since: now }).count += 1;
        }
        Ok(())
    }

    /// Takes the count of one that did not fail back. From here the name has shown that it is no guess; what else was
    /// tried from here or on this name stays counted.
    fn forget(&self, keys: &Keys) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, _) in keys {
            if let Some(failures) = failed.get_mut(key) {
                failures.count =
                    if matches!(key, Key::Both(..)) { 0 } else { failures.count.saturating_sub(1) };
                if failures.count == 0 {
                    failed.remove(key);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::BROADCAST);

    async fn wrong(attempts: &Attempts, name: &str, place: IpAddr) -> Result<(), Refusal> {
        attempts.run(name, place, async { Err(Refusal::unauthorized("No.")) }).await
    }

    async fn right(attempts: &Attempts, name: &str, place: IpAddr) -> Result<(), Refusal> {
        attempts.run(name, place, async { Ok(()) }).await
    }

    #[tokio::test]
    async fn a_name_is_not_guessed_at_without_end() {
        let attempts = Attempts::default();
        for _ in 0..BY_BOTH {
            wrong(&attempts, "kim", HERE).await.unwrap_err();
        }
        let ran = std::cell::Cell::new(false);
        let login = async {
            ran.set(true);
            Ok(())
        };
        assert!(attempts.run("kim", HERE, login).await.is_err());
        assert!(!ran.get());
        assert!(right(&attempts, "ada", HERE).await.is_ok());
    }

    #[tokio::test]
    async fn who_guesses_at_a_name_elsewhere_does_not_lock_its_owner_out() {
        let attempts = Attempts::default();
        for _ in 0..BY_PLACE {
            wrong(&attempts, "kim", THERE).await.unwrap_err();
        }
        assert!(right(&attempts, "kim", HERE).await.is_ok());
    }

    #[tokio::test]
    async fn a_name_is_not_guessed_at_from_everywhere_without_end() {
        let attempts = Attempts::default();
        for n in 0..BY_NAME {
            wrong(&attempts, "kim", IpAddr::from(n.to_be_bytes())).await.unwrap_err();
        }
        assert!(right(&attempts, "kim", HERE).await.is_err());
    }

    #[tokio::test]
    async fn logins_that_succeed_use_nothing_up() {
        let attempts = Attempts::default();
        for _ in 0..2 * BY_PLACE {
            right(&attempts, "kim", HERE).await.unwrap();
        }
        assert!(attempts.failed.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn no_more_is_remembered_than_stated() {
        let attempts = Attempts::default();
        for n in 0..5_000_u32 {
            wrong(&attempts, &"x".repeat(n as usize), IpAddr::from(n.to_be_bytes())).await.unwrap_err();
        }
        assert!(attempts.failed.lock().unwrap().len() <= REMEMBERED);
    }
}
