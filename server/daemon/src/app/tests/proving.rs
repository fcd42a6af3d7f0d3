//! What checks found, counted: every number of a report is that of its rows, in every scope.

use std::collections::{BTreeMap, BTreeSet};

use muster_proto::check::{CheckResult, Verdict};
use muster_proto::rest::{By, ControlsReport, NewWaiver, Standing, StandingCounts};

use super::reporting::{found, result};
use super::*;
use crate::app::controls::Scope;

const CHECKS: &str = "muster: 1
profile: base
checks:
  - { id: a, title: A holds, violations: SELECT 1, severity: high, controls: [CIS-1, CIS-2] }
  - { id: b, title: B holds, violations: SELECT 1, controls: [CIS-2] }
  - { id: c, title: C holds, violations: SELECT 1 }
";

impl Rig {
    /// Four devices: one that passes all, one that fails, one whose failure is waived, one that said nothing yet.
    async fn proven(&self) -> Vec<DeviceId> {
        self.app
            .save_profile(&admin(), "base".into(), CHECKS.into(), Followers::Bring, Trial::Real)
            .await
            .unwrap();
        let mut devices = Vec::new();
        for (serial, labels) in [("D1", "laptop"), ("D2", "laptop;kiosk"), ("D3", "kiosk"), ("D4", "")] {
            devices.push(self.device(serial, labels).await);
        }
        self.app.assign(&admin(), assignment("base", "everyone"), Trial::Real).await.unwrap();
        for (device, verdicts) in devices.iter().zip([
            [Verdict::Pass, Verdict::Pass, Verdict::Pass],
            [Verdict::Fail, Verdict::Unknown, Verdict::Pass],
            [Verdict::Fail, Verdict::NotApplicable, Verdict::Pass],
        ]) {
            self.finds_all(*device, verdicts).await;
        }
        self.waive_on("device:D3").await;
        devices
    }

    async fn finds_all(&self, device: DeviceId, verdicts: [Verdict; 3]) {
        let results: Vec<CheckResult> =
            ["a", "b", "c"].iter().zip(verdicts).map(|(id, verdict)| result(id, verdict)).collect();
        self.app.report(device, found(&[], &results, 1)).await.unwrap();
    }

    async fn waive_on(&self, target: &str) {
        let new = NewWaiver {
            check: "a".into(),
            target: target.into(),
            reason: "new disks come in May".into(),
            seconds: Some(30 * 86_400),
            ..NewWaiver::default()
        };
        self.app.waive(&admin(), new).await.unwrap();
    }

    async fn report_of(&self, control: Option<&str>, label: Option<&str>) -> ControlsReport {
        let scope = Scope { control: control.map(str::to_owned), label: label.map(str::to_owned), days: 30 };
        self.app.controls_report(&viewer(), scope).await.unwrap()
    }
}

/// Counts all again from the rows alone.
fn recount(report: &ControlsReport) {
    for control in &report.controls {
        let mut worst: BTreeMap<&str, Standing> = BTreeMap::new();
        for check in &control.checks {
            let rows: StandingCounts = check.rows.iter().map(|row| row.standing).collect();
            assert_eq!(rows, check.counts, "{} of {}", check.check, control.control);
            let names: BTreeSet<_> = check.rows.iter().map(|row| &row.device).collect();
            assert_eq!(names.len(), check.rows.len(), "a device once");
            for row in &check.rows {
                let least = worst.entry(&row.device).or_insert(row.standing);
                *least = (*least).min(row.standing);
                assert_eq!(row.waiver.is_some(), row.standing == Standing::Waived);
                assert_eq!(row.note.is_some(), row.since.is_none() && row.standing == Standing::Unknown);
            }
        }
        let counts: StandingCounts = worst.into_values().collect();
        assert_eq!(counts, control.counts, "{}", control.control);
        assert_eq!(control.days.len(), 30);
        assert_eq!(control.days[29].counts, Some(counts), "today is now");
    }
    let waived: BTreeMap<&str, BTreeSet<&str>> = report
        .controls
        .iter()
        .flat_map(|control| &control.checks)
        .flat_map(|check| &check.rows)
        .filter_map(|row| Some((row.waiver.as_deref()?, row.device.as_str())))
        .fold(BTreeMap::new(), |mut all, (waiver, device)| {
            all.entry(waiver).or_insert_with(BTreeSet::new).insert(device);
            all
        });
    let ids: Vec<_> = report.waivers.iter().map(|waiver| waiver.id.as_str()).collect();
    assert_eq!(waived.keys().copied().collect::<Vec<_>>(), ids, "every waiver named is there, and no other");
    assert_eq!(report.counts.total, report.devices.len() as u64);
}

