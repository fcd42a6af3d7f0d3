//! Profiles, assignments, desired states and who may fetch what.

use std::collections::BTreeMap;

use muster_proto::rest::DevicePatch;
use muster_store::Change;

use super::*;
use crate::app::AppError;
use crate::app::fetch::FetchError;

#[tokio::test]
async fn a_profile_is_shown_with_its_newest_hundred_revisions() {
    let rig = rig();
    for n in 1..=101 {
        rig.save("base", &motd(&n.to_string())).await;
    }
    let shown = rig.app.show_profile(&viewer(), "base".into()).await.unwrap();
    let numbers: Vec<_> = shown.revisions.iter().map(|revision| revision.number).collect();
    assert_eq!((numbers.len(), numbers[0], numbers[99]), (100, 101, 2));
}

#[tokio::test]
async fn saving_the_same_text_again_makes_no_revision_and_what_is_wrong_has_its_line() {
    let rig = rig();
    assert_eq!(rig.save("base", &motd("one")).await, 1);
    assert_eq!(rig.save("base", &motd("one")).await, 1);
    assert_eq!(rig.save("base", &motd("two")).await, 2);
    let diff = rig.app.diff_revisions(&viewer(), "base".into(), 1, 2).await.unwrap();
    assert!(diff.unified.contains("-  - file: { path: /etc/motd, content: \"one\" }"), "{}", diff.unified);
    let key = "muster: 1\nprofile: base\nresources:\n  - file:\n      path: /etc/k\n      content: \"password=Tr0ub4dor3\"\n";
    let refused =
        rig.app.save_profile(&admin(), "base".into(), key.into(), Followers::Bring, Trial::Real).await;
    let Err(AppError::Source(places)) = refused else { panic!("saved") };
    assert_eq!(places[0].line, 6, "{places:?}");
}

#[tokio::test]
async fn assigning_gives_devices_a_state_and_ending_it_an_empty_one() {
    let rig = rig();
    let (ada, web) = (rig.device("PF1", "laptop").await, rig.device("PF2", "server").await);
    rig.save("base", &motd("one")).await;
    let mut changes = rig.app.changes();
    let dry = rig.app.assign(&admin(), assignment("base", "label:laptop"), Trial::Dry).await.unwrap();
    assert_eq!((dry.devices, dry.resources, dry.assignment), (vec!["dev-pf1".to_owned()], 1, None));
    assert_eq!(rig.state(ada).await, None);
    let made = rig.app.assign(&admin(), assignment("base", "label:laptop"), Trial::Real).await.unwrap();
    let state = rig.state(ada).await.unwrap();
    assert_eq!(
        (state.generation, state.revisions.len(), state.bindings.serial.as_str()),
        (Generation(1), 1, "PF1")
    );
    assert_eq!(rig.state(web).await, None);
    let told = std::iter::from_fn(|| changes.try_recv().ok()).any(|c| c == Change::States([ada].into()));
    assert!(told, "whoever serves the device's link hears of its new state");
    rig.app.unassign(&admin(), made.assignment.unwrap().id).await.unwrap();
    let state = rig.state(ada).await.unwrap();
    assert_eq!((state.generation, state.revisions.len()), (Generation(2), 0));
}

#[tokio::test]
async fn a_conflict_is_refused_and_nothing_is_assigned() {
    let rig = rig();
    let device = rig.device("PF1", "laptop").await;
    rig.save("base", &motd("one")).await;
    rig.save("other", &motd("two")).await;
    rig.app.assign(&admin(), assignment("base", "everyone"), Trial::Real).await.unwrap();
    let refused = rig.app.assign(&admin(), assignment("other", "label:laptop"), Trial::Real).await;
    let Err(AppError::Conflicts(conflicts)) = refused else { panic!("assigned") };
    assert_eq!(conflicts[0].resource, "file:/etc/motd");
    assert_eq!(conflicts[0].devices, ["dev-pf1"]);
    assert_eq!(rig.state(device).await.unwrap().revisions.len(), 1);
    assert_eq!(rig.app.list_assignments(&viewer()).await.unwrap().len(), 1);
    let weighty = NewAssignment { precedence: 10, ..assignment("other", "label:laptop") };
    rig.app.assign(&admin(), weighty, Trial::Real).await.unwrap();
    assert_eq!(rig.state(device).await.unwrap().revisions.len(), 2);
}

#[tokio::test]
async fn a_newer_revision_for_the_same_target_takes_the_place_of_the_older() {
    let rig = rig();
    let device = rig.device("PF1", "laptop").await;
    rig.save("base", &motd("one")).await;
    rig.app.assign(&admin(), assignment("base", "label:laptop"), Trial::Real).await.unwrap();
    rig.save("base", &motd("two")).await;
    assert_eq!(rig.state(device).await.unwrap().revisions[0].revision.0, 1, "saving never deploys");
    rig.app.assign(&admin(), assignment("base", "label:laptop"), Trial::Real).await.unwrap();
    let state = rig.state(device).await.unwrap();
    assert_eq!(
        (state.generation, state.revisions.len(), state.revisions[0].revision.0),
        (Generation(2), 1, 2)
    );
}

