//! Which artifacts are to be here, and from where.

use serde_json::{Value, json};

use super::*;

const ONE: &str = "https://one.example/tool";
const TWO: &str = "https://two.example/tool";

/// An archive of its own path, with whatever else is said of it.
fn archive(artifact: &Digest, path: &str, more: &Value) -> Value {
    let mut fields = json!({"path": path, "artifact": artifact});
    let more = more.as_object().unwrap().clone();
    fields.as_object_mut().unwrap().extend(more);
    json!({ "archive": fields })
}

/// What is named of these artifacts by a profile with such archives, as the addresses at which each is to be had.
fn named(cycle: &Cycle, mode: Mode, archives: &[Value]) -> BTreeMap<Digest, Vec<String>> {
    let document = json!({"muster": 1, "profile": "tools", "resources": archives}).to_string();
    let mut state = state(device(), "tools", &document);
    state.revisions[0].mode = mode;
    let documents = BTreeMap::from([(Digest::of(document.as_bytes()), document.into_bytes())]);
    let composition = compose::compose(&state, &documents, &cycle.facts).unwrap();
    assert_eq!(composition.claims.len(), archives.len());
    let text = |places: Vec<_>| places.iter().map(ToString::to_string).collect();
    cycle.named_artifacts(&composition).into_iter().map(|(artifact, at)| (artifact, text(at))).collect()
}

#[test]
fn an_artifact_is_tried_at_each_address_once_and_at_the_server_alone_where_one_takes_it_from_there() {
    let folder = tempfile::tempdir().unwrap();
    let cycle = cycle(folder.path());
    let (tool, other, third) = (Digest::of(b"tool"), Digest::of(b"other"), Digest::of(b"third"));
    let all = [
        archive(&tool, "/opt/a", &json!({"url": ONE})),
        archive(&tool, "/opt/b", &json!({"url": TWO})),
        archive(&tool, "/opt/c", &json!({"url": ONE})),
        archive(&other, "/opt/d", &json!({"url": ONE})),
        archive(&other, "/opt/e", &json!({})),
        archive(&other, "/opt/f", &json!({"url": TWO})),
        archive(&third, "/opt/g", &json!({})),
    ];
    let at = |places: &[&str]| places.iter().map(|place| (*place).to_owned()).collect::<Vec<_>>();
    let wanted = [(tool, at(&[ONE, TWO])), (other, at(&[])), (third, at(&[]))];
    assert_eq!(named(&cycle, Mode::Enforce, &all), BTreeMap::from(wanted));
}

#[test]
fn what_is_not_made_so_here_or_is_over_needs_no_artifact_and_what_begins_later_does() {
    let folder = tempfile::tempdir().unwrap();
    let mut cycle = cycle(folder.path());
    let tool = Digest::of(b"tool");
    let plain = [archive(&tool, "/opt/a", &json!({}))];
    let is_named = |cycle: &Cycle, mode, archives: &[Value]| !named(cycle, mode, archives).is_empty();
    assert!(is_named(&cycle, Mode::Enforce, &plain));
    assert!(!is_named(&cycle, Mode::Audit, &plain), "nothing is changed for an audit");
    let over = [archive(&tool, "/opt/a", &json!({"not_after": "2020-01-01T00:00:00Z"}))];
    assert!(!is_named(&cycle, Mode::Enforce, &over));
    let later = [archive(&tool, "/opt/a", &json!({"not_before": "2100-01-01T00:00:00Z"}))];
    assert!(is_named(&cycle, Mode::Enforce, &later), "it is to be there at its time");
    cycle.hands.deny_kinds.insert("archive".to_owned());
    assert!(!is_named(&cycle, Mode::Enforce, &plain), "the device's owner denies it");
}
