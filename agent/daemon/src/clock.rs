//! The time that leases go by: only what the server vouched for, and `CLOCK_BOOTTIME` since.
//!
//! While this boot has heard of the server, the system clock is not asked. After a boot without a server the later of the
//! ledger's mark and the system clock is used: a clock set back can't bring an ended lease back.

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

    /// Takes the server's word for the time; gives the mark to keep.
    pub(crate) fn vouched(&mut self, time: Timestamp) -> Mark {
        let mark = Mark { time, boottime: boottime(), boot_id: self.boot_id };
        self.mark = Some(mark);
        mark
    }
}

fn now(mark: Option<Mark>, boot_id: Uuid, boottime: i64, system: Timestamp) -> Timestamp {
    match mark {
        Some(mark) if mark.boot_id == boot_id && boottime >= mark.boottime => {
            Timestamp::from_micros(mark.time.micros().saturating_add(boottime - mark.boottime))
                .unwrap_or(Timestamp::MAX)
        }
        Some(mark) => mark.time.max(system),
        None => system,
    }
}

/// Microseconds since boot, sleep included; nobody can set it.
fn boottime() -> i64 {
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
        let mark = Mark { time: at(1_000), boottime: 5_000_000, boot_id: boot };
        assert_eq!(now(Some(mark), boot, 65_000_000, at(1)), at(1_060));
        assert_eq!(now(Some(mark), boot, 65_000_000, at(9_999_999)), at(1_060));
    }

    #[test]
    fn after_a_boot_without_a_server_a_clock_set_back_does_not_count() {
        let mark = Mark { time: at(1_000), boottime: 5_000_000, boot_id: Uuid::from_u128(1) };
        assert_eq!(now(Some(mark), Uuid::from_u128(2), 1, at(10)), at(1_000));
        assert_eq!(now(Some(mark), Uuid::from_u128(2), 1, at(2_000)), at(2_000));
    }
}
