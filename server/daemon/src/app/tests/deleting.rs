//! Devices that are deleted, and what is left of them.

use muster_proto::rest::{NewPause, NewWaiver};
use muster_store::audit::{Filter, Target};

use super::*;
use crate::app::AppError;
use crate::app::standing::Standing;

impl Rig {
    async fn delete(&self, called: &str) -> Result<(), AppError> {
        self.app.delete_device(&admin(), called.into()).await
    }

    async fn sentence(&self) -> String {
        self.app.overview(&viewer()).await.unwrap().sentence
    }
}

#[tokio::test]
async fn a_device_that_never_came_is_deleted_and_its_name_and_serial_are_free() {
    let rig = rig();
    rig.import("serial,name,owner,labels\nPF1,lap-ada,ada,laptop").await;
    rig.delete("lap-ada").await.unwrap();
    assert!(rig.delete("lap-ada").await.is_err(), "it is gone");
    let target = Some(Target { part: "lap-ada".to_owned(), alias: None });
    let filter = Filter { target, ..Filter::default() };
    let page = rig.app.list_audit(&viewer(), filter, None, 100).await.unwrap();
    let actions: Vec<_> = page.items.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions.first(), Some(&"device.delete"), "its name still leads to what was done to it");
    let again = rig.import("serial,name\nPF1,lap-bob\nPF2,lap-ada").await;
    assert_eq!((again.new, again.errors), (2, vec![]));
    let entry = rig.audited().await.into_iter().find(|entry| entry.action == "device.delete").unwrap();
    assert_eq!((&entry.detail["name"], &entry.detail["serial"]), (&"lap-ada".into(), &"PF1".into()));
    assert_eq!((&entry.detail["owner"], &entry.detail["state"]), (&"ada".into(), &"registered".into()));
}

#[tokio::test]
async fn a_device_that_is_in_is_retired_first_and_takes_with_it_what_was_made_for_it_alone() {
    let rig = rig();
    let device = rig.device("PF1", "laptop").await;
    let certificate = rig
        .app
        .store()
        .read(move |tx| muster_store::certificate::newest_for_key(tx, device, Digest::of(b"key of PF1")));
    let certificate = certificate.await.unwrap().unwrap().0;
    let check = "checks:\n  - { id: a, title: A holds, query: SELECT 1 }\n";
    rig.save("base", &format!("{}{check}", motd("one"))).await;
    rig.app.assign(&admin(), assignment("base", "everyone"), Trial::Real).await.unwrap();
    rig.app.assign(&admin(), assignment("base", "device:dev-pf1"), Trial::Real).await.unwrap();
    let pause = NewPause { target: "device:dev-pf1".into(), seconds: None, reason: None };
    rig.app.pause(&admin(), pause).await.unwrap();
    let waiver = NewWaiver {
        check: "a".into(),
        target: "device:dev-pf1".into(),
        reason: "a new one is ordered".into(),
        owner: None,
        until: None,
        seconds: Some(86_400),
    };
    rig.app.waive(&admin(), waiver).await.unwrap();
    let Err(AppError::Invalid(why)) = rig.delete("dev-pf1").await else { panic!("deleted") };
    assert!(why.starts_with("dev-pf1 is enrolled: retire it first with muster device revoke"), "{why}");

    rig.app.revoke_device(&admin(), "dev-pf1".into()).await.unwrap();
    assert!(rig.sentence().await.ends_with("; left out: 1 revoked"), "{}", rig.sentence().await);
    rig.delete("dev-pf1").await.unwrap();
    assert!(!rig.sentence().await.contains("left out"), "{}", rig.sentence().await);
    assert!(rig.app.show_device(&viewer(), device.to_string()).await.is_err());
    assert_eq!(rig.standing(device, certificate).await, Standing::Unknown, "its certificate opens nothing");
    let left = rig.app.list_assignments(&viewer()).await.unwrap();
    assert_eq!(left.iter().map(|row| row.target.as_str()).collect::<Vec<_>>(), ["everyone"]);
    assert!(rig.app.list_pauses(&viewer()).await.unwrap().is_empty());
    let acts: Vec<_> = rig.audited().await.into_iter().map(|entry| entry.action).collect();
    assert_eq!(acts[..4], ["device.delete", "waiver.end", "pause.end", "assignment.end"]);
    let history =
        Filter { target: Some(Target { part: device.to_string(), alias: None }), ..Default::default() };
    let history = rig.app.list_audit(&viewer(), history, None, 100).await.unwrap().items;
    assert!(history.iter().any(|entry| entry.action == "device.enroll"), "its history is kept: {history:?}");
    let anew = rig.device("PF1", "laptop").await;
    assert_ne!(anew, device, "the same machine may come as a new device");
}

#[tokio::test]
async fn a_lost_device_is_deleted_only_with_its_receipt() {
    let rig = rig();
    rig.device("PF1", "laptop").await;
    rig.app.report_lost(&admin(), "dev-pf1".into(), Default::default()).await.unwrap();
    assert!(rig.delete("dev-pf1").await.is_err(), "its last order waits");
}
