//! What must hold for every profile, every order and every crash, tried on a machine that is a map.
//!
//! Profiles are made from small pools of names, so that claims meet, override, contradict and succeed each other.

#![expect(clippy::unwrap_used, clippy::unwrap_in_result, reason = "what can not go on fails the test")]

mod generate;
mod machine;

use std::collections::BTreeMap;

use generate::{Story, fields_of, state_with};
use machine::{Crash, Device, exceptions};
use muster_converge::plan::{Input, plan};
use muster_proto::compose::{Claimed, compose};
use muster_proto::profile::Profile;
use muster_proto::resource::{Body, Declared};
use muster_proto::state::Mode;
use muster_proto::{ResourceId, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_profile_reads_the_same_however_often_it_is_written(document in generate::document(generate::Flavor::Readable)) {
        let saved = Profile::parse(&document).unwrap();
        let bytes = serde_json::to_vec(&document).unwrap();
        let (read, unread) = Profile::read(&bytes).unwrap();
        prop_assert_eq!(&saved, &read);
        prop_assert!(unread.is_empty());
        for declared in saved.resources {
            let Body::Known(resource) = &declared.body else { panic!("{declared:?}") };
            let mut entry = serde_json::to_value(resource).unwrap();
            let common = serde_json::to_value(&declared.common).unwrap();
            fields_of(&mut entry).extend(common.as_object().unwrap().clone());
            prop_assert_eq!(Declared::parse(&entry).unwrap(), vec![declared]);
        }
    }

    #[test]
    fn a_resource_of_a_newer_language_claims_what_it_claimed_before(
        document in generate::document(generate::Flavor::Readable),
    ) {
        let ids = |document: &Value| -> Vec<ResourceId> {
            let (profile, _) = Profile::read(&serde_json::to_vec(document).unwrap()).unwrap();
            profile.resources.into_iter().map(|declared| declared.id).collect()
        };
        let mut newer = document.clone();
        for entry in newer["resources"].as_array_mut().unwrap() {
            if !entry["packages"].is_array() {
                fields_of(entry).insert("name_of_a_newer_field".into(), json!("x"));
            }
        }
        prop_assert_eq!(ids(&document), ids(&newer));
    }

    #[test]
    fn composition_does_not_depend_on_the_order_in_which_things_arrive(
        (story, order) in generate::story(1).prop_flat_map(|story| {
            let order = Just((0..story.states[0].revisions.len()).collect::<Vec<_>>()).prop_shuffle();
            (Just(story), order)
        }),
    ) {
        let state = &story.states[0];
        let mut shuffled = state.clone();
        shuffled.revisions = order.iter().map(|index| state.revisions[*index].clone()).collect();
        let fetched = shuffled.revisions.iter().map(|r| (r.digest, story.documents[&r.digest].clone())).collect();
        prop_assert_eq!(
            compose(state, &story.documents, &generate::facts()).unwrap(),
            compose(&shuffled, &fetched, &generate::facts()).unwrap()
        );
    }

    #[test]
    fn a_claim_that_does_not_hold_here_stands_in_nobodys_way(story in generate::story(1)) {
        let state = &story.states[0];
        let whole = compose(state, &story.documents, &generate::facts()).unwrap();
        let mut documents = BTreeMap::new();
        for (digest, bytes) in &story.documents {
            let mut document: Value = serde_json::from_slice(bytes).unwrap();
            document["resources"].as_array_mut().unwrap().retain_mut(|entry| {
                entry["packages"].is_array() || fields_of(entry).get("when") != Some(&generate::elsewhere())
            });
            documents.insert(*digest, serde_json::to_vec(&document).unwrap());
        }
        let without = compose(state, &documents, &generate::facts()).unwrap();
        let holding: BTreeMap<_, _> =
            whole.claims.into_iter().filter(|(_, claim)| claim.claimed != Claimed::NotApplicable).collect();
        let same: BTreeMap<_, _> =
            without.claims.into_iter().filter(|(_, claim)| claim.claimed != Claimed::NotApplicable).collect();
        prop_assert_eq!(holding, same);
    }

    #[test]
    fn an_audited_claim_never_changes_what_is_enforced(story in generate::story(1)) {
        let mut enforced = story.states[0].clone();
        enforced.revisions.retain(|revision| revision.mode == Mode::Enforce);
        let all = compose(&story.states[0], &story.documents, &generate::facts()).unwrap();
        for (id, claim) in compose(&enforced, &story.documents, &generate::facts()).unwrap().claims {
            if claim.claimed != Claimed::NotApplicable {
                prop_assert_eq!(&all.claims[&id].claimed, &claim.claimed);
                prop_assert_eq!(&all.claims[&id].source, &claim.source);
            }
        }
    }

    #[test]
    fn applied_twice_the_second_plan_is_empty(story in generate::story(4)) {
        let mut device = Device::new(&story);
        for (state, now) in story.states.iter().zip(&story.times) {
            let first = device.plan(state, *now);
            device.cycle(state, *now, None);
            // A lease that is over ends in a cycle of its own, where what another profile asks for would leave some of it.
            let claims = device.composition(state).claims;
            if first.steps.iter().any(|step| step.claim.is_none() && step.ending && claims.contains_key(&step.id)) {
                device.cycle(state, *now, None);
            }
            let second = device.plan(state, *now);
            prop_assert!(second.steps.is_empty(), "{:#?}", second.steps);
        }
    }

    #[test]
    fn a_plan_is_deterministic_and_says_something_of_every_claim(story in generate::story(3)) {
        let mut device = Device::new(&story);
        for (state, now) in story.states.iter().zip(&story.times) {
            let first = device.plan(state, *now);
            prop_assert_eq!(&first, &device.plan(state, *now));
            for id in device.composition(state).claims.keys() {
                let said = first.settled.iter().any(|o| o.resource == *id) || first.steps.iter().any(|s| s.id == *id);
                prop_assert!(said, "{id}");
            }
            for id in first.forget.iter().chain(first.renew.iter().map(|(id, _)| id)) {
                let changed = first.steps.iter().any(|step| step.id == *id && !step.differences.is_empty());
                prop_assert!(!changed, "{id} is changed and settled");
            }
            device.cycle(state, *now, None);
        }
    }

    #[test]
    fn an_audited_state_is_never_acted_on(story in generate::story(2)) {
        let mut device = Device::new(&story);
        for (state, now) in story.states.iter().zip(&story.times) {
            let audited = state_with(state, |revision| revision.mode = Mode::Audit);
            prop_assert_eq!(device.plan(&audited, *now).steps, vec![]);
            device.cycle(&audited, *now, None);
        }
        prop_assert_eq!(&device.machine, &story.machine);
    }

    #[test]
    fn an_audited_claim_is_never_acted_on_whatever_came_before(story in generate::story(4)) {
        let mut device = Device::new(&story);
        for (state, now) in story.states.iter().zip(&story.times) {
            for step in device.plan(state, *now).steps {
                prop_assert!(step.claim.is_none_or(|claim| claim.source.mode == Mode::Enforce));
            }
            device.cycle(state, *now, None);
        }
    }

    #[test]
    fn what_is_unsupported_is_neither_changed_nor_reversed_but_at_the_end_of_its_lease(story in generate::story(4)) {
        let mut device = Device::new(&story);
        for (state, now) in story.states.iter().zip(&story.times) {
            let composition = device.composition(state);
            let steps = device.plan(state, *now).steps;
            for step in steps {
                let record = device.records.get(&step.id);
                let claimed = composition.claims.get(&step.id).map(|claim| &claim.claimed);
                let unsupported = matches!(claimed, Some(Claimed::Unsupported { .. }))
                    || record.is_some_and(|record| composition.unsupported.contains_key(&record.profile));
                // The end may be the one that was accepted, or an earlier one in what can't be read.
                let ended = record.and_then(|record| record.not_after).is_some_and(|end| {
                    let new = composition.claims.get(&step.id).and_then(|claim| claim.common.not_after);
                    new.map_or(end, |new| end.min(new)) <= *now
                });
                prop_assert!(!unsupported || ended, "{step:#?}");
            }
            device.cycle(state, *now, None);
        }
    }

    #[test]
    fn what_was_there_before_comes_back_when_nothing_is_desired(story in generate::story(4)) {
        let mut device = Device::new(&story);
        for (state, now) in story.states.iter().zip(&story.times) {
            device.cycle(state, *now, None);
        }
        device.cycle(&story.empty, story.end(), None);
        prop_assert_eq!(&device.records, &BTreeMap::new());
        prop_assert_eq!(exceptions(&device.machine), exceptions(&story.machine));
    }

    #[test]
    fn after_a_crash_anywhere_the_next_cycle_converges_and_reversal_still_restores(
        story in generate::story(4),
        crashes in proptest::collection::vec(any::<Crash>(), 8),
    ) {
        let mut device = Device::new(&story);
        let mut crashes = crashes.into_iter();
        for (index, (state, now)) in story.states.iter().zip(&story.times).enumerate() {
            device.cycle(state, *now, crashes.next());
            if index % 2 == 0 {
                // Every other state is left behind half done.
                continue;
            }
            device.cycle(state, *now, crashes.next());
            let first = device.plan(state, *now);
            device.cycle(state, *now, None);
            // A lease that is over ends in a cycle of its own, where what another profile asks for would leave some of it.
            let claims = device.composition(state).claims;
            if first.steps.iter().any(|step| step.claim.is_none() && step.ending && claims.contains_key(&step.id)) {
                device.cycle(state, *now, None);
            }
            let second = device.plan(state, *now);
            prop_assert!(second.steps.is_empty(), "{:#?}", second.steps);
        }
        device.cycle(&story.empty, story.end(), crashes.next());
        device.cycle(&story.empty, story.end(), None);
        prop_assert_eq!(&device.records, &BTreeMap::new());
        prop_assert_eq!(exceptions(&device.machine), exceptions(&story.machine));
    }
}

