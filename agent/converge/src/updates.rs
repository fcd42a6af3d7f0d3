//! When updates are installed: windows of the week, and which have gone by unused.
//!
//! A window is measured on the clock on the wall, as people set it. So all that is asked of a zone is by how much it is ahead of UTC
//! now: a window that a change of summer time falls into is an hour longer or shorter that day. Of the windows that have gone by, the
//! one at a change of summer time may be counted an hour early or late.

use muster_proto::resource::updates::Window;

/// Minutes of a week.
const WEEK: u32 = 7 * 24 * 60;

/// So many windows may go by before what waits for one is not in order any more.
pub const MOST_MISSED: u64 = 3;

/// A time as the clock on the wall shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WallClock {
    /// In seconds since 1970, by that clock.
    seconds: i64,
}

impl WallClock {
    /// What the clock shows at `seconds` since 1970 UTC in a zone that is `ahead` seconds ahead of it, or behind.
    pub fn new(seconds: i64, ahead: i32) -> Self {
        Self { seconds: seconds.saturating_add(i64::from(ahead)) }
    }

    /// Minutes since Monday, 00:00.
    pub fn minute_of_week(self) -> u32 {
        /// The first day of 1970 was a Thursday.
        const THURSDAY: i64 = 3 * 24 * 60;
        let minute = self.seconds.div_euclid(60).saturating_add(THURSDAY).rem_euclid(i64::from(WEEK));
        u32::try_from(minute).unwrap_or_default()
    }

    fn minutes_since(self, earlier: Self) -> u64 {
        u64::try_from(self.seconds.saturating_sub(earlier.seconds) / 60).unwrap_or_default()
    }
}

/// Whether one of the windows is open.
pub fn is_open(windows: &[Window], now: WallClock) -> bool {
    left(windows, now).is_some()
}

/// For how many minutes one of the windows is still open; `None` where none is.
pub fn left(windows: &[Window], now: WallClock) -> Option<u32> {
    let now = now.minute_of_week();
    windows
        .iter()
        .flat_map(|window| {
            let length = window.length();
            window.begins().filter_map(move |begin| length.checked_sub((now + WEEK - begin % WEEK) % WEEK))
        })
        .max()
        .filter(|left| *left > 0)
}

/// How many windows have opened after `since` and closed before `now`.
pub fn missed(windows: &[Window], since: WallClock, now: WallClock) -> u64 {
    let waited = now.minutes_since(since);
    let of_one = |begin: u32, length: u32| {
        let first_end = u64::from((begin % WEEK + WEEK - since.minute_of_week()) % WEEK + length);
        waited.checked_sub(first_end).map_or(0, |after| 1 + after / u64::from(WEEK))
    };
    windows
        .iter()
        .flat_map(|window| window.begins().map(move |begin| of_one(begin, window.length())))
        .fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// 2026-11-27T00:00:00Z, a Friday.
    const FRIDAY: i64 = 1_795_737_600;
    const HOUR: i64 = 3600;

    fn windows(value: serde_json::Value) -> Vec<Window> {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_window_over_midnight_belongs_to_the_day_on_which_it_begins() {
        let windows = windows(json!([{"days": ["sun"], "from": "23:00", "to": "02:00"}]));
        let at = |hours: i64| is_open(&windows, WallClock::new(FRIDAY + hours * HOUR, 0));
        let sunday = 48;
        assert!(!at(sunday + 22) && at(sunday + 23));
        // Monday, in the next week.
        assert!(at(sunday + 25) && !at(sunday + 26));
        assert!(!at(24));
    }

    #[test]
    fn a_zone_moves_the_window() {
        let windows = windows(json!([{"days": ["fri"], "from": "02:00", "to": "03:00"}]));
        let at = |hours: i64, ahead: i64| {
            is_open(&windows, WallClock::new(FRIDAY + hours * HOUR, i32::try_from(ahead * HOUR).unwrap()))
        };
        assert!(at(2, 0) && !at(2, 1) && at(1, 1) && at(7, -5));
    }

    #[test]
    fn only_windows_that_came_and_went_whole_were_missed() {
        let windows = windows(json!([{"from": "02:00", "to": "04:00"}]));
        let at = |hours: i64| WallClock::new(FRIDAY + hours * HOUR, 0);
        // The window of Friday was open already when it began to wait.
        assert_eq!(missed(&windows, at(3), at(4)), 0);
        assert_eq!(missed(&windows, at(3), at(27)), 0);
        assert_eq!(missed(&windows, at(3), at(28)), 1);
        assert_eq!(missed(&windows, at(0), at(4)), 1);
        assert_eq!(missed(&windows, at(0), at(7 * 24 + 5)), 8);
        // A clock that was set back has let nothing go by.
        assert_eq!(missed(&windows, at(100), at(0)), 0);
    }

    fn any_windows() -> impl Strategy<Value = Vec<Window>> {
        let day = prop::sample::subsequence(vec!["mon", "tue", "wed", "thu", "fri", "sat", "sun"], 0..4);
        let one = (day, 0_u32..1440, 60_u32..1440).prop_map(|(days, from, length)| {
            let clock = |minute: u32| format!("{:02}:{:02}", minute % 1440 / 60, minute % 60);
            serde_json::from_value(json!({"days": days, "from": clock(from), "to": clock(from + length)}))
                .unwrap()
        });
        prop::collection::vec(one, 1..4)
    }

    proptest! {
        #[test]
        fn what_was_missed_is_what_a_walk_over_the_minutes_counts(
            windows in any_windows(), since in 0_i64..11_000, waited in 0_i64..22_000, ahead in -50_000_i32..50_000,
        ) {
            let at = |minute: i64| WallClock::new(FRIDAY + minute * 60, ahead);
            let counted: u64 = windows.iter().map(|window| {
                let one = std::slice::from_ref(window);
                // One window of a day may reach into the next, but never to its own beginning.
                let mut ends = 0;
                for begin in since..=since + waited {
                    let opens = is_open(one, at(begin)) && window.begins().any(|b| b == at(begin).minute_of_week());
                    if opens && begin + i64::from(window.length()) <= since + waited {
                        ends += 1;
                    }
                }
                ends
            }).sum();
            prop_assert_eq!(missed(&windows, at(since), at(since + waited)), counted);
        }

        #[test]
        fn no_time_and_no_zone_breaks_the_reckoning(
            windows in any_windows(), since: i64, now: i64, ahead: i32,
        ) {
            let (since, now) = (WallClock::new(since, ahead), WallClock::new(now, ahead));
            missed(&windows, since, now);
            is_open(&windows, now);
        }
    }
}
