//! People and groups: who gets accounts where, and what never returns.

use muster_proto::rest::{NewGroup, NewPerson, PersonPatch, PersonView};

use super::*;
use crate::app::AppError;
use crate::app::follow::Hello;
use crate::app::group::Membership;

const TEAM: &str = "  - account: { from: \"group:engineers\", groups: [docker] }\n";

impl Rig {
    async fn person(&self, username: &str) -> PersonView {
        let new = NewPerson { username: username.into(), ..NewPerson::default() };
        self.app.create_person(&admin(), new).await.unwrap()
    }

    async fn group(&self, name: &str, members: &[&str]) -> u64 {
        let members = members.iter().map(|name| (*name).to_owned()).collect();
        let new = NewGroup { name: name.into(), members, ..NewGroup::default() };
        self.app.create_group(&admin(), new).await.unwrap().devices
    }

    async fn member(&self, username: &str, membership: Membership) -> u64 {
        let right = admin();
        let change = self.app.change_member(&right, "engineers".into(), username.into(), membership);
        change.await.unwrap().devices
    }

    /// Who the device's state gives accounts of the group, with their numbers.
    async fn engineers_on(&self, device: DeviceId) -> Vec<(String, u32)> {
        let groups = self.state(device).await.unwrap().bindings.groups;
        let members = groups.into_values().flatten();
        members.map(|person| (person.username.to_string(), person.uid.unwrap())).collect()
    }
}

#[tokio::test]
async fn assigning_accounts_of_a_group_names_the_devices_whose_agents_do_not_know_them() {
    let rig = rig();
    let (old, new) = (rig.device("PF1", "build").await, rig.device("PF2", "build").await);
    rig.device("PF3", "build").await;
    rig.group("engineers", &[]).await;
    rig.save("team", TEAM).await;
    rig.save("base", &motd("one")).await;
    let hello = |composition| Hello {
        generation: Generation(0),
        agent_version: "0.1.0".into(),
        composition,
        kinds: vec!["account".into(), "file".into()],
    };
    drop(rig.app.connect(old, hello(1)).await.unwrap());
    drop(rig.app.connect(new, hello(2)).await.unwrap());
    let warnings = async |profile| {
        let preview = rig.app.assign(&admin(), assignment(profile, "label:build"), Trial::Dry).await;
        preview.unwrap().warnings
    };
    let said = warnings("team").await;
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("of 1 device do not know accounts from groups"), "{said:?}");
    assert!(said[0].ends_with("upgrade them first (dev-pf1)"), "{said:?}");
    assert_eq!(warnings("base").await, [""; 0]);
    drop(rig.app.connect(old, hello(2)).await.unwrap());
    assert_eq!(warnings("team").await, [""; 0], "it was upgraded");
}

#[tokio::test]
async fn who_joins_a_group_is_in_the_state_of_its_devices_and_who_leaves_is_not() {
    let rig = rig();
    let (one, two) = (rig.device("PF1", "build").await, rig.device("PF2", "web").await);
    let (ada, bob) = (rig.person("ada").await, rig.person("bob").await);
    rig.group("engineers", &["ada"]).await;
    rig.save("team", TEAM).await;
    rig.app.assign(&admin(), assignment("team", "label:build"), Trial::Real).await.unwrap();
    assert_eq!(rig.engineers_on(one).await, [("ada".to_owned(), ada.uid)]);
    assert_eq!(rig.state(one).await.unwrap().composition, 2);
    assert_eq!(rig.state(two).await, None, "nothing names the group there");

    assert_eq!(rig.member("bob", Membership::Begins).await, 1);
    assert_eq!(rig.member("bob", Membership::Begins).await, 0, "they were in it");
    let both = [("ada".to_owned(), ada.uid), ("bob".to_owned(), bob.uid)];
    assert_eq!(rig.engineers_on(one).await, both);
    assert_eq!(rig.member("ada", Membership::Ends).await, 1);
    assert_eq!(rig.engineers_on(one).await, both[1..]);
    let actions: Vec<_> = rig.audited().await.into_iter().map(|entry| entry.action).collect();
    for action in ["person.create", "group.create", "group.join", "group.leave"] {
        assert!(actions.contains(&action.to_owned()), "{action}");
    }
}

