//! How much a caller may ask for at once and as time goes on: a bucket that time fills.

use std::time::Instant;

/// What a bucket holds, and how fast it fills.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// What may be spent at once.
    pub at_once: f64,
    /// What comes back in a second.
    pub each_second: f64,
}

/// What a caller has left.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    left: f64,
    at: Instant,
}

impl Rate {
    /// The bucket of one who has not spent anything.
    pub fn full(self, now: Instant) -> Bucket {
        Bucket { left: self.at_once, at: now }
    }
}

impl Bucket {
    /// What is left by now.
    pub fn left(self, rate: Rate, now: Instant) -> f64 {
        let since = now.saturating_duration_since(self.at).as_secs_f64();
        (self.left + since * rate.each_second).min(rate.at_once)
    }

    /// Whether it is as if nothing had been spent.
    pub fn is_full(self, rate: Rate, now: Instant) -> bool {
        self.left(rate, now) >= rate.at_once
    }

    /// Spends `cost`; false, and nothing is spent, when so much is not left.
    pub fn spend(&mut self, rate: Rate, cost: f64, now: Instant) -> bool {
        let left = self.left(rate, now);
        let enough = left >= cost;
        *self = Self { left: if enough { left - cost } else { left }, at: now };
        enough
    }

    /// Charges what was already given, into debt if it must be: until time has paid that back, nothing can be spent.
    pub fn charge(&mut self, rate: Rate, cost: f64, now: Instant) {
        *self = Self { left: self.left(rate, now) - cost, at: now };
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const RATE: Rate = Rate { at_once: 3.0, each_second: 0.5 };

    #[test]
    fn one_who_spent_all_gets_it_back_bit_by_bit_and_never_more_than_all() {
        let start = Instant::now();
        let mut bucket = RATE.full(start);
        assert!((0..3).all(|_| bucket.spend(RATE, 1.0, start)));
        assert!(!bucket.spend(RATE, 1.0, start + Duration::from_secs(1)));
        assert!(bucket.spend(RATE, 1.0, start + Duration::from_secs(2)));
        assert!(!bucket.spend(RATE, 1.0, start + Duration::from_secs(2)));
        assert!(bucket.is_full(RATE, start + Duration::from_secs(3600)));
        assert!(bucket.left(RATE, start + Duration::from_secs(3600)) <= RATE.at_once);
    }

    #[test]
    fn one_who_was_given_more_than_was_left_pays_it_back_first() {
        let start = Instant::now();
        let mut bucket = RATE.full(start);
        bucket.charge(RATE, 4.0, start);
        assert!(!bucket.spend(RATE, 1.0, start + Duration::from_secs(3)));
        assert!(bucket.spend(RATE, 1.0, start + Duration::from_secs(4)));
    }
}
