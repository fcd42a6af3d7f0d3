//! A record that was put back from a backup: what devices, tokens and sessions may rely on.

use muster_proto::Generation;
use muster_proto::rest::{NewApiToken, Role, Setup};

use super::reporting::{ended, events};
use super::*;
use crate::app::restore::{Choices, Newcomers, Tokens};

const END: Choices = Choices { tokens: Tokens::End, newcomers: Newcomers::TakeUp };
const KEEP: Choices = Choices { tokens: Tokens::Keep, newcomers: Newcomers::TakeUp };

impl Rig {
    async fn make_safe(&self, choices: Choices) -> crate::app::restore::Restored {
        self.app.make_safe(&admin(), clock().plus_seconds(-3_600), choices).await.unwrap()
    }

    /// The same record under a server that was started anew.
    async fn reopened(self) -> Self {
        let restored = self.app.store().read(crate::app::restore::last).await.unwrap();
        open(self._folder, restored)
    }
}

#[tokio::test]
async fn generations_go_on_above_all_earlier_ones_with_the_same_documents() {
    let rig = rig();
    let device = rig.managed().await;
    let before = rig.state(device).await.unwrap();
    assert_eq!(rig.make_safe(END).await.lifted, 1);
    let after = rig.state(device).await.unwrap();
    assert!(after.generation.0 > 1_000_000_000, "{}", after.generation);
    assert_eq!(after.revisions, before.revisions);
    rig.save("base", &motd("two")).await;
    rig.app.assign(&admin(), assignment("base", "everyone"), Trial::Real).await.unwrap();
    assert_eq!(rig.state(device).await.unwrap().generation, Generation(after.generation.0 + 1));
    let lost = rig.device("PF2", "laptop").await;
    assert!(
        rig.state(lost).await.unwrap().generation >= after.generation,
        "its ledger may be older than its record"
    );
}

#[tokio::test]
async fn what_was_assigned_since_the_backup_to_a_device_without_anything_is_taken_back() {
    let rig = rig();
    let device = rig.device("PF1", "laptop").await;
    assert_eq!(rig.state(device).await, None);
    rig.make_safe(END).await;
    let state = rig.state(device).await.unwrap();
    assert!(state.revisions.is_empty() && state.generation.0 > 1_000_000_000, "{state:?}");
}

#[tokio::test]
async fn what_could_be_used_a_second_time_ends_unless_it_is_kept() {
    let rig = rig();
    rig.import("serial\nPF1\nPF2").await;
    let token = rig.token(2, None, Unknown::Refuse).await;
    let wanted = NewApiToken { name: "ci".into(), role: Role::Auditor, days: None, scopes: Vec::new() };
    let api = rig.app.create_api_token(&admin(), wanted).await.unwrap();
    let link = rig.app.create_setup_link(&admin()).await.unwrap();
    let setup = Setup { link, name: "kim".into(), password: "walnut harbour eleven lamps".into() };
    let session = rig.app.set_up(setup).await.unwrap();
    let kept = rig.make_safe(KEEP).await;
    assert_eq!((kept.tokens, kept.api_tokens, kept.sessions), (0, 0, 1));
    assert!(rig.app.session(&session.secret).await.is_err());
    rig.ask(&token, "key", "PF1").await.unwrap();
    rig.app.token_holder(&api.secret).await.unwrap();
    let ended = rig.make_safe(END).await;
    assert_eq!((ended.tokens, ended.api_tokens), (1, 1));
    assert!(rig.ask(&token, "other", "PF2").await.is_err());
    assert!(rig.app.token_holder(&api.secret).await.is_err());
    let audited = rig.audited().await;
    let entry = audited.iter().find(|entry| entry.action == "server.restore").unwrap();
    assert_eq!((entry.actor.as_str(), entry.detail["api_tokens_ended"].as_u64()), ("root:server", Some(1)));
}

#[tokio::test]
async fn a_device_reports_on_after_what_only_the_lost_record_had_acknowledged() {
    let rig = rig();
    let device = rig.managed().await;
    assert_eq!(rig.app.report(device, events(vec![ended(1), ended(2)])).await.unwrap(), 2);
    rig.make_safe(END).await;
    let rig = rig.reopened().await;
    // Of 3 to 7 the device was told that they are durable, by the server that is gone.
    assert_eq!(rig.app.report(device, events(vec![ended(8), ended(9)])).await.unwrap(), 9);
    assert_eq!(rig.app.report(device, events(vec![ended(10)])).await.unwrap(), 10);
    let history = rig.app.device_history(&viewer(), device.to_string(), None, 100).await.unwrap();
    assert_eq!(history.total, 2 + 3 + 1, "the gap is one entry of its own");
}

#[tokio::test]
async fn nobody_gets_a_uid_that_a_person_of_the_lost_record_may_have() {
    let rig = rig();
    rig.import("serial,owner\nPF1,ada").await;
    rig.make_safe(END).await;
    rig.import("serial,owner\nPF2,bob").await;
    let people = rig.app.list_people(&viewer()).await.unwrap();
    let [ada, bob] = &people[..] else { panic!("{people:?}") };
    assert!(bob.uid > ada.uid + 1_000, "{people:?}");
}
