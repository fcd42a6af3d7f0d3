//! Who goes first, and what lets the next ones go.

use std::collections::BTreeSet;

use muster_proto::ResourceId;
use muster_proto::state::Mode;

use super::*;

const SOAK: u64 = 600;

fn device(number: u128) -> DeviceId {
    DeviceId(uuid::Uuid::from_u128(number))
}

fn fleet(ready: u128, away: u128) -> Vec<Candidate> {
    (0..ready + away).map(|number| Candidate { device: device(number), ready: number < ready }).collect()
}

fn sizes(texts: &[&str]) -> Vec<StepSize> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn counts(total: u128, texts: &[&str]) -> (Vec<usize>, usize) {
    let steps = lay_down("ro-1", &fleet(total, 0), &sizes(texts));
    (steps.first.iter().map(Vec::len).collect(), steps.rest)
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::default().plus_seconds(seconds)
}

fn member(answer: Answer) -> Member {
    Member { given: at(0), online: true, connected: true, passed: None, answer }
}

fn passed(seconds: i64) -> Member {
    Member { passed: Some(at(seconds)), ..member(Answer::Applied) }
}

#[test]
fn sizes_count_what_came_before_and_every_step_has_a_device() {
    assert_eq!(counts(20, &["1", "10%"]), (vec![1, 1], 18));
    assert_eq!(counts(500, &["1", "10%"]), (vec![1, 49], 450));
    assert_eq!(counts(100, &["5", "5", "1%"]), (vec![5, 1, 1], 93));
    assert_eq!(counts(7, &["50%"]), (vec![4], 3), "a share is rounded up");
}

#[test]
fn a_step_that_would_have_all_that_are_left_is_the_last() {
    assert_eq!(counts(1, &["1", "10%"]), (vec![], 1));
    assert_eq!(counts(2, &["1", "10%"]), (vec![1], 1));
    assert_eq!(counts(3, &["100%", "1"]), (vec![], 3));
    assert_eq!(counts(0, &["1"]), (vec![], 0));
    assert_eq!(counts(5, &[]), (vec![], 5));
}

#[test]
fn devices_that_can_answer_go_first_and_another_rollout_chooses_others() {
    let devices = fleet(20, 30);
    let first = |seed: &str| lay_down(seed, &devices, &sizes(&["15"])).first.remove(0);
    let ready: BTreeSet<_> = devices.iter().filter(|c| c.ready).map(|c| c.device).collect();
    assert!(first("ro-1").iter().all(|device| ready.contains(device)));
    assert_eq!(first("ro-1"), first("ro-1"));
    assert_ne!(first("ro-1")[0], first("ro-2")[0]);
}

proptest::proptest! {
    #[test]
    fn the_choice_does_not_depend_on_the_order_of_devices(total in 0_u128..60, away in 0_u128..60, share in 1_u8..=100) {
        let mut devices = fleet(total, away);
        let sizes = [StepSize::Devices(1), StepSize::Percent(share)];
        let before = lay_down("ro-1", &devices, &sizes);
        devices.reverse();
        proptest::prop_assert_eq!(&before, &lay_down("ro-1", &devices, &sizes));
        let in_steps: BTreeSet<_> = before.first.iter().flatten().collect();
        let number: usize = before.first.iter().map(Vec::len).sum();
        proptest::prop_assert_eq!(in_steps.len(), number, "nobody is in two steps");
        proptest::prop_assert_eq!(number + before.rest, devices.len());
    }
}

#[test]
fn a_step_waits_for_who_works_and_soaks_from_the_last_who_passed() {
    let judge = |members: &[Member], now| judge(members, Place::Before, at(0), SOAK, at(now));
    assert_eq!(judge(&[passed(10), member(Answer::Pending)], 2_000), Verdict::Wait);
    assert_eq!(judge(&[passed(10), passed(30)], 40), Verdict::Soak(at(630)));
    assert_eq!(judge(&[passed(10), passed(30)], 630), Verdict::Pass);
    assert_eq!(judge(&[member(Answer::Applied)], 40), Verdict::Soak(at(640)), "it is well from now on");
}

