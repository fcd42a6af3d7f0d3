//! The time that leases go by: only what the server vouched for, and `CLOCK_BOOTTIME` since.
//!
//! While this boot has heard of the server, the system clock is not asked. After a boot without a server the later of the
//! ledger's mark and the system clock is used, and what has ended stays ended until the server is heard of: a clock set back
//! can't bring an ended lease back.

use std::time::SystemTime;

use muster_proto::Timestamp;
use rustix::time::{ClockId, clock_gettime};
use uuid::Uuid;

use crate::ledger::Mark;

/// The agent's clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    mark: Option<Mark>,
    boot_id: Uuid,
}

impl Clock {
    /// Starts from the mark that the ledger kept.
    pub(crate) fn start(mark: Option<Mark>) -> Self {
        let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
        // Without a boot id every start counts as a new boot, which is the careful side.
        let boot_id = boot_id.ok().and_then(|id| id.trim().parse().ok()).unwrap_or_else(Uuid::new_v4);
        Self { mark, boot_id }
    }

    /// The UUID of the running kernel.
    pub(crate) fn boot_id(&self) -> Uuid {
        self.boot_id
    }

    /// The time now, by the rule above.
    pub(crate) fn now(&self) -> Timestamp {
        let system = Timestamp::from_system(SystemTime::now());
        now(self.mark, self.boot_id, boottime(), system)
    }

    /// Takes the server's word for the time; gives the mark to keep, or nothing where it is not believed.
    pub(crate) fn vouched(&mut self, time: Timestamp) -> Option<Mark> {
        let system = Timestamp::from_system(SystemTime::now());
        let known = self.mark.map(|mark| since(mark, self.boot_id, boottime()).unwrap_or(mark.time));
        if known.is_some_and(|known| !believable(known, time, system)) {
            return None;
        }
        let mark = Mark { time, boottime: boottime(), boot_id: self.boot_id, ended: None };
        self.mark = Some(mark);
        Some(mark)
    }

    /// Takes in that leases up to this end have ended.
    pub(crate) fn ended(&mut self, end: Timestamp) {
        if let Some(mark) = &mut self.mark {
            mark.ended = mark.ended.max(Some(end));
        }
    }

    /// By how many seconds the system clock is ahead of what the server told in this boot, and the time since; negative
    /// when it is behind. `None` when this boot has not heard of the server.
    pub(crate) fn ahead(&self) -> Option<i64> {
        let known = since(self.mark?, self.boot_id, boottime())?;
        Some(Timestamp::from_system(SystemTime::now()).seconds() - known.seconds())
    }
}

/// The time that the server told, and when that came: it may wait for a turn to end before it is taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServerTime {
    told: Timestamp,
    /// `CLOCK_BOOTTIME` at that moment, in microseconds.
    boottime: i64,
    /// The system clock at that moment.
    system: Timestamp,
}

impl ServerTime {
    /// What came at this moment.
    pub(crate) fn heard(told: Timestamp) -> Self {
        Self { told, boottime: boottime(), system: Timestamp::from_system(SystemTime::now()) }
    }

    /// Whether this says more than that the time went on since an earlier word: a clock was set meanwhile, on either side, or
    /// that word is [`RETOLD`] old.
    pub(crate) fn is_news_after(&self, earlier: &Self) -> bool {
        let went = |from: i64, to: i64| to.saturating_sub(from);
        let told = went(earlier.told.micros(), self.told.micros());
        let passed = went(earlier.boottime, self.boottime);
        let system = went(earlier.system.micros(), self.system.micros());
        passed >= RETOLD || told.abs_diff(passed) >= SET || told.abs_diff(system) >= SET
    }

    /// The time that it is there now.
    pub(crate) fn now(self) -> Timestamp {
        self.at(boottime())
    }

    fn at(self, boottime: i64) -> Timestamp {
        let now = self.told.micros().saturating_add(boottime - self.boottime);
        Timestamp::from_micros(now).unwrap_or(Timestamp::MAX)
    }
}

/// Microseconds after which the server's time is told again although nothing is new about it: what is kept on disk of it is not to
/// get old.
const RETOLD: i64 = 10 * 60 * 1_000_000;

/// A clock that differs from the others by so many microseconds more than before was set, and not just slewed.
const SET: u64 = 1_000_000;

/// The server's time may be this much behind what it was known to be: messages take a while, and clocks are slewed.
pub(crate) const SLACK: i64 = 60 * 60;

/// A leap of the server's time by less than this is believed without a witness.
const LEAP: i64 = 30 * 24 * 60 * 60;

/// Two clocks that differ by less than this agree about a leap.
pub(crate) const AGREE: i64 = 24 * 60 * 60;

