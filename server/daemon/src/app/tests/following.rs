//! Assignments that take each revision that is saved.

use muster_proto::rest::{Follower, NewRollout, Rollback, SavedRevision};

use super::*;
use crate::app::AppError;

fn following(profile: &str, target: &str) -> NewAssignment {
    NewAssignment { follow: true, ..assignment(profile, target) }
}

async fn save(rig: &Rig, name: &str, resources: &str, trial: Trial) -> SavedRevision {
    let text = format!("muster: 1\nprofile: {name}\nresources:\n{resources}");
    rig.app.save_profile(&admin(), name.into(), text, Followers::Bring, trial).await.unwrap()
}

async fn acted(rig: &Rig, action: &str) -> bool {
    rig.audited().await.iter().any(|entry| entry.action == action)
}

async fn pinned(rig: &Rig, target: &str) -> (u32, bool) {
    let all = rig.app.list_assignments(&viewer()).await.unwrap();
    let found = all.iter().find(|assignment| assignment.target == target).unwrap();
    (found.revision, found.follow)
}

#[tokio::test]
async fn a_revision_goes_at_once_to_those_that_follow_and_to_no_other() {
    let rig = rig();
    let (ada, web) = (rig.device("PF1", "laptop").await, rig.device("PF2", "server").await);
    rig.save("base", &motd("one")).await;
    rig.app.assign(&admin(), following("base", "label:laptop"), Trial::Real).await.unwrap();
    rig.app.assign(&admin(), assignment("base", "label:server"), Trial::Real).await.unwrap();
    let follower = Follower { target: "label:laptop".into(), devices: 1, stays: None };

    let dry = save(&rig, "base", &motd("two"), Trial::Dry).await;
    assert_eq!((dry.followers, pinned(&rig, "label:laptop").await), (vec![follower.clone()], (1, true)));

    let saved = save(&rig, "base", &motd("two"), Trial::Real).await;
    assert_eq!(saved.followers, [follower]);
    assert_eq!(pinned(&rig, "label:laptop").await, (2, true));
    assert_eq!(pinned(&rig, "label:server").await, (1, false));
    assert_eq!(rig.state(ada).await.unwrap().generation, Generation(2));
    assert_eq!(rig.state(web).await.unwrap().generation, Generation(1));
    assert!(acted(&rig, "assignment.follow").await);
}

#[tokio::test]
async fn where_a_revision_would_contradict_another_profile_the_follower_stays_and_says_why() {
    let rig = rig();
    let ada = rig.device("PF1", "laptop").await;
    rig.save("base", &motd("one")).await;
    rig.save("other", "  - file: { path: /etc/issue, content: \"x\" }\n").await;
    rig.app.assign(&admin(), following("base", "label:laptop"), Trial::Real).await.unwrap();
    rig.app.assign(&admin(), assignment("other", "everyone"), Trial::Real).await.unwrap();
    let before = rig.state(ada).await.unwrap().generation;
    let contradicting = "  - file: { path: /etc/issue, content: \"y\" }\n";
    let saved = save(&rig, "base", contradicting, Trial::Real).await;
    let stays = saved.followers[0].stays.clone().unwrap();
    assert!(stays.contains("file:/etc/issue") && stays.contains("other"), "{stays}");
    assert_eq!((saved.number, pinned(&rig, "label:laptop").await), (2, (1, true)));
    assert_eq!(rig.state(ada).await.unwrap().generation, before);
    assert!(acted(&rig, "assignment.stay").await);
    save(&rig, "base", &motd("three"), Trial::Real).await;
    assert_eq!(pinned(&rig, "label:laptop").await, (3, true), "the next one is taken");
}

#[tokio::test]
async fn a_text_saved_again_is_brought_to_those_that_could_not_take_it_before() {
    let rig = rig();
    rig.device("PF1", "laptop").await;
    rig.save("base", &motd("one")).await;
    rig.save("other", "  - file: { path: /etc/issue, content: \"x\" }\n").await;
    rig.app.assign(&admin(), following("base", "label:laptop"), Trial::Real).await.unwrap();
    rig.app.assign(&admin(), assignment("other", "everyone"), Trial::Real).await.unwrap();
    let text = "  - file: { path: /etc/issue, content: \"y\" }\n";
    save(&rig, "base", text, Trial::Real).await;
    let still = save(&rig, "base", text, Trial::Real).await;
    assert!(still.followers[0].stays.is_some() && !still.new);
    save(&rig, "other", "  - file: { path: /etc/other, content: \"x\" }\n", Trial::Real).await;
    rig.app.assign(&admin(), assignment("other", "everyone"), Trial::Real).await.unwrap();

    let dry = save(&rig, "base", text, Trial::Dry).await;
    assert_eq!((dry.followers.len(), pinned(&rig, "label:laptop").await), (1, (1, true)));
    let saved = save(&rig, "base", text, Trial::Real).await;
    assert_eq!((saved.number, saved.new, saved.followers.len()), (2, false, 1));
    assert_eq!(saved.followers[0].stays, None);
    assert_eq!(pinned(&rig, "label:laptop").await, (2, true));
    let again = save(&rig, "base", text, Trial::Real).await;
    assert!(again.followers.is_empty(), "nobody is behind any more");
}

#[tokio::test]
async fn a_rollback_goes_back_and_the_revision_saved_next_is_followed_again() {
    let rig = rig();
    rig.device("PF1", "laptop").await;
    rig.save("base", &motd("one")).await;
    rig.app.assign(&admin(), following("base", "everyone"), Trial::Real).await.unwrap();
    save(&rig, "base", &motd("bad"), Trial::Real).await;
    let request = Rollback { to: None, on: None, plan: None };
    let done = rig.app.roll_back(&admin(), "base".into(), request, Trial::Real).await.unwrap();
    assert!(done.assignments[0].follows, "that it goes on to follow is said");
    assert_eq!(pinned(&rig, "everyone").await, (1, true));
    save(&rig, "base", &motd("bad"), Trial::Real).await;
    assert_eq!(pinned(&rig, "everyone").await, (1, true), "the same text again does not undo the rollback");
    save(&rig, "base", &motd("mended"), Trial::Real).await;
    assert_eq!(pinned(&rig, "everyone").await, (3, true));
}

#[tokio::test]
async fn a_rollout_brings_one_revision_and_can_not_follow() {
    let rig = rig();
    rig.device("PF1", "laptop").await;
    rig.save("base", &motd("one")).await;
    let asked = NewRollout { assignment: following("base", "everyone"), steps: None, soak: None };
    let refused = rig.app.start_rollout(&admin(), asked).await;
    assert!(matches!(refused, Err(AppError::Invalid(why)) if why.contains("follow")));
}
