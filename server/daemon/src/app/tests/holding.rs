//! Pauses, and removals that wait for a confirmation.

use muster_proto::rest::{Compliance, DevicePatch, DeviceState, NewPause, Resumed};

use super::*;
use crate::app::AppError;
use crate::app::standing::Standing;

fn pause(target: &str) -> NewPause {
    NewPause { target: target.into(), seconds: None, reason: None }
}

fn csv(labels: &str, devices: usize) -> String {
    let rows: String = (0..devices).map(|n| format!("SER{n:02},{labels}\n")).collect();
    format!("serial,labels\n{rows}")
}

impl Rig {
    async fn assigned(&self, text: &str, target: &str) {
        self.save("base", &motd(text)).await;
        self.app.assign(&admin(), assignment("base", target), Trial::Real).await.unwrap();
    }

    async fn generation(&self, device: DeviceId) -> u64 {
        self.state(device).await.map_or(0, |state| state.generation.0)
    }

    async fn pause(&self, request: NewPause) {
        self.app.pause(&admin(), request).await.unwrap();
    }

    async fn resume(&self, target: &str) -> Resumed {
        self.app.resume(&admin(), target.into()).await.unwrap()
    }

    async fn detail(&self, called: &str) -> muster_proto::rest::DeviceDetail {
        self.app.show_device(&viewer(), called.into()).await.unwrap()
    }

    /// A fleet whose laptops have a profile by their label.
    async fn laptops(&self, devices: usize) -> Vec<DeviceId> {
        self.import(&csv("laptop", devices)).await;
        self.assigned("one", "label:laptop").await;
        let mut ids = Vec::new();
        for n in 0..devices {
            ids.push(self.detail(&format!("SER{n:02}")).await.device.id.parse().unwrap());
        }
        ids
    }
}

#[tokio::test]
async fn a_paused_device_keeps_its_state_and_gets_what_waited_when_it_is_resumed() {
    let rig = rig();
    let (ada, web) = (rig.device("PF1", "laptop").await, rig.device("PF2", "server").await);
    rig.assigned("one", "everyone").await;
    rig.pause(NewPause { reason: Some("quarter end".into()), ..pause("label:laptop") }).await;
    rig.assigned("two", "everyone").await;
    assert_eq!((rig.generation(ada).await, rig.generation(web).await), (1, 2));
    let detail = rig.detail("PF1").await;
    let paused = detail.paused.unwrap();
    assert_eq!(
        (paused.pause.by.as_str(), paused.pause.reason.as_deref()),
        ("root:server", Some("quarter end"))
    );
    assert_eq!(paused.waiting, ["base@1 becomes base@2"]);
    assert_eq!(detail.device.compliance, Compliance::Unknown, "the newest is not applied");
    assert!(
        detail
            .causes
            .iter()
            .any(|c| c.kind == "paused" && c.remedy.as_deref() == Some("muster resume label:laptop"))
    );
    assert!(detail.device.held);
    let needs = rig.app.overview(&viewer()).await.unwrap().needs_you;
    let paused = needs.iter().find(|need| need.kind == "paused").unwrap();
    assert!(
        paused.text.contains("for 1 device") && paused.text.contains("muster pause list"),
        "{}",
        paused.text
    );
    let free = rig.detail("PF2").await;
    assert_eq!((free.paused, free.device.held), (None, false));
    assert_eq!(rig.resume("label:laptop").await, Resumed { devices: 1, still_held: 0 });
    assert_eq!(rig.generation(ada).await, 2);
    assert_eq!(rig.detail("PF1").await.paused, None);
    let actions: Vec<_> = rig.audited().await.into_iter().map(|entry| entry.action).collect();
    assert!(actions.contains(&"pause.begin".to_owned()) && actions.contains(&"pause.end".to_owned()));
}

#[tokio::test]
async fn what_waits_and_is_taken_back_does_not_wait_any_more() {
    let rig = rig();
    let device = rig.device("PF1", "laptop").await;
    rig.assigned("one", "everyone").await;
    rig.pause(pause("everyone")).await;
    let patch = |labels: &[&str]| DevicePatch {
        name: None,
        owner: None,
        labels: Some(labels.iter().map(|l| (*l).to_owned()).collect()),
    };
    rig.save("web", "  - file: { path: /etc/web, content: x }\n").await;
    rig.app.assign(&admin(), assignment("web", "label:web"), Trial::Real).await.unwrap();
    rig.app.change_device(&admin(), "PF1".into(), patch(&["laptop", "web"])).await.unwrap();
    assert_eq!(rig.detail("PF1").await.paused.unwrap().waiting, ["web@1 comes"]);
    rig.app.change_device(&admin(), "PF1".into(), patch(&["laptop"])).await.unwrap();
    assert!(rig.detail("PF1").await.paused.unwrap().waiting.is_empty());
    assert_eq!(rig.resume("everyone").await, Resumed { devices: 0, still_held: 0 });
    assert_eq!(rig.generation(device).await, 1);
}

