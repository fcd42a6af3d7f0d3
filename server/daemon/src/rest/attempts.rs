//! How often a password or link may be guessed: by name and where the caller is, with a wait that grows, and less narrowly
//! by name from everywhere. A place alone is never shut out: behind one address there may be a whole site.
//!
//! A mutex over a table rather than a task: it is held for a look at a few thousand entries at most.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use muster_policy::guess;
use muster_proto::Digest;

use super::problem::Refusal;
use crate::app::AppError;
use crate::app::admin::Refusals;

/// Failures are forgotten when none came for this long.
const MEMORY: Duration = Duration::from_secs(24 * 60 * 60);
/// Within this time ...
const WINDOW: Duration = Duration::from_secs(15 * 60);
/// ... a name may be guessed at this often from everywhere. It is this many because whoever reaches it locks the name
/// out for its owner too; of passwords of fifteen characters so few guesses find none.
const BY_NAME: u32 = 1_000;
/// ... and one place's failures are each audited up to this many. Nobody is to fill the record by failing.
const AUDITED: u32 = 60;
/// Pairs, names and places remembered; those that failed least go first, and of them the oldest. Else whoever tries names
/// that nobody has makes room for more guesses at one that somebody has.
const REMEMBERED: usize = 10_000;
/// Names remembered of one place. A further one takes the room of that which failed least there.
const OF_PLACE: usize = 100;
/// Logins under way from one place. All hash their passwords in one queue, and a place with more in it would keep everybody
/// else waiting past their patience.
const AT_ONCE: u32 = 2;

/// Failed attempts so far; cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Attempts {
    failed: Arc<Mutex<HashMap<Key, Failures>>>,
    under_way: Arc<Mutex<HashMap<IpAddr, u32>>>,
}

/// A login under way; it is over when this is dropped, and so when its caller hangs up.
struct UnderWay {
    all: Arc<Mutex<HashMap<IpAddr, u32>>>,
    place: IpAddr,
}

/// Names are a stranger's words of any length, so their digests stand for them.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    Pair(Digest, IpAddr),
    Name(Digest),
    Place(IpAddr),
}

struct Failures {
    count: u32,
    /// The last, for a pair, and the first, for others.
    at: Instant,
}

impl Attempts {
    /// Runs a login, and counts it when it fails; after too many failures it is not run at all.
    pub(super) async fn run<T>(
        &self,
        name: &str,
        place: IpAddr,
        login: impl Future<Output = Result<T, Refusal>>,
    ) -> Result<T, Refusal> {
        let name = Digest::of(name.as_bytes());
        // Whoever is turned away here tried nothing, so that it counts for nothing.
        let _under_way = self.begin(place)?;
        self.count(name, place, Instant::now())?;
        let result = login.await;
        if result.as_ref().err().is_none_or(Refusal::is_no_guess) {
            self.forget(name, place);
        }
        result
    }

    fn begin(&self, place: IpAddr) -> Result<UnderWay, Refusal> {
        let mut all = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let here = all.entry(place).or_insert(0);
        if *here >= AT_ONCE {
            let detail = "other logins are under way from your address: try again in a few seconds";
            return Err(AppError::Busy(detail.to_owned()).into());
        }
        *here += 1;
        Ok(UnderWay { all: Arc::clone(&self.under_way), place })
    }

    /// Whether what fails from this place is still to be audited.
    pub(super) fn refusals_from(&self, place: IpAddr) -> Refusals {
        match self.table().get(&Key::Place(place)) {
            Some(failures) if failures.count > AUDITED => Refusals::Many,
            _ => Refusals::Few,
        }
    }

