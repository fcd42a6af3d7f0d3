//! Letting a reinstalled device in again, and nobody else.

use muster_proto::rest::{AllowReenroll, Approve, Compliance, DeviceDetail, DeviceState};

use super::*;
use crate::app::AppError;
use crate::app::standing::Standing;

impl Rig {
    async fn allow(&self, called: &str) {
        self.app.allow_reenroll(&admin(), called.into(), AllowReenroll::default()).await.unwrap();
    }

    async fn record(&self, called: &str) -> DeviceDetail {
        self.app.show_device(&viewer(), called.into()).await.unwrap()
    }

    /// Enrolls with a token bound to the serial; gives the certificate's serial number.
    async fn enrolled(&self, key: &str, serial: &str) -> (DeviceId, String) {
        let token = self.token(1, Some(serial), Unknown::Refuse).await;
        issued(self.ask(&token, key, serial).await)
    }

    async fn refused(&self, token: &str, key: &str, serial: &str) -> String {
        let answer = self.ask(token, key, serial).await;
        assert!(matches!(answer, Err(EnrollError::Refused { .. })), "{answer:?}");
        self.audited().await[0].detail["reason"].as_str().unwrap().to_owned()
    }
}

fn issued(answer: Result<Enrolled, EnrollError>) -> (DeviceId, String) {
    match answer.unwrap() {
        Enrolled::Issued { device, chain } => (device, serial_number(&chain)),
        Enrolled::Pending { code, .. } => panic!("waits with {code}"),
    }
}

fn code(answer: Result<Enrolled, EnrollError>) -> String {
    match answer.unwrap() {
        Enrolled::Pending { code, .. } => code,
        Enrolled::Issued { .. } => panic!("let in"),
    }
}

#[tokio::test]
async fn a_reinstalled_device_keeps_its_record_and_its_old_key_is_out() {
    let rig = rig();
    rig.import("serial,name,owner,labels\nPF1,lap-ada,ada,laptop").await;
    let (device, old) = rig.enrolled("old key", "PF1").await;
    rig.save("base", &motd("one")).await;
    rig.app.assign(&admin(), assignment("base", "label:laptop"), Trial::Real).await.unwrap();
    rig.allow("lap-ada").await;
    assert_eq!(rig.standing(device, old.clone()).await, Standing::Good, "until the new key is in");
    let (again, new) = rig.enrolled("new key", "PF1").await;
    assert_eq!(again, device);
    assert_eq!(rig.standing(device, old.clone()).await, Standing::Revoked);
    assert_eq!(rig.standing(device, new).await, Standing::Good);
    let shown = rig.record("lap-ada").await;
    assert_eq!((shown.device.owner.as_deref(), shown.device.state), (Some("ada"), DeviceState::Enrolled));
    assert!(shown.device.labels.contains(&"laptop".to_owned()));
    assert_eq!((shown.device.generation_wanted, shown.device.generation_applied), (1, 0));
    assert_eq!(shown.device.compliance, Compliance::Unknown, "nothing is known of the new installation");
    assert_eq!(shown.reenroll_until, None, "it is used up");
    let late = rig.app.renew(device, old, Digest::of(b"third key"), issue).await;
    assert!(matches!(late, Err(EnrollError::Refused { .. })), "the old key gets no new certificate");
    let audit = rig.audited().await;
    let enrolled = audit.iter().find(|entry| entry.action == "device.enroll").unwrap();
    assert_eq!(enrolled.detail["replaced_certificates"], 1);
    assert!(audit.iter().any(|entry| entry.action == "device.allow_reenroll"));
}

#[tokio::test]
async fn it_lets_one_key_in_and_no_second() {
    let rig = rig();
    rig.import("serial\nPF1").await;
    rig.enrolled("old key", "PF1").await;
    rig.allow("PF1").await;
    rig.enrolled("new key", "PF1").await;
    let bound = rig.token(1, Some("PF1"), Unknown::Refuse).await;
    assert_eq!(rig.refused(&bound, "third key", "PF1").await, "another key is enrolled for this serial");
}

