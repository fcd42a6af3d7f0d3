//! What time certificates are judged by: the latest of the system clock, the agent's build and what the server vouched for.
//!
//! A laptop whose battery died comes up in 1970 and must still reach its server; a clock set back must not
//! make an ended certificate good again.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::SystemTime;

use muster_proto::Timestamp;

use crate::clock::{AGREE, believable};

/// No agent was built before 2026-11-01.
const EARLIEST_BUILD: i64 = 1_793_491_200;

/// The time for certificates. Clones share what was learned.
#[derive(Clone, Debug)]
pub(crate) struct CertificateTime {
    known: Arc<AtomicI64>,
}

impl CertificateTime {
    /// Starts from the time that the ledger remembers, and from the build of this agent if that is later.
    pub(crate) fn starting_at(mark: Timestamp) -> Self {
        Self { known: Arc::new(AtomicI64::new(mark.max(built()).micros())) }
    }

    /// The time now.
    pub(crate) fn now(&self) -> Timestamp {
        self.latest(Timestamp::from_system(SystemTime::now()))
    }

    /// Takes the word of a server whose certificate was verified, where it is to be believed.
    pub(crate) fn vouched(&self, time: Timestamp) {
        self.take(time, Timestamp::from_system(SystemTime::now()));
    }

    /// Whether the system clock is proven to be behind: it says less than is known.
    pub(crate) fn clock_is_behind(&self) -> bool {
        Timestamp::from_system(SystemTime::now()) < self.known()
    }

    fn take(&self, time: Timestamp, system: Timestamp) {
        let known = self.known();
        let back = time < known && (time.seconds() - system.seconds()).abs() > AGREE;
        if !back && believable(known, time, system) {
            self.known.store(time.micros(), Ordering::Relaxed);
        }
    }

    fn latest(&self, system: Timestamp) -> Timestamp {
        system.max(self.known())
    }

    fn known(&self) -> Timestamp {
        let known = Timestamp::from_micros(self.known.load(Ordering::Relaxed));
        known.expect("only micros of timestamps are put in")
    }
}

/// When this agent was built, if the build said so, in seconds since 1970.
fn built() -> Timestamp {
    let said = option_env!("MUSTER_BUILT").and_then(|seconds| seconds.parse().ok());
    Timestamp::default().plus_seconds(said.unwrap_or(0).max(EARLIEST_BUILD))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_lost_its_battery_does_not_take_the_device_back_in_time() {
        let epoch = Timestamp::default();
        assert!(CertificateTime::starting_at(epoch).latest(epoch).seconds() >= EARLIEST_BUILD);
        let mark: Timestamp = "2031-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(CertificateTime::starting_at(mark).latest(epoch), mark);
    }

    #[test]
    fn what_the_server_vouched_for_is_never_taken_back() {
        let (early, late) =
            ("2031-01-01T00:00:00Z".parse().unwrap(), "2032-01-01T00:00:00Z".parse().unwrap());
        let time = CertificateTime::starting_at(early);
        let clock = Timestamp::default();
        time.take(late, clock);
        time.take(early, clock);
        assert_eq!(time.latest(clock), late);
    }

    #[test]
    fn a_server_that_was_years_ahead_locks_nobody_out_once_its_clock_is_right() {
        let (now, ahead) = ("2031-01-01T00:00:00Z".parse().unwrap(), "2033-01-01T00:00:00Z".parse().unwrap());
        let time = CertificateTime::starting_at(now);
        time.take(ahead, now);
        assert_eq!(time.latest(now), now, "nobody else says so");
        let misled = CertificateTime::starting_at(ahead);
        misled.take(now, now);
        assert_eq!(misled.latest(now), now);
    }
}
