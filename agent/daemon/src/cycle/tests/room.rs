//! Many large files that a profile replaces at once.

use super::*;

#[tokio::test]
async fn a_large_file_that_there_is_no_memory_for_waits_for_the_next_turn_and_the_state_is_not_applied_before()
 {
    let folder = tempfile::tempdir().unwrap();
    let mut cycle = cycle(folder.path());
    let files = (0..5).map(|number| format!(r#"{{"file":{{"path":"/etc/{number}","content":"ours"}}}}"#));
    let document =
        format!(r#"{{"muster":1,"profile":"large","resources":[{}]}}"#, files.collect::<Vec<_>>().join(","));
    for number in 0..5 {
        let file = std::fs::File::create(folder.path().join(format!("root/etc/{number}"))).unwrap();
        file.set_len(16 * 1024 * 1024 - number).unwrap();
    }
    accept(&mut cycle, "large", &document);
    let next = cycle.turn(None).await.unwrap();
    let waiting = |cycle: &Cycle| -> Vec<(OutcomeKind, String)> {
        let told = cycle.outcomes.iter().filter_map(|told| Some((told.outcome, told.reason.clone()?)));
        told.collect()
    };
    assert_eq!(waiting(&cycle).len(), 1, "{:?}", cycle.outcomes);
    assert_eq!(waiting(&cycle)[0].0, OutcomeKind::Waiting);
    assert!(waiting(&cycle)[0].1.contains("follows in the next turns"));
    assert_eq!(cycle.hands.ledger.applied().unwrap(), Generation(0));
    assert!(next.wait <= schedule::AFTER_CHANGE, "{:?}", next.wait);

    cycle.turn(None).await.unwrap();
    assert_eq!(waiting(&cycle), []);
    assert_eq!(cycle.hands.ledger.applied().unwrap(), Generation(1));
    let report = cycle.report().unwrap().unwrap();
    let is_failure = |event: &wire::Event| {
        matches!(
            serde_json::from_slice(&event.document).unwrap(),
            Event::Failed { .. } | Event::Blocked { .. }
        )
    };
    assert!(!report.events.iter().any(is_failure));

    let nothing =
        DesiredState { generation: Generation(2), revisions: vec![], ..state(device(), "large", &document) };
    assert!(cycle.offer(&serde_json::to_vec(&nothing).unwrap()).unwrap());
    // Many turns in a row that had to leave something make no wait longer.
    cycle.failures = 5;
    let next = cycle.turn(None).await.unwrap();
    assert_eq!(waiting(&cycle)[0].0, OutcomeKind::Waiting);
    assert!(next.wait <= schedule::AFTER_CHANGE, "{:?}", next.wait);
    assert_eq!(cycle.hands.ledger.applied().unwrap(), Generation(1));
    cycle.turn(None).await.unwrap();
    assert_eq!(cycle.hands.ledger.applied().unwrap(), Generation(2));
}
