use super::*;

fn at(day: i64, hour: i64) -> Timestamp {
    Timestamp::default().plus_seconds(20_000 * DAY + day * DAY + hour * 3_600)
}

fn found(device: usize, check: &str, from: Timestamp, to: Option<Timestamp>, verdict: Verdict) -> Found {
    Found { device, check: check.to_owned(), from, to, verdict }
}

/// All checks in one group that counts devices.
fn whole(device: usize, _: &str) -> Vec<(&'static str, usize)> {
    vec![("all", device)]
}

/// Passing, failing, waived and unknown of each day that has data.
fn counted(days: &[StandingDay]) -> Vec<Option<(u64, u64, u64, u64)>> {
    let numbers = |counts: StandingCounts| (counts.passing, counts.failing, counts.waived, counts.unknown);
    days.iter().map(|day| day.counts.map(numbers)).collect()
}

#[test]
fn a_day_is_counted_as_it_was_at_its_end() {
    let record = Record {
        found: vec![
            found(0, "a", at(0, 1), Some(at(1, 10)), Verdict::Pass),
            found(0, "a", at(1, 10), Some(at(3, 0)), Verdict::Fail),
            found(0, "a", at(3, 0), None, Verdict::Pass),
        ],
        ..Record::default()
    };
    let days = record.days(at(3, 5), 5, whole);
    // A gap before the first result; on the last moment of the day before it passed again it still failed.
    let (passed, failed) = (Some((1, 0, 0, 0)), Some((0, 1, 0, 0)));
    assert_eq!(counted(&days["all"]), [None, passed, failed, failed, passed]);
    assert_eq!(days["all"][4].date, "2024-10-07");
}

#[test]
fn the_worst_of_several_checks_counts_and_each_device_once() {
    let record = Record {
        found: vec![
            found(0, "a", at(0, 0), None, Verdict::Pass),
            found(0, "b", at(0, 0), None, Verdict::Unknown),
            found(1, "a", at(0, 0), None, Verdict::NotApplicable),
            found(1, "b", at(0, 0), None, Verdict::Pass),
            found(2, "a", at(0, 0), None, Verdict::Fail),
            found(2, "b", at(0, 0), None, Verdict::Pass),
        ],
        ..Record::default()
    };
    let now = record.now();
    let counts = worst(now.iter().map(|now| (now.device, now.check, now.standing)), whole)["all"];
    assert_eq!((counts.passing, counts.unknown, counts.failing, counts.total()), (1, 1, 1, 3));
}

#[test]
fn a_failure_is_waived_only_while_it_was_and_what_is_missing_or_silent_is_unknown() {
    let cover = Covered { from: at(1, 0), to: Some(at(2, 12)), waiver: "wa-1".into() };
    let record = Record {
        found: vec![
            found(0, "a", at(0, 0), None, Verdict::Fail),
            found(1, "a", at(0, 0), None, Verdict::Pass),
            found(2, "a", at(0, 0), None, Verdict::Fail),
        ],
        covered: [((0, "a".to_owned()), vec![cover])].into(),
        missing: [(3, "a".to_owned())].into(),
        stale: [1, 2].into(),
    };
    let days = record.days(at(3, 5), 4, whole);
    assert_eq!(counted(&days["all"]), [(1, 2, 0, 0), (1, 1, 1, 0), (1, 2, 0, 0), (0, 2, 0, 2)].map(Some));
    let now = record.now();
    assert_eq!((now[1].standing, now[1].note.is_some()), (Standing::Unknown, true));
    assert_eq!(now[2].standing, Standing::Failing, "silence makes no failure better");
    assert_eq!((now[3].standing, now[3].since), (Standing::Unknown, None));
}

#[test]
fn history_begins_at_the_first_of_its_days() {
    assert_eq!(begin(at(9, 13), 1), at(9, 0));
    assert_eq!(begin(at(9, 13), 30), at(-20, 0));
}
