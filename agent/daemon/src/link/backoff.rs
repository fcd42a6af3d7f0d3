//! How long to wait before the next try, and how often to speak of the same trouble.

use std::time::{Duration, Instant};

use muster_proto::Timestamp;

use super::Trouble;
use super::standing::Noted;

/// The first wait. Ten thousand devices that lost one server come back within this, spread out by chance.
const FIRST: Duration = Duration::from_secs(1);

const LONGEST: Duration = Duration::from_secs(300);

/// A connection that held this long makes the next trouble a new one.
const LASTED: Duration = Duration::from_secs(30);

/// Grows the wait from one second to five minutes.
#[derive(Default)]
pub(crate) struct Backoff {
    failures: u32,
    said: Option<String>,
    up_since: Option<Instant>,
    /// Where it is noted how the link stands; for the connection alone, not for a call over it.
    noted: Option<Noted>,
}

impl Backoff {
    /// One for the connection, which is noted.
    pub(super) fn noting(noted: Noted) -> Self {
        Self { noted: Some(noted), ..Self::default() }
    }

    /// The connection is up.
    pub(crate) fn up(&mut self) {
        if self.said.take().is_some() {
            tracing::info!("the server is reached again");
        }
        self.up_since = Some(Instant::now());
    }

    /// Notes that the server is heard, for who asks the device itself.
    pub(super) fn heard(&mut self, server_time: Timestamp) {
        if let Some(noted) = &mut self.noted {
            noted.heard(server_time);
        }
    }

    /// Notes that it is not, and why.
    pub(super) fn down(&mut self, trouble: &Trouble, now: Timestamp) {
        if let Some(noted) = &mut self.noted {
            noted.down(trouble, now);
        }
    }

    /// The next wait, half of it by chance.
    pub(crate) fn next(&mut self) -> Duration {
        if self.up_since.take().is_some_and(|since| since.elapsed() >= LASTED) {
            self.failures = 0;
        }
        let whole = FIRST.saturating_mul(2_u32.saturating_pow(self.failures.min(16))).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        whole / 2 + (whole / 2).mul_f64(chance())
    }

    /// The next wait is the first again: someone waits for the connection.
    pub(super) fn begin_anew(&mut self) {
        self.failures = 0;
    }

    /// Logs the trouble, unless it is the one that was logged last.
    pub(crate) fn say(&mut self, trouble: &Trouble) {
        let text = trouble.whole();
        if self.said.as_ref() != Some(&text) {
            tracing::warn!("{text}; trying again");
            self.said = Some(text);
        }
    }
}

/// A number from 0 to 1.
fn chance() -> f64 {
    let mut bytes = [0; 4];
    // Without random numbers TLS fails long before this; half is then as good as any.
    aws_lc_rs::rand::fill(&mut bytes)
        .map_or(0.5, |()| f64::from(u32::from_ne_bytes(bytes)) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_from_a_second_to_five_minutes_and_never_vanish() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..20).map(|_| backoff.next()).collect();
        assert!(waits[0] >= FIRST / 2 && waits[0] <= FIRST);
        assert!(waits[19] >= LONGEST / 2 && waits[19] <= LONGEST);
        assert!(waits.iter().all(|wait| *wait >= FIRST / 2 && *wait <= LONGEST));
    }

    #[test]
    fn a_connection_that_is_cut_at_once_does_not_shorten_the_wait() {
        let mut backoff = Backoff::default();
        for _ in 0..12 {
            backoff.up();
            backoff.next();
        }
        assert!(backoff.next() >= LONGEST / 2);
    }
}
