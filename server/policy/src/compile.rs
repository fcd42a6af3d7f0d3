//! What a device's desired state is. Resolves and binds; merging is left to `proto::compose`, which also finds conflicts.

use std::collections::BTreeMap;

use muster_proto::compose::{ComposeError, Conflict, compose, conflicts};
use muster_proto::state::{Applied, Bindings, DesiredState};
use muster_proto::when::Facts;
use muster_proto::{DeviceId, Digest, Generation, LANGUAGE_VERSION, Timestamp};

/// The device's next state, or `None` when its current one already says the same. Its generation is at least `floor`,
/// which a restored server has above everything that it gave out before.
pub fn compile(
    device: DeviceId,
    revisions: Vec<Applied>,
    bindings: Bindings,
    current: Option<&DesiredState>,
    floor: Generation,
    now: Timestamp,
) -> Option<DesiredState> {
    let same = match current {
        // A device that nothing was ever assigned to needs no state that says so.
        None => revisions.is_empty(),
        Some(current) => {
            current.composition == bindings.composition()
                && current.generation >= floor
                && current.revisions == revisions
                // What nothing uses may change unseen.
                && (current.bindings == bindings || revisions.is_empty())
        }
    };
    (!same).then(|| next(device, revisions, bindings, current, floor, now))
}

/// The state that would follow the current one, whether or not it says anything new.
pub fn next(
    device: DeviceId,
    revisions: Vec<Applied>,
    bindings: Bindings,
    current: Option<&DesiredState>,
    floor: Generation,
    now: Timestamp,
) -> DesiredState {
    DesiredState {
        muster: LANGUAGE_VERSION,
        composition: bindings.composition(),
        device,
        generation: Generation(current.map_or(0, |current| current.generation.0) + 1).max(floor),
        issued: now,
        revisions,
        bindings,
    }
}

/// The conflicts that a state brings about on a device with these facts.
pub fn conflicts_in(
    state: &DesiredState,
    documents: &BTreeMap<Digest, Vec<u8>>,
    facts: &Facts,
) -> Result<Vec<Conflict>, ComposeError> {
    Ok(conflicts(&compose(state, documents, facts)?))
}

#[cfg(test)]
mod tests {
    use muster_proto::RevisionNumber;
    use muster_proto::resource::value::PeopleGroup;
    use muster_proto::state::Mode;

    use super::*;

    const DEVICE: DeviceId = DeviceId(uuid::Uuid::from_u128(1));

    fn applied(profile: &str, document: &str, precedence: i32) -> Applied {
        Applied {
            assignment: format!("as-{profile}"),
            profile: profile.parse().unwrap(),
            revision: RevisionNumber(1),
            digest: Digest::of(document.as_bytes()),
            precedence,
            mode: Mode::Enforce,
            params: BTreeMap::new(),
        }
    }

    fn named(name: &str) -> Bindings {
        Bindings { name: name.into(), serial: "PF3XK9".into(), ..Bindings::default() }
    }

    fn compiled(
        revisions: Vec<Applied>,
        bindings: Bindings,
        current: Option<&DesiredState>,
    ) -> Option<DesiredState> {
        compile(DEVICE, revisions, bindings, current, Generation(0), Timestamp::default())
    }

    #[test]
    fn a_generation_grows_only_when_something_changed() {
        assert_eq!(compiled(vec![], named("a"), None), None);
        let first = compiled(vec![applied("base", "x", 0)], named("a"), None).unwrap();
        assert_eq!(first.generation, Generation(1));
        assert_eq!(compiled(first.revisions.clone(), named("a"), Some(&first)), None);
        let renamed = compiled(first.revisions.clone(), named("b"), Some(&first)).unwrap();
        assert_eq!(renamed.generation, Generation(2));
    }

