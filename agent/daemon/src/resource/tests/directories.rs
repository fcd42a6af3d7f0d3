//! Directories where others than root can put another one in their place.

use super::*;

/// A directory that a group shares, and one in it.
fn shared() -> Composition {
    composition(&[
        json!({"directory": {"path": "/srv/shared", "group": "engineers", "mode": "2775"}}),
        json!({"directory": {"path": "/srv/shared/in", "group": "engineers", "mode": "2775"}}),
    ])
}

fn mode_of(machine: &Machine, path: &str) -> u32 {
    fs::metadata(machine.path(path)).unwrap().mode() & 0o7777
}

fn set_mode(machine: &Machine, path: &str, mode: u32) {
    fs::set_permissions(machine.path(path), fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn one_that_someone_moved_into_the_place_of_musters_own_is_left_as_it_is_and_named() {
    let mut machine = Machine::new();
    let wanted = shared();
    let renamed = |machine: &Machine, from: &str, to: &str| {
        fs::rename(machine.path(from), machine.path(to)).unwrap();
    };
    block_on(async {
        assert_eq!(machine.converge(&wanted).await, BTreeMap::new());
        fs::create_dir(machine.path("/srv/shared/private")).unwrap();
        fs::write(machine.path("/srv/shared/private/secret"), "x").unwrap();
        set_mode(&machine, "/srv/shared/private", 0o700);
        renamed(&machine, "/srv/shared/in", "/srv/shared/away");
        renamed(&machine, "/srv/shared/private", "/srv/shared/in");
        let reasons = machine.converge(&wanted).await;
        let reason = &reasons["directory:/srv/shared/in"];
        assert!(reason.starts_with("it is a directory of root that Muster did not make"), "{reason}");
        assert_eq!(mode_of(&machine, "/srv/shared/in"), 0o700);

        renamed(&machine, "/srv/shared/in", "/srv/shared/private");
        renamed(&machine, "/srv/shared/away", "/srv/shared/in");
        set_mode(&machine, "/srv/shared/in", 0o700);
        fs::write(machine.path("/srv/shared/in/work"), "x").unwrap();
        assert_eq!(machine.converge(&wanted).await, BTreeMap::new(), "its own is known again");
        assert_eq!(mode_of(&machine, "/srv/shared/in"), 0o2775);
    });
}

#[test]
fn one_that_was_there_before_muster_is_changed_where_only_root_or_its_owner_can_have_put_it() {
    let mut machine = Machine::new();
    for path in ["/srv/roots", "/home/ada/own", "/home/ada/for-root", "/srv/shared", "/srv/shared/in"] {
        fs::create_dir(machine.path(path)).unwrap();
        fs::write(machine.path(path).join("file"), "x").unwrap();
    }
    set_mode(&machine, "/srv/shared", 0o2777);
    chown(machine.path("/home/ada/own"), Some(1000), Some(1000)).unwrap();
    chown(machine.path("/home/ada/for-root"), Some(1000), Some(1000)).unwrap();
    let mut wanted = vec![
        json!({"directory": {"path": "/srv/roots", "mode": "0700"}}),
        json!({"directory": {"path": "/home/ada/own", "owner": "ada", "mode": "0700"}}),
        json!({"directory": {"path": "/home/ada/for-root", "owner": "root"}}),
        json!({"directory": {"path": "/srv/shared/in", "mode": "0700"}}),
    ];
    let reasons = block_on(machine.converge(&composition(&wanted)));
    let left: Vec<_> = reasons.keys().map(String::as_str).collect();
    assert_eq!(left, ["directory:/home/ada/for-root", "directory:/srv/shared/in"], "{reasons:?}");
    assert_eq!((mode_of(&machine, "/srv/roots"), mode_of(&machine, "/home/ada/own")), (0o700, 0o700));

    // What a crash leaves between making it and giving it away.
    fs::remove_file(machine.path("/srv/shared/in/file")).unwrap();
    wanted.retain(|resource| resource["directory"]["path"] == "/srv/shared/in");
    assert_eq!(block_on(machine.converge(&composition(&wanted))), BTreeMap::new());
}