#[tokio::test]
async fn it_ends_by_itself_and_with_a_revocation() {
    let rig = rig();
    rig.import("serial\nPF1").await;
    rig.enrolled("old key", "PF1").await;
    rig.allow("PF1").await;
    rig.app.revoke_device(&admin(), "PF1".into()).await.unwrap();
    let bound = rig.token(9, Some("PF1"), Unknown::Refuse).await;
    assert_eq!(rig.refused(&bound, "new key", "PF1").await, "the device was revoked");
    let hour = AllowReenroll { seconds: Some(3_600) };
    rig.app.allow_reenroll(&admin(), "PF1".into(), hour).await.unwrap();
    pass(3_600);
    assert_eq!(rig.refused(&bound, "new key", "PF1").await, "the device was revoked");
    rig.allow("PF1").await;
    issued(rig.ask(&bound, "new key", "PF1").await);
    assert_eq!(rig.record("PF1").await.device.state, DeviceState::Enrolled, "found again");
}

#[tokio::test]
async fn a_holder_of_a_shared_token_takes_over_no_persons_device() {
    let rig = rig();
    rig.import("serial,name,owner\nPF1,lap-ada,ada").await;
    let (device, old) = rig.enrolled("old key", "PF1").await;
    rig.allow("lap-ada").await;
    let shared = rig.token(10, None, Unknown::Pending).await;
    let thief = code(rig.ask(&shared, "thief", "PF1").await);
    assert_eq!(rig.standing(device, old).await, Standing::Good, "and cuts it not even off");
    let shown = rig.record("lap-ada").await;
    assert_eq!((shown.device.state, shown.pending.unwrap().code), (DeviceState::Enrolled, thief));
    let others = rig.token(1, Some("PF2"), Unknown::Refuse).await;
    assert_eq!(rig.refused(&others, "thief", "PF1").await, "the token is for serial PF2");
    rig.enrolled("ada's new key", "PF1").await;
    rig.refused(&shared, "thief", "PF1").await;
}

#[tokio::test]
async fn a_waiting_key_becomes_a_persons_device_by_an_admins_word_for_that_key() {
    let rig = rig();
    rig.import("serial,name,owner\nPF1,lap-ada,ada").await;
    let (device, old) = rig.enrolled("old key", "PF1").await;
    rig.allow("lap-ada").await;
    let shared = rig.token(10, None, Unknown::Pending).await;
    code(rig.ask(&shared, "thief", "PF1").await);
    let right = code(rig.ask(&shared, "ada's new key", "PF1").await);
    let approve = Approve { code: right, name: None };
    rig.app.approve_device(&admin(), "lap-ada".into(), approve).await.unwrap();
    assert_eq!(rig.standing(device, old.clone()).await, Standing::Good);
    let (again, _) = issued(rig.ask(&shared, "ada's new key", "PF1").await);
    assert_eq!((again, rig.standing(device, old).await), (device, Standing::Revoked));
    rig.refused(&shared, "thief", "PF1").await;
}

#[tokio::test]
async fn an_approval_under_an_earlier_word_does_not_count_under_a_later_one() {
    let rig = rig();
    rig.import("serial,name,owner\nPF1,lap-ada,ada").await;
    rig.enrolled("old key", "PF1").await;
    let hour = AllowReenroll { seconds: Some(3_600) };
    rig.app.allow_reenroll(&admin(), "lap-ada".into(), hour).await.unwrap();
    let shared = rig.token(10, None, Unknown::Pending).await;
    let approved = code(rig.ask(&shared, "mistaken", "PF1").await);
    let approve = Approve { code: approved, name: None };
    rig.app.approve_device(&admin(), "lap-ada".into(), approve).await.unwrap();
    pass(3_600);
    let late = Approve { code: "AAA-AAA".into(), name: None };
    assert!(rig.app.approve_device(&admin(), "lap-ada".into(), late).await.is_err());
    rig.allow("lap-ada").await;
    code(rig.ask(&shared, "mistaken", "PF1").await);
}

#[tokio::test]
async fn a_device_that_never_enrolled_needs_no_leave() {
    let rig = rig();
    rig.import("serial\nPF1").await;
    let refused = rig.app.allow_reenroll(&admin(), "PF1".into(), AllowReenroll::default()).await;
    let Err(AppError::Invalid(message)) = refused else { panic!() };
    assert!(message.contains("muster token create --serial PF1"), "{message}");
    rig.enrolled("key", "PF1").await;
    for seconds in [0, 31 * 86_400] {
        let wrong = AllowReenroll { seconds: Some(seconds) };
        assert!(rig.app.allow_reenroll(&admin(), "PF1".into(), wrong).await.is_err(), "{seconds}");
    }
}
