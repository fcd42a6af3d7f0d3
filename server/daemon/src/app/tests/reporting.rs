//! Reports, what they amount to, and what is shown of them.

use muster_proto::check::{CheckResult, Verdict};
use muster_proto::report::{Event, Outcome, OutcomeKind, Pause, Secret};
use muster_proto::rest::{Compliance, DeviceState};
use muster_proto::{ResourceId, wire};

use serde_json::json;

use super::*;
use crate::app::AppError;
use crate::app::report::ReportError;

pub(super) const EPOCH: &str = "0190d9a4-8e9c-7c3e-9d3e-0d6d8f1f2a3b";

pub(super) fn event(sequence: u64, event: &Event) -> wire::Event {
    wire::Event { sequence, at: clock().micros(), document: serde_json::to_vec(event).unwrap().into() }
}

pub(super) fn ended(sequence: u64) -> wire::Event {
    event(sequence, &Event::Ended { resource: ResourceId::new("file", &format!("/{sequence}")) })
}

pub(super) fn events(events: Vec<wire::Event>) -> wire::ReportRequest {
    wire::ReportRequest { epoch: EPOCH.into(), events, ..wire::ReportRequest::default() }
}

fn section(name: &str, document: &impl serde::Serialize) -> wire::Section {
    wire::Section { name: name.into(), document: serde_json::to_vec(document).unwrap().into() }
}

pub(super) fn outcome(path: &str, outcome: OutcomeKind) -> Outcome {
    Outcome {
        resource: ResourceId::new("file", path),
        outcome,
        profile: "base".into(),
        revision: 1,
        assignment: "as-1".into(),
        mode: Mode::Enforce,
        differences: vec![],
        reason: None,
        note: None,
        overrides: vec![],
    }
}

pub(super) fn result(id: &str, verdict: Verdict) -> CheckResult {
    CheckResult {
        id: id.into(),
        profile: "base".into(),
        revision: 1,
        verdict,
        evidence: vec![],
        reason: None,
    }
}

pub(super) fn found(outcomes: &[Outcome], results: &[CheckResult], applied: u64) -> wire::ReportRequest {
    wire::ReportRequest {
        epoch: EPOCH.into(),
        sections: vec![section("outcomes", &outcomes), section("checks", &results)],
        applied_generation: applied,
        ..wire::ReportRequest::default()
    }
}

impl Rig {
    /// A device with something assigned to it.
    pub(super) async fn managed(&self) -> DeviceId {
        let device = self.device("PF1", "laptop").await;
        self.save("base", &motd("one")).await;
        self.app.assign(&admin(), assignment("base", "everyone"), Trial::Real).await.unwrap();
        device
    }

    pub(super) async fn shown(&self, device: DeviceId) -> muster_proto::rest::DeviceDetail {
        self.app.show_device(&viewer(), device.to_string()).await.unwrap()
    }
}

#[tokio::test]
async fn an_event_sent_twice_is_recorded_once_and_a_gap_holds_the_acknowledgement() {
    let rig = rig();
    let device = rig.managed().await;
    assert_eq!(rig.app.report(device, events(vec![ended(1), ended(2)])).await.unwrap(), 2);
    assert_eq!(rig.app.report(device, events(vec![ended(2), ended(4)])).await.unwrap(), 2);
    assert_eq!(rig.app.report(device, events(vec![ended(3)])).await.unwrap(), 4);
    let history = rig.app.device_history(&viewer(), device.to_string(), None, 100).await.unwrap();
    assert_eq!(history.total, 4);
}

