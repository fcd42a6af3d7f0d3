//! Devices that are lost, and found again.

use muster_proto::last_order::{Order, Receipt};
use muster_proto::rest::{AllowReenroll, DeviceDetail, DeviceState, LostView, ReportLost};

use super::*;
use crate::app::AppError;
use crate::app::lost::Taken;
use crate::app::standing::Standing;

impl Rig {
    async fn report(&self, called: &str) -> Result<DeviceId, AppError> {
        let report = ReportLost { reason: Some("left in a train".into()) };
        self.app.report_lost(&admin(), called.into(), report).await
    }

    async fn lost_record(&self, called: &str) -> DeviceDetail {
        self.app.show_device(&viewer(), called.into()).await.unwrap()
    }

    /// What waits for an admin, by its kind and sentence.
    async fn waiting(&self) -> Vec<(String, String)> {
        let needs = self.app.overview(&viewer()).await.unwrap().needs_you;
        needs.into_iter().map(|need| (need.kind, need.text)).collect()
    }

    async fn loss(&self, called: &str) -> LostView {
        self.lost_record(called).await.lost.unwrap()
    }

    /// The certificate that a device has.
    async fn certificate(&self, device: DeviceId) -> String {
        let newest = self
            .app
            .store()
            .read(move |tx| muster_store::certificate::newest_for_key(tx, device, Digest::of(b"key of PF1")));
        newest.await.unwrap().unwrap().0
    }

    /// The order that a device is given, by its id.
    async fn order(&self, device: DeviceId) -> Option<String> {
        let bytes = self.app.last_order(device).await.unwrap()?;
        let Order { last_order } = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(last_order.device, device);
        Some(last_order.id)
    }
}

fn receipt(order: &str) -> Receipt {
    Receipt { order: order.into(), done: clock(), locked: vec!["ada".into()], faults: vec![] }
}

#[tokio::test]
async fn a_lost_device_gets_its_order_first_and_is_put_out_on_its_receipt() {
    let rig = rig();
    let device = rig.device("PF1", "laptop").await;
    let certificate = rig.certificate(device).await;
    rig.save("people", "  - account: { name: ada, ssh_keys: [] }\n").await;
    rig.app.assign(&admin(), assignment("people", "everyone"), Trial::Real).await.unwrap();
    rig.report("dev-pf1").await.unwrap();
    let loss = rig.loss("dev-pf1").await;
    assert_eq!((loss.given, loss.received, loss.reason.as_deref()), (None, None, Some("left in a train")));
    assert_eq!(
        (loss.held.profiles, loss.held.accounts),
        (vec!["people@1".to_owned()], vec!["ada".to_owned()])
    );
    assert_eq!(rig.standing(device, certificate.clone()).await, Standing::Ordered);
    let waiting = rig.waiting().await;
    assert_eq!((waiting.len(), waiting[0].0.as_str()), (1, "lost"));
    assert!(waiting[0].1.contains("its last order waits"), "{waiting:?}");

    let order = rig.order(device).await.unwrap();
    let given = rig.loss("dev-pf1").await.given;
    assert!(
        rig.waiting().await[0].1.contains("was given its last order"),
        "an order without a receipt waits"
    );
    assert!(given.is_some());
    pass(60);
    assert_eq!(rig.order(device).await.as_ref(), Some(&order), "it is given until it is received");
    assert_eq!(rig.loss("dev-pf1").await.given, given);
    assert_eq!(rig.standing(device, certificate.clone()).await, Standing::Ordered, "nothing is revoked yet");

    assert_eq!(rig.app.take_receipt(device, receipt("lost-of-another")).await.unwrap(), Taken::TakenBack);
    assert_eq!(rig.app.take_receipt(device, receipt(&order)).await.unwrap(), Taken::Recorded);
    let shown = rig.lost_record("dev-pf1").await;
    assert_eq!(shown.device.state, DeviceState::Lost);
    assert_eq!(rig.waiting().await, [], "with the receipt all is done");
    assert_eq!(shown.lost.unwrap().receipt.unwrap().locked, ["ada"]);
    assert!(shown.causes[0].problem.contains("carried its last order out"), "{:?}", shown.causes);
    assert_eq!(rig.standing(device, certificate).await, Standing::Lost);
    assert!(rig.app.has_receipt(device, &receipt(&order)).await.unwrap(), "its answer can be given again");
    assert_eq!(rig.order(device).await, None);
    let acts: Vec<_> = rig.audited().await.into_iter().map(|entry| entry.action).collect();
    for act in ["device.lost", "device.lost.give", "device.lost.receipt"] {
        assert!(acts.iter().any(|found| found == act), "{act}");
    }
}

