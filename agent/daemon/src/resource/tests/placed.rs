//! Files of which nobody says what they hold, where others than root can put one.

use super::*;

const PATH: &str = "/srv/shared/notes";

/// A machine with a directory where everybody can put a file.
fn shared() -> Machine {
    let machine = Machine::new();
    fs::create_dir(machine.path("/srv/shared")).unwrap();
    set_mode(&machine, "/srv/shared", 0o777);
    machine
}

fn set_mode(machine: &Machine, path: &str, mode: u32) {
    fs::set_permissions(machine.path(path), fs::Permissions::from_mode(mode)).unwrap();
}

/// A private file of root's, which somebody moved to the place.
fn put(machine: &Machine) {
    fs::write(machine.path("/srv/shared/secret"), "root's secret").unwrap();
    set_mode(machine, "/srv/shared/secret", 0o600);
    fs::rename(machine.path("/srv/shared/secret"), machine.path(PATH)).unwrap();
}

fn found(machine: &Machine) -> (u32, u32) {
    let meta = fs::metadata(machine.path(PATH)).unwrap();
    (meta.uid(), meta.mode() & 0o7777)
}

fn wanted(mut file: Value) -> Composition {
    file["path"] = PATH.into();
    composition(&[json!({ "file": file })])
}

#[test]
fn a_private_file_that_somebody_moved_there_is_opened_to_nobody() {
    for opened in
        [json!({"owner": "ada", "mode": "0600"}), json!({"mode": "0644"}), json!({"group": "engineers"})]
    {
        let mut machine = shared();
        put(&machine);
        let reasons = block_on(machine.converge(&wanted(opened)));
        assert!(reasons[&format!("file:{PATH}")].contains("look whose it is"), "{reasons:?}");
        assert_eq!(found(&machine), (0, 0o600));
    }
}

#[test]
fn what_is_only_closed_is_so_wherever_it_is() {
    let mut machine = shared();
    fs::write(machine.path(PATH), "x").unwrap();
    chown(machine.path(PATH), Some(1000), Some(1000)).unwrap();
    set_mode(&machine, PATH, 0o644);
    let closed = wanted(json!({"owner": "root", "mode": "0600"}));
    assert_eq!(block_on(machine.converge(&closed)), BTreeMap::new());
    assert_eq!(found(&machine), (0, 0o600));
}

#[test]
fn a_lease_ends_there_with_a_file_that_is_roots_and_open_to_nobody() {
    let mut machine = shared();
    let lent = |end: &str| wanted(json!({"owner": "ada", "mode": "0644", "not_after": end}));
    fs::write(machine.path(PATH), "theirs").unwrap();
    chown(machine.path(PATH), Some(1001), Some(1001)).unwrap();
    let before = machine.records.len();
    let refused = block_on(machine.converge(&lent("2026-11-24T00:00:00Z")));
    assert!(!refused.is_empty() && machine.records.len() == before, "{refused:?}");
    // It was lent where only root could write, and the directory was opened since.
    set_mode(&machine, "/srv/shared", 0o755);
    assert_eq!(block_on(machine.converge(&lent("2026-11-24T00:00:00Z"))), BTreeMap::new());
    set_mode(&machine, "/srv/shared", 0o777);
    put(&machine);
    assert_eq!(block_on(machine.converge(&lent("2026-11-22T00:00:00Z"))), BTreeMap::new());
    assert_eq!(found(&machine), (0, 0o600));
}

#[test]
fn what_a_user_may_have_written_does_not_run_as_root_when_its_lease_is_over() {
    let mut machine = Machine::new();
    let path = machine.path("/srv/tool");
    fs::write(&path, "tool").unwrap();
    set_mode(&machine, "/srv/tool", 0o4755);
    let lent = |end: &str| {
        composition(&[
            json!({"file": {"path": "/srv/tool", "owner": "ada", "mode": "0700", "not_after": end}}),
        ])
    };
    assert_eq!(block_on(machine.converge(&lent("2026-11-24T00:00:00Z"))), BTreeMap::new());
    fs::write(&path, "ada's").unwrap();
    assert_eq!(block_on(machine.converge(&lent("2026-11-22T00:00:00Z"))), BTreeMap::new());
    let is = fs::metadata(&path).unwrap();
    assert_eq!((is.uid(), is.mode() & 0o7777), (0, 0o755));
    let runs = composition(&[json!({"file": {"path": "/srv/tool", "owner": "root", "mode": "4755"}})]);
    chown(&path, Some(1000), Some(1000)).unwrap();
    let reasons = block_on(machine.converge(&runs));
    assert!(reasons["file:/srv/tool"].contains("would run as somebody else"), "{reasons:?}");
}

#[test]
fn what_a_private_file_held_comes_back_as_private_whatever_somebody_put_in_its_place() {
    let claimed = wanted(json!({"content": "x"}));
    for meanwhile in [Some("y"), None] {
        let mut machine = shared();
        put(&machine);
        assert_eq!(block_on(machine.converge(&claimed)), BTreeMap::new());
        fs::remove_file(machine.path(PATH)).unwrap();
        if let Some(content) = meanwhile {
            fs::write(machine.path(PATH), content).unwrap();
            chown(machine.path(PATH), Some(1000), Some(1000)).unwrap();
            assert_eq!(block_on(machine.converge(&claimed)), BTreeMap::new());
        }
        block_on(machine.converge(&composition(&[])));
        if meanwhile.is_some() {
            assert_eq!(fs::read_to_string(machine.path(PATH)).unwrap(), "root's secret");
        }
        if machine.path(PATH).exists() {
            assert_eq!(found(&machine), (0, 0o600));
        }
    }
}

#[test]
fn who_owns_a_file_by_now_keeps_it_where_only_root_can_have_given_it_to_them() {
    let mut machine = Machine::new();
    fs::write(machine.path("/srv/conf"), "theirs").unwrap();
    let claimed = composition(&[json!({"file": {"path": "/srv/conf", "content": "x"}})]);
    assert_eq!(block_on(machine.converge(&claimed)), BTreeMap::new());
    chown(machine.path("/srv/conf"), Some(1000), Some(1000)).unwrap();
    assert_eq!(block_on(machine.converge(&composition(&[]))), BTreeMap::new());
    assert_eq!(fs::read_to_string(machine.path("/srv/conf")).unwrap(), "theirs");
    assert_eq!(fs::metadata(machine.path("/srv/conf")).unwrap().uid(), 1000);
}
