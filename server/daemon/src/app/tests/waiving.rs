//! Accepted failures: what they cover, and that they end by themselves.

use muster_proto::check::Verdict;
use muster_proto::rest::{Compliance, DeviceDetail, DevicePatch, Finding, NewWaiver, WaiverView};
use muster_store::check::fleet::Filter;

use super::reporting::{found, result};
use super::*;
use crate::app::AppError;
use crate::app::waiver::Which;

fn waiver(target: &str, seconds: u64) -> NewWaiver {
    NewWaiver {
        check: "encrypted".into(),
        target: target.into(),
        reason: "new disks come in May".into(),
        seconds: Some(seconds),
        ..NewWaiver::default()
    }
}

impl Rig {
    async fn failing(&self) -> DeviceId {
        let device = self.managed().await;
        self.finds(device, Verdict::Fail).await;
        device
    }

    async fn finds(&self, device: DeviceId, verdict: Verdict) {
        self.app.report(device, found(&[], &[result("encrypted", verdict)], 1)).await.unwrap();
    }

    async fn waive(&self, new: NewWaiver) -> WaiverView {
        self.app.waive(&admin(), new).await.unwrap()
    }

    async fn complies(&self, device: DeviceId) -> DeviceDetail {
        self.app.show_device(&viewer(), device.to_string()).await.unwrap()
    }
}

#[tokio::test]
async fn a_waived_failure_is_no_failure_and_is_counted_and_shown_wherever_the_device_is() {
    let rig = rig();
    let device = rig.failing().await;
    assert_eq!(rig.complies(device).await.device.compliance, Compliance::Failing);
    let made = rig.waive(waiver("device:PF1", 3_600)).await;
    assert_eq!(
        (made.devices, made.owner.as_str(), made.target.as_str()),
        (1, "root:server", "device:dev-pf1")
    );
    let detail = rig.complies(device).await;
    assert_eq!(detail.device.compliance, Compliance::Compliant);
    assert_eq!((detail.device.failing, detail.device.waived), (0, 1));
    assert_eq!((detail.causes, &detail.waived[0].waiver), (vec![], &made));
    let checks = rig.app.device_checks(&viewer(), "PF1".into()).await.unwrap();
    assert_eq!((checks[0].verdict, checks[0].waiver.as_ref()), (Verdict::Fail, Some(&made)));
    let overview = rig.app.overview(&viewer()).await.unwrap();
    assert_eq!((overview.counts.compliant, overview.counts.waived, overview.causes), (1, 1, vec![]));
    assert!(
        overview.sentence.starts_with("1 of 1 compliant (1 with waived failures);"),
        "{}",
        overview.sentence
    );
}

#[tokio::test]
async fn in_lists_of_results_a_waived_failure_says_by_whom_and_until_when_and_comes_after_others() {
    let rig = rig();
    rig.failing().await;
    let other = rig.device("PF2", "laptop").await;
    rig.finds(other, Verdict::Fail).await;
    let made = rig.waive(waiver("device:PF1", 3_600)).await;
    let list = async |finding, cursor| {
        let filter = Filter { checks: vec!["encrypted".into()], finding, revision: None };
        rig.app.check_devices(&viewer(), None, filter, cursor, 1).await.unwrap()
    };
    let first = list(None, None).await;
    let second = list(None, first.next.clone()).await;
    assert_eq!((first.total, first.items[0].device.as_str(), &first.items[0].waived), (2, "dev-pf2", &None));
    let row = &second.items[0];
    let waived = row.waived.as_ref().unwrap();
    assert_eq!((row.device.as_str(), row.verdict, second.next), ("dev-pf1", Verdict::Fail, None));
    assert_eq!((&waived.waiver, &waived.owner, waived.until), (&made.id, &made.owner, made.until));

    let only = list(Some(Finding::Waived), None).await;
    assert_eq!((only.total, only.items[0].device.as_str()), (1, "dev-pf1"));
    assert_eq!(list(Some(Finding::Fail), None).await.total, 2, "a waived failure is one");
    let counted = rig.app.list_checks(&viewer()).await.unwrap();
    assert_eq!((counted[0].counts.fail, counted[0].waived), (2, 1));
    rig.app.end_waiver(&admin(), made.id).await.unwrap();
    assert_eq!(list(Some(Finding::Waived), None).await.total, 0);
}