#[tokio::test]
async fn a_profile_is_paused_on_every_device_that_has_it_or_would_get_it() {
    let rig = rig();
    let (ada, web) = (rig.device("PF1", "laptop").await, rig.device("PF2", "server").await);
    rig.save("base", &motd("one")).await;
    rig.pause(pause("profile:base")).await;
    rig.app.assign(&admin(), assignment("base", "label:laptop"), Trial::Real).await.unwrap();
    assert_eq!(rig.generation(ada).await, 0, "its first state waits");
    assert_eq!(rig.detail("PF1").await.device.compliance, Compliance::Unknown);
    rig.save("web", "  - file: { path: /etc/web, content: x }\n").await;
    rig.app.assign(&admin(), assignment("web", "label:server"), Trial::Real).await.unwrap();
    assert_eq!(rig.generation(web).await, 1, "another profile goes on");
    rig.resume("profile:base").await;
    assert_eq!(rig.generation(ada).await, 1);
}

#[tokio::test]
async fn a_device_under_two_pauses_waits_for_both() {
    let rig = rig();
    let device = rig.device("PF1", "laptop").await;
    rig.assigned("one", "everyone").await;
    rig.pause(pause("everyone")).await;
    rig.pause(pause("device:PF1")).await;
    rig.assigned("two", "everyone").await;
    assert_eq!(rig.resume("everyone").await, Resumed { devices: 0, still_held: 1 });
    assert_eq!(rig.generation(device).await, 1);
    assert_eq!(rig.resume("device:dev-pf1").await, Resumed { devices: 1, still_held: 0 });
}

#[tokio::test]
async fn a_pause_with_an_end_ends_by_itself() {
    let rig = rig();
    let device = rig.device("PF1", "laptop").await;
    rig.assigned("one", "everyone").await;
    rig.pause(NewPause { seconds: Some(7_200), ..pause("everyone") }).await;
    rig.assigned("two", "everyone").await;
    rig.app.end_pauses().await.unwrap();
    assert_eq!(rig.generation(device).await, 1);
    pass(7_200);
    assert!(rig.app.list_pauses(&viewer()).await.unwrap().is_empty());
    rig.app.end_pauses().await.unwrap();
    assert_eq!(rig.generation(device).await, 2);
    let entry = &rig.audited().await[0];
    assert_eq!(
        (entry.actor.as_str(), entry.action.as_str(), entry.target.as_str()),
        ("server", "pause.end", "everyone")
    );
}

#[tokio::test]
async fn a_paused_device_can_be_revoked() {
    let rig = rig();
    rig.import("serial\nPF1").await;
    let token = rig.token(1, None, Unknown::Refuse).await;
    let Enrolled::Issued { device, chain } = rig.ask(&token, "key", "PF1").await.unwrap() else { panic!() };
    rig.pause(pause("everyone")).await;
    rig.app.revoke_device(&admin(), "PF1".into()).await.unwrap();
    assert_eq!(rig.standing(device, serial_number(&chain)).await, Standing::Revoked);
    assert_eq!(rig.detail("PF1").await.device.state, DeviceState::Revoked);
}

#[tokio::test]
async fn a_pause_of_what_is_not_there_says_what_to_write() {
    let rig = rig();
    for target in ["laptops", "profile:none", "device:none", "label:"] {
        assert!(rig.app.pause(&admin(), pause(target)).await.is_err(), "{target}");
    }
    let Err(AppError::Invalid(message)) = rig.app.resume(&admin(), "everyone".into()).await else { panic!() };
    assert!(message.contains("muster pause list"), "{message}");
    let endless = NewPause { seconds: Some(u64::MAX), ..pause("everyone") };
    assert!(rig.app.pause(&admin(), endless).await.is_err());
}

#[tokio::test]
async fn an_assignment_to_paused_devices_warns_that_they_wait() {
    let rig = rig();
    rig.device("PF1", "laptop").await;
    rig.save("base", &motd("one")).await;
    rig.pause(pause("everyone")).await;
    let dry = rig.app.assign(&admin(), assignment("base", "everyone"), Trial::Dry).await.unwrap();
    assert!(dry.warnings[0].contains("by a pause: 1 of these devices"), "{:?}", dry.warnings);
}