#[tokio::test]
async fn a_device_that_its_owner_paused_is_shown_so_and_is_not_compliant_until_it_goes_on() {
    let rig = rig();
    let device = rig.managed().await;
    rig.app.report(device, found(&[outcome("/etc/motd", OutcomeKind::Kept)], &[], 1)).await.unwrap();
    assert_eq!(rig.shown(device).await.device.compliance, Compliance::Compliant);
    let until = clock().plus_seconds(7200);
    let pause = Pause { since: clock(), until, reason: "a fair".into() };
    let mut request = events(vec![event(1, &Event::Paused(pause.clone()))]);
    request.sections = vec![section(Pause::SECTION, &pause)];
    request.applied_generation = 1;
    rig.app.report(device, request).await.unwrap();
    let shown = rig.shown(device).await;
    assert_eq!((shown.device.compliance, shown.device.failing), (Compliance::Unknown, 0));
    assert_eq!(shown.paused_there, Some(pause));
    assert_eq!(shown.causes[0].problem, format!("paused on the device until {until}: a fair"));
    let mut request = events(vec![event(2, &Event::Resumed { early: true })]);
    request.sections = vec![section(Pause::SECTION, &serde_json::Value::Null)];
    request.applied_generation = 1;
    rig.app.report(device, request).await.unwrap();
    let shown = rig.shown(device).await;
    assert_eq!((shown.device.compliance, shown.paused_there), (Compliance::Compliant, None));
    let history = rig.app.device_history(&viewer(), device.to_string(), None, 10).await.unwrap();
    let texts: Vec<_> = history.items.iter().map(|entry| entry.text.as_str()).collect();
    assert_eq!(texts, ["resumed on the device", &format!("paused on the device until {until}: a fair")]);
}

#[tokio::test]
async fn a_device_that_waits_for_what_comes_by_itself_neither_complies_nor_fails_and_says_what_for() {
    let rig = rig();
    let device = rig.managed().await;
    let waiting = Outcome {
        reason: Some("its artifact is being fetched: 1 of 2 MiB".into()),
        ..outcome("/etc/motd", OutcomeKind::Waiting)
    };
    rig.app.report(device, found(&[waiting], &[], 0)).await.unwrap();
    let shown = rig.shown(device).await;
    assert_eq!((shown.device.compliance, shown.device.failing), (Compliance::Unknown, 0));
    assert_eq!(shown.causes[0].problem, "waiting: its artifact is being fetched: 1 of 2 MiB");
    rig.app.report(device, found(&[outcome("/etc/motd", OutcomeKind::Repaired)], &[], 1)).await.unwrap();
    assert_eq!(rig.shown(device).await.device.compliance, Compliance::Compliant);
}

#[tokio::test]
async fn a_kind_that_the_owner_denies_is_shown_and_said_to_be_his_to_allow() {
    let rig = rig();
    let device = rig.managed().await;
    let blocked = Outcome {
        reason: Some("the device's owner denies file in agent.toml".into()),
        ..outcome("/etc/motd", OutcomeKind::Blocked)
    };
    let mut request = found(&[blocked], &[], 0);
    request.sections.push(section("facts", &json!({"denied_kinds": ["file"]})));
    rig.app.report(device, request).await.unwrap();
    let shown = rig.shown(device).await;
    assert_eq!(shown.facts.denied_kinds, ["file"]);
    assert!(shown.causes[0].problem.contains("denies file in agent.toml"), "{:?}", shown.causes);
    assert!(shown.causes[0].remedy.as_deref().unwrap().contains("deny_kinds"), "{:?}", shown.causes);
}

#[tokio::test]
async fn what_a_full_queue_dropped_is_recorded_as_lost_and_does_not_hold_the_rest() {
    let rig = rig();
    let device = rig.managed().await;
    let mut request = events(vec![ended(8)]);
    (request.lost_from, request.lost_to) = (1, 7);
    assert_eq!(rig.app.report(device, request).await.unwrap(), 8);
    let history = rig.app.device_history(&viewer(), device.to_string(), None, 100).await.unwrap();
    assert!(history.items.iter().any(|entry| entry.event == "lost"), "{history:?}");
}

#[tokio::test]
async fn a_sequence_that_nothing_can_follow_is_refused_and_holds_nobody_up() {
    let rig = rig();
    let device = rig.managed().await;
    let most = i64::MAX as u64;
    let mut request = events(vec![ended(most)]);
    (request.lost_from, request.lost_to) = (1, most);
    let refused = rig.app.report(device, request.clone()).await;
    assert!(matches!(refused, Err(ReportError::Invalid { .. })));
    request.events = vec![ended(most - 1)];
    request.lost_to = most - 1;
    assert_eq!(rig.app.report(device, request).await.unwrap(), most - 1);
}

