//! Rolling profiles back.

use muster_proto::rest::{Rollback, RollbackResult};

use super::*;
use crate::app::AppError;

fn before() -> Rollback {
    Rollback::default()
}

fn to(revision: u32) -> Rollback {
    Rollback { to: Some(revision), on: None, plan: None }
}

fn moves(result: &RollbackResult) -> Vec<(String, String, u64)> {
    result.moves.iter().map(|m| (m.from.clone(), m.to.clone(), m.devices)).collect()
}

fn refusal<T: std::fmt::Debug>(result: Result<T, AppError>) -> String {
    match result {
        Err(AppError::Invalid(message) | AppError::Taken(message)) => message,
        other => panic!("{other:?}"),
    }
}

impl Rig {
    async fn deploy(&self, target: &str, texts: &[&str]) {
        for text in texts {
            self.save("base", &motd(text)).await;
            self.app.assign(&admin(), assignment("base", target), Trial::Real).await.unwrap();
        }
    }

    async fn back(&self, request: Rollback) -> Result<RollbackResult, AppError> {
        self.app.roll_back(&admin(), "base".into(), request, Trial::Real).await
    }

    async fn pinned(&self) -> Vec<(String, u32)> {
        let all = self.app.list_assignments(&viewer()).await.unwrap();
        all.into_iter().map(|a| (a.target, a.revision)).collect()
    }

    async fn revision(&self, device: DeviceId) -> u32 {
        self.state(device).await.unwrap().revisions[0].revision.0
    }
}

#[tokio::test]
async fn a_rollback_names_its_effect_and_does_it_all_the_way_back() {
    let rig = rig();
    let one = rig.device("PF1", "laptop").await;
    rig.device("PF2", "laptop").await;
    rig.device("PF3", "server").await;
    rig.deploy("label:laptop", &["one", "two", "three"]).await;
    let dry = rig.app.roll_back(&admin(), "base".into(), before(), Trial::Dry).await.unwrap();
    assert_eq!(moves(&dry), [("base@3".into(), "base@2".into(), 2)]);
    assert_eq!(rig.revision(one).await, 3, "a dry run changes nothing");
    let agreed = Rollback { to: None, on: None, plan: Some(dry.plan) };
    rig.back(agreed).await.unwrap();
    let state = rig.state(one).await.unwrap();
    assert_eq!((state.revisions[0].revision.0, state.generation.0), (2, 4), "back is a newer state");
    rig.back(before()).await.unwrap();
    assert_eq!(rig.pinned().await, [("label:laptop".to_owned(), 1)]);
    let nothing = refusal(rig.back(before()).await);
    assert!(nothing.contains("base@1 to label:laptop") && nothing.contains("--to N"), "{nothing}");
    let entry = rig.audited().await.into_iter().find(|e| e.action == "profile.rollback").unwrap();
    assert_eq!((entry.target.as_str(), &entry.detail["assignments"][0]["to"]), ("base", &1.into()));
}

#[tokio::test]
async fn after_a_rollback_what_comes_next_goes_back_to_where_it_was_rolled_back_to() {
    let rig = rig();
    rig.device("PF1", "laptop").await;
    rig.deploy("label:laptop", &["one", "two"]).await;
    rig.back(before()).await.unwrap();
    rig.deploy("label:laptop", &["three"]).await;
    rig.back(before()).await.unwrap();
    assert_eq!(
        rig.pinned().await,
        [("label:laptop".to_owned(), 1)],
        "not to the revision that was taken back"
    );
}

#[tokio::test]
async fn a_rollback_takes_mode_precedence_and_parameters_back_too() {
    let rig = rig();
    rig.device("PF1", "laptop").await;
    rig.save("base", &motd("one")).await;
    let careful = NewAssignment { mode: Mode::Audit, precedence: 7, ..assignment("base", "everyone") };
    rig.app.assign(&admin(), careful, Trial::Real).await.unwrap();
    rig.deploy("everyone", &["two"]).await;
    rig.back(before()).await.unwrap();
    let now = rig.app.list_assignments(&viewer()).await.unwrap().remove(0);
    assert_eq!((now.revision, now.mode, now.precedence), (1, Mode::Audit, 7));
}