#[tokio::test]
async fn when_its_time_is_over_the_device_fails_again_without_a_report_and_the_record_stays() {
    let rig = rig();
    let device = rig.failing().await;
    let made = rig.waive(waiver("everyone", 3_600)).await;
    pass(3_599);
    rig.app.end_waivers().await.unwrap();
    assert_eq!(rig.complies(device).await.device.failing, 0);
    pass(2);
    rig.app.end_waivers().await.unwrap();
    let detail = rig.complies(device).await;
    assert_eq!((detail.device.compliance, detail.device.failing), (Compliance::Failing, 1));
    assert_eq!((detail.causes.len(), detail.waived), (1, vec![]));
    assert_eq!(rig.app.list_waivers(&viewer(), Which::InForce).await.unwrap(), []);
    let all = rig.app.list_waivers(&viewer(), Which::All).await.unwrap();
    assert_eq!(
        (all[0].id.as_str(), all[0].ended_by.as_deref(), all[0].devices),
        (made.id.as_str(), Some("server"), 0)
    );
    let audited = rig.audited().await;
    assert!(audited.iter().any(|entry| entry.action == "waiver.end" && entry.actor == "server"));
}

#[tokio::test]
async fn one_that_an_admin_ends_is_over_at_once_and_not_ended_twice() {
    let rig = rig();
    let device = rig.failing().await;
    let made = rig.waive(waiver("everyone", 3_600)).await;
    let ended = rig.app.end_waiver(&admin(), made.id.clone()).await.unwrap();
    assert_eq!((ended.ended_by.as_deref(), ended.devices), (Some("root:server"), 0));
    assert_eq!(rig.complies(device).await.device.compliance, Compliance::Failing);
    assert!(rig.app.end_waiver(&admin(), made.id).await.is_err());
}

#[tokio::test]
async fn what_is_unknown_is_not_waived_and_a_failure_that_comes_later_is() {
    let rig = rig();
    let device = rig.failing().await;
    let made = rig.waive(waiver("everyone", 3_600)).await;
    rig.finds(device, Verdict::Unknown).await;
    let detail = rig.complies(device).await;
    assert_eq!((detail.device.compliance, detail.device.waived), (Compliance::Unknown, 0));
    rig.finds(device, Verdict::Pass).await;
    assert_eq!(rig.complies(device).await.waived, []);
    rig.finds(device, Verdict::Fail).await;
    assert_eq!(rig.complies(device).await.waived[0].waiver.id, made.id);
}

#[tokio::test]
async fn a_waiver_for_a_label_comes_and_goes_with_it() {
    let rig = rig();
    let device = rig.failing().await;
    rig.waive(waiver("label:kiosk", 3_600)).await;
    assert_eq!(rig.complies(device).await.device.failing, 1);
    let label = async |labels: &[&str]| {
        let labels = Some(labels.iter().map(|label| (*label).to_owned()).collect());
        let patch = DevicePatch { name: None, owner: None, labels };
        rig.app.change_device(&admin(), "PF1".into(), patch).await.unwrap().failing
    };
    assert_eq!(label(&["laptop", "kiosk"]).await, 0);
    assert_eq!(label(&["laptop"]).await, 1);
}

#[tokio::test]
async fn what_is_no_check_or_has_no_end_or_reason_is_not_waived() {
    let rig = rig();
    rig.failing().await;
    let refused = async |change: &dyn Fn(&mut NewWaiver)| {
        let mut new = waiver("everyone", 60);
        change(&mut new);
        rig.app.waive(&admin(), new).await.unwrap_err()
    };
    let unknown = refused(&|new| new.check = "nobody-wrote-it".into()).await;
    assert!(matches!(unknown, AppError::NotFound { kind: "check", .. }), "{unknown}");
    let resource = refused(&|new| new.check = "file:/etc/motd".into()).await;
    assert!(resource.to_string().contains("only checks"), "{resource}");
    refused(&|new| new.reason = " ".into()).await;
    refused(&|new| new.seconds = None).await;
    refused(&|new| new.seconds = Some(400 * 86_400)).await;
    refused(&|new| new.target = "profile:base".into()).await;
    rig.waive(waiver("everyone", 60)).await;
    let twice = refused(&|_| {}).await;
    assert!(matches!(&twice, AppError::Taken(why) if why.contains("muster waiver end")), "{twice}");
}