#[test]
fn who_is_away_does_not_hold_a_step_and_is_no_proof() {
    let away = Member { online: false, connected: false, ..member(Answer::Pending) };
    assert_eq!(standing(&away, at(1)), Standing::NotAnswered);
    let judge = |members: &[Member], place| judge(members, place, at(0), SOAK, at(9_000));
    assert_eq!(judge(&[passed(10), away, member(Answer::Held)], Place::Before), Verdict::Pass);
    for nobody in [&[away][..], &[member(Answer::Held)], &[member(Answer::Gone)], &[]] {
        assert_eq!(judge(nobody, Place::Before), Verdict::Wait);
        assert_eq!(
            judge(nobody, Place::Last),
            Verdict::Pass,
            "after it nothing is left to be kept from harm"
        );
    }
    let back = Member { connected: true, ..away };
    assert_eq!(standing(&back, at(1)), Standing::Working, "it holds the step from when it comes");
}

#[test]
fn who_falls_silent_after_it_was_given_the_revision_holds_the_step_for_an_hour() {
    let silent = Member { connected: false, ..member(Answer::Pending) };
    assert_eq!(standing(&silent, at(SILENCE - 1)), Standing::Working);
    assert_eq!(standing(&silent, at(SILENCE)), Standing::NotAnswered);
}

const OURS: Brought<'_> = Brought { assignment: "as-new", profile: "base", revision: 4 };

fn outcome(profile: &str, assignment: &str, outcome: OutcomeKind) -> Outcome {
    Outcome {
        resource: ResourceId::new("service", "nginx"),
        outcome,
        profile: profile.into(),
        revision: 4,
        assignment: assignment.into(),
        mode: Mode::Enforce,
        differences: vec![],
        reason: None,
        note: None,
        overrides: vec![],
    }
}

#[test]
fn a_failure_stops_when_the_revision_has_it_or_when_it_came_with_it() {
    let stops = |profile, assignment, kind, since| {
        stops(&OURS, at(100), &outcome(profile, assignment, kind), at(since))
    };
    assert_eq!(stops("base", "as-new", OutcomeKind::Failed, 50), Some(TroubleKind::Failed));
    assert_eq!(stops("base", "as-new", OutcomeKind::Blocked, 150), Some(TroubleKind::Blocked));
    assert_eq!(stops("base", "as-old", OutcomeKind::Failed, 150), None, "that was the revision before");
    assert_eq!(stops("web", "as-web", OutcomeKind::Failed, 50), None, "it failed before");
    assert_eq!(stops("web", "as-web", OutcomeKind::Failed, 150), Some(TroubleKind::Failed));
    assert_eq!(stops("", "", OutcomeKind::Failed, 150), Some(TroubleKind::Failed), "a reversal");
    assert_eq!(stops("base", "as-new", OutcomeKind::Drifted, 150), None, "audit mode finds things");
    assert_eq!(stops("base", "as-new", OutcomeKind::Waiting, 150), None, "it comes by itself");
}

#[test]
fn a_check_stops_when_it_fails_since_the_revision_came() {
    let stops = |profile: &str, revision, verdict, from| {
        let result = CheckResult {
            id: "no-root-login".into(),
            profile: profile.into(),
            revision,
            verdict,
            evidence: vec![],
            reason: None,
        };
        check_stops(&OURS, at(100), &result, at(from))
    };
    assert!(stops("base", 4, Found::Fail, 150));
    assert!(!stops("base", 4, Found::Fail, 50), "it failed before");
    assert!(!stops("base", 4, Found::Unknown, 150));
    assert!(!stops("base", 3, Found::Fail, 150));
    assert!(!stops("web", 4, Found::Fail, 150));
}