#[tokio::test]
async fn all_assignments_go_to_a_named_revision_or_none_does() {
    let rig = rig();
    rig.device("PF1", "laptop").await;
    rig.device("PF2", "server").await;
    rig.deploy("label:laptop", &["one", "two"]).await;
    rig.deploy("label:server", &["three"]).await;
    let nothing = refusal(rig.back(before()).await);
    assert!(nothing.contains("base@3 to label:server"), "{nothing}");
    assert_eq!(rig.pinned().await, [("label:laptop".to_owned(), 2), ("label:server".to_owned(), 3)]);
    let result = rig.back(to(1)).await.unwrap();
    assert_eq!(
        moves(&result),
        [("base@2".into(), "base@1".into(), 1), ("base@3".into(), "base@1".into(), 1)]
    );
    assert!(refusal(rig.back(to(1)).await).contains("pins that revision already"));
    assert!(matches!(rig.back(to(9)).await, Err(AppError::NotFound { kind: "revision", .. })));
}

#[tokio::test]
async fn what_has_changed_since_an_admin_agreed_is_not_rolled_back() {
    let rig = rig();
    rig.device("PF1", "laptop").await;
    rig.deploy("label:laptop", &["one", "two"]).await;
    let dry = rig.app.roll_back(&admin(), "base".into(), before(), Trial::Dry).await.unwrap();
    rig.device("PF2", "laptop").await;
    let refused = refusal(rig.back(Rollback { to: None, on: None, plan: Some(dry.plan) }).await);
    assert!(refused.contains("look again"), "{refused}");
}

#[tokio::test]
async fn a_profile_that_is_assigned_to_nothing_or_anew_has_nothing_before() {
    let rig = rig();
    rig.device("PF1", "laptop").await;
    rig.save("base", &motd("one")).await;
    assert!(refusal(rig.back(before()).await).contains("assigned to nothing"));
    rig.deploy("label:laptop", &["two"]).await;
    let id = rig.app.list_assignments(&viewer()).await.unwrap().remove(0).id;
    rig.app.unassign(&admin(), id).await.unwrap();
    rig.deploy("label:laptop", &["three"]).await;
    assert!(refusal(rig.back(before()).await).contains("--to N"), "its former life is over");
    let missing = rig.app.roll_back(&admin(), "none".into(), before(), Trial::Real).await;
    assert!(matches!(missing, Err(AppError::NotFound { kind: "profile", .. })));
}

#[tokio::test]
async fn a_rollback_into_a_conflict_is_refused_whole() {
    let rig = rig();
    let device = rig.device("PF1", "laptop").await;
    rig.deploy("everyone", &["one"]).await;
    rig.save("base", "  - file: { path: /etc/issue, content: x }\n").await;
    rig.app.assign(&admin(), assignment("base", "everyone"), Trial::Real).await.unwrap();
    rig.save("other", &motd("two")).await;
    rig.app.assign(&admin(), assignment("other", "label:laptop"), Trial::Real).await.unwrap();
    let Err(AppError::Conflicts(conflicts)) = rig.back(before()).await else { panic!("rolled back") };
    assert_eq!(conflicts[0].resource, "file:/etc/motd");
    assert_eq!(rig.revision(device).await, 2);
}

#[tokio::test]
async fn a_rollback_of_one_target_leaves_the_others_as_they_are() {
    let rig = rig();
    let (ada, web) = (rig.device("PF1", "laptop").await, rig.device("PF2", "server").await);
    for target in ["label:laptop", "label:server"] {
        rig.deploy(target, &["one", "two"]).await;
    }
    let newest = rig.revision(web).await;
    let only = Rollback { on: Some("label:laptop".into()), ..before() };
    let done = rig.back(only).await.unwrap();
    let targets: Vec<_> = done.assignments.iter().map(|a| a.target.as_str()).collect();
    assert_eq!(targets, ["label:laptop"]);
    assert_eq!(rig.revision(ada).await, 1);
    assert_eq!(rig.revision(web).await, newest);
    let nowhere = Rollback { on: Some("label:none".into()), ..before() };
    assert!(refusal(rig.back(nowhere).await).contains("muster assignments"));
}
