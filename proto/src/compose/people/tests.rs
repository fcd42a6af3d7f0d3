//! What accounts for groups come to, and that nothing but the record decides it.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::compose::{Claimed, Composition, compose, conflicts};
use crate::id::{Digest, ResourceId};
use crate::state::{DesiredState, MAX_PEOPLE};
use crate::when::Facts;

fn person(name: &str, uid: u32) -> Value {
    json!({"username": name, "uid": uid})
}

fn members(names: &[&str]) -> Value {
    names.iter().zip(20_000..).map(|(name, uid)| person(name, uid)).collect()
}

/// Composes profiles of these resources, all at one precedence, with these groups and this owner.
fn composed(profiles: &[(&str, Value)], groups: Value, owner: Value) -> Composition {
    let documents = profiles.iter().map(|(name, resources)| {
        serde_json::to_vec(&json!({"muster": 1, "profile": name, "resources": resources})).unwrap()
    });
    let documents: Vec<_> = documents.collect();
    let revisions = profiles.iter().zip(&documents).map(|((name, _), bytes)| {
        json!({"assignment": "a", "profile": name, "revision": 1, "precedence": 0,
               "digest": Digest::of(bytes), "mode": "enforce"})
    });
    let state: DesiredState = serde_json::from_value(json!({
        "muster": 1, "composition": 2, "device": "6c8e7f0a-0d0c-4b0a-9d5e-0a1b2c3d4e5f", "generation": 1,
        "issued": "2026-01-01T00:00:00Z", "revisions": revisions.collect::<Vec<_>>(),
        "bindings": {"name": "d", "serial": "s", "groups": groups, "owner": owner},
    }))
    .unwrap();
    let documents = documents.into_iter().map(|bytes| (Digest::of(&bytes), bytes)).collect();
    compose(&state, &documents, &Facts::default()).unwrap()
}

fn team() -> Value {
    json!([{"account": {"from": "group:engineers", "groups": ["docker"]}}])
}

fn account(name: &str) -> ResourceId {
    ResourceId::new("account", name)
}

fn desired(composition: &Composition, name: &str) -> Value {
    let Claimed::Apply(resource) = &composition.claims[&account(name)].claimed else {
        panic!("{:?}", composition.claims)
    };
    json!(resource.desired().attributes().unwrap())
}

#[test]
fn every_member_of_a_group_gets_an_account_of_their_own_number() {
    let groups = json!({"engineers": [
        {"username": "ada", "uid": 20_001, "full_name": "Ada Lovelace", "ssh_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2bZ3fQnq0m0hJvF1m3h0iXcE0uT0N8p6v1m2f3K4L5 ada"]},
        person("bob", 20_002),
    ]});
    let composition = composed(&[("team", team())], groups, Value::Null);
    assert_eq!(composition.claims.keys().cloned().collect::<Vec<_>>(), [account("ada"), account("bob")]);
    let ada = desired(&composition, "ada");
    assert_eq!((&ada["uid"], &ada["full_name"]), (&json!(20_001), &json!("Ada Lovelace")));
    assert_eq!((&ada["groups"], ada["ssh_keys"].as_array().unwrap().len()), (&json!(["docker"]), 1));
    assert_eq!(desired(&composition, "bob")["uid"], json!(20_002));
}

#[test]
fn an_empty_group_gives_no_account_and_an_unknown_one_is_blocked_with_its_name() {
    let none = composed(&[("team", team())], json!({"engineers": []}), Value::Null);
    assert_eq!(none.claims[&account("@group:engineers")].claimed, Claimed::NotApplicable);
    let unknown = composed(&[("team", team())], json!({}), Value::Null);
    let claimed = &unknown.claims[&account("@group:engineers")].claimed;
    assert!(matches!(claimed, Claimed::Blocked { reason } if reason.contains("engineers")), "{claimed:?}");
    assert_eq!(conflicts(&unknown), []);
}

#[test]
fn what_is_not_understood_still_claims_the_accounts_of_all_members() {
    let newer = json!([{"account": {"from": "group:engineers", "mfa": true}}]);
    let composition =
        composed(&[("team", newer)], json!({"engineers": members(&["ada", "bob"])}), Value::Null);
    for name in ["ada", "bob"] {
        assert!(matches!(composition.claims[&account(name)].claimed, Claimed::Unsupported { .. }), "{name}");
    }
}

#[test]
fn of_one_profile_the_owners_account_stands_before_that_of_a_group_and_a_named_one_before_both() {
    let shells = json!([
        {"account": {"from": "group:engineers", "shell": "/bin/sh"}},
        {"account": {"for": "owner", "shell": "/bin/bash"}},
        {"account": {"name": "bob", "shell": "/bin/zsh"}},
    ]);
    let groups = json!({"engineers": members(&["ada", "bob", "eve"])});
    let composition = composed(&[("laptop", shells)], groups, person("ada", 20_000));
    let shell = |name| desired(&composition, name)["shell"].clone();
    assert_eq!(
        (shell("ada"), shell("bob"), shell("eve")),
        (json!("/bin/bash"), json!("/bin/zsh"), json!("/bin/sh"))
    );
    assert_eq!(conflicts(&composition), []);
}