#[tokio::test]
async fn a_device_can_not_fill_the_record_with_sections_and_passwords() {
    let rig = rig();
    let device = rig.managed().await;
    for count in [64, 65] {
        let mut request = events(vec![]);
        request.sections = (0..count).map(|n| section(&format!("table:t{n}"), &json!([]))).collect();
        assert_eq!(rig.app.report(device, request).await.is_ok(), count == 64);
    }
    for count in 1..=9 {
        let large = section(&format!("table:t{count}"), &json!("x".repeat(4 * 1024 * 1024 - 64)));
        let request = wire::ReportRequest { sections: vec![large], ..events(vec![]) };
        assert_eq!(rig.app.report(device, request).await.is_ok(), count <= 8, "{count}");
    }
    let password = |account: &str, text: &str| Event::FirstLoginPassword {
        account: account.into(),
        password: Secret(text.into()),
    };
    let long = "x".repeat(129);
    for (account, text) in [("../x", "pw"), ("ada", long.as_str()), ("ada", "\u{1b}[2J")] {
        let refused = rig.app.report(device, events(vec![event(1, &password(account, text))])).await;
        assert!(matches!(refused, Err(ReportError::Invalid { .. })), "{account}");
    }
    let many = (1..=257).map(|n| event(n, &password(&format!("a{n}"), "pw"))).collect();
    assert!(rig.app.report(device, events(many)).await.is_err());
    assert_eq!(rig.app.report(device, events(vec![])).await.unwrap(), 0, "nothing of it was kept");
}

#[tokio::test]
async fn a_report_is_refused_whose_parts_have_more_entries_than_an_agent_sends() {
    let rig = rig();
    let device = rig.managed().await;
    let outcomes: Vec<_> = (0..10_001).map(|n| outcome(&format!("/{n}"), OutcomeKind::Kept)).collect();
    let checks: Vec<_> = (0..10_001).map(|n| result(&format!("c{n}"), Verdict::Pass)).collect();
    let mut doubled = found(&[], &[], 1);
    doubled.sections.push(doubled.sections[0].clone());
    for (request, expected) in [
        (found(&outcomes, &[], 1), "sections[outcomes]"),
        (found(&[], &checks, 1), "sections[checks]"),
        (events((1..=20_001).map(ended).collect()), "events"),
        (doubled, "sections"),
    ] {
        let refused = rig.app.report(device, request).await;
        assert!(matches!(refused, Err(ReportError::Invalid { part, .. }) if part == expected), "{expected}");
    }
    rig.app.report(device, found(&outcomes[1..], &checks[1..], 1)).await.unwrap();
}

#[tokio::test]
async fn one_unreadable_part_keeps_the_whole_report_out() {
    let rig = rig();
    let device = rig.managed().await;
    let broken = wire::Event { sequence: 2, at: 1, document: (&b"{"[..]).into() };
    let refused = rig.app.report(device, events(vec![ended(1), broken])).await;
    assert!(matches!(refused, Err(ReportError::Invalid { part, .. }) if part == "events[1]"));
    assert_eq!(rig.app.report(device, events(vec![])).await.unwrap(), 0);
    for name in ["", "../x", "table:", "table:a b"] {
        let mut request = events(vec![]);
        request.sections = vec![wire::Section { name: name.into(), document: (&b"[]"[..]).into() }];
        assert!(rig.app.report(device, request).await.is_err(), "{name}");
    }
}

#[tokio::test]
async fn a_device_is_ready_and_compliant_once_it_converged_whole() {
    let rig = rig();
    let device = rig.managed().await;
    let before = rig.shown(device).await.device;
    assert_eq!((before.state, before.compliance), (DeviceState::Enrolled, Compliance::Unknown));
    let kept = [outcome("/etc/motd", OutcomeKind::Kept)];
    rig.app.report(device, found(&kept, &[result("a", Verdict::Pass)], 1)).await.unwrap();
    let after = rig.shown(device).await.device;
    assert_eq!(
        (after.state, after.compliance, after.generation_applied),
        (DeviceState::Ready, Compliance::Compliant, 1)
    );
    let overview = rig.app.overview(&viewer()).await.unwrap();
    assert_eq!(overview.sentence, "1 of 1 compliant; 0 failing, 0 unknown, 0 stale");
}

