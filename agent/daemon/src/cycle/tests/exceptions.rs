//! An exception of a profile from a rule of another, with a begin and an end: the rule holds before and after.

use muster_proto::Timestamp;

use super::*;

const RULE: &str =
    r#"{"muster":1,"profile":"rule","resources":[{"file":{"path":"/etc/motd","content":"rule\n"}}]}"#;

/// Has a rule and an exception from it that begins and ends so many seconds from now.
fn accept_both(cycle: &mut Cycle, generation: u64, begin: i64, end: i64) {
    let (now, server) = (cycle.now(), cycle.now());
    cycle.vouched(server).unwrap();
    let at = |seconds: i64| Timestamp::from_micros(now.micros()).unwrap().plus_seconds(seconds);
    let exception = format!(
        r#"{{"muster":1,"profile":"exception","resources":[{{"file":{{"path":"/etc/motd","content":"exception\n",
        "not_before":"{}","not_after":"{}"}}}}]}}"#,
        at(begin),
        at(end)
    );
    let mut both = state(device(), "rule", RULE);
    let mut second = state(device(), "exception", &exception).revisions.remove(0);
    second.precedence = 10;
    both.revisions.push(second);
    both.generation = Generation(generation);
    assert!(cycle.offer(&serde_json::to_vec(&both).unwrap()).unwrap());
    let documents = [RULE.to_owned(), exception];
    let documents: Vec<_> =
        documents.into_iter().map(|text| (Digest::of(text.as_bytes()), text.into_bytes())).collect();
    assert!(cycle.keep(&documents).unwrap());
}

async fn motd_after_a_turn(cycle: &mut Cycle, folder: &Path) -> String {
    cycle.turn(None).await.unwrap();
    std::fs::read_to_string(folder.join("root/etc/motd")).unwrap()
}

/// Lets the server say that it is later.
fn pass(cycle: &mut Cycle, seconds: i64) {
    let later = cycle.now().plus_seconds(seconds);
    cycle.vouched(later).unwrap();
}

#[tokio::test]
async fn what_an_exception_was_from_holds_before_its_begin_and_after_its_end_and_goes_back_to_what_was_there_first()
 {
    let folder = tempfile::tempdir().unwrap();
    let mut cycle = cycle(folder.path());
    accept_both(&mut cycle, 1, 600, 1200);
    let next = cycle.turn(None).await.unwrap();
    assert!(next.next_end.is_some_and(|end| end.seconds() - cycle.now().seconds() <= 600), "{next:?}");
    for (seconds, there) in [(0, "rule\n"), (700, "exception\n"), (700, "rule\n"), (0, "rule\n")] {
        pass(&mut cycle, seconds);
        assert_eq!(motd_after_a_turn(&mut cycle, folder.path()).await, there);
        assert_eq!(cycle.outcomes.len(), 1, "{:?}", cycle.outcomes);
    }
    assert!(cycle.outcomes.iter().all(|outcome| outcome.outcome == OutcomeKind::Kept));
    let mut nothing = state(device(), "rule", RULE);
    (nothing.generation, nothing.revisions) = (Generation(2), vec![]);
    cycle.offer(&serde_json::to_vec(&nothing).unwrap()).unwrap();
    assert_eq!(motd_after_a_turn(&mut cycle, folder.path()).await, "theirs\n");
}

#[tokio::test]
async fn an_exception_ends_although_its_device_is_paused_or_its_ledger_full_or_someone_fights_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut cycle = cycle(folder.path());
    accept_both(&mut cycle, 1, 0, 600);
    assert_eq!(motd_after_a_turn(&mut cycle, folder.path()).await, "exception\n");
    pass(&mut cycle, 700);
    pause(&mut cycle, 300);
    assert_eq!(motd_after_a_turn(&mut cycle, folder.path()).await, "rule\n");
    cycle.hands.ledger.resume(crate::ledger::Resumption::Early, cycle.now()).unwrap();

    accept_both(&mut cycle, 2, 0, 600);
    assert_eq!(motd_after_a_turn(&mut cycle, folder.path()).await, "exception\n");
    pass(&mut cycle, 590);
    for _ in 0..3 {
        std::fs::write(folder.path().join("root/etc/motd"), "mine\n").unwrap();
        assert_eq!(motd_after_a_turn(&mut cycle, folder.path()).await, "exception\n");
    }
    std::fs::write(folder.path().join("root/etc/motd"), "mine\n").unwrap();
    assert_eq!(motd_after_a_turn(&mut cycle, folder.path()).await, "mine\n", "it is a fight");
    cycle.hands.ledger.refuse_writes(true);
    pass(&mut cycle, 20);
    assert_eq!(motd_after_a_turn(&mut cycle, folder.path()).await, "rule\n");
}