#[tokio::test]
async fn a_report_is_taken_back_until_the_receipt_is_there() {
    let rig = rig();
    let device = rig.device("PF1", "laptop").await;
    let certificate = rig.certificate(device).await;
    assert!(rig.app.take_back_lost(&admin(), "PF1".into()).await.is_err(), "nobody reported it");
    rig.report("PF1").await.unwrap();
    assert!(matches!(rig.report("PF1").await, Err(AppError::Invalid(_))), "it is reported once");
    let early = rig.order(device).await.unwrap();
    rig.app.take_back_lost(&admin(), "PF1".into()).await.unwrap();
    assert_eq!(rig.standing(device, certificate).await, Standing::Good);
    assert_eq!(rig.app.take_receipt(device, receipt(&early)).await.unwrap(), Taken::TakenBack);
    assert_eq!(rig.lost_record("PF1").await.device.state, DeviceState::Enrolled);

    rig.report("PF1").await.unwrap();
    let order = rig.order(device).await.unwrap();
    assert_ne!(order, early);
    assert_eq!(rig.app.take_receipt(device, receipt(&early)).await.unwrap(), Taken::TakenBack);
    rig.app.take_receipt(device, receipt(&order)).await.unwrap();
    let Err(AppError::Invalid(why)) = rig.app.take_back_lost(&admin(), "PF1".into()).await else { panic!() };
    assert!(why.contains("allow-reenroll"), "{why}");
}

#[tokio::test]
async fn a_device_that_is_found_comes_back_only_by_an_admins_leave() {
    let rig = rig();
    let device = rig.device("PF1", "laptop").await;
    rig.report("PF1").await.unwrap();
    let order = rig.order(device).await.unwrap();
    rig.app.take_receipt(device, receipt(&order)).await.unwrap();
    let done = async || {
        let steps = rig.lost_record("PF1").await.causes.remove(0).steps;
        steps.iter().map(|step| step.done).collect::<Vec<_>>()
    };
    assert_eq!(done().await, [false; 4]);
    let token = rig.token(9, Some("PF1"), Unknown::Refuse).await;
    assert!(rig.ask(&token, "new key", "PF1").await.is_err());
    assert_eq!(done().await, [false, true, false, false]);
    rig.app.allow_reenroll(&admin(), "PF1".into(), AllowReenroll::default()).await.unwrap();
    assert_eq!(done().await, [true, true, false, false]);
    assert!(matches!(rig.ask(&token, "new key", "PF1").await.unwrap(), Enrolled::Issued { .. }));
    let shown = rig.lost_record("PF1").await;
    assert_eq!((shown.device.state, shown.lost), (DeviceState::Enrolled, None));
}

#[tokio::test]
async fn who_hears_nothing_can_be_ordered_nothing() {
    let rig = rig();
    rig.import("serial\nPF2").await;
    let Err(AppError::Invalid(why)) = rig.report("PF2").await else { panic!() };
    assert!(why.contains("has not enrolled"), "{why}");
    rig.device("PF1", "laptop").await;
    rig.app.revoke_device(&admin(), "PF1".into()).await.unwrap();
    let Err(AppError::Invalid(why)) = rig.report("PF1").await else { panic!() };
    assert!(why.contains("is revoked"), "{why}");
}

#[tokio::test]
async fn after_a_restore_that_lost_the_report_the_devices_word_counts_unless_it_was_taken_back() {
    let rig = open(tempfile::tempdir().unwrap(), Some(clock()));
    let lost = rig.device("PF1", "laptop").await;
    assert_eq!(rig.app.take_receipt(lost, receipt("lost-before")).await.unwrap(), Taken::Recorded);
    let shown = rig.lost_record("PF1").await;
    assert_eq!(shown.device.state, DeviceState::Lost);
    assert!(shown.lost.unwrap().reason.unwrap().contains("put back from a backup"));
    let found = rig.device("PF2", "laptop").await;
    rig.report("PF2").await.unwrap();
    let order = rig.order(found).await.unwrap();
    rig.app.take_back_lost(&admin(), "PF2".into()).await.unwrap();
    assert_eq!(rig.app.take_receipt(found, receipt(&order)).await.unwrap(), Taken::TakenBack);
}