    /// Counts before the outcome is known, so that guesses at the same time count too.
    fn count(&self, name: Digest, place: IpAddr, now: Instant) -> Result<(), Refusal> {
        let mut failed = self.table();
        failed.retain(|key, failures| now.duration_since(failures.at) < key.memory());
        let (pair, name) = (Key::Pair(name, place), Key::Name(name));
        let left = |key: &Key| failed.get(key).map_or(Duration::ZERO, |failures| failures.left(*key, now));
        let left = left(&pair).max(left(&name));
        if left > Duration::ZERO {
            let seconds = left.as_secs() + 1;
            let detail = format!("Too many attempts failed. Try again in {}.", words(seconds));
            return Err(Refusal::too_many(detail, seconds));
        }
        let of_place = |key: &Key| matches!(key, Key::Pair(_, at) if *at == place);
        if !failed.contains_key(&pair)
            && failed.keys().filter(|key| of_place(key)).count() >= OF_PLACE
            && let Some(least) = least(&failed, of_place)
        {
            failed.remove(&least);
        }
        let others = |key: &Key| ![pair, name, Key::Place(place)].contains(key);
        while failed.len() + 3 > REMEMBERED
            && let Some(least) = least(&failed, others)
        {
            failed.remove(&least);
        }
        let of_pair = failed.entry(pair).or_insert(Failures { count: 0, at: now });
        (of_pair.count, of_pair.at) = (of_pair.count.saturating_add(1), now);
        for key in [name, Key::Place(place)] {
            let of_key = failed.entry(key).or_insert(Failures { count: 0, at: now });
            of_key.count = of_key.count.saturating_add(1);
        }
        Ok(())
    }

    /// Takes the count of one that did not fail back. From here the name has shown that it is no guess; what else was
    /// tried on this name stays counted.
    fn forget(&self, name: Digest, place: IpAddr) {
        let mut failed = self.table();
        failed.remove(&Key::Pair(name, place));
        for key in [Key::Name(name), Key::Place(place)] {
            if let Some(failures) = failed.get_mut(&key) {
                failures.count = failures.count.saturating_sub(1);
                if failures.count == 0 {
                    failed.remove(&key);
                }
            }
        }
    }

    fn table(&self) -> MutexGuard<'_, HashMap<Key, Failures>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(here) = all.get_mut(&self.place) {
            *here = here.saturating_sub(1);
            if *here == 0 {
                all.remove(&self.place);
            }
        }
    }
}

/// Which of these failed least, and of several the oldest.
fn least(failed: &HashMap<Key, Failures>, among: impl Fn(&Key) -> bool) -> Option<Key> {
    let among = failed.iter().filter(|(key, _)| among(key));
    among.min_by_key(|(_, failures)| (failures.count, failures.at)).map(|(key, _)| *key)
}

impl Key {
    fn memory(self) -> Duration {
        match self {
            Self::Pair(..) => MEMORY,
            Self::Name(_) | Self::Place(_) => WINDOW,
        }
    }
}

impl Failures {
    /// How long until the next may be tried.
    fn left(&self, key: Key, now: Instant) -> Duration {
        let wait = match key {
            Key::Pair(..) => guess::wait(self.count),
            Key::Name(_) if self.count >= BY_NAME => WINDOW,
            Key::Name(_) | Key::Place(_) => Duration::ZERO,
        };
        wait.saturating_sub(now.duration_since(self.at))
    }
}