#[tokio::test]
async fn a_failure_leads_to_who_assigned_it() {
    let rig = rig();
    let device = rig.managed().await;
    let mut drifted = outcome("/etc/motd", OutcomeKind::Drifted);
    drifted.reason = Some("changed by hand".into());
    rig.app.report(device, found(&[drifted], &[result("a", Verdict::Fail)], 1)).await.unwrap();
    let shown = rig.shown(device).await;
    assert_eq!((shown.device.compliance, shown.device.failing), (Compliance::Failing, 2));
    let cause = &shown.causes[0];
    assert_eq!((cause.subject.as_str(), cause.profile.as_deref()), ("file:/etc/motd", Some("base@1")));
    assert_eq!(cause.assignment.as_deref(), Some("base@1 to everyone"));
    assert_eq!(cause.assigned_by.as_deref(), Some("root:server"));
    let overview = rig.app.overview(&viewer()).await.unwrap();
    assert_eq!((overview.causes.len(), overview.counts.failing), (2, 1));
    let report = rig.app.compliance(&viewer(), None, None, 100).await.unwrap();
    assert_eq!(report.devices[0].name, "dev-pf1");
}

#[tokio::test]
async fn the_compliance_of_a_large_fleet_comes_page_by_page() {
    let rig = rig();
    for serial in ["PF1", "PF2", "PF3"] {
        rig.device(serial, "laptop").await;
    }
    let (mut cursor, mut pages) = (None, Vec::new());
    loop {
        let page = rig.app.compliance(&viewer(), Some("laptop".into()), cursor, 2).await.unwrap();
        assert_eq!(page.counts.total, 3);
        pages.push(page.devices.into_iter().map(|device| device.name).collect::<Vec<_>>());
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(pages, [vec!["dev-pf1", "dev-pf2"], vec!["dev-pf3"]]);
    assert!(rig.app.compliance(&viewer(), None, Some("x".into()), 2).await.is_err());
}

#[tokio::test]
async fn a_device_can_not_claim_a_generation_that_it_was_never_given() {
    let rig = rig();
    let device = rig.managed().await;
    rig.app.report(device, found(&[], &[], 900)).await.unwrap();
    assert_eq!(rig.shown(device).await.device.generation_applied, 1);
}

/// Processor time of this process so far, in milliseconds: a test runs in one of its own.
fn spent() -> i64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec * 1_000 + time.tv_nsec / 1_000_000
}

#[tokio::test]
async fn a_report_of_many_results_takes_the_writer_as_long_as_there_are_results_and_no_longer() {
    let rig = rig();
    let device = rig.managed().await;
    let mut took = vec![];
    for size in [2_500, 10_000] {
        let mut turns = vec![];
        for verdict in [Verdict::Pass, Verdict::Fail, Verdict::Pass, Verdict::Fail] {
            let checks: Vec<_> = (0..size).map(|n| result(&format!("c{n}"), verdict)).collect();
            let begun = spent();
            rig.app.report(device, found(&[], &checks, 1)).await.unwrap();
            turns.push(spent() - begun);
        }
        // The first one turns none; of the others the quickest is the least disturbed by what else the machine does.
        took.push(turns.into_iter().skip(1).min().unwrap());
    }
    // Four times as many take four times as long, and took fourteen times.
    assert!(took[1] < took[0].max(20) * 9, "{took:?} ms");
}

#[tokio::test]
async fn results_of_checks_are_intervals_without_gaps_or_overlaps() {
    let rig = rig();
    let device = rig.managed().await;
    for verdict in
        [Verdict::Pass, Verdict::Pass, Verdict::Fail, Verdict::Unknown, Verdict::Unknown, Verdict::Pass]
    {
        rig.app.report(device, found(&[], &[result("a", verdict)], 1)).await.unwrap();
    }
    rig.app.report(device, found(&[], &[], 1)).await.unwrap();
    let history =
        rig.app.store().read(move |tx| muster_store::check::history(tx, device, "a")).await.unwrap();
    let verdicts: Vec<_> = history.iter().map(|interval| interval.verdict).collect();
    assert_eq!(verdicts, [Verdict::Pass, Verdict::Fail, Verdict::Unknown, Verdict::Pass]);
    for pair in history.windows(2) {
        assert_eq!(pair[0].to, Some(pair[1].from));
        assert!(pair[0].from < pair[1].from);
    }
    assert!(history[3].to.is_some(), "a check that is asked no more has no present result");
}

