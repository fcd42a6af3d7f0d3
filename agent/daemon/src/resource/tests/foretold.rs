//! What a plan tells beforehand of what it can't come to.

use super::*;

fn told(resources: &[Value]) -> BTreeMap<String, String> {
    let mut machine = Machine::new();
    let plan = block_on(machine.plan(&composition(resources)));
    let notes = block_on(foretell(&mut machine.host, &plan.steps, &machine.records));
    notes.into_iter().map(|(id, note)| (id.to_string(), note)).collect()
}

#[test]
fn a_file_without_a_directory_or_an_owner_is_told_of_before_it_is_assigned() {
    let notes = told(&[
        json!({"file": {"path": "/srv/app/conf", "content": "x"}}),
        json!({"file": {"path": "/srv/ghosts", "content": "x", "owner": "ghost"}}),
        json!({"directory": {"path": "/srv/theirs", "group": "ghosts"}}),
        json!({"file": {"path": "/srv/fine", "content": "x"}}),
        json!({"line": {"path": "/srv/none.conf", "line": "x"}}),
    ]);
    let expected = [
        ("directory:/srv/theirs", "the group ghosts does not exist: add it to the profile"),
        (
            "file:/srv/app/conf",
            "the directory /srv/app does not exist: add it to the profile, or the package that brings it",
        ),
        ("file:/srv/ghosts", "the account ghost does not exist: add it to the profile"),
        (
            "line:/srv/none.conf//x",
            "there is no /srv/none.conf: which package brings it? Add that package to the profile, or a file",
        ),
    ];
    assert_eq!(notes.len(), expected.len(), "{notes:?}");
    for (id, reason) in expected {
        assert_eq!(notes[id], format!("as the device is now it would not be made: {reason}"));
    }
}

#[test]
fn nothing_is_told_of_a_file_whose_directory_and_owner_come_with_the_same_plan() {
    let file = json!({"file": {"path": "/srv/app/conf", "content": "x", "group": "ghosts"}});
    let directory = json!({"directory": {"path": "/srv/app"}});
    let group = json!({"group": {"name": "ghosts"}});
    assert_eq!(told(&[file.clone(), directory, group]), BTreeMap::new());
    let package = json!({"package": {"name": "app"}});
    let notes = told(&[file, package]);
    assert!(!notes.contains_key("file:/srv/app/conf"), "a package may bring both: {notes:?}");
}