#[tokio::test]
async fn an_end_that_passes_while_a_turn_is_at_work_brings_the_next_turn_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut cycle = cycle(folder.path());
    accept_both(&mut cycle, 1, 0, 600);
    cycle.turn(None).await.unwrap();
    let began = cycle.now();
    pass(&mut cycle, 700);
    let (_, composition) = cycle.composed.take().unwrap();
    let end = cycle.next_end(&composition, began).unwrap().unwrap();
    assert!(end < cycle.now());
    let wait = schedule::wait(Some(end), 0, cycle.now(), 0.5);
    assert!(wait < Duration::from_secs(1), "{wait:?}");
}

#[tokio::test]
async fn what_follows_a_lease_that_leaves_some_of_it_comes_with_the_very_next_turn() {
    let folder = tempfile::tempdir().unwrap();
    let mut cycle = cycle(folder.path());
    let motd = folder.path().join("root/etc/motd");
    let content = Digest::of(b"theirs\n").to_string();
    let lent = Condition::present([("content", content.into()), ("mode", "0644".into())]);
    let lent = Record { not_after: Some(Timestamp::default()), ..record(Condition::Absent, lent, "lent") };
    cycle
        .hands
        .ledger
        .intend(&[(ResourceId::new("file", "/etc/motd"), lent)], &[], &BTreeSet::new(), &[])
        .unwrap();
    accept(&mut cycle, "motd", PROFILE);
    let next = cycle.turn(None).await.unwrap();
    assert!(!motd.exists());
    assert_eq!(cycle.outcomes[0].outcome, OutcomeKind::Waiting, "{:?}", cycle.outcomes);
    assert_eq!(cycle.hands.ledger.applied().unwrap(), Generation(0));
    assert!(next.wait <= schedule::AFTER_CHANGE);
    cycle.turn(None).await.unwrap();
    assert_eq!(std::fs::read_to_string(&motd).unwrap(), "ours\n");
    assert_eq!(cycle.hands.ledger.applied().unwrap(), Generation(1));
}

#[tokio::test]
async fn what_an_unassigned_profile_brought_is_taken_back_and_then_looked_at_by_the_one_that_audits_it() {
    const OTHER: &str =
        r#"{"muster":1,"profile":"other","resources":[{"file":{"path":"/etc/motd","content":"ours\n"}}]}"#;
    let folder = tempfile::tempdir().unwrap();
    let mut cycle = cycle(folder.path());
    let motd = folder.path().join("root/etc/motd");
    accept(&mut cycle, "motd", PROFILE);
    cycle.turn(None).await.unwrap();
    assert_eq!(std::fs::read_to_string(&motd).unwrap(), "ours\n");
    let mut audited = state(device(), "other", OTHER);
    (audited.generation, audited.revisions[0].mode) = (Generation(2), Mode::Audit);
    assert!(cycle.offer(&serde_json::to_vec(&audited).unwrap()).unwrap());
    cycle.keep(&[(Digest::of(OTHER.as_bytes()), OTHER.as_bytes().to_vec())]).unwrap();
    let next = cycle.turn(None).await.unwrap();
    assert_eq!(std::fs::read_to_string(&motd).unwrap(), "theirs\n");
    assert!(next.wait <= schedule::AFTER_CHANGE);
    cycle.turn(None).await.unwrap();
    assert_eq!(cycle.outcomes[0].outcome, OutcomeKind::Drifted, "{:?}", cycle.outcomes);
    assert_eq!(std::fs::read_to_string(&motd).unwrap(), "theirs\n");
}