#[tokio::test]
async fn an_import_that_takes_a_profile_from_more_than_ten_devices_waits_for_a_word() {
    let rig = rig();
    let ids = rig.laptops(11).await;
    let dry = rig.app.import_devices(&admin(), csv("", 11), NewOwners::Add, Trial::Dry).await.unwrap();
    assert_eq!(dry.removal.map(|removal| (removal.id, removal.devices)), Some((String::new(), 11)));
    let removal = rig.import(&csv("", 11)).await.removal.unwrap();
    assert_eq!(
        (removal.devices, removal.profiles, removal.labels),
        (11, vec!["base".into()], vec!["laptop".into()])
    );
    assert_eq!(rig.generation(ids[3]).await, 1, "devices keep their state");
    let detail = rig.detail("SER03").await;
    assert_eq!((detail.removals, detail.device.compliance), (vec![removal.id.clone()], Compliance::Unknown));
    let needs = rig.app.overview(&viewer()).await.unwrap().needs_you;
    assert!(needs.iter().any(|need| need.kind == "removal" && need.text.contains(&removal.id)), "{needs:?}");
    assert!(needs.iter().all(|need| need.kind != "paused"), "nothing is paused: {needs:?}");
    let confirmed = rig.app.confirm_removal(&admin(), removal.id.clone()).await.unwrap();
    assert_eq!(confirmed, Resumed { devices: 11, still_held: 0 });
    assert_eq!(rig.state(ids[3]).await.unwrap().revisions.len(), 0);
    assert!(rig.app.confirm_removal(&admin(), removal.id).await.is_err(), "it is decided once");
    let actions: Vec<_> = rig.audited().await.into_iter().map(|entry| entry.action).collect();
    assert_eq!(actions[..3], ["removal.confirm", "device.import", "removal.wait"]);
}

#[tokio::test]
async fn a_dropped_removal_gives_the_labels_back() {
    let rig = rig();
    let ids = rig.laptops(11).await;
    let removal = rig.import(&csv("spare", 11)).await.removal.unwrap();
    let dropped = rig.app.drop_removal(&admin(), removal.id).await.unwrap();
    assert_eq!(dropped, Resumed { devices: 0, still_held: 0 });
    let detail = rig.detail("SER00").await;
    assert_eq!(detail.device.labels, ["laptop", "spare"]);
    assert!(detail.causes.iter().all(|cause| cause.kind != "removal"), "{:?}", detail.causes);
    assert_eq!(rig.generation(ids[0]).await, 1);
}

#[tokio::test]
async fn a_removal_that_an_import_takes_back_itself_waits_no_more() {
    let rig = rig();
    let ids = rig.laptops(11).await;
    rig.import(&csv("", 11)).await;
    rig.import(&csv("laptop", 11)).await;
    assert!(rig.app.list_removals(&viewer()).await.unwrap().is_empty());
    assert_eq!(rig.generation(ids[0]).await, 1);
    assert!(rig.detail("SER00").await.removals.is_empty());
}

#[tokio::test]
async fn what_is_asked_for_by_name_or_touches_few_is_not_guarded() {
    let rig = rig();
    let ids = rig.laptops(11).await;
    assert_eq!(rig.import(&csv("", 10)).await.removal, None, "ten devices are free");
    assert_eq!(rig.generation(ids[0]).await, 2);
    rig.import(&csv("laptop", 11)).await;
    let id = rig.app.list_assignments(&viewer()).await.unwrap().remove(0).id;
    rig.app.unassign(&admin(), id).await.unwrap();
    assert_eq!(rig.state(ids[10]).await.unwrap().revisions.len(), 0);
    assert!(rig.app.list_removals(&viewer()).await.unwrap().is_empty());
}

#[tokio::test]
async fn while_a_removal_waits_nothing_else_reaches_its_devices_and_all_comes_with_the_word() {
    let rig = rig();
    let ids = rig.laptops(11).await;
    let removal = rig.import(&csv("", 11)).await.removal.unwrap();
    rig.save("web", "  - file: { path: /etc/web, content: x }\n").await;
    let assigned = rig.app.assign(&admin(), assignment("web", "everyone"), Trial::Real).await.unwrap();
    assert!(
        assigned.warnings[0].contains("until a removal is confirmed: 11 of these devices"),
        "{:?}",
        assigned.warnings
    );
    assert_eq!(rig.generation(ids[0]).await, 1);
    rig.app.confirm_removal(&admin(), removal.id).await.unwrap();
    let state = rig.state(ids[0]).await.unwrap();
    assert_eq!(state.revisions.iter().map(|r| r.profile.to_string()).collect::<Vec<_>>(), ["web"]);
}
