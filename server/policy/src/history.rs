//! How a check stood day by day, from the intervals in which devices had a result.

use std::collections::BTreeMap;

use muster_proto::check::Verdict;
use muster_proto::rest::VerdictCounts;

/// Devices that had a result from one day to another. Days are counted from 1970, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The result.
    pub verdict: Verdict,
    /// The day on which it began.
    pub from: i64,
    /// The day on which it ended; none while it lasts.
    pub to: Option<i64>,
    /// How many devices.
    pub devices: u64,
}

/// What devices had found at the end of each of the last `count` days up to `today`, the oldest first; days on which
/// nobody had found anything are left out. What began and ended within a day is of no day: at its end it was over.
pub fn days(spans: &[Span], today: i64, count: u32) -> Vec<(i64, VerdictCounts)> {
    let first = today - i64::from(count) + 1;
    let mut days: BTreeMap<i64, VerdictCounts> = BTreeMap::new();
    for span in spans {
        let last = span.to.map_or(today, |to| to - 1).min(today);
        for day in span.from.max(first)..=last {
            let counts = days.entry(day).or_default();
            *of(counts, span.verdict) += span.devices;
        }
    }
    days.into_iter().collect()
}

/// The number that counts devices with this verdict.
pub fn of(counts: &mut VerdictCounts, verdict: Verdict) -> &mut u64 {
    match verdict {
        Verdict::Pass => &mut counts.pass,
        Verdict::Fail => &mut counts.fail,
        Verdict::Unknown => &mut counts.unknown,
        Verdict::NotApplicable => &mut counts.not_applicable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(verdict: Verdict, from: i64, to: Option<i64>, devices: u64) -> Span {
        Span { verdict, from, to, devices }
    }

    fn fails(days: &[(i64, VerdictCounts)]) -> Vec<(i64, u64, u64)> {
        days.iter().map(|(day, counts)| (*day, counts.pass, counts.fail)).collect()
    }

    #[test]
    fn a_day_counts_what_held_at_its_end() {
        let spans = [
            span(Verdict::Pass, 90, Some(99), 3),
            span(Verdict::Fail, 99, None, 3),
            span(Verdict::Pass, 98, None, 2),
        ];
        assert_eq!(fails(&days(&spans, 100, 4)), [(97, 3, 0), (98, 5, 0), (99, 2, 3), (100, 2, 3)]);
    }

    #[test]
    fn what_began_and_ended_within_a_day_is_of_no_day() {
        assert_eq!(days(&[span(Verdict::Fail, 99, Some(99), 1)], 100, 30), []);
    }

    #[test]
    fn days_before_the_first_result_are_gaps_and_not_zeros() {
        let days = days(&[span(Verdict::Unknown, 99, None, 1)], 100, 30);
        assert_eq!(days.iter().map(|(day, _)| *day).collect::<Vec<_>>(), [99, 100]);
        assert_eq!(days[0].1.unknown, 1);
    }

    #[test]
    fn a_clock_that_went_back_adds_no_day_that_is_still_to_come() {
        assert_eq!(days(&[span(Verdict::Pass, 120, None, 1)], 100, 30), []);
        assert_eq!(days(&[span(Verdict::Pass, 98, Some(140), 1)], 100, 2).len(), 2);
    }
}
