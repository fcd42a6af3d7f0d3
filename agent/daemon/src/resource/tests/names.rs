//! Files that have a second name, by a hard link.

use super::*;

const PATH: &str = "/srv/pass";

fn wanted(content: &str, mode: &str) -> Composition {
    composition(&[json!({"file": {"path": PATH, "content": content, "mode": mode}})])
}

/// Gives the file a second name, as whoever owns it can.
fn link(machine: &Machine, name: &str) {
    fs::hard_link(machine.path(PATH), machine.path(name)).unwrap();
}

fn found(machine: &Machine, path: &str) -> (String, u32) {
    let meta = fs::metadata(machine.path(path)).unwrap();
    (fs::read_to_string(machine.path(path)).unwrap(), meta.mode() & 0o7777)
}

#[test]
fn what_muster_wrote_is_replaced_and_removed_though_its_user_gave_it_a_second_name_that_stays_as_it_is() {
    let mut machine = Machine::new();
    block_on(async {
        assert_eq!(machine.converge(&wanted("one\n", "0640")).await, BTreeMap::new());
        link(&machine, "/srv/first");
        assert_eq!(machine.converge(&wanted("one\n", "0640")).await, BTreeMap::new());
        assert_eq!(machine.converge(&wanted("two\n", "0640")).await, BTreeMap::new());
        link(&machine, "/srv/second");
        assert_eq!(machine.converge(&wanted("two\n", "0600")).await, BTreeMap::new());
        link(&machine, "/srv/third");
        assert_eq!(found(&machine, PATH), ("two\n".into(), 0o600));
        assert_eq!(machine.converge(&composition(&[])).await, BTreeMap::new());
    });
    assert!(!machine.path(PATH).exists());
    let kept = ["/srv/first", "/srv/second", "/srv/third"].map(|path| found(&machine, path));
    assert_eq!(kept, [("one\n", 0o640), ("two\n", 0o640), ("two\n", 0o600)].map(|(c, m)| (c.into(), m)));
}

#[test]
fn what_was_there_before_muster_comes_back_though_its_user_gave_the_file_a_second_name() {
    let mut machine = Machine::new();
    fs::write(machine.path(PATH), "theirs\n").unwrap();
    fs::set_permissions(machine.path(PATH), fs::Permissions::from_mode(0o644)).unwrap();
    block_on(async {
        assert_eq!(machine.converge(&wanted("one\n", "0640")).await, BTreeMap::new());
        link(&machine, "/srv/first");
        assert_eq!(machine.converge(&composition(&[])).await, BTreeMap::new());
    });
    assert_eq!(found(&machine, PATH), ("theirs\n".into(), 0o644));
    assert_eq!(found(&machine, "/srv/first"), ("one\n".into(), 0o640));
}

#[test]
fn a_file_that_had_a_second_name_before_muster_is_left_as_it_is() {
    let mut machine = Machine::new();
    fs::write(machine.path(PATH), "theirs\n").unwrap();
    link(&machine, "/srv/other");
    let reasons = block_on(machine.converge(&wanted("one\n", "0640")));
    assert!(reasons[&format!("file:{PATH}")].contains("2 hard links"), "{reasons:?}");
    assert_eq!(found(&machine, PATH).0, "theirs\n");
}
