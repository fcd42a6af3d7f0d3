//! One denominator: each number of the first page is that of the list which it leads to.

use muster_proto::check::Verdict;
use muster_proto::report::OutcomeKind;
use muster_proto::rest::{Compliance, DeviceState, Finding, NewWaiver};
use muster_store::check::fleet;
use muster_store::device::Filter;

use super::reporting::{found, outcome, result};
use super::*;

impl Rig {
    /// Has a device report that its file is so and that its check finds this.
    async fn reports(&self, device: DeviceId, file: OutcomeKind, verdict: Verdict) {
        let applied = self.state(device).await.map_or(0, |state| state.generation.0);
        let report = found(&[outcome("/etc/motd", file)], &[result("encrypted", verdict)], applied);
        self.app.report(device, report).await.unwrap();
    }

    /// A device that reports so.
    async fn reporting(&self, serial: &str, file: OutcomeKind, verdict: Verdict) -> DeviceId {
        let device = self.device(serial, "laptop").await;
        self.reports(device, file, verdict).await;
        device
    }

    async fn becomes(&self, device: DeviceId, state: DeviceState) {
        let write = move |tx: &mut muster_store::Tx<'_>| muster_store::device::set_state(tx, device, state);
        self.app.store().write(write).await.unwrap();
    }

    async fn listed(&self, filter: Filter) -> u64 {
        let page = self.app.list_devices(&viewer(), filter, Default::default(), None, 100).await.unwrap();
        assert_eq!(page.total, page.items.len() as u64);
        page.total
    }
}

/// A fleet with a device of every kind: some count, and each of the others would be in some list if it were let in.
async fn mixed() -> Rig {
    let rig = rig();
    rig.save("base", &motd("one")).await;
    rig.app.assign(&admin(), assignment("base", "everyone"), Trial::Real).await.unwrap();
    rig.reporting("PF1", OutcomeKind::Kept, Verdict::Pass).await;
    pass(8 * 86_400);
    rig.reporting("PF2", OutcomeKind::Kept, Verdict::Pass).await;
    rig.reporting("PF3", OutcomeKind::Failed, Verdict::Fail).await;
    rig.reporting("PF4", OutcomeKind::Kept, Verdict::Fail).await;
    rig.device("PF5", "laptop").await;
    for (serial, state) in
        [("PF6", DeviceState::Held), ("PF7", DeviceState::Lost), ("PF8", DeviceState::Revoked)]
    {
        let device = rig.reporting(serial, OutcomeKind::Failed, Verdict::Fail).await;
        rig.becomes(device, state).await;
    }
    rig.import("serial,name\nPF9,dev-pf9").await;
    let waiver = NewWaiver {
        check: "encrypted".into(),
        target: "device:PF4".into(),
        reason: "new disks come in May".into(),
        seconds: Some(3_600),
        ..NewWaiver::default()
    };
    rig.app.waive(&admin(), waiver).await.unwrap();
    rig
}

#[tokio::test]
async fn each_number_of_the_overview_is_that_of_the_list_it_leads_to() {
    let rig = mixed().await;
    let overview = rig.app.overview(&viewer()).await.unwrap();
    let counts = &overview.counts;
    let numbers = [counts.total, counts.compliant, counts.failing, counts.unknown, counts.stale];
    assert_eq!((numbers, counts.unmanaged, counts.waived), ([5, 2, 1, 1, 1], 0, 1));
    for (compliance, number) in [
        (Compliance::Compliant, counts.compliant),
        (Compliance::Failing, counts.failing),
        (Compliance::Unknown, counts.unknown),
        (Compliance::Stale, counts.stale),
        (Compliance::Unmanaged, counts.unmanaged),
    ] {
        let filter = Filter { compliance: Some(compliance), ..Filter::default() };
        assert_eq!(rig.listed(filter).await, number, "{compliance:?}");
    }
    let out = &overview.left_out;
    let stages = overview.funnel.iter().map(|stage| (stage.stage, stage.devices));
    let left_out =
        [(DeviceState::Held, out.held), (DeviceState::Lost, out.lost), (DeviceState::Revoked, out.revoked)];
    for (state, number) in stages.chain(left_out) {
        assert_eq!(rig.listed(Filter { state: Some(state), ..Filter::default() }).await, number, "{state:?}");
    }
    assert_eq!((out.held, out.lost, out.revoked, overview.causes.len()), (1, 1, 1, 2));
    for cause in &overview.causes {
        let total = if cause.kind == "check" {
            let finding = Some(Finding::Unwaived);
            let filter = fleet::Filter {
                checks: vec![cause.subject.clone()],
                finding,
                revision: Some(("base".into(), 1)),
            };
            rig.app.check_devices(&viewer(), None, filter, None, 100).await.unwrap().total
        } else {
            let filter = muster_store::outcome::Filter {
                profile: "base".into(),
                outcome: OutcomeKind::Failed,
                revision: Some(1),
                resource: Some(cause.subject.clone()),
            };
            rig.app.list_outcomes(&viewer(), filter, None, 100).await.unwrap().total
        };
        assert_eq!((total, cause.devices), (1, 1), "{}", cause.subject);
    }
}

#[tokio::test]
async fn checks_profiles_and_the_report_count_the_devices_that_the_overview_counts() {
    let rig = mixed().await;
    let counts = rig.app.overview(&viewer()).await.unwrap().counts;
    let check = rig.app.list_checks(&viewer()).await.unwrap().remove(0);
    assert_eq!((check.counts.pass, check.counts.fail, check.waived), (2, 2, 1));
    for (finding, number) in [
        (Finding::Pass, check.counts.pass),
        (Finding::Fail, check.counts.fail),
        (Finding::Waived, check.waived),
        (Finding::Unwaived, check.counts.fail - check.waived),
    ] {
        let filter = fleet::Filter { checks: vec![check.id.clone()], finding: Some(finding), revision: None };
        let page = rig.app.check_devices(&viewer(), None, filter, None, 100).await.unwrap();
        assert_eq!((page.total, page.items.len() as u64), (number, number), "{finding:?}");
    }
    let shown = rig.app.show_profile(&viewer(), "base".into()).await.unwrap();
    assert_eq!((shown.outcomes["failed"], shown.outcomes["kept"]), (1, 3));
    assert_eq!(shown.profile.compliant, counts.compliant);
    let of = |compliance| Filter { profile: Some("base".into()), compliance, ..Filter::default() };
    assert_eq!(rig.listed(of(Some(Compliance::Compliant))).await, shown.profile.compliant);
    assert_eq!(rig.listed(of(None)).await, shown.profile.devices);
    let reached = Filter { reached: true, ..Filter::default() };
    assert_eq!(rig.listed(reached).await, shown.assignments[0].devices);
    let report = rig.app.compliance(&viewer(), None, None, 100).await.unwrap();
    assert_eq!((report.devices.len() as u64, &report.counts), (counts.total, &counts));
}