/// Whether the server's word is to be believed, given what it told before (and the time since, where that is known), and
/// this machine's clock.
///
/// A server whose clock is wrong by years must neither bring ended leases back nor end all of them, nor make devices take
/// its certificates for ended ones once its clock is right again. So a leap that is large, or goes back, needs a witness: the
/// machine's own clock. One that is behind what is known already is proven wrong, and is no witness.
pub(crate) fn believable(known: Timestamp, told: Timestamp, system: Timestamp) -> bool {
    let leap = told.seconds() - known.seconds();
    let agrees = (told.seconds() - system.seconds()).abs() <= AGREE;
    let proven_wrong = system.seconds() < known.seconds() - SLACK;
    (-SLACK..=LEAP).contains(&leap) || agrees || (leap > 0 && proven_wrong)
}

/// The mark and the time since, if it is of this boot.
fn since(mark: Mark, boot_id: Uuid, boottime: i64) -> Option<Timestamp> {
    let same = mark.boot_id == boot_id && boottime >= mark.boottime;
    let now = mark.time.micros().saturating_add(boottime - mark.boottime);
    same.then(|| Timestamp::from_micros(now).unwrap_or(Timestamp::MAX))
}

fn now(mark: Option<Mark>, boot_id: Uuid, boottime: i64, system: Timestamp) -> Timestamp {
    let Some(mark) = mark else { return system };
    since(mark, boot_id, boottime)
        .unwrap_or_else(|| mark.time.max(system).max(mark.ended.unwrap_or_default()))
}

/// Microseconds since boot, sleep included; nobody can set it.
pub(crate) fn boottime() -> i64 {
    let time = clock_gettime(ClockId::Boottime);
    time.tv_sec * 1_000_000 + time.tv_nsec / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::default().plus_seconds(seconds)
    }

    #[test]
    fn while_the_boot_that_heard_of_the_server_lasts_the_system_clock_is_not_asked() {
        let boot = Uuid::from_u128(1);
        let mark = Mark { time: at(1_000), boottime: 5_000_000, boot_id: boot, ended: None };
        assert_eq!(now(Some(mark), boot, 65_000_000, at(1)), at(1_060));
        assert_eq!(now(Some(mark), boot, 65_000_000, at(9_999_999)), at(1_060));
    }

    #[test]
    fn the_time_that_the_server_told_goes_on_while_it_waits_for_a_turn() {
        let told = ServerTime { told: at(1_000), boottime: 5_000_000, system: at(9) };
        assert_eq!(told.at(30_000_000), at(1_025));
    }

    #[test]
    fn a_word_of_the_time_is_news_when_a_clock_was_set_or_the_last_one_is_old() {
        let word = |told, boottime: i64, system| ServerTime {
            told: at(told),
            boottime: boottime * 1_000_000,
            system: at(system),
        };
        let first = word(1_000, 5, 990);
        let cases = [
            (word(1_000, 5, 990), false, "nothing passed"),
            (word(1_120, 125, 1_110), false, "all went on alike"),
            (word(1_599, 604, 1_589), false, "all went on alike, for just under ten minutes"),
            (word(1_600, 605, 1_590), true, "it is old"),
            (word(1_120, 125, 1_108), true, "the clock here was set back"),
            (word(1_120, 125, 400_000_000), true, "the clock here was set ahead"),
            (word(1_122, 125, 1_112), true, "both clocks were set"),
            (word(900, 125, 1_110), true, "the server's clock was set back"),
            (word(29_920, 28_925, 29_910), true, "the machine slept for eight hours"),
        ];
        for (word, is_news, why) in cases {
            assert_eq!(word.is_news_after(&first), is_news, "{why}");
        }
        let odd = ServerTime { told: Timestamp::MAX, boottime: i64::MAX, system: Timestamp::MAX };
        assert!(odd.is_news_after(&ServerTime {
            told: Timestamp::default(),
            boottime: i64::MIN,
            system: at(1)
        }));
    }

    #[test]
    fn after_a_boot_without_a_server_a_clock_set_back_does_not_count() {
        let mark = Mark {
            time: at(1_000),
            boottime: 5_000_000,
            boot_id: Uuid::from_u128(1),
            ended: Some(at(1_500)),
        };
        assert_eq!(now(Some(Mark { ended: None, ..mark }), Uuid::from_u128(2), 1, at(10)), at(1_000));
        assert_eq!(now(Some(mark), Uuid::from_u128(2), 1, at(10)), at(1_500), "what has ended stays so");
        assert_eq!(now(Some(mark), Uuid::from_u128(2), 1, at(2_000)), at(2_000));
    }

    #[test]
    fn a_leap_of_the_server_needs_the_machines_clock_as_a_witness() {
        const YEAR: i64 = 365 * 24 * 60 * 60;
        let now = at(10 * YEAR);
        let (early, late) = (at(9 * YEAR), at(11 * YEAR));
        assert!(believable(now, now.plus_seconds(60), late), "what goes on as it was needs none");
        assert!(!believable(now, late, now) && !believable(now, early, now), "the server is wrong");
        assert!(believable(early, now, now), "the device was off for a year");
        assert!(believable(late, now, now), "what was known was wrong, and both clocks say so");
        assert!(believable(early, now, at(YEAR)), "the device was off for a year and its battery is dead");
        assert!(!believable(late, now, at(YEAR)), "a clock set back is no witness for going back");
    }
}
