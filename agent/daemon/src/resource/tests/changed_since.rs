//! Files that someone changes between the plan and the write.

use muster_proto::resource::dconf::Dconf;
use muster_proto::resource::repository::Repository;

use super::*;

/// Kinds with a file of Muster's own that need no other program, and that file.
fn own_files() -> Vec<(Value, &'static str)> {
    let chromium = json!({"browser": "chromium", "policies": {"HomepageLocation": "https://example.com"}});
    vec![
        (json!({"browser_policy": chromium}), "/etc/chromium/policies/managed/muster.json"),
        (
            json!({"sysctl": {"name": "net.ipv4.ip_forward", "value": 1}}),
            "/etc/sysctl.d/90-muster-net.ipv4.ip_forward.conf",
        ),
        (json!({"time": {"servers": ["ntp.corp.example"]}}), "/etc/systemd/timesyncd.conf.d/90-muster.conf"),
        (json!({"locale": {"lang": "C.UTF-8"}}), "/etc/default/locale"),
    ]
}

fn machine(path: &str) -> Machine {
    let machine = Machine::new();
    let put = |path: &str, content: &str| {
        fs::create_dir_all(machine.path(path).parent().unwrap()).unwrap();
        fs::write(machine.path(path), content).unwrap();
    };
    put("/proc/sys/net/ipv4/ip_forward", "0\n");
    put("/usr/lib/systemd/systemd-timesyncd", "");
    fs::create_dir_all(machine.path(path).parent().unwrap()).unwrap();
    machine
}

/// A plan of one step, after which someone else wrote to `path`.
fn plan_then_write(machine: &mut Machine, wanted: &Composition, path: &str) -> Plan {
    let plan = block_on(machine.plan(wanted));
    assert_eq!(plan.steps.len(), 1, "{:?}", plan.settled);
    fs::write(machine.path(path), "not in the ledger\n").unwrap();
    plan
}

/// What a step writes.
fn content(step: &Step, digest: &Digest) -> Option<Vec<u8>> {
    let resource = step.resource()?;
    let mut all = step.to.attributes()?.keys().filter_map(|name| resource.content(name));
    all.find(|bytes| Digest::of(bytes) == *digest)
}

/// Makes the one step of a plan, after `path` was written by someone else; the reason why it was not made.
fn write_late(machine: &mut Machine, wanted: &Composition, path: &str) -> String {
    let plan = plan_then_write(machine, wanted, path);
    let blobs = machine.blobs.clone();
    let contents = |digest: &Digest| content(&plan.steps[0], digest).or_else(|| blobs.get(digest).cloned());
    let written = block_on(write(&mut machine.host, &[&plan.steps[0]], &machine.records, &contents));
    assert_eq!(fs::read_to_string(machine.path(path)).unwrap(), "not in the ledger\n", "{path}");
    written[&plan.steps[0].id].result.clone().unwrap_err()
}

#[test]
fn what_someone_made_of_a_file_of_musters_own_after_it_was_looked_at_is_not_written_over() {
    for (resource, path) in own_files() {
        let wanted = composition(&[resource]);
        for there in [None, Some("theirs\n")] {
            let mut machine = machine(path);
            if let Some(content) = there {
                fs::write(machine.path(path), content).unwrap();
            }
            let error = write_late(&mut machine, &wanted, path);
            assert!(error.contains(path) && error.contains("a moment ago: left as it is"), "{error}");
            assert_eq!(block_on(machine.converge(&wanted)), BTreeMap::new());
        }
    }
}

#[test]
fn what_someone_made_of_a_file_of_musters_own_before_it_is_taken_back_is_neither_removed_nor_written_over() {
    for (resource, path) in own_files() {
        for there in [None, Some("theirs\n")] {
            let mut machine = machine(path);
            if let Some(content) = there {
                fs::write(machine.path(path), content).unwrap();
            }
            assert_eq!(
                block_on(machine.converge(&composition(std::slice::from_ref(&resource)))),
                BTreeMap::new()
            );
            let error = write_late(&mut machine, &Composition::default(), path);
            assert!(error.contains("a moment ago: left as it is"), "{error}");
        }
    }
}

