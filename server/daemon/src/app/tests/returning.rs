//! Devices that come back after their certificate ended, and the end of old certificates.

use muster_proto::rest::AllowReenroll;

use super::*;
use crate::app::returning;
use crate::app::standing::Standing;

const DAY: i64 = 86_400;

/// As [`issue`], by this thread's clock: the record's own has no other than the system's.
fn issue_now() -> impl FnOnce(DeviceId) -> Result<Issued, std::io::Error> {
    let now = clock();
    move |device| Ok(Issued { not_before: now, not_after: now.plus_seconds(30 * DAY), ..issue(device)? })
}

/// A device's certificate: its serial number and its bytes.
struct Own {
    device: DeviceId,
    serial_number: String,
    certificate: Vec<u8>,
}

impl Rig {
    async fn own(&self) -> Own {
        self.import("serial,name\nPF1,lap-ada").await;
        let token = self.token(1, Some("PF1"), Unknown::Refuse).await;
        match self.ask(&token, "key", "PF1").await.unwrap() {
            Enrolled::Issued { device, chain } => Own::of(device, chain),
            Enrolled::Pending { .. } => panic!("a bound token lets in at once"),
        }
    }

    async fn come_back(&self, own: &Own, key: &str) -> Result<Own, EnrollError> {
        let request = returning::Request {
            device: own.device,
            serial_number: own.serial_number.clone(),
            certificate: own.certificate.clone(),
            key: Digest::of(key.as_bytes()),
            address: "192.0.2.7".into(),
        };
        Ok(Own::of(own.device, self.app.come_back(request, issue_now()).await?))
    }

    /// Why it was refused, by the audit.
    async fn not_back(&self, own: &Own) -> String {
        let answer = self.come_back(own, "new key").await;
        assert!(matches!(answer, Err(EnrollError::Refused { .. })), "it is refused");
        let last = self.audited().await.remove(0);
        assert_eq!(last.action, "return.refuse");
        last.detail["reason"].as_str().unwrap().to_owned()
    }

    async fn renewed(&self, own: &Own, key: &str) -> Own {
        let renewed =
            self.app.renew(own.device, own.serial_number.clone(), Digest::of(key.as_bytes()), issue);
        Own::of(own.device, renewed.await.unwrap())
    }

    async fn stands(&self, own: &Own) -> Standing {
        self.standing(own.device, own.serial_number.clone()).await
    }
}

impl Own {
    fn of(device: DeviceId, chain: Vec<Vec<u8>>) -> Self {
        let serial_number = serial_number(&chain);
        Self { device, serial_number, certificate: chain.into_iter().next().unwrap() }
    }
}

#[tokio::test]
async fn a_device_comes_back_within_the_window_and_the_same_key_gets_the_same_answer() {
    let rig = rig();
    let own = rig.own().await;
    assert_eq!(rig.stands(&own).await, Standing::Good);
    pass(100 * DAY);
    assert_eq!(rig.stands(&own).await, Standing::Expired);
    let back = rig.come_back(&own, "new key").await.unwrap();
    let again = rig.come_back(&own, "new key").await.unwrap();
    assert_eq!(back.serial_number, again.serial_number, "the answer was lost on the way");
    assert_eq!(rig.stands(&back).await, Standing::Good);
    let reason = rig.not_back(&own).await;
    assert!(reason.contains("newer certificate"), "what was replaced opens nothing: {reason}");
    let returned = rig.audited().await.into_iter().filter(|entry| entry.action == "certificate.return");
    assert_eq!(returned.count(), 1);
}

#[tokio::test]
async fn after_the_window_it_waits_for_an_admin_who_lets_it_back_by_a_word() {
    let rig = rig();
    let own = rig.own().await;
    pass(211 * DAY);
    let reason = rig.not_back(&own).await;
    assert!(reason.contains("return_window"), "{reason}");
    let shown = rig.app.show_device(&viewer(), "lap-ada".into()).await.unwrap();
    assert!(shown.late_return.is_some());
    let needs = rig.app.overview(&viewer()).await.unwrap().needs_you;
    assert!(
        needs.iter().any(|need| need.kind == "late_return" && need.text.contains("allow-reenroll")),
        "{needs:?}"
    );
    let cause = shown.causes.iter().find(|cause| cause.kind == "late_return").unwrap();
    assert!(cause.remedy.as_ref().unwrap().contains("allow-reenroll lap-ada"));

    rig.app.allow_reenroll(&admin(), "lap-ada".into(), AllowReenroll::default()).await.unwrap();
    let needs = rig.app.overview(&viewer()).await.unwrap().needs_you;
    assert!(needs.iter().all(|need| need.kind != "late_return"), "the admin has decided: {needs:?}");
    let back = rig.come_back(&own, "new key").await.unwrap();
    let again = rig.come_back(&own, "new key").await.unwrap();
    assert_eq!(back.serial_number, again.serial_number, "the word is used up, the answer is given again");
    let shown = rig.app.show_device(&viewer(), "lap-ada".into()).await.unwrap();
    assert_eq!((shown.late_return, shown.reenroll_until), (None, None));
    assert!(matches!(rig.come_back(&own, "third key").await, Err(EnrollError::Refused { .. })));
    assert_eq!(rig.stands(&back).await, Standing::Good);
}

#[tokio::test]
async fn nobody_comes_back_by_what_is_not_exactly_recorded_or_was_revoked() {
    let rig = rig();
    let own = rig.own().await;
    pass(40 * DAY);
    let forged =
        Own { certificate: b"another".to_vec(), ..Own::of(own.device, vec![own.certificate.clone()]) };
    let unknown = Own { serial_number: "ff".into(), ..Own::of(own.device, vec![own.certificate.clone()]) };
    let others = Own {
        device: DeviceId(uuid::Uuid::from_u128(7)),
        ..Own::of(own.device, vec![own.certificate.clone()])
    };
    for wrong in [forged, unknown, others] {
        let reason = rig.not_back(&wrong).await;
        assert!(reason.contains("no such certificate"), "{reason}");
    }
    rig.app.revoke_device(&admin(), "PF1".into()).await.unwrap();
    assert!(rig.not_back(&own).await.contains("revoked"));
}

#[tokio::test]
async fn an_old_certificate_ends_when_the_new_one_is_shown_and_not_before() {
    let rig = rig();
    let old = rig.own().await;
    let new = rig.renewed(&old, "new key").await;
    assert_eq!(rig.stands(&old).await, Standing::Good, "the answer may have been lost on the way");
    assert_eq!(rig.renewed(&old, "new key").await.serial_number, new.serial_number);
    assert_eq!(rig.stands(&new).await, Standing::Good);
    assert_eq!(rig.stands(&old).await, Standing::Replaced);
    let late = rig.app.renew(old.device, old.serial_number.clone(), Digest::of(b"third"), issue).await;
    assert!(matches!(late, Err(EnrollError::Refused { .. })), "it gets no further one");
    rig.app.note_old_certificate(old.device, old.serial_number.clone(), "192.0.2.9".into()).await.unwrap();
    let shown = rig.app.show_device(&viewer(), "lap-ada".into()).await.unwrap();
    assert_eq!(shown.old_certificate.unwrap().address, "192.0.2.9");
    assert!(shown.causes[0].problem.contains("192.0.2.9"));
}