fn words(seconds: u64) -> String {
    match seconds {
        ..=90 => format!("{seconds} seconds"),
        _ => format!("{} minutes", seconds.div_ceil(60)),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

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
        for _ in 0..guess::FREE {
            wrong(&attempts, "kim", HERE).await.unwrap_err();
        }
        let ran = std::cell::Cell::new(false);
        let login = async {
            ran.set(true);
            Ok(())
        };
        assert!(attempts.run("kim", HERE, login).await.is_err());
        assert!(!ran.get());
    }

    #[tokio::test]
    async fn who_guesses_behind_an_address_locks_nobody_else_out_there() {
        let attempts = Attempts::default();
        for n in 0..200 {
            wrong(&attempts, "kim", HERE).await.unwrap_err();
            wrong(&attempts, &format!("guess-{n}"), HERE).await.unwrap_err();
        }
        assert_eq!(attempts.refusals_from(HERE), Refusals::Many, "but not each of them is audited");
        assert_eq!(attempts.refusals_from(THERE), Refusals::Few);
        assert!(right(&attempts, "ada", HERE).await.is_ok());
    }

    #[test]
    fn the_wait_grows_with_each_failure_and_ends() {
        let attempts = Attempts::default();
        let (name, mut now) = (Digest::of(b"kim"), Instant::now());
        for _ in 0..guess::FREE {
            attempts.count(name, HERE, now).unwrap();
        }
        for seconds in [2, 4, 8] {
            attempts
                .count(name, HERE, now + Duration::from_secs(seconds) - Duration::from_millis(1))
                .unwrap_err();
            now += Duration::from_secs(seconds);
            attempts.count(name, HERE, now).unwrap();
        }
    }

    #[tokio::test]
    async fn who_guesses_at_a_name_elsewhere_does_not_lock_its_owner_out() {
        let attempts = Attempts::default();
        for _ in 0..30 {
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
        for _ in 0..60 {
            right(&attempts, "kim", HERE).await.unwrap();
        }
        assert!(attempts.table().is_empty());
    }

    #[tokio::test]
    async fn an_answer_that_says_nothing_of_the_password_takes_no_failure_back() {
        let ends = |end: fn() -> Refusal| async move {
            let attempts = Attempts::default();
            for _ in 1..guess::FREE {
                wrong(&attempts, "kim", HERE).await.unwrap_err();
            }
            attempts.run("kim", HERE, async { Err::<(), _>(end()) }).await.unwrap_err();
            right(&attempts, "kim", HERE).await.is_ok()
        };
        assert!(!ends(|| AppError::Busy("many logins are under way".to_owned()).into()).await);
        assert!(!ends(|| AppError::Defect("hashing".to_owned()).into()).await);
        let full = || Refusal::new(StatusCode::INSUFFICIENT_STORAGE, "Disk full", "No room.");
        assert!(!ends(full).await);
        assert!(ends(|| AppError::CodeNeeded.into()).await);
        assert!(ends(|| AppError::TooManyGuesses { seconds: 2 }.into()).await);
    }

    #[tokio::test]
    async fn who_tries_names_without_end_makes_no_room_for_more_guesses_at_one() {
        let attempts = Attempts::default();
        for _ in 0..guess::FREE {
            wrong(&attempts, "kim", HERE).await.unwrap_err();
        }
        for n in 0..300 {
            wrong(&attempts, &format!("guess-{n}"), HERE).await.unwrap_err();
        }
        let pairs = attempts.table().keys().filter(|key| matches!(key, Key::Pair(..))).count();
        assert_eq!(pairs, OF_PLACE);
        for n in 0..4_000_u32 {
            wrong(&attempts, &format!("other-{n}"), IpAddr::from(n.to_be_bytes())).await.unwrap_err();
        }
        assert!(attempts.table().len() <= REMEMBERED);
        let kim = Key::Pair(Digest::of(b"kim"), HERE);
        assert!(attempts.table().contains_key(&kim), "what failed most is remembered");
    }

    #[tokio::test]
    async fn one_place_has_two_logins_under_way_and_keeps_nobody_elsewhere_waiting() {
        let attempts = Attempts::default();
        let slow = || Box::pin(attempts.run("kim", HERE, std::future::pending::<Result<(), Refusal>>()));
        let (mut first, mut second) = (slow(), slow());
        for login in [&mut first, &mut second] {
            tokio::time::timeout(Duration::from_millis(1), login).await.unwrap_err();
        }
        right(&attempts, "ada", HERE).await.unwrap_err();
        right(&attempts, "ada", THERE).await.unwrap();
        drop(first);
        right(&attempts, "ada", HERE).await.unwrap();
        drop(second);
        assert!(attempts.under_way.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn no_more_is_remembered_than_stated() {
        let attempts = Attempts::default();
        for n in 0..6_000_u32 {
            wrong(&attempts, &"x".repeat(n as usize), IpAddr::from(n.to_be_bytes())).await.unwrap_err();
        }
        assert!(attempts.table().len() <= REMEMBERED);
    }
}
