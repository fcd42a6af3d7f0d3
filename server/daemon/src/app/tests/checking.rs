//! Checks and outcomes over the whole fleet, and the audit by who and what.

use muster_proto::check::Verdict;
use muster_proto::report::OutcomeKind;
use muster_proto::rest::{Finding, VerdictCounts};
use muster_store::audit::{Filter, Target};
use muster_store::check::fleet;

use super::reporting::{found, outcome, result};
use super::*;
use crate::app::AppError;

const CHECKS: &str = "  - file: { path: /etc/motd, content: hello }
checks:
  - id: no-empty-passwords
    title: No account has an empty password
    violations: SELECT username FROM shadow WHERE password_status = 'empty'
    severity: high
    controls: [CIS-5.4.1, ISO27001-A.8.5]
  - id: ssh-no-root
    title: Root does not log in over SSH
    violations: SELECT 1 FROM shadow
    controls: [CIS-5.4.1]
";

impl Rig {
    /// Three devices, one with each result of the first check; the second passes on all of them.
    async fn checked(&self) -> Vec<DeviceId> {
        let mut devices = Vec::new();
        for serial in ["PF1", "PF2", "PF3"] {
            devices.push(self.device(serial, "laptop").await);
        }
        self.save("base", CHECKS).await;
        self.app.assign(&admin(), assignment("base", "everyone"), Trial::Real).await.unwrap();
        for (device, verdict) in devices.iter().zip([Verdict::Pass, Verdict::Unknown, Verdict::Fail]) {
            let results = [result("no-empty-passwords", verdict), result("ssh-no-root", Verdict::Pass)];
            let drifted = outcome("/etc/motd", OutcomeKind::Drifted);
            self.app.report(*device, found(&[drifted], &results, 1)).await.unwrap();
        }
        devices
    }
}