#[test]
fn a_file_of_musters_own_that_went_or_became_right_after_it_was_looked_at_is_as_it_should_be() {
    for (resource, path) in own_files() {
        let wanted = composition(&[resource]);
        let mut machine = machine(path);
        assert_eq!(block_on(machine.converge(&wanted)), BTreeMap::new());
        let ours = fs::read(machine.path(path)).unwrap();
        for (meanwhile, content) in [(None, None), (Some("theirs\n"), None), (None, Some(&ours))] {
            fs::write(machine.path(path), meanwhile.unwrap_or("drifted\n")).unwrap();
            let plan = block_on(machine.plan(&wanted));
            fs::remove_file(machine.path(path)).unwrap();
            if let Some(content) = content {
                fs::write(machine.path(path), content).unwrap();
            }
            let ours = |_: &Digest| Some(ours.clone());
            let written = block_on(write(&mut machine.host, &[&plan.steps[0]], &machine.records, &ours));
            assert_eq!(written[&plan.steps[0].id].result, Ok(()), "{path}");
            assert_eq!(fs::read(machine.path(path)).unwrap(), ours(&Digest::of(b"")).unwrap());
        }
    }
}

#[test]
fn a_rule_for_sudo_that_someone_wrote_after_it_was_looked_at_is_not_written_over() {
    let path = "/etc/sudoers.d/muster-engineers";
    let wanted =
        composition(&[json!({"sudo": {"name": "engineers", "who": "%engineers", "commands": ["ALL"]}})]);
    for there in [None, Some("theirs\n")] {
        let mut machine = machine(path);
        if let Some(content) = there {
            fs::write(machine.path(path), content).unwrap();
        }
        let plan = plan_then_write(&mut machine, &wanted, path);
        let job = Job { step: &plan.steps[0], record: None };
        let refused = sudo::rule(&mut machine.host, &job, b"ours\n".to_vec()).unwrap_err().to_string();
        assert!(refused.contains("a moment ago: left as it is"), "{refused}");
        let plan = block_on(machine.plan(&wanted));
        let job = Job { step: &plan.steps[0], record: None };
        assert!(!sudo::rule(&mut machine.host, &job, b"ours\n".to_vec()).unwrap().is_new);
    }
}

/// A repository of apt's, which should be there or not.
fn repository(state: &str) -> Composition {
    composition(&[json!({"repository": {
        "name": "corp", "url": "https://apt.corp.example/debian", "suite": "bookworm", "components": ["main"],
        "key": "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDMEXample\n-----END PGP PUBLIC KEY BLOCK-----\n",
        "state": state,
    }})])
}

#[test]
fn a_repository_that_someone_set_up_after_it_was_looked_at_is_not_written_over() {
    let path = Repository::sources_path("corp");
    for there in [None, Some("theirs\n")] {
        let mut machine = machine(&path);
        if let Some(content) = there {
            fs::write(machine.path(&path), content).unwrap();
        }
        let plan = plan_then_write(&mut machine, &repository("present"), &path);
        let job = Job { step: &plan.steps[0], record: None };
        let refused = repository::exchange(&machine.host, &job, &|_| Some(b"ours\n".to_vec())).unwrap_err();
        assert!(format!("{refused:#}").contains("a moment ago: left as it is"), "{refused:#}");
    }
}

#[test]
fn what_came_to_the_files_of_a_repository_while_its_lists_were_fetched_stays_when_they_could_not_be() {
    let (key, sources) = (Repository::key_path("corp"), Repository::sources_path("corp"));
    let mut machine = machine(&sources);
    fs::create_dir_all(machine.path("/etc/apt/keyrings")).unwrap();
    fs::write(machine.path(&sources), "theirs\n").unwrap();
    let before = machine.snapshot();
    let plan = block_on(machine.plan(&repository("present")));
    let job = Job { step: &plan.steps[0], record: None };
    for late in [None, Some(&key), Some(&sources)] {
        let ours = |digest: &Digest| content(&plan.steps[0], digest);
        let (replaced, coming) = repository::exchange(&machine.host, &job, &ours).unwrap();
        for written in crate::host::files::write_all(&machine.host.root, &coming) {
            written.unwrap();
        }
        if let Some(late) = late {
            fs::write(machine.path(late), "not in the ledger\n").unwrap();
        }
        repository::put_back(&machine.host, replaced).unwrap();
        match late {
            None => assert_eq!(machine.snapshot(), before),
            Some(late) => {
                assert_eq!(fs::read_to_string(machine.path(late)).unwrap(), "not in the ledger\n");
                fs::remove_file(machine.path(&key)).ok();
                fs::write(machine.path(&sources), "theirs\n").unwrap();
            }
        }
    }
}