#[tokio::test]
async fn a_resource_that_stays_as_it_is_keeps_its_since() {
    let rig = rig();
    let device = rig.managed().await;
    let report = async |outcomes: &[Outcome]| {
        rig.app.report(device, found(outcomes, &[], 1)).await.unwrap();
        rig.app.device_resources(&viewer(), device.to_string()).await.unwrap()
    };
    let first = report(&[outcome("/a", OutcomeKind::Failed), outcome("/b", OutcomeKind::Kept)]).await;
    let again =
        report(&[Outcome { reason: Some("again".into()), ..outcome("/a", OutcomeKind::Failed) }]).await;
    assert_eq!((again.len(), again[0].since), (1, first[0].since));
    let mended = report(&[outcome("/a", OutcomeKind::Repaired)]).await;
    assert!(mended[0].since > first[0].since);
}

#[tokio::test]
async fn a_first_login_password_is_revealed_once_and_stands_nowhere_in_the_open() {
    let rig = rig();
    let device = rig.managed().await;
    let made = event(
        1,
        &Event::FirstLoginPassword { account: "ada".into(), password: Secret("correct horse".into()) },
    );
    rig.app.report(device, events(vec![made.clone()])).await.unwrap();
    assert_eq!(rig.shown(device).await.passwords, ["ada"]);
    let history = rig.app.device_history(&viewer(), device.to_string(), None, 10).await.unwrap();
    assert_eq!(history.items[0].text, "made a first-login password for ada");
    let right = admin();
    let reveal = || rig.app.reveal_password(&right, device.to_string(), "ada".into());
    assert_eq!(reveal().await.unwrap().password, "correct horse");
    assert!(matches!(reveal().await, Err(AppError::Missing(text)) if text.contains("revealed already")));
    rig.app.report(device, events(vec![made])).await.unwrap();
    assert!(matches!(reveal().await, Err(AppError::Missing(_))), "sent twice, recorded once");
    assert_eq!(rig.audited().await[0].action, "password.reveal");
    for file in ["muster.db", "muster.db-wal"] {
        let bytes = std::fs::read(rig._folder.path().join(file)).unwrap();
        assert!(!bytes.windows(13).any(|window| window == b"correct horse"), "{file}");
    }
}

#[tokio::test]
async fn a_table_is_shown_as_it_was_reported_last() {
    let rig = rig();
    let device = rig.managed().await;
    let mut request = events(vec![]);
    request.sections = vec![section(
        "table:deb_packages",
        &serde_json::json!({"columns": ["name", "version"], "rows": [["curl", "7.88"]]}),
    )];
    rig.app.report(device, request).await.unwrap();
    let table = rig.app.device_table(&viewer(), device.to_string(), "deb_packages".into()).await.unwrap();
    assert_eq!((table.columns.len(), table.rows[0][0].as_str()), (2, Some("curl")));
    let none = rig.app.device_table(&viewer(), device.to_string(), "mounts".into()).await.unwrap();
    assert_eq!(none.reported, None);
}

#[tokio::test]
async fn a_wrong_clock_waits_for_an_admin_by_name_and_many_as_one() {
    use muster_proto::clock::ClockSkew;
    let rig = rig();
    let mut devices = Vec::new();
    for n in 0..5 {
        devices.push(rig.device(&format!("PF{n}"), "laptop").await);
    }
    let tell = async |device: DeviceId, ahead| {
        let mut request = events(vec![]);
        request.sections = vec![section(ClockSkew::SECTION, &ClockSkew::of(ahead))];
        rig.app.report(device, request).await.unwrap();
    };
    let clocks = async || {
        let needs = rig.app.overview(&viewer()).await.unwrap().needs_you;
        let clocks = needs.into_iter().filter(|need| need.kind == "clock");
        clocks.map(|need| need.text).collect::<Vec<_>>()
    };
    tell(devices[0], 0).await;
    tell(devices[1], 7_200).await;
    assert_eq!(clocks().await, ["the clock of dev-pf1 is 2 hours ahead of this server's: set it there"]);
    for device in &devices {
        tell(*device, -86_400 * 3).await;
    }
    let all = clocks().await;
    assert!(all.len() == 1 && all[0].contains("5 devices") && all[0].contains("doctor"), "{all:?}");
    for device in &devices {
        tell(*device, 0).await;
    }
    assert!(clocks().await.is_empty());
}