#[tokio::test]
async fn a_check_is_known_by_who_asks_it_and_by_what_each_device_finds_the_worst_first() {
    let rig = rig();
    rig.checked().await;
    let checks = rig.app.list_checks(&viewer()).await.unwrap();
    assert_eq!(checks.len(), 2);
    assert_eq!(checks[0].profiles, ["base@1"]);
    assert_eq!(checks[0].title, "No account has an empty password");
    assert_eq!(checks[0].counts, VerdictCounts { pass: 1, fail: 1, unknown: 1, not_applicable: 0 });

    let of =
        |finding, revision| fleet::Filter { checks: vec!["no-empty-passwords".into()], finding, revision };
    let (mut names, mut cursor) = (Vec::new(), None);
    loop {
        let page = rig.app.check_devices(&viewer(), None, of(None, None), cursor, 2).await.unwrap();
        assert_eq!(page.total, 3);
        names.extend(page.items.into_iter().map(|row| (row.device, row.verdict)));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    let named = |name: &str, verdict| (name.to_owned(), verdict);
    let expected = [
        named("dev-pf3", Verdict::Fail),
        named("dev-pf2", Verdict::Unknown),
        named("dev-pf1", Verdict::Pass),
    ];
    assert_eq!(names, expected);
    let found = async |finding, revision: Option<(&str, u32)>| {
        let filter = of(finding, revision.map(|(profile, number)| (profile.to_owned(), number)));
        rig.app.check_devices(&viewer(), None, filter, None, 100).await.unwrap().total
    };
    assert_eq!(found(Some(Finding::Fail), None).await, 1);
    assert_eq!(found(Some(Finding::Fail), Some(("base", 1))).await, 1);
    assert_eq!(found(Some(Finding::Fail), Some(("base", 2))).await, 0);
}

#[tokio::test]
async fn an_assigned_check_is_there_before_any_device_has_answered() {
    let rig = rig();
    rig.save("base", CHECKS).await;
    assert!(rig.app.list_checks(&viewer()).await.unwrap().is_empty(), "saving never deploys");
    rig.app.assign(&admin(), assignment("base", "everyone"), Trial::Real).await.unwrap();
    let shown = rig.app.show_check(&viewer(), "ssh-no-root".into()).await.unwrap();
    assert_eq!(shown.check.counts, VerdictCounts::default());
    assert_eq!(shown.sql.as_deref(), Some("SELECT 1 FROM shadow"));
    assert!(shown.days.is_empty());
    assert!(rig.app.show_check(&viewer(), "no-such".into()).await.is_err());
}

#[tokio::test]
async fn a_control_counts_each_device_once_by_the_worst_of_its_checks() {
    let rig = rig();
    rig.checked().await;
    let control = rig.app.show_control(&viewer(), "CIS-5.4.1".into()).await.unwrap();
    assert_eq!(control.checks.len(), 2);
    assert_eq!(control.devices, VerdictCounts { pass: 1, fail: 1, unknown: 1, not_applicable: 0 });
    let rows = rig
        .app
        .check_devices(&viewer(), Some("CIS-5.4.1".into()), Default::default(), None, 100)
        .await
        .unwrap();
    assert_eq!(rows.total, 6);
    assert_eq!(rows.items[0].device, "dev-pf3");
    assert!(rig.app.show_control(&viewer(), "CIS-9.9".into()).await.is_err());
}

#[tokio::test]
async fn a_day_says_what_held_at_its_end_and_a_device_its_intervals() {
    let rig = rig();
    let devices = rig.checked().await;
    pass(3 * 86_400);
    let results = [result("no-empty-passwords", Verdict::Pass)];
    rig.app.report(devices[2], found(&[], &results, 1)).await.unwrap();
    let days = rig.app.show_check(&viewer(), "no-empty-passwords".into()).await.unwrap().days;
    let counts: Vec<_> = days.iter().map(|day| (day.counts.pass, day.counts.fail)).collect();
    assert_eq!(counts, [(1, 1), (1, 1), (1, 1), (2, 0)]);
    let device = devices[2].to_string();
    let intervals = rig.app.check_intervals(&viewer(), device, "no-empty-passwords".into()).await.unwrap();
    let verdicts: Vec<_> = intervals.iter().map(|interval| interval.verdict).collect();
    assert_eq!(verdicts, [Verdict::Pass, Verdict::Fail]);
    assert_eq!(intervals[0].from, intervals[1].to.unwrap());
    assert_eq!(intervals[0].to, None);
}

#[tokio::test]
async fn outcomes_of_a_profile_are_listed_as_often_as_they_are_counted() {
    let rig = rig();
    let devices = rig.checked().await;
    let filter = |resource: Option<&str>, revision| muster_store::outcome::Filter {
        profile: "base".into(),
        outcome: OutcomeKind::Drifted,
        revision,
        resource: resource.map(str::to_owned),
    };
    let list = async |filter| rig.app.list_outcomes(&viewer(), filter, None, 2).await.unwrap();
    let page = list(filter(Some("file:/etc/motd"), Some(1))).await;
    assert_eq!((page.total, page.items.len()), (3, 2));
    let rest = rig.app.list_outcomes(&viewer(), filter(None, None), page.next, 2).await.unwrap();
    assert_eq!((rest.items.len(), rest.next), (1, None));
    assert_eq!(list(filter(None, Some(2))).await.total, 0);
    let overview = rig.app.overview(&viewer()).await.unwrap();
    let cause = overview.causes.iter().find(|cause| cause.subject == "file:/etc/motd").unwrap();
    assert_eq!((cause.kind.as_str(), cause.word.as_str(), cause.devices), ("resource", "drifted", 3));
    rig.app.revoke_device(&admin(), devices[0].to_string()).await.unwrap();
    assert_eq!(list(filter(None, None)).await.total, 2, "a revoked device is no trouble of the fleet");
}

#[tokio::test]
async fn the_audit_is_narrowed_by_who_what_on_what_and_when() {
    let rig = rig();
    let devices = rig.checked().await;
    pass(3_600);
    rig.app.revoke_device(&admin(), devices[0].to_string()).await.unwrap();
    let list = async |filter| {
        let page = rig.app.list_audit(&viewer(), filter, None, 1000).await.unwrap();
        assert_eq!(page.total, page.items.len() as u64);
        page.items
    };
    let action = |action: &str| Filter { action: Some(action.into()), ..Filter::default() };
    assert_eq!(list(action("device.revoke")).await.len(), 1);
    assert!(list(action("device")).await.len() > 3);
    assert!(list(action("dev")).await.is_empty(), "a noun is whole");
    assert!(list(action("%")).await.is_empty(), "no pattern but what is written");
    let target = |part: &str| Some(Target { part: part.into(), alias: None });
    let of_device = list(Filter { target: target("dev-pf1"), ..Filter::default() }).await;
    assert!(of_device.iter().any(|entry| entry.action == "device.revoke"), "{of_device:?}");
    let id = devices[0].to_string();
    assert!(
        of_device.iter().all(|entry| entry.target != id || entry.names[&id] == "dev-pf1"),
        "{of_device:?}"
    );
    rig.app.assign(&admin(), assignment("base", "device:dev-pf1"), Trial::Real).await.unwrap();
    let of_device = list(Filter { target: target("dev-pf1"), ..Filter::default() }).await;
    assert!(of_device.iter().any(|entry| entry.action == "assignment.create"), "{of_device:?}");
    let of_label = list(Filter { target: target("lapto"), ..Filter::default() }).await;
    assert!(of_label.iter().all(|entry| entry.action != "assignment.create"), "{of_label:?}");
    let late = list(Filter { since: Some(clock().plus_seconds(-60)), ..Filter::default() }).await;
    assert_eq!(late.len(), 2);
    let nobody = list(Filter { actor: Some("kim".into()), ..Filter::default() }).await;
    assert!(nobody.is_empty());
    assert!(!list(Filter { actor: Some("ROOT".into()), ..Filter::default() }).await.is_empty());
}

#[tokio::test]
async fn devices_of_a_profile_are_those_it_counts() {
    let rig = rig();
    rig.checked().await;
    rig.save("other", &motd("x")).await;
    for (profile, expected) in [("base", 3), ("other", 0)] {
        let filter = muster_store::device::Filter { profile: Some(profile.into()), ..Default::default() };
        let page = rig.app.list_devices(&viewer(), filter, Default::default(), None, 100).await.unwrap();
        let shown = rig.app.show_profile(&viewer(), profile.into()).await.unwrap();
        assert_eq!((page.total, shown.profile.devices), (expected, expected), "{profile}");
    }
}

#[tokio::test]
async fn sql_that_no_device_can_answer_is_refused_where_it_stands() {
    let rig = rig();
    let source = "muster: 1\nprofile: base\nchecks:\n  - { id: a, title: A holds, violations: SELECT 1 }\n  - id: b\n    \
                  title: B holds\n    query: SELECT username FORM shadow WHERE uid\n";
    let saved =
        rig.app.save_profile(&admin(), "base".into(), source.into(), Followers::Bring, Trial::Real).await;
    let Err(AppError::Source(places)) = saved else { panic!("{saved:?}") };
    assert_eq!((places.len(), places[0].line, places[0].column), (1, 7, 12));
    assert!(places[0].message.contains("near \"shadow\": syntax error"), "{}", places[0].message);
    assert!(rig.app.list_profiles(&viewer()).await.unwrap().is_empty(), "nothing is saved");
}

#[tokio::test]
async fn a_table_that_only_other_agents_may_have_is_told_when_it_is_saved_and_when_it_is_assigned() {
    let rig = rig();
    rig.device("PF1", "laptop").await;
    let source = "muster: 1\nprofile: base\nchecks:\n  - { id: images, title: No images, violations: SELECT 1 FROM docker_images }\n";
    let saved = rig
        .app
        .save_profile(&admin(), "base".into(), source.into(), Followers::Bring, Trial::Real)
        .await
        .unwrap();
    assert_eq!((saved.warnings.len(), saved.warnings[0].line), (1, 4));
    let named = |text: &str| text.contains("check images") && text.contains("no such table: docker_images");
    assert!(named(&saved.warnings[0].message), "{:?}", saved.warnings);
    let assigned = rig.app.assign(&admin(), assignment("base", "everyone"), Trial::Dry).await.unwrap();
    assert!(assigned.warnings.iter().any(|text| named(text)), "{:?}", assigned.warnings);
}

#[tokio::test]
async fn the_audit_of_an_import_names_its_first_devices_and_counts_the_others() {
    let rig = rig();
    rig.import("serial,name,labels\nPF1,lap-ada,laptop\nPF2,lap-bob,laptop\n").await;
    let rows: String = (10..35).map(|n| format!("SN{n},srv-{n},server\n")).collect();
    rig.import(&format!("serial,name,labels\nPF1,lap-ada,laptop;travels\nPF2,lap-bob,laptop\n{rows}")).await;
    let detail =
        rig.audited().await.into_iter().find(|entry| entry.action == "device.import").unwrap().detail;
    assert_eq!(
        (&detail["new"], &detail["changed"], &detail["unchanged"]),
        (&25.into(), &1.into(), &1.into())
    );
    let changed: Vec<String> = serde_json::from_value(detail["changed_devices"].clone()).unwrap();
    assert_eq!(changed, ["lap-ada (PF1): labels: laptop -> laptop;travels"]);
    let new: Vec<String> = serde_json::from_value(detail["new_devices"].clone()).unwrap();
    assert_eq!((new.len(), new[0].as_str(), new[20].as_str()), (21, "srv-10 (SN10)", "and 5 more"));
}
