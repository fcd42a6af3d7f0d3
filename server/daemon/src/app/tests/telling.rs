//! How what a device told is told on.

use muster_proto::condition::Difference;
use muster_proto::report::{Outcome, OutcomeKind};

use super::reporting::{ended, events, found, outcome};
use super::*;

#[tokio::test]
async fn history_is_told_by_when_things_happened_although_some_of_it_comes_later() {
    let rig = rig();
    let device = rig.managed().await;
    let mut late = ended(2);
    late.at = clock().plus_seconds(-600).micros();
    rig.app.report(device, events(vec![ended(1), late])).await.unwrap();
    let history = rig.app.device_history(&viewer(), device.to_string(), None, 100).await.unwrap();
    let at: Vec<_> = history.items.iter().map(|entry| entry.at).collect();
    assert!(at.len() == 2 && at[0] > at[1], "{at:?}");
}

#[tokio::test]
async fn drift_that_is_left_as_it_is_says_what_differs() {
    let rig = rig();
    let device = rig.managed().await;
    let drifted = Outcome {
        reason: Some("audit mode: left as it is".into()),
        differences: vec![Difference::new("mode", "0666".into(), "0644".into())],
        ..outcome("/etc/motd", OutcomeKind::Drifted)
    };
    rig.app.report(device, found(&[drifted], &[], 1)).await.unwrap();
    let problem = "drifted: audit mode: left as it is (mode is \"0666\", should be \"0644\")";
    assert_eq!(rig.shown(device).await.causes[0].problem, problem);
}