#[tokio::test]
async fn who_leaves_the_company_is_in_no_state_any_more_and_neither_name_nor_number_returns() {
    let rig = rig();
    let device = rig.device("PF1", "build").await;
    let ada = rig.person("ada").await;
    let owned = "serial,name,owner,labels\nPF1,dev-pf1,ada,build";
    rig.import(owned).await;
    rig.group("engineers", &["ada"]).await;
    rig.save("team", TEAM).await;
    rig.app.assign(&admin(), assignment("team", "everyone"), Trial::Real).await.unwrap();
    assert!(rig.state(device).await.unwrap().bindings.owner.is_some());

    let left = rig.app.remove_person(&admin(), "ada".into()).await.unwrap();
    assert_eq!((left.devices, left.owns), (1, vec!["dev-pf1".to_owned()]));
    let bindings = rig.state(device).await.unwrap().bindings;
    assert_eq!((bindings.owner, bindings.groups.into_values().flatten().count()), (None, 0));
    rig.import(owned).await;
    assert_eq!(rig.state(device).await.unwrap().bindings.owner, None, "the record alone gives no account");

    let again = NewPerson { username: "ada".into(), ..NewPerson::default() };
    let refused = rig.app.create_person(&admin(), again).await.unwrap_err();
    assert!(matches!(&refused, AppError::Taken(why) if why.contains("--active")), "{refused}");
    assert!(rig.person("bob").await.uid > ada.uid);
    let number = NewPerson { username: "eve".into(), uid: Some(ada.uid), ..NewPerson::default() };
    let refused = rig.app.create_person(&admin(), number).await.unwrap_err();
    assert!(matches!(&refused, AppError::Taken(why) if why.contains("ada")), "{refused}");

    let back = PersonPatch { active: Some(true), ..PersonPatch::default() };
    let back = rig.app.change_person(&admin(), "ada".into(), back).await.unwrap().person;
    assert_eq!((back.id, back.uid, back.groups), (ada.id, ada.uid, vec![]), "in no group by itself");
    assert!(rig.state(device).await.unwrap().bindings.owner.is_some());
}

#[tokio::test]
async fn a_number_chosen_by_hand_uses_up_no_other() {
    let rig = rig();
    let chosen =
        |username: &str, uid| NewPerson { username: username.into(), uid: Some(uid), ..NewPerson::default() };
    let first = rig.person("ada").await.uid;
    rig.app.create_person(&admin(), chosen("last", 60_000)).await.unwrap();
    rig.app.create_person(&admin(), chosen("next", first + 1)).await.unwrap();
    assert_eq!(rig.person("bob").await.uid, first + 2);
    assert!(rig.app.create_person(&admin(), chosen("eve", 1_000)).await.is_err(), "a local user's");
}

#[tokio::test]
async fn a_group_that_an_assigned_profile_names_stays_and_one_that_nobody_made_is_warned_of() {
    let rig = rig();
    let device = rig.device("PF1", "build").await;
    rig.save("team", TEAM).await;
    let assigned = rig.app.assign(&admin(), assignment("team", "everyone"), Trial::Real).await.unwrap();
    assert!(assigned.warnings.iter().any(|w| w.contains("muster group add engineers")), "{assigned:?}");
    assert!(rig.state(device).await.unwrap().bindings.groups.is_empty());
    rig.person("ada").await;
    assert_eq!(rig.group("engineers", &["ada"]).await, 1, "its members get accounts as soon as it is made");
    let refused = rig.app.remove_group(&admin(), "engineers".into()).await.unwrap_err();
    assert!(matches!(&refused, AppError::Taken(why) if why.contains("team@1")), "{refused}");
    rig.app.unassign(&admin(), assigned.assignment.unwrap().id).await.unwrap();
    rig.app.remove_group(&admin(), "engineers".into()).await.unwrap();
    assert!(rig.app.list_groups(&viewer()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_draft_is_tried_with_the_members_of_the_groups_that_it_names() {
    let rig = rig();
    let device = rig.device("PF1", "build").await;
    rig.person("ada").await;
    rig.group("engineers", &["ada"]).await;
    let draft = muster_policy::assign::Draft {
        profile: "team".parse().unwrap(),
        revision: muster_proto::RevisionNumber(1),
        digest: Digest::of(b"a draft"),
        params: Default::default(),
    };
    let named = ["engineers".to_owned()].into();
    let tried = rig.app.store().read(move |tx| {
        let row = muster_store::device::get(tx, device)?.unwrap();
        crate::app::recompile::what_if(tx, &row, &draft, named, clock())
    });
    let (state, _) = tried.await.unwrap();
    assert_eq!(state.bindings.groups.into_values().flatten().count(), 1);
}

#[tokio::test]
async fn nobody_gives_a_device_to_who_left() {
    let rig = rig();
    rig.device("PF1", "build").await;
    rig.person("ada").await;
    rig.app.remove_person(&admin(), "ada".into()).await.unwrap();
    let patch = muster_proto::rest::DevicePatch { name: None, owner: Some("ada".into()), labels: None };
    let refused = rig.app.change_device(&admin(), "PF1".into(), patch).await.unwrap_err();
    assert!(matches!(&refused, AppError::Invalid(why) if why.contains("left")), "{refused}");
    let new = NewGroup { name: "engineers".into(), members: vec!["ada".into()], ..NewGroup::default() };
    assert!(rig.app.create_group(&admin(), new).await.is_err());
    assert!(rig.app.list_groups(&viewer()).await.unwrap().is_empty(), "and the group is not half made");
}

#[tokio::test]
async fn who_may_not_add_people_does_not_add_them_by_an_import() {
    let rig = rig();
    let csv = "serial,owner\nPF1,ada".to_owned();
    let refused = rig.app.import_devices(&admin(), csv.clone(), NewOwners::Refuse, Trial::Real).await;
    assert!(matches!(refused, Err(AppError::Invalid(why)) if why.contains("people:write")));
    assert!(rig.app.list_people(&viewer()).await.unwrap().is_empty());
    rig.import(&csv).await;
    let again = "serial,owner\nPF1,ada\nPF2,ada".to_owned();
    rig.app.import_devices(&admin(), again, NewOwners::Refuse, Trial::Real).await.unwrap();
}
