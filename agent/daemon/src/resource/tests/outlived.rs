//! What whoever owns a file can do without root to keep it past the end of its lease.

use super::*;

const PATH: &str = "/srv/pass";
const LASTS: &str = "2026-11-24T00:00:00Z";
const IS_OVER: &str = "2026-11-22T00:00:00Z";

fn leased(mut file: Value, end: &str) -> Composition {
    file["path"] = PATH.into();
    file["not_after"] = end.into();
    composition(&[json!({ "file": file })])
}

/// A pass of ada's.
fn pass() -> Value {
    json!({"content": "pass\n", "owner": "ada", "mode": "0600"})
}

/// A machine with a lease of that pass, and what was there before it.
fn with_pass(before: Option<&str>) -> Machine {
    let mut machine = Machine::new();
    if let Some(before) = before {
        fs::write(machine.path(PATH), before).unwrap();
        fs::set_permissions(machine.path(PATH), fs::Permissions::from_mode(0o644)).unwrap();
    }
    assert_eq!(block_on(machine.converge(&leased(pass(), LASTS))), BTreeMap::new());
    machine
}

fn found(machine: &Machine) -> (String, u32, u32) {
    let meta = fs::metadata(machine.path(PATH)).unwrap();
    (fs::read_to_string(machine.path(PATH)).unwrap(), meta.uid(), meta.mode() & 0o7777)
}

#[test]
fn a_lease_ends_though_its_user_made_the_file_larger_than_is_read() {
    for before in [None, Some("theirs\n")] {
        let mut machine = with_pass(before);
        fs::File::options().write(true).open(machine.path(PATH)).unwrap().set_len(1 << 40).unwrap();
        let over = block_on(machine.converge(&leased(pass(), IS_OVER)));
        match before {
            None => assert!(!machine.path(PATH).exists(), "{over:?}"),
            Some(before) => assert_eq!(found(&machine), (before.into(), 0, 0o644), "{over:?}"),
        }
    }
}

#[test]
fn a_file_that_its_user_made_larger_than_is_read_is_put_right_while_it_is_leased() {
    let mut machine = Machine::new();
    for _ in 0..2 {
        assert_eq!(block_on(machine.converge(&leased(pass(), LASTS))), BTreeMap::new());
        assert_eq!(found(&machine), ("pass\n".into(), 1000, 0o600));
        fs::File::options().write(true).open(machine.path(PATH)).unwrap().set_len(1 << 40).unwrap();
    }
}

#[test]
fn a_lease_ends_though_its_user_changes_the_file_all_the_time() {
    for before in [None, Some("theirs\n")] {
        let mut machine = with_pass(before);
        let plan = block_on(machine.plan(&leased(pass(), IS_OVER)));
        fs::write(machine.path(PATH), "changed after the look\n").unwrap();
        let blobs = machine.blobs.clone();
        let contents = |digest: &Digest| blobs.get(digest).cloned();
        let written = block_on(write(&mut machine.host, &[&plan.steps[0]], &machine.records, &contents));
        assert_eq!(written[&plan.steps[0].id].result, Ok(()));
        match before {
            None => assert!(!machine.path(PATH).exists()),
            Some(before) => assert_eq!(found(&machine), (before.into(), 0, 0o644)),
        }
    }
}

/// What another profile asks for of that file, after the lease is over.
fn following(machine: &mut Machine, mut file: Value) -> Composition {
    machine.records.values_mut().next().unwrap().not_after = Some(IS_OVER.parse().unwrap());
    file["path"] = PATH.into();
    let mut next = composition(&[json!({ "file": file })]);
    for claim in next.claims.values_mut() {
        std::sync::Arc::make_mut(&mut claim.source).profile = "another".parse().unwrap();
    }
    next
}

#[test]
fn what_another_profile_asks_for_takes_the_place_of_a_lease_though_its_user_changes_the_file_all_the_time() {
    let mut machine = with_pass(None);
    let next = following(&mut machine, json!({"content": "open\n", "owner": "root", "mode": "0644"}));
    let plan = block_on(machine.plan(&next));
    fs::write(machine.path(PATH), "changed after the look\n").unwrap();
    let blobs = BTreeMap::from([(Digest::of(b"open\n"), b"open\n".to_vec())]);
    let contents = |digest: &Digest| blobs.get(digest).cloned();
    let written = block_on(write(&mut machine.host, &[&plan.steps[0]], &machine.records, &contents));
    assert_eq!(written[&plan.steps[0].id].result, Ok(()));
    assert_eq!(found(&machine).0, "open\n");
}