#[test]
fn two_groups_that_ask_for_different_accounts_are_blocked_for_who_is_in_both_and_for_nobody_else() {
    let both = json!([
        {"account": {"from": "group:engineers", "shell": "/bin/sh"}},
        {"account": {"from": "group:ops", "shell": "/bin/bash"}},
    ]);
    let groups = json!({"engineers": members(&["ada", "bob"]), "ops": members(&["ada"])});
    let composition = composed(&[("team", both)], groups, Value::Null);
    assert_eq!(conflicts(&composition).len(), 1);
    assert!(matches!(composition.claims[&account("ada")].claimed, Claimed::Blocked { .. }));
    assert_eq!(desired(&composition, "bob")["shell"], json!("/bin/sh"));
}

#[test]
fn bindings_never_bring_in_root_a_number_of_the_system_or_a_crowd() {
    for (hostile, uid) in [("root", 20_000), ("ada", 0), ("ada", 33), ("ada", 70_000), ("ada", u32::MAX)] {
        let groups = json!({"engineers": [person(hostile, uid)]});
        let composition = composed(&[("team", team())], groups, Value::Null);
        let claimed = &composition.claims[&account(hostile)].claimed;
        assert!(matches!(claimed, Claimed::Blocked { .. }), "{hostile} {uid}: {claimed:?}");
    }
    let crowd: Vec<_> = (0..=MAX_PEOPLE as u32).map(|n| person(&format!("u{n}"), 20_000 + n)).collect();
    let composition = composed(&[("team", team())], json!({"engineers": crowd}), Value::Null);
    assert_eq!(
        composition.claims.len(),
        MAX_PEOPLE + 1,
        "the claims stand, so that no account is taken back"
    );
    assert!(composition.claims.values().all(|claim| matches!(claim.claimed, Claimed::Blocked { .. })));
}

#[test]
fn an_account_for_a_group_names_nothing_that_belongs_to_one_person() {
    for field in [
        json!({"uid": 20_000}),
        json!({"full_name": "Ada"}),
        json!({"home": "/srv/x"}),
        json!({"name": "ada"}),
        json!({"for": "owner"}),
    ] {
        let mut account = json!({"from": "group:engineers"});
        account.as_object_mut().unwrap().extend(field.as_object().unwrap().clone());
        let profile = json!({"muster": 1, "profile": "team", "resources": [{"account": account}]});
        assert!(crate::profile::Profile::parse(&profile).is_err(), "{field}");
    }
    for hostile in
        ["engineers", "group:", "group:../x", "group:A", "group:a b", "group:a\nb", "label:x", "group:-x"]
    {
        let profile = json!({"muster": 1, "profile": "team", "resources": [{"account": {"from": hostile}}]});
        assert!(crate::profile::Profile::parse(&profile).is_err(), "{hostile:?}");
    }
}

/// Some of a small pool, in any order.
fn some_of(pool: &'static [&'static str]) -> impl Strategy<Value = Vec<&'static str>> {
    proptest::sample::subsequence(pool, 0..=pool.len()).prop_shuffle()
}

fn resources() -> impl Strategy<Value = Value> {
    let declared = prop_oneof![
        Just(json!({"for": "owner"})),
        Just(json!({"from": "group:engineers"})),
        Just(json!({"from": "group:ops"})),
        Just(json!({"from": "group:nobody-made"})),
        Just(json!({"name": "ada"})),
    ];
    let shell = proptest::option::of(prop_oneof![Just("/bin/sh"), Just("/bin/bash")]);
    let when = proptest::option::weighted(0.2, Just(json!({"os": ["plan9"]})));
    proptest::collection::vec((declared, shell, when), 0..4).prop_map(|all| {
        let mut unique = std::collections::BTreeMap::new();
        for (mut account, shell, when) in all {
            let key = account.to_string();
            account.as_object_mut().unwrap().extend(
                [("shell", shell.map(Value::from)), ("when", when)]
                    .into_iter()
                    .filter_map(|(name, value)| Some((name.to_owned(), value?))),
            );
            unique.insert(key, json!({"account": account}));
        }
        unique.into_values().collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn neither_the_order_of_profiles_nor_that_of_members_changes_what_a_device_should_be(
        one in resources(), two in resources(),
        engineers in some_of(&["ada", "bob", "eve"]), ops in some_of(&["ada", "eve"]),
        owned in any::<bool>(),
    ) {
        let uid = |name: &str| match name { "ada" => 20_000, "bob" => 20_001, _ => 20_002 };
        let list = |names: &[&str]| -> Value { names.iter().map(|name| person(name, uid(name))).collect() };
        let owner = if owned { person("ada", uid("ada")) } else { Value::Null };
        let groups = json!({"engineers": list(&engineers), "ops": list(&ops)});
        let composition = composed(&[("a", one.clone()), ("b", two.clone())], groups, owner.clone());
        let turned = |names: &[&'static str]| list(&names.iter().rev().copied().collect::<Vec<_>>());
        let groups = json!({"engineers": turned(&engineers), "ops": turned(&ops)});
        prop_assert_eq!(&composed(&[("b", two), ("a", one)], groups, owner), &composition);
        for (id, claim) in &composition.claims {
            if let Claimed::Apply(resource) = &claim.claimed {
                prop_assert_eq!(&resource.id(), id, "what is applied stands under its own name");
            }
        }
    }
}