#[tokio::test]
async fn a_new_label_or_owner_changes_the_state_in_the_same_breath() {
    let rig = rig();
    let device = rig.device("PF1", "").await;
    rig.save("base", &motd("one")).await;
    rig.app.assign(&admin(), assignment("base", "label:laptop"), Trial::Real).await.unwrap();
    assert_eq!(rig.state(device).await, None);
    let patch = DevicePatch { name: None, owner: None, labels: Some(vec!["laptop".into()]) };
    rig.app.change_device(&admin(), "PF1".into(), patch).await.unwrap();
    assert_eq!(rig.state(device).await.unwrap().generation, Generation(1));
    rig.import("serial,owner\nPF1,ada").await;
    let state = rig.state(device).await.unwrap();
    assert_eq!(state.generation, Generation(2));
    assert_eq!(state.bindings.owner.unwrap().uid, Some(20_000));
    rig.import("serial,owner\nPF1,ada").await;
    assert_eq!(rig.state(device).await.unwrap().generation, Generation(2), "nothing new, no generation");
}

#[tokio::test]
async fn a_device_fetches_what_its_own_state_names_and_nothing_else() {
    let rig = rig();
    let (ada, web) = (rig.device("PF1", "laptop").await, rig.device("PF2", "server").await);
    rig.save("base", &motd("one")).await;
    rig.app.assign(&admin(), assignment("base", "label:laptop"), Trial::Real).await.unwrap();
    let digest = rig.state(ada).await.unwrap().revisions[0].digest;
    let documents = rig.app.fetch(ada, vec![digest], usize::MAX).await.unwrap();
    assert_eq!(Digest::of(&documents[0]), digest);
    assert!(matches!(rig.app.fetch(web, vec![digest], usize::MAX).await, Err(FetchError::NotNamed(_))));
}

#[tokio::test]
async fn a_document_that_is_named_again_and_again_is_given_once_and_none_beyond_the_room() {
    let rig = rig();
    let device = rig.device("PF1", "laptop").await;
    rig.save("base", &motd("one")).await;
    rig.app.assign(&admin(), assignment("base", "label:laptop"), Trial::Real).await.unwrap();
    let digest = rig.state(device).await.unwrap().revisions[0].digest;
    let documents = rig.app.fetch(device, vec![digest; 256], usize::MAX).await.unwrap();
    assert_eq!(documents.len(), 1);
    let none = rig.app.fetch(device, vec![digest], documents[0].len() - 1).await.unwrap();
    assert!(none.is_empty(), "it does not fit");
}

#[tokio::test]
async fn an_assignment_without_a_needed_parameter_says_which() {
    let rig = rig();
    rig.device("PF1", "laptop").await;
    let source = "muster: 1\nprofile: ntp\nparams:\n  server: { type: host }\nresources:\n  - file: { path: /etc/ntp, template: \"{{ param.server }}\" }\n";
    rig.app.save_profile(&admin(), "ntp".into(), source.into(), Followers::Bring, Trial::Real).await.unwrap();
    let refused = rig.app.assign(&admin(), assignment("ntp", "everyone"), Trial::Real).await;
    assert!(matches!(refused, Err(AppError::Invalid(message)) if message.contains("--param server=")));
}

#[tokio::test]
async fn assigning_a_newer_revision_keeps_the_parameters_that_nobody_names() {
    let rig = rig();
    let device = rig.device("PF1", "laptop").await;
    let source = |n: u8| {
        format!(
            "  - file: {{ path: /etc/ntp, template: \"{n} {{{{ param.server }}}}\" }}\nparams:\n  server: {{ type: host }}\n"
        )
    };
    rig.save("ntp", &source(1)).await;
    let params = BTreeMap::from([("server".to_owned(), "ntp.corp.example".to_owned())]);
    let first = NewAssignment { params: params.clone(), ..assignment("ntp", "everyone") };
    rig.app.assign(&admin(), first, Trial::Real).await.unwrap();
    rig.save("ntp", &source(2)).await;
    for trial in [Trial::Dry, Trial::Real] {
        let result = rig.app.assign(&admin(), assignment("ntp", "everyone"), trial).await.unwrap();
        let replaces = result.replaces.unwrap();
        assert_eq!((replaces.revision.as_str(), replaces.kept), ("ntp@1", vec!["server".to_owned()]));
    }
    let state = rig.state(device).await.unwrap();
    assert_eq!((state.revisions[0].revision.0, &state.revisions[0].params), (2, &params));
}