#[test]
fn what_a_lease_brought_is_gone_before_another_profile_that_says_nothing_of_it_takes_its_place() {
    for before in [None, Some("theirs\n")] {
        let mut machine = with_pass(before);
        let next = following(&mut machine, json!({"mode": "0640"}));
        block_on(machine.converge(&next));
        match before {
            None => assert!(!machine.path(PATH).exists()),
            Some(before) => assert_eq!(found(&machine), (before.into(), 0, 0o644)),
        }
        assert_eq!(block_on(machine.converge(&next)), BTreeMap::new());
        assert_eq!(found(&machine), (before.unwrap_or_default().into(), 0, 0o640));
    }
}

#[test]
fn a_lease_of_an_owner_alone_ends_before_another_profile_brings_content_whatever_its_user_does() {
    let mut machine = Machine::new();
    fs::write(machine.path(PATH), "theirs\n").unwrap();
    fs::set_permissions(machine.path(PATH), fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(block_on(machine.converge(&leased(json!({"owner": "ada"}), LASTS))), BTreeMap::new());
    fs::hard_link(machine.path(PATH), machine.path("/srv/other")).unwrap();
    let next = following(&mut machine, json!({"content": "open\n"}));
    let over = block_on(machine.converge(&next));
    assert_eq!(found(&machine), ("theirs\n".into(), 0, 0o644), "{over:?}");
}

/// Holds a lease of the kernel's on a file, as whoever owns it can: nobody else opens it then without waiting.
fn hold(path: &std::path::Path) -> std::process::Child {
    const F_SETLEASE: u32 = 1024;
    const F_WRLCK: u32 = 1;
    let script = format!(
        r#"$| = 1; $SIG{{IO}} = "IGNORE"; open(F, "+<", $ARGV[0]) or die; fcntl(F, {F_SETLEASE}, {F_WRLCK}) or die; print "held\n"; sleep 60"#
    );
    let mut child = std::process::Command::new("perl")
        .args(["-e", &script])
        .arg(path)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.as_mut().unwrap()), &mut line)
        .unwrap();
    assert_eq!(line, "held\n");
    child
}

#[test]
fn a_lease_ends_though_its_user_keeps_others_from_opening_the_file() {
    let mut machine = Machine::new();
    assert_eq!(block_on(machine.converge(&leased(pass(), LASTS))), BTreeMap::new());
    let mut holder = hold(&machine.path(PATH));
    let over = block_on(machine.converge(&leased(pass(), IS_OVER)));
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert!(!machine.path(PATH).exists(), "{over:?}");
}

#[test]
fn a_lease_of_an_owner_alone_ends_though_the_file_got_a_second_name_and_nobody_can_open_it() {
    let mut machine = Machine::new();
    fs::write(machine.path(PATH), "theirs\n").unwrap();
    fs::set_permissions(machine.path(PATH), fs::Permissions::from_mode(0o644)).unwrap();
    let lent = json!({"owner": "ada", "mode": "0600"});
    assert_eq!(block_on(machine.converge(&leased(lent.clone(), LASTS))), BTreeMap::new());
    assert_eq!(found(&machine), ("theirs\n".into(), 1000, 0o600));
    fs::hard_link(machine.path(PATH), machine.path("/srv/other")).unwrap();
    let mut holder = hold(&machine.path(PATH));
    let over = block_on(machine.converge(&leased(lent, IS_OVER)));
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert_eq!(found(&machine), ("theirs\n".into(), 0, 0o644), "{over:?}");
    let other = fs::metadata(machine.path("/srv/other")).unwrap();
    assert_eq!((other.uid(), other.mode() & 0o7777), (0, 0o644), "it is the same file");
}

#[test]
fn a_lease_of_a_mode_alone_ends_at_its_place_where_its_user_can_put_another_file_there() {
    let mut machine = Machine::new();
    let (path, other) = ("/home/ada/pass", machine.path("/home/ada/other"));
    fs::write(machine.path(path), "theirs\n").unwrap();
    fs::set_permissions(machine.path(path), fs::Permissions::from_mode(0o600)).unwrap();
    chown(machine.path(path), Some(1000), Some(1000)).unwrap();
    let lent = |end| composition(&[json!({"file": {"path": path, "mode": "0644", "not_after": end}})]);
    assert_eq!(block_on(machine.converge(&lent(LASTS))), BTreeMap::new());
    fs::hard_link(machine.path(path), &other).unwrap();
    assert_eq!(block_on(machine.converge(&lent(IS_OVER))), BTreeMap::new());
    assert_eq!(fs::metadata(machine.path(path)).unwrap().mode() & 0o7777, 0o600);
    assert_eq!(fs::metadata(other).unwrap().mode() & 0o7777, 0o644, "whose that is nobody knows");
}