#[test]
fn the_pools_make_claims_that_meet() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut seen = BTreeMap::<&str, u32>::new();
    for _ in 0..300 {
        let story: Story = generate::story(4).new_tree(&mut runner).unwrap().current();
        let mut device = Device::new(&story);
        for (state, now) in story.states.iter().zip(&story.times) {
            let composition = device.composition(state);
            for claim in composition.claims.values() {
                *seen
                    .entry(match &claim.claimed {
                        Claimed::Apply(_) if !claim.overrides.is_empty() => "overriding",
                        Claimed::Apply(_) => "applied",
                        Claimed::NotApplicable => "not applicable",
                        Claimed::Blocked { reason } if reason.starts_with("conflict") => "in conflict",
                        Claimed::Blocked { .. } => "blocked",
                        Claimed::Unsupported { .. } => "unsupported",
                    })
                    .or_default() += 1;
            }
            for step in device.plan(state, *now).steps {
                *seen.entry(if step.ending { "ended" } else { "changed" }).or_default() += 1;
                *seen.entry(if step.claim.is_none() { "reversed" } else { "made" }).or_default() += 1;
            }
            device.cycle(state, *now, None);
        }
    }
    let all = [
        "applied",
        "blocked",
        "changed",
        "ended",
        "in conflict",
        "made",
        "not applicable",
        "overriding",
        "reversed",
        "unsupported",
    ];
    for what in all {
        assert!(seen.get(what).is_some_and(|count| *count > 10), "too few are {what}: {seen:?}");
    }
    let none = Input {
        composition: &Default::default(),
        observed: &BTreeMap::new(),
        records: &BTreeMap::new(),
        restarts_due: &Default::default(),
        given_up: &Default::default(),
        deny_kinds: &Default::default(),
        fights: &Default::default(),
        trials: &Default::default(),
        now: Timestamp::default(),
    };
    assert_eq!(plan(&none), Default::default());
}