#[tokio::test]
async fn a_report_with_nothing_new_writes_nothing_and_counts_as_seen() {
    let rig = rig();
    let device = rig.managed().await;
    rig.app.report(device, found(&[], &[], 1)).await.unwrap();
    let mut changes = rig.app.changes();
    let mut quiet = events(vec![]);
    quiet.applied_generation = 1;
    rig.app.report(device, quiet).await.unwrap();
    assert!(changes.try_recv().is_err(), "nothing was told, so nothing was written");
    rig.app.turn().await.unwrap();
    let device = rig.shown(device).await.device;
    assert!(device.last_seen > device.enrolled);
    assert_eq!(rig.app.overview(&viewer()).await.unwrap().days.len(), 1);
}

#[tokio::test]
async fn a_day_on_which_no_device_is_in_is_a_gap_and_not_a_zero() {
    let rig = rig();
    assert_eq!(rig.app.overview(&viewer()).await.unwrap().days, []);
    rig.managed().await;
    assert_eq!(rig.app.overview(&viewer()).await.unwrap().days.len(), 1);
}

#[tokio::test]
async fn revoking_a_device_keeps_what_it_last_reported_as_proof_and_out_of_the_fleets_troubles() {
    let rig = rig();
    let device = rig.managed().await;
    let (bad, fails) = (outcome("/etc/motd", OutcomeKind::Failed), result("a", Verdict::Fail));
    rig.app.report(device, found(&[bad], &[fails], 1)).await.unwrap();
    assert_eq!(rig.app.overview(&viewer()).await.unwrap().causes.len(), 2);
    let revoked = rig.app.revoke_device(&admin(), device.to_string()).await.unwrap();
    assert_eq!(revoked.compliance, Compliance::Unmanaged);
    let resources = rig.app.device_resources(&viewer(), device.to_string()).await.unwrap();
    let checks = rig.app.device_checks(&viewer(), device.to_string()).await.unwrap();
    assert_eq!((resources.len(), resources[0].outcome), (1, OutcomeKind::Failed));
    assert_eq!((checks.len(), checks[0].verdict), (1, Verdict::Fail));
    assert!(rig.app.overview(&viewer()).await.unwrap().causes.is_empty());
    let causes = rig.shown(device).await.causes;
    assert_eq!(causes.iter().map(|cause| cause.kind.as_str()).collect::<Vec<_>>(), ["revoked"]);
}

#[tokio::test]
async fn a_failing_check_is_explained_by_its_title_its_severity_and_its_first_rows() {
    let rig = rig();
    let device = rig.managed().await;
    let checks = "resources: []\nchecks:\n  - { id: a, title: Nobody is called bob, violations: SELECT 1, severity: high }\n";
    let source = format!("muster: 1\nprofile: base\n{checks}");
    rig.app.save_profile(&admin(), "base".into(), source, Followers::Bring, Trial::Real).await.unwrap();
    let row = |n: u8| json!({"username": format!("bob{n}")}).as_object().unwrap().clone();
    let fails =
        CheckResult { revision: 2, evidence: (0..5).map(row).collect(), ..result("a", Verdict::Fail) };
    let unsure = CheckResult { reason: Some("table shadow: denied".into()), ..result("b", Verdict::Unknown) };
    rig.app.report(device, found(&[], &[fails, unsure], 1)).await.unwrap();
    let causes = rig.shown(device).await.causes;
    let cause = causes.iter().find(|cause| cause.subject == "a").unwrap();
    assert_eq!(cause.title.as_deref(), Some("Nobody is called bob"));
    assert_eq!(cause.severity, Some(muster_proto::check::Severity::High));
    assert_eq!((cause.problem.as_str(), cause.rows), ("fails: 5 rows should not be there", 5));
    assert_eq!((cause.evidence.len(), &cause.evidence[0]), (3, &row(0)));
    let groups = rig.app.overview(&viewer()).await.unwrap().causes;
    assert!(groups.iter().any(|g| g.problem == "could not be found out: table shadow: denied"), "{groups:?}");
}

#[tokio::test]
async fn a_device_that_was_never_seen_is_told_to_be_given_its_join_file() {
    let rig = rig();
    rig.import("serial,name\nPF9,lap-new").await;
    rig.save("base", &motd("one")).await;
    rig.app.assign(&admin(), assignment("base", "everyone"), Trial::Real).await.unwrap();
    let causes = rig.app.show_device(&viewer(), "lap-new".into()).await.unwrap().causes;
    assert_eq!((causes.len(), causes[0].problem.as_str()), (1, "registered, and never seen"));
    assert!(causes[0].remedy.as_ref().unwrap().contains("muster token create --serial PF9"));
}
