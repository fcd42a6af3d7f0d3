//! Two machines under one identity.

use muster_policy::twins::Met;
use muster_proto::rest::{AllowReenroll, DeviceDetail, DeviceState, ReportLost};
use uuid::Uuid;

use super::*;

const HERE: &str = "192.0.2.7";
const THERE: &str = "198.51.100.9";

fn boot(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

impl Rig {
    async fn met(&self, device: DeviceId, number: u128, address: &str) -> Met {
        self.app.meet(device, boot(number), address.into()).await.unwrap()
    }

    async fn doubled(&self) -> DeviceDetail {
        self.app.show_device(&viewer(), "PF1".into()).await.unwrap()
    }
}

#[tokio::test]
async fn one_machine_that_reboots_moves_and_is_installed_anew_is_never_two() {
    let rig = rig();
    let device = rig.device("PF1", "laptop").await;
    for (number, address) in [(1, HERE), (1, HERE), (1, THERE), (1, HERE), (2, HERE), (2, THERE), (3, HERE)] {
        assert_ne!(rig.met(device, number, address).await, Met::Another, "{number} from {address}");
    }
    for number in 4..60 {
        assert_eq!(rig.met(device, number, HERE).await, Met::New);
    }
    assert_eq!(rig.doubled().await.device.state, DeviceState::Enrolled);
    assert!(rig.app.is_newest(device, boot(59)).await.unwrap());
    assert!(!rig.app.is_newest(device, boot(58)).await.unwrap(), "an earlier boot's link is dead");
}

#[tokio::test]
async fn two_machines_with_one_identity_are_both_held_until_an_admin_decides() {
    let rig = rig();
    let device = rig.device("PF1", "laptop").await;
    assert_eq!(rig.met(device, 1, HERE).await, Met::New);
    assert_eq!(rig.met(device, 2, THERE).await, Met::New, "it may have been rebooted elsewhere");
    assert_eq!(rig.met(device, 1, HERE).await, Met::Another);
    let detail = rig.doubled().await;
    assert_eq!(detail.device.state, DeviceState::Held);
    let twins = detail.twins.unwrap();
    assert_eq!(twins.machines.each_ref().map(|machine| machine.address.as_str()), [HERE, THERE]);
    assert!(detail.causes[0].problem.contains("seen from 192.0.2.7"), "{:?}", detail.causes[0]);
    let needs = rig.app.overview(&viewer()).await.unwrap().needs_you;
    let named: Vec<_> = needs.iter().map(|need| (need.kind.as_str(), need.device.as_deref())).collect();
    assert_eq!(named, [("held", Some("dev-pf1"))], "whom nobody hears of any more waits for an admin");
    assert!(needs[0].text.contains("muster why dev-pf1"), "{}", needs[0].text);
    let token = rig.token(9, Some("PF1"), Unknown::Refuse).await;
    assert!(rig.ask(&token, "new key", "PF1").await.is_err(), "nobody becomes it by a token alone");
    let lost = rig.app.report_lost(&admin(), "PF1".into(), ReportLost::default()).await;
    assert!(lost.is_err(), "an order would mean both");

    rig.app.allow_reenroll(&admin(), "PF1".into(), AllowReenroll::default()).await.unwrap();
    assert!(matches!(rig.ask(&token, "new key", "PF1").await.unwrap(), Enrolled::Issued { .. }));
    let detail = rig.doubled().await;
    assert_eq!((detail.device.state, detail.twins), (DeviceState::Enrolled, None));
    assert_eq!(rig.app.overview(&viewer()).await.unwrap().needs_you, []);
    assert_eq!(rig.met(device, 1, HERE).await, Met::New, "what was seen under the old key says nothing");
}
