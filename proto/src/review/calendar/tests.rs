//! What is taken for a calendar event, held against systemd itself.

use std::process::Command;

use proptest::prelude::*;

use super::*;

/// What systemd itself says.
fn systemd_takes(event: &str) -> bool {
    let said = Command::new("systemd-analyze").args(["calendar", "--", event]).output().unwrap();
    said.status.success()
}

#[test]
fn every_example_of_the_manual_is_taken() {
    for event in [
        "Sat,Thu,Mon..Wed,Sat..Sun",
        "Mon,Sun 12-*-* 2,1:23",
        "Wed *-1",
        "Wed..Wed,Wed *-1",
        "Wed, 17:48",
        "Wed..Sat,Tue 12-10-15 1:2:3",
        "*-*-7 0:0:0",
        "10-15",
        "monday *-12-* 17:00",
        "Mon,Fri *-*-3,1,2 *:30:45",
        "12,14,13,12:20,10,30",
        "12..14:10,20,30",
        "mon,fri *-1/2-1,3 *:30:45",
        "03-05 08:05:40",
        "08:05:40",
        "05:40",
        "Sat,Sun 12-05 08:05:40",
        "Sat,Sun 08:05:40",
        "2003-03-05 05:40",
        "05:40:23.4200004/3.1700005",
        "2003-02..04-05",
        "2003-03-05 05:40 UTC",
        "2003-03-05",
        "03-05",
        "hourly",
        "daily",
        "daily UTC",
        "monthly",
        "weekly",
        "weekly Pacific/Auckland",
        "yearly",
        "annually",
        "*:2/3",
        "Thu,Fri 2012-*-1,5 11:12:13",
        "*-02~03",
        "Mon *-05~07/1",
        "*-*-* *:*:00",
        "Mon..Fri 02:00",
        "*-*-01 04:30 Europe/Berlin",
        "02:00 CEST",
        "02:00 Japan",
    ] {
        assert_eq!(check(event), Ok(()), "{event}");
    }
}

#[test]
fn what_is_wrong_is_said() {
    for (event, said) in [
        ("Mon..Fri 25:00", "hours are 0 to 23"),
        ("12:60", "minutes are 0 to 59"),
        ("*-13-01", "months are 1 to 12"),
        ("0 2 * * *", "neither the rest of a date"),
        ("2", "hours and minutes"),
        ("Mo..Fr 02:00", "\"Mo\" is no day of the week"),
        ("nightly", "no word such as daily"),
        ("Fri..Mon 02:00", "from Mon to Sun"),
        ("Mon.. 02:00", "has no end"),
        ("02:00 Uhr", "unless it is a time zone"),
        ("02:00 PM", "unless it is a time zone"),
        ("12:5x", "can't follow a number"),
        ("02:00/0", "a step of 0"),
        ("22..6:00", "from the smaller to the larger"),
        ("*-*-31~1", "can't follow a date"),
        ("2027~01-31", "before the day only"),
        ("*-*~29", "1 to 28"),
        ("99999999999:00", "too large"),
        ("0:0:4294.999999", "too large"),
    ] {
        let told = check(event).unwrap_err();
        assert!(told.contains(said), "{event}: {told}");
    }
}

fn numbers() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => (0_u32..34).prop_map(|number| number.to_string()),
        2 => (0_u32..100).prop_map(|number| format!("{number:02}")),
        1 => prop_oneof![Just(1969_u32), Just(1970), Just(2199), Just(2200), 0_u32..4_000_000_000].prop_map(|number| number.to_string()),
        1 => "[0-9]{1,2}\\.[0-9]{0,8}",
    ]
}

fn chains() -> impl Strategy<Value = String> {
    let entry = (numbers(), prop::option::weighted(0.2, numbers()), prop::option::weighted(0.2, numbers()));
    let entry = entry.prop_map(|(start, stop, step)| {
        let stop = stop.map(|stop| format!("..{stop}")).unwrap_or_default();
        format!("{start}{stop}{}", step.map(|step| format!("/{step}")).unwrap_or_default())
    });
    prop_oneof![1 => Just("*".to_owned()), 3 => prop::collection::vec(entry, 1..3).prop_map(|all| all.join(","))]
}

fn weekdays() -> impl Strategy<Value = String> {
    let day = prop::sample::select(vec!["Mon", "tue", "Wednesday", "Thu", "FRI", "Sat", "Sunday", "Su"]);
    let sign = prop::sample::select(vec!["..", ",", ",", "-", "."]);
    let more = prop::collection::vec((sign, day.clone()), 0..3);
    (day, more, prop::sample::select(vec![" ", " ", " ", "", ", ", "  "])).prop_map(|(first, more, end)| {
        let more: String = more.into_iter().map(|(sign, day)| format!("{sign}{day}")).collect();
        format!("{first}{more}{end}")
    })
}

/// Most are nearly right.
fn events() -> impl Strategy<Value = String> {
    let dash = prop::sample::select(vec!["-", "-", "-", "~"]);
    let date = (prop::option::of(chains()), chains(), dash.clone(), chains(), dash).prop_map(
        |(year, month, dash, day, other)| match year {
            Some(year) => format!("{year}{other}{month}{dash}{day} "),
            None => format!("{month}{dash}{day} "),
        },
    );
    let time = (chains(), chains(), prop::option::of(chains())).prop_map(|(hours, minutes, seconds)| {
        format!("{hours}:{minutes}{}", seconds.map(|seconds| format!(":{seconds}")).unwrap_or_default())
    });
    let zone = prop::sample::select(vec![" UTC", " utc", " Europe/Berlin", " CET", ""]);
    let of = |part: BoxedStrategy<String>| prop::option::of(part).prop_map(Option::unwrap_or_default);
    let parts = (of(weekdays().boxed()), of(date.boxed()), of(time.boxed()), zone);
    prop_oneof![
        8 => parts.prop_map(|(days, date, time, zone)| format!("{days}{date}{time}{zone}")),
        1 => prop::sample::select(SHORTHANDS.to_vec()).prop_map(str::to_owned),
        1 => "[a-z0-9*~,:/._+ -]{0,12}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]

    #[test]
    fn what_is_taken_is_what_systemd_takes(event in events()) {
        prop_assert_eq!(check(&event).is_ok(), systemd_takes(&event), "{:?}: {:?}", event, check(&event));
    }
}

proptest! {
    #[test]
    fn nothing_that_is_written_breaks_the_parser(event in "\\PC{0,40}") {
        drop(check(&event));
    }
}
