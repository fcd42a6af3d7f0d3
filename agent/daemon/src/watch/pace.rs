//! How often drift is answered.

use std::time::{Duration, Instant};

/// A fast series of drift, such as an editor's or an attacker's loop, is answered at most this often.
const BETWEEN_DRIFT_TURNS: Duration = Duration::from_millis(500);

/// Remembers the last answer, so that only what follows soon after it has to wait.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    last: Option<Instant>,
}

impl Pace {
    /// How long the answer to what was noticed at `now` has to wait.
    pub(crate) fn rest(&mut self, now: Instant) -> Duration {
        let due = self.last.map_or(now, |last| now.max(last + BETWEEN_DRIFT_TURNS));
        self.last = Some(due);
        due - now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_drift_is_answered_at_once_and_a_series_of_it_twice_a_second() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        let at = |millis| start + Duration::from_millis(millis);
        assert_eq!(pace.rest(at(0)), Duration::ZERO);
        assert_eq!(pace.rest(at(200)), Duration::from_millis(300));
        assert_eq!(pace.rest(at(600)), Duration::from_millis(400));
        assert_eq!(pace.rest(at(2_000)), Duration::ZERO);
    }
}
