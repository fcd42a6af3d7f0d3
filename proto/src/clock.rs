//! By how much a device's clock differs from its server's, for people: nothing is decided by it.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// Clocks that differ by less are taken for the same: messages take a while.
const SAME: u64 = 5 * 60;

/// A device's clock beside its server's, as the device saw both when it last heard the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockSkew {
    /// Seconds that the device's clock is ahead; negative when it is behind.
    pub ahead: i64,
}

impl ClockSkew {
    /// The name of the section that tells of it: a difference, or null.
    pub const SECTION: &'static str = "clock";

    /// The difference, where it is worth telling.
    pub fn between(device: Timestamp, server: Timestamp) -> Option<Self> {
        Self::of(device.seconds().saturating_sub(server.seconds()))
    }

    /// A difference of so many seconds, where it is worth telling.
    pub fn of(ahead: i64) -> Option<Self> {
        (ahead.unsigned_abs() >= SAME).then_some(Self { ahead })
    }

    /// Whether both say the same to people, so that a difference that wavers is not told every minute.
    pub fn same(one: Option<Self>, other: Option<Self>) -> bool {
        match (one, other) {
            (None, None) => true,
            (Some(one), Some(other)) => one.ahead.abs_diff(other.ahead) < SAME,
            _ => false,
        }
    }
}

impl std::fmt::Display for ClockSkew {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const UNITS: [(u64, &str); 3] = [(86_400, "days"), (3_600, "hours"), (60, "minutes")];
        let size = self.ahead.unsigned_abs();
        let (length, unit) =
            UNITS.into_iter().find(|(length, _)| size >= 2 * length).unwrap_or((60, "minutes"));
        let side = if self.ahead > 0 { "ahead of" } else { "behind" };
        // To the nearest: a message is under way for a moment, which must not take a day off.
        write!(f, "{} {unit} {side}", (size + length / 2) / length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_told_in_the_unit_that_people_would_use() {
        assert_eq!(ClockSkew { ahead: 400 * 86_400 + 5 }.to_string(), "400 days ahead of");
        assert_eq!(ClockSkew { ahead: 1 - 400 * 86_400 }.to_string(), "400 days behind");
        assert_eq!(ClockSkew { ahead: -7_300 }.to_string(), "2 hours behind");
        assert_eq!(ClockSkew { ahead: 301 }.to_string(), "5 minutes ahead of");
    }

    #[test]
    fn what_wavers_is_the_same_and_moments_are_no_difference() {
        let now = Timestamp::default();
        assert_eq!(ClockSkew::between(now.plus_seconds(299), now), None);
        let (one, other) = (ClockSkew::of(86_400), ClockSkew::of(86_460));
        assert!(ClockSkew::same(one, other) && !ClockSkew::same(one, None) && ClockSkew::same(None, None));
    }
}