#[test]
fn what_came_to_the_place_of_a_file_that_a_repository_lacked_stays_when_that_is_taken_back() {
    let (key, sources) = (Repository::key_path("corp"), Repository::sources_path("corp"));
    let mut machine = machine(&sources);
    fs::create_dir_all(machine.path("/etc/apt/keyrings")).unwrap();
    fs::write(machine.path(&sources), "theirs\n").unwrap();
    let plan = plan_then_write(&mut machine, &repository("absent"), &key);
    let written = block_on(write(&mut machine.host, &[&plan.steps[0]], &BTreeMap::new(), &|_| None));
    assert_eq!(written[&plan.steps[0].id].result, Ok(()));
    assert_eq!(fs::read_to_string(machine.path(&key)).unwrap(), "not in the ledger\n");
    assert!(!machine.path(&sources).exists());
}

#[test]
fn nothing_stays_of_a_repository_that_could_not_be_written_whole() {
    let sources = Repository::sources_path("corp");
    let mut machine = machine(&sources);
    fs::create_dir_all(machine.path("/etc/apt/keyrings")).unwrap();
    fs::remove_dir(machine.path(&sources).parent().unwrap()).unwrap();
    let before = machine.snapshot();
    let reasons = block_on(machine.converge(&repository("present")));
    assert!(reasons["repository:corp"].contains("sources.list.d"), "{reasons:?}");
    assert_eq!(machine.snapshot(), before);
}

#[test]
fn a_file_that_is_not_roots_alone_is_not_taken_for_musters_where_the_record_tells_of_another_part() {
    let path = "/etc/systemd/timesyncd.conf.d/90-muster.conf";
    let mut machine = machine(path);
    fs::create_dir_all(machine.path("/usr/share/zoneinfo")).unwrap();
    fs::write(machine.path("/usr/share/zoneinfo/UTC"), "").unwrap();
    let zone = composition(&[json!({"time": {"zone": "UTC"}})]);
    assert_eq!(block_on(machine.converge(&zone)), BTreeMap::new());
    fs::write(machine.path(path), "theirs\n").unwrap();
    chown(machine.path(path), Some(1000), Some(1000)).unwrap();
    let servers = composition(&[json!({"time": {"zone": "UTC", "servers": ["ntp.corp.example"]}})]);
    let reasons: Vec<String> = block_on(machine.converge(&servers)).into_values().collect();
    assert!(reasons.iter().any(|reason| reason.contains("Muster did not make it")), "{reasons:?}");
}

#[test]
fn dconf_makes_its_database_anew_where_one_of_two_files_was_left() {
    let (settings, locks) = (Dconf::file("corp"), Dconf::locks("corp"));
    let mut machine = machine(&locks);
    let digest = |text: &str| Digest::of(text.as_bytes()).to_string();
    let condition = |file: &str, locks: &str| {
        Condition::present([("file", file.into()), ("locks", locks.into()), ("compiled", true.into())])
    };
    for path in [&settings, &locks] {
        fs::write(machine.path(path), "ours\n").unwrap();
    }
    let step = Step {
        id: ResourceId::new("dconf", "corp"),
        action: Action::Change,
        from: condition(&digest("ours\n"), &digest("ours\n")),
        to: condition(NO_FILE, NO_FILE),
        differences: vec![],
        claim: None,
        restart: false,
        ending: false,
        follows: false,
        undoes: false,
    };
    fs::write(machine.path(&locks), "newer\n").unwrap();
    let written = block_on(write(&mut machine.host, &[&step], &BTreeMap::new(), &|_| None));
    let refused = written[&step.id].result.clone().unwrap_err();
    assert!(is_left(&refused), "{refused}");
    assert!(!machine.path(&settings).exists() && machine.path(&locks).exists());
    // There is no dconf here, and what it was to do is known.
    assert!(machine.host.dconf_is_behind.is_some());
}