    #[test]
    fn a_state_asks_for_no_newer_rules_than_its_bindings_need() {
        let revisions = vec![applied("base", "x", 0)];
        let first = compiled(revisions.clone(), named("a"), None).unwrap();
        assert_eq!(first.composition, 1, "an agent that knows no groups goes on");
        let groups = BTreeMap::from([(PeopleGroup::parse("engineers").unwrap(), vec![])]);
        let with_group = compiled(revisions, Bindings { groups, ..named("a") }, Some(&first)).unwrap();
        assert_eq!(with_group.composition, 2, "also while nobody is in it");
        assert_eq!(
            compiled(with_group.revisions.clone(), with_group.bindings.clone(), Some(&with_group)),
            None
        );
    }

    #[test]
    fn below_the_floor_the_same_state_is_given_anew_and_above_it_is_counted_on() {
        let above = |current: Option<&DesiredState>, floor| {
            let revisions = vec![applied("base", "x", 0)];
            compile(DEVICE, revisions, named("a"), current, Generation(floor), Timestamp::default())
        };
        let first = above(None, 0).unwrap();
        let raised = above(Some(&first), 1_000).unwrap();
        assert_eq!((raised.generation, &raised.revisions), (Generation(1_000), &first.revisions));
        assert_eq!(above(Some(&raised), 1_000), None);
        let next =
            compile(DEVICE, vec![], named("a"), Some(&raised), Generation(1_000), Timestamp::default());
        assert_eq!(next.unwrap().generation, Generation(1_001));
    }

    #[test]
    fn the_last_assignment_gone_leaves_an_empty_state_so_that_the_device_reverses() {
        let first = compiled(vec![applied("base", "x", 0)], named("a"), None).unwrap();
        let empty = compiled(vec![], named("a"), Some(&first)).unwrap();
        assert!(empty.revisions.is_empty());
        assert_eq!(empty.generation, Generation(2));
        assert_eq!(compiled(vec![], named("renamed"), Some(&empty)), None);
    }

    #[test]
    fn equal_precedence_and_different_content_is_a_conflict_and_higher_precedence_is_none() {
        let motd = |profile: &str, text: &str| {
            format!(
                r#"{{"muster":1,"profile":"{profile}","resources":[{{"file":{{"path":"/etc/motd","content":"{text}"}}}}]}}"#
            )
        };
        let (one, two) = (motd("one", "1"), motd("two", "2"));
        let documents: BTreeMap<_, _> =
            [&one, &two].map(|d| (Digest::of(d.as_bytes()), d.clone().into_bytes())).into();
        let found = |precedence| {
            let revisions = vec![applied("one", &one, 0), applied("two", &two, precedence)];
            let state = compiled(revisions, named("a"), None).unwrap();
            conflicts_in(&state, &documents, &Facts::default()).unwrap()
        };
        let conflicts = found(0);
        assert_eq!(conflicts.len(), 1);
        assert_eq!(conflicts[0].resource.as_str(), "file:/etc/motd");
        assert_eq!(conflicts[0].profiles, ["one", "two"]);
        assert_eq!(found(1), []);
    }

    #[test]
    fn two_artifacts_for_one_package_are_a_conflict_of_both_profiles_and_one_that_both_name_is_none() {
        let tool = |profile: &str, artifact: &str| {
            let artifact = Digest::of(artifact.as_bytes());
            format!(
                r#"{{"muster":1,"profile":"{profile}","resources":[{{"package":{{"name":"corp-tool","artifact":"{artifact}"}}}}]}}"#
            )
        };
        let found = |one: &str, two: &str| {
            let (one, two) = (tool("one", one), tool("two", two));
            let documents: BTreeMap<_, _> =
                [&one, &two].map(|d| (Digest::of(d.as_bytes()), d.clone().into_bytes())).into();
            let revisions = vec![applied("one", &one, 0), applied("two", &two, 0)];
            let state = compiled(revisions, named("a"), None).unwrap();
            conflicts_in(&state, &documents, &Facts::default()).unwrap()
        };
        let conflicts = found("1.0", "1.1");
        assert_eq!(conflicts.len(), 1);
        assert_eq!(conflicts[0].resource.as_str(), "package:corp-tool");
        assert_eq!(conflicts[0].profiles, ["one", "two"]);
        assert_eq!(found("1.0", "1.0"), []);
    }
}
