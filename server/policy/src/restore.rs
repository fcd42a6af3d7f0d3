//! What a server may believe after its record was put back from a backup: time went on, and the record did not.

use muster_proto::rest::DeviceState;
use muster_proto::{Generation, Timestamp};

/// A device that is away when its server is restored is waited for this long, which is also when a laptop is stale.
const PATIENCE: i64 = 7 * 24 * 60 * 60;

/// Clocks of the old machine, of the new one and of the backup may differ by this many seconds.
const SLACK: i64 = 60;

/// The lowest generation that a restored server may give out.
///
/// It must be above everything that a device has accepted since the backup, and above what an earlier restore of the same
/// backup led to. The seconds since 1970 are both, as no device's state changes every second for days.
pub fn floor(newest: Generation, now: Timestamp) -> Generation {
    Generation(now.seconds().unsigned_abs().max(newest.0 + 1))
}

/// Between which times what a device was certified is in no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// When the backup was made.
    pub backed_up: Timestamp,
    /// When it was restored.
    pub restored: Timestamp,
}

impl Gap {
    /// Until when devices are waited for.
    fn ends(&self) -> Timestamp {
        self.restored.plus_seconds(PATIENCE)
    }
}

/// A certificate that chains to the root and is in no record, and the device that it names.
#[derive(Clone, Copy, Debug)]
pub struct Unrecorded {
    /// Where the device is in its life, by the record.
    pub state: DeviceState,
    /// When it was issued.
    pub issued: Timestamp,
    /// When it ends.
    pub not_after: Timestamp,
    /// Seconds that a device's certificate lives at most.
    pub longest_life: i64,
}

/// Why such a certificate is not taken up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// The record does not know the device as enrolled, so that nothing but the certificate speaks for it.
    #[error("the device is not enrolled by the restored record: enroll it again with a new token")]
    NotEnrolled,
    /// It is older than the backup or younger than the restore: this server would know it.
    #[error("it was not issued between the backup and the restore")]
    OutsideGap,
    /// Too late.
    #[error("the restore was too long ago: enroll the device again with a new token")]
    TooLate,
    /// This server issues none that live so long.
    #[error("it lives longer than any that this server issues")]
    TooLong,
}

/// Decides whether a certificate of the gap is taken up. That the device is still waited for is the caller's to know.
///
/// Who stole the issuing key can make one, too. It gets them one device that has not come back yet, and the audit says
/// so; the real device is then refused, and the audit says that as well.
pub fn take_up(gap: Gap, shown: Unrecorded, now: Timestamp) -> Result<(), NotTaken> {
    if !matches!(shown.state, DeviceState::Enrolled | DeviceState::Ready) {
        return Err(NotTaken::NotEnrolled);
    }
    if now >= gap.ends() {
        return Err(NotTaken::TooLate);
    }
    let (from, to) = (gap.backed_up.plus_seconds(-SLACK), gap.restored.plus_seconds(SLACK));
    if shown.issued < from || to < shown.issued {
        return Err(NotTaken::OutsideGap);
    }
    if shown.not_after > shown.issued.plus_seconds(shown.longest_life + SLACK) {
        return Err(NotTaken::TooLong);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;

    fn day(day: i64) -> Timestamp {
        Timestamp::default().plus_seconds(20_000 * DAY + day * DAY)
    }

    fn gap() -> Gap {
        Gap { backed_up: day(0), restored: day(3) }
    }

    fn shown(issued: Timestamp) -> Unrecorded {
        Unrecorded {
            state: DeviceState::Ready,
            issued,
            not_after: issued.plus_seconds(30 * DAY),
            longest_life: 30 * DAY,
        }
    }

    #[test]
    fn a_second_restore_of_the_same_backup_goes_on_above_the_first() {
        let newest = Generation(7);
        let first = floor(newest, day(0));
        assert!(first > newest);
        assert!(floor(newest, day(0).plus_seconds(3_600)).0 > first.0 + 1_000);
        assert_eq!(floor(Generation(u64::MAX / 2), day(0)), Generation(u64::MAX / 2 + 1));
    }

    #[test]
    fn only_what_was_issued_in_the_gap_to_an_enrolled_device_is_taken_up() {
        let gap = gap();
        assert_eq!(take_up(gap, shown(day(1)), day(3)), Ok(()));
        assert_eq!(take_up(gap, shown(day(-1)), day(3)), Err(NotTaken::OutsideGap));
        assert_eq!(take_up(gap, shown(day(4)), day(5)), Err(NotTaken::OutsideGap));
        assert_eq!(take_up(gap, shown(day(1)), day(10)), Err(NotTaken::TooLate));
        let states = [DeviceState::Registered, DeviceState::Pending, DeviceState::Revoked];
        for state in states {
            let shown = Unrecorded { state, ..shown(day(1)) };
            assert_eq!(take_up(gap, shown, day(3)), Err(NotTaken::NotEnrolled));
        }
    }

    #[test]
    fn a_certificate_that_lives_longer_than_ours_is_not_ours() {
        let long = Unrecorded { not_after: day(400), ..shown(day(1)) };
        assert_eq!(take_up(gap(), long, day(3)), Err(NotTaken::TooLong));
    }
}