#[tokio::test]
async fn every_number_of_a_report_is_that_of_its_rows() {
    let rig = rig();
    rig.proven().await;
    let report = rig.report_of(None, None).await;
    recount(&report);
    let names: Vec<_> = report.controls.iter().map(|control| control.control.as_str()).collect();
    assert_eq!(names, ["CIS-1", "CIS-2", "-"]);
    let counts = |control: usize| {
        let c = report.controls[control].counts;
        (c.passing, c.failing, c.unknown, c.waived, c.not_applicable)
    };
    assert_eq!((counts(0), counts(1), counts(2)), ((1, 1, 1, 1, 0), (1, 1, 1, 1, 0), (3, 0, 1, 0, 0)));
    assert_eq!((report.made_by.as_str(), report.made), ("root:server", report.made));
    assert_eq!((report.counts.compliant, report.counts.waived, report.counts.failing), (2, 1, 1));
    let silent = report.controls[0].checks[0].rows.iter().find(|row| row.device == "dev-d4").unwrap();
    assert_eq!(
        (silent.standing, silent.since),
        (Standing::Unknown, None),
        "what was not reported is no pass"
    );
}

#[tokio::test]
async fn a_report_of_one_control_or_label_has_nothing_else_in_it() {
    let rig = rig();
    rig.proven().await;
    let one = rig.report_of(Some("CIS-1"), None).await;
    recount(&one);
    assert_eq!((one.controls.len(), one.controls[0].checks.len()), (1, 1));
    let kiosks = rig.report_of(None, Some("kiosk")).await;
    recount(&kiosks);
    assert_eq!((kiosks.devices.len(), kiosks.controls[0].counts.total()), (2, 2));
    let scope = Scope { control: Some("CIS-9".into()), label: None, days: 30 };
    assert!(rig.app.controls_report(&viewer(), scope).await.is_err());
}

#[tokio::test]
async fn days_tell_what_was_and_silence_makes_no_pass() {
    let rig = rig();
    let devices = rig.proven().await;
    pass(2 * 86_400);
    rig.finds_all(devices[1], [Verdict::Pass, Verdict::Pass, Verdict::Pass]).await;
    let report = rig.report_of(Some("CIS-1"), None).await;
    recount(&report);
    let days = &report.controls[0].days;
    let was = |back: usize| days[29 - back].counts.map(|counts| (counts.failing, counts.waived));
    assert_eq!([was(0), was(1), was(2), was(3)], [Some((0, 1)), Some((1, 1)), Some((1, 1)), None]);
    pass(10 * 86_400);
    rig.app.end_waivers().await.unwrap();
    let report = rig.report_of(Some("CIS-1"), None).await;
    recount_stale(&report);
}

/// All devices are silent by now: nothing passes, and nothing is forgiven either.
fn recount_stale(report: &ControlsReport) {
    let counts = report.controls[0].counts;
    assert_eq!((counts.passing, counts.waived, counts.unknown), (0, 0, 4));
    assert!(report.controls[0].checks[0].rows.iter().all(|row| row.note.is_some()));
}

#[tokio::test]
async fn rows_by_anything_count_what_they_say() {
    let rig = rig();
    rig.proven().await;
    let by = async |by| rig.app.standings_by(&viewer(), by, None, 7).await.unwrap().rows;
    let rows = |rows: Vec<muster_proto::rest::StandingsRow>| -> Vec<(String, u64, u64)> {
        rows.into_iter().map(|row| (row.name, row.counts.failing, row.counts.total())).collect()
    };
    let named = |name: &str, failing, total| (name.to_owned(), failing, total);
    assert_eq!(rows(by(By::Profile).await), [named("base", 1, 4)]);
    assert_eq!(rows(by(By::Check).await), [named("a", 1, 4), named("b", 0, 4), named("c", 0, 4)]);
    assert_eq!(rows(by(By::Control).await), [named("-", 0, 4), named("CIS-1", 1, 4), named("CIS-2", 1, 4)]);
    assert_eq!(
        rows(by(By::Label).await),
        [named("joined", 1, 4), named("kiosk", 1, 2), named("laptop", 1, 2)]
    );
    let devices = rows(by(By::Device).await);
    assert_eq!((devices.len(), &devices[1]), (4, &named("dev-d2", 1, 3)));
}
