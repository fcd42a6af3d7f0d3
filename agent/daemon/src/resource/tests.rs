//! Kinds that need no more than a file system, against a folder that stands for the root of one.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::PathBuf;

use muster_converge::fight::Fights;
use muster_converge::plan::{Input, Plan, plan, record_of};
use muster_converge::trial::Trials;
use muster_proto::compose::{Claim, Claimed, Composition};
use muster_proto::report::OutcomeKind;
use muster_proto::resource::{Body, Declared};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::host::accounts::Group;

mod archives;
mod changed_since;
mod directories;
mod foretold;
mod names;
mod outlived;
mod placed;
mod system;

/// A machine in a folder, and what the ledger would keep of it.
struct Machine {
    folder: tempfile::TempDir,
    host: Host,
    records: BTreeMap<ResourceId, Record>,
    blobs: BTreeMap<Digest, Vec<u8>>,
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for dir in ["etc", "srv", "home/ada", "var/lib/dpkg"] {
            fs::create_dir_all(folder.path().join("root").join(dir)).unwrap();
        }
        let root = folder.path().join("root");
        fs::write(root.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\nada:x:1000:1000::/home/ada:/bin/sh\n")
            .unwrap();
        fs::write(root.join("etc/group"), "root:x:0:\nada:x:1000:\nengineers:x:4000:ada\n").unwrap();
        fs::write(root.join("etc/shadow"), "ada:!:1::::::\n").unwrap();
        fs::write(root.join("var/lib/dpkg/status"), "").unwrap();
        chown(root.join("home/ada"), Some(1000), Some(1000)).unwrap();
        let host = Host::at(&root, &folder.path().join("run"), folder.path()).unwrap();
        Self { folder, host, records: BTreeMap::new(), blobs: BTreeMap::new() }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join("root").join(path.trim_start_matches('/'))
    }

    /// Everything below the root: path, kind and mode, owner, and content or target.
    fn snapshot(&self) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        let mut ahead = vec![self.path("")];
        while let Some(dir) = ahead.pop() {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                let meta = fs::symlink_metadata(&path).unwrap();
                let content = if meta.is_dir() {
                    ahead.push(path.clone());
                    String::new()
                } else if meta.is_symlink() {
                    fs::read_link(&path).unwrap().display().to_string()
                } else {
                    fs::read_to_string(&path).unwrap()
                };
                let line = format!("{:o} {}:{} {content:?}", meta.mode(), meta.uid(), meta.gid());
                all.insert(path.display().to_string(), line);
            }
        }
        all
    }

    async fn plan(&mut self, composition: &Composition) -> Plan {
        let ids: BTreeSet<&ResourceId> = composition.claims.keys().chain(self.records.keys()).collect();
        let wanted: Vec<Wanted<'_>> = ids
            .into_iter()
            .map(|id| Wanted {
                id,
                resource: composition.claims.get(id).and_then(|claim| match &claim.claimed {
                    Claimed::Apply(resource) => Some(resource),
                    _ => None,
                }),
                record: self.records.get(id),
                audited: false,
                asks: true,
                holds: true,
                versions: &NO_VERSIONS,
                now: Timestamp::from_system(std::time::SystemTime::now()),
                settled: true,
            })
            .collect();
        let observed = read(&mut self.host, &wanted).await;
        plan(&Input {
            composition,
            observed: &observed,
            records: &self.records,
            restarts_due: &BTreeSet::new(),
            given_up: &Default::default(),
            deny_kinds: &BTreeSet::new(),
            fights: &Fights::default(),
            trials: &Trials::new(),
            now: "2026-11-23T00:00:00Z".parse().unwrap(),
        })
    }

    /// One cycle; the reasons for what could not be made so.
    async fn converge(&mut self, composition: &Composition) -> BTreeMap<String, String> {
        let plan = self.plan(composition).await;
        let mut reasons: BTreeMap<String, String> = plan
            .settled
            .iter()
            .filter(|outcome| outcome.outcome != OutcomeKind::Kept)
            .map(|o| (o.resource.to_string(), o.reason.clone().unwrap_or_default()))
            .collect();
        for id in &plan.forget {
            self.records.remove(id);
        }
        let steps: Vec<&Step> = plan.steps.iter().collect();
        for batch in batches(&steps) {
            let (mut ready, mut extras) = (vec![], BTreeMap::new());
            for (id, prepared) in prepare(&mut self.host, &batch, &self.records).await {
                match prepared {
                    Ok(Prepared::Ready(preserved)) => {
                        let blobs = preserved.blobs.into_iter().map(|blob| (Digest::of(&blob), blob));
                        self.blobs.extend(blobs);
                        extras.insert(id.clone(), preserved.extra);
                        ready.extend(batch.iter().copied().filter(|step| step.id == id));
                    }
                    Ok(Prepared::Blocked(reason)) | Err(reason) => {
                        reasons.insert(id.to_string(), reason);
                    }
                }
            }
            let blobs = &self.blobs;
            let contents = |digest: &Digest| {
                let written = steps.iter().filter_map(|step| Some((step.resource()?, step.to.attributes()?)));
                let mut desired = written
                    .flat_map(|(resource, to)| to.keys().filter_map(move |name| resource.content(name)));
                desired.find(|bytes| Digest::of(bytes) == *digest).or_else(|| blobs.get(digest).cloned())
            };
            for (id, written) in write(&mut self.host, &ready, &self.records, &contents).await {
                let step = ready.iter().find(|step| step.id == id).unwrap();
                match (written.result, &step.claim) {
                    (Err(reason), _) => drop(reasons.insert(id.to_string(), reason)),
                    (Ok(()), None) => drop(self.records.remove(&id)),
                    (Ok(()), Some(_)) => {
                        let extra = extras.remove(&id).unwrap_or_default();
                        let extra = written.extra.unwrap_or(extra);
                        let record = record_of(step, self.records.get(&id), extra);
                        let record = Record { wrote: step.to.clone(), intended: None, ..record };
                        self.records.insert(id, record);
                    }
                }
            }
        }
        reasons
    }
}

fn composition(resources: &[Value]) -> Composition {
    let source: muster_proto::state::Applied = serde_json::from_value(json!({
        "assignment": "a", "profile": "p", "revision": 1, "digest": Digest::of(b""), "precedence": 0,
        "mode": "enforce",
    }))
    .unwrap();
    let mut composition = Composition::default();
    for declared in resources.iter().flat_map(|resource| Declared::parse(resource).unwrap()) {
        let Body::Known(resource) = declared.body else { panic!("unknown") };
        let claim = Claim {
            claimed: Claimed::Apply(resource),
            source: source.clone().into(),
            common: declared.common,
            overrides: vec![],
            beside: vec![],
        };
        composition.claims.insert(declared.id, claim);
    }
    composition
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

#[test]
fn files_directories_and_links_are_made_kept_repaired_and_taken_back() {
    let mut machine = Machine::new();
    fs::write(machine.path("/etc/issue"), "Debian\n").unwrap();
    fs::set_permissions(machine.path("/etc/issue"), fs::Permissions::from_mode(0o600)).unwrap();
    symlink("/old", machine.path("/etc/link")).unwrap();
    fs::write(machine.path("/etc/unwanted"), "was here\n").unwrap();
    let before = machine.snapshot();
    let wanted = composition(&[
        json!({"file": {"path": "/etc/issue", "content": "Property\n", "mode": "0644"}}),
        json!({"file": {"path": "/srv/new", "content": "new\n", "owner": "ada", "group": "engineers"}}),
        json!({"file": {"path": "/etc/unwanted", "state": "absent"}}),
        json!({"directory": {"path": "/srv/build", "group": "engineers", "mode": "2775"}}),
        json!({"file": {"path": "/srv/build/in", "content": ""}}),
        json!({"link": {"path": "/etc/link", "target": "/new"}}),
        json!({"link": {"path": "/etc/another", "target": "../srv"}}),
    ]);
    block_on(async {
        assert_eq!(machine.converge(&wanted).await, BTreeMap::new());
        let made = machine.snapshot();
        assert!(machine.plan(&wanted).await.steps.is_empty());
        assert_eq!(fs::read_to_string(machine.path("/etc/issue")).unwrap(), "Property\n");
        let meta = fs::metadata(machine.path("/srv/build")).unwrap();
        assert_eq!((meta.mode() & 0o7777, meta.gid()), (0o2775, 4000));
        let new = fs::metadata(machine.path("/srv/new")).unwrap();
        assert_eq!((new.mode() & 0o7777, new.uid(), new.gid()), (0o644, 1000, 4000));

        fs::write(machine.path("/srv/new"), "drift\n").unwrap();
        fs::set_permissions(machine.path("/srv/build"), fs::Permissions::from_mode(0o777)).unwrap();
        fs::remove_file(machine.path("/etc/link")).unwrap();
        assert_eq!(machine.converge(&wanted).await, BTreeMap::new());
        assert_eq!(machine.snapshot(), made);

        assert_eq!(machine.converge(&Composition::default()).await, BTreeMap::new());
    });
    assert_eq!(machine.snapshot(), before);
    assert!(machine.records.is_empty());
}

#[test]
fn a_directory_that_was_removed_comes_back_in_the_same_turn_as_what_was_in_it() {
    let mut machine = Machine::new();
    fs::create_dir(machine.path("/srv/old")).unwrap();
    fs::write(machine.path("/srv/old/in"), "was here\n").unwrap();
    symlink("in", machine.path("/srv/old/link")).unwrap();
    let before = machine.snapshot();
    let unwanted = composition(&[
        json!({"directory": {"path": "/srv/old", "state": "absent"}}),
        json!({"file": {"path": "/srv/old/in", "state": "absent"}}),
        json!({"link": {"path": "/srv/old/link", "state": "absent"}}),
    ]);
    block_on(async {
        assert_eq!(machine.converge(&unwanted).await, BTreeMap::new());
        assert!(!machine.path("/srv/old").exists());
        assert_eq!(machine.converge(&Composition::default()).await, BTreeMap::new());
    });
    assert_eq!(machine.snapshot(), before);
}

#[test]
fn what_someone_changed_or_filled_since_is_left_when_the_profile_goes() {
    let mut machine = Machine::new();
    let wanted = composition(&[
        json!({"file": {"path": "/etc/motd", "content": "ours\n"}}),
        json!({"directory": {"path": "/srv/build"}}),
    ]);
    let reasons = block_on(async {
        machine.converge(&wanted).await;
        fs::write(machine.path("/etc/motd"), "theirs\n").unwrap();
        fs::write(machine.path("/srv/build/work"), "").unwrap();
        machine.converge(&Composition::default()).await
    });
    assert!(reasons["file:/etc/motd"].contains("left as it is"), "{reasons:?}");
    assert!(reasons["directory:/srv/build"].contains("1 entries"), "{reasons:?}");
    assert_eq!(fs::read_to_string(machine.path("/etc/motd")).unwrap(), "theirs\n");
}

#[test]
fn a_file_that_is_entrusted_to_root_is_none_that_a_user_may_hold_open() {
    let mut machine = Machine::new();
    let path = machine.path("/home/ada/tool");
    fs::write(&path, "tool\n").unwrap();
    chown(&path, Some(1000), Some(1000)).unwrap();
    let mut held = fs::File::options().append(true).open(&path).unwrap();
    let file = json!({"path": "/home/ada/tool", "content": "tool\n", "owner": "root", "mode": "4755"});
    assert_eq!(block_on(machine.converge(&composition(&[json!({ "file": file })]))), BTreeMap::new());
    std::io::Write::write_all(&mut held, b"evil\n").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "tool\n");
    let meta = fs::metadata(&path).unwrap();
    assert_eq!((meta.uid(), meta.mode() & 0o7777), (0, 0o4755));
}

#[test]
fn a_file_that_a_user_made_or_changed_after_it_was_looked_at_is_not_entrusted_to_root() {
    let mut machine = Machine::new();
    let path = machine.path("/home/ada/tool");
    let file = json!({"path": "/home/ada/tool", "owner": "root", "mode": "4755"});
    let wanted = composition(&[json!({ "file": file })]);
    let id = ResourceId::new("file", "/home/ada/tool");
    for there in [None, Some("mine\n")] {
        fs::remove_file(&path).ok();
        if let Some(content) = there {
            fs::write(&path, content).unwrap();
            chown(&path, Some(1000), Some(1000)).unwrap();
        }
        let plan = block_on(machine.plan(&wanted));
        fs::write(&path, "evil\n").unwrap();
        chown(&path, Some(1000), Some(1000)).unwrap();
        let written = block_on(write(&mut machine.host, &[&plan.steps[0]], &BTreeMap::new(), &|_| None));
        let error = written[&id].result.clone().unwrap_err();
        assert!(error.contains("a moment ago: left as it is"), "{error}");
        let meta = fs::metadata(&path).unwrap();
        assert_eq!((meta.uid(), meta.mode() & 0o7000), (1000, 0));
    }
}

#[test]
fn what_many_large_files_held_is_kept_and_put_back_as_far_as_there_is_memory_and_the_rest_in_the_next_turn() {
    let mut machine = Machine::new();
    let count = room::AT_ONCE / 16 / 1024 / 1024 + 2;
    let paths: Vec<String> = (0..count).map(|number| format!("/srv/{number}")).collect();
    for path in &paths {
        fs::write(machine.path(path), path).unwrap();
        fs::File::options().write(true).open(machine.path(path)).unwrap().set_len(BACKUP_LIMIT).unwrap();
    }
    let held = |machine: &Machine| {
        let length = |path: &String| fs::metadata(machine.path(path)).unwrap().len();
        paths.iter().filter(|path| length(path) == BACKUP_LIMIT).count()
    };
    let files: Vec<_> = paths.iter().map(|path| json!({"file": {"path": path, "content": "ours"}})).collect();
    for (wanted, left, then) in [(&files[..], 2, 0), (&[], count - 2, count)] {
        let reasons = block_on(machine.converge(&composition(wanted)));
        assert_eq!((reasons.len(), held(&machine)), (2, left));
        assert!(reasons.values().all(|reason| reason.contains("follows in the next turns")), "{reasons:?}");
        assert_eq!(block_on(machine.converge(&composition(wanted))), BTreeMap::new());
        assert_eq!(held(&machine), then);
    }
}

#[test]
fn what_someone_wrote_after_it_was_looked_at_is_not_written_over() {
    let mut machine = Machine::new();
    let path = machine.path("/etc/motd");
    let wanted = composition(&[json!({"file": {"path": "/etc/motd", "content": "ours\n"}})]);
    let id = ResourceId::new("file", "/etc/motd");
    let ours = |_: &Digest| Some(b"ours\n".to_vec());
    for there in [None, Some("theirs\n")] {
        fs::remove_file(&path).ok();
        if let Some(content) = there {
            fs::write(&path, content).unwrap();
        }
        let plan = block_on(machine.plan(&wanted));
        fs::write(&path, "not in the ledger\n").unwrap();
        let written = block_on(write(&mut machine.host, &[&plan.steps[0]], &BTreeMap::new(), &ours));
        let error = written[&id].result.clone().unwrap_err();
        assert!(error.contains("a moment ago: left as it is"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "not in the ledger\n");
    }
    assert_eq!(block_on(machine.converge(&wanted)), BTreeMap::new());
    assert_eq!(fs::read_to_string(&path).unwrap(), "ours\n");
}

#[test]
fn a_link_that_came_or_was_changed_after_it_was_looked_at_is_left_as_it_is() {
    let mut machine = Machine::new();
    let path = machine.path("/etc/motd");
    let wanted = composition(&[json!({"link": {"path": "/etc/motd", "target": "ours"}})]);
    let gone = composition(&[json!({"link": {"path": "/etc/motd", "state": "absent"}})]);
    let id = ResourceId::new("link", "/etc/motd");
    for (wanted, there) in [(&wanted, None), (&wanted, Some("theirs")), (&gone, Some("theirs"))] {
        fs::remove_file(&path).ok();
        if let Some(target) = there {
            symlink(target, &path).unwrap();
        }
        let plan = block_on(machine.plan(wanted));
        fs::remove_file(&path).ok();
        symlink("not in the ledger", &path).unwrap();
        let written = block_on(write(&mut machine.host, &[&plan.steps[0]], &BTreeMap::new(), &|_| None));
        let error = written[&id].result.clone().unwrap_err();
        assert!(error.contains("a moment ago: left as it is"), "{error}");
        assert_eq!(fs::read_link(&path).unwrap().to_str(), Some("not in the ledger"));
    }
    assert_eq!(block_on(machine.converge(&wanted)), BTreeMap::new());
    assert_eq!(fs::read_link(&path).unwrap().to_str(), Some("ours"));
}

#[test]
fn what_a_crash_left_beside_a_file_goes_at_the_start_although_it_is_wanted_no_more() {
    let mut machine = Machine::new();
    let wanted = composition(&[
        json!({"file": {"path": "/srv/x", "content": "x"}}),
        json!({"link": {"path": "/srv/link", "target": "/x"}}),
    ]);
    let before = machine.snapshot();
    for step in block_on(machine.plan(&wanted)).steps {
        let place = machine.host.root.existing_place(step.id.key()).unwrap();
        let make = |name: &str| rustix::fs::symlinkat("half-way", &place.dir, name);
        crate::host::temporary::make(&place, make).unwrap();
        let record = record_of(&step, None, Value::Null);
        machine.records.insert(step.id, record);
    }
    assert_ne!(machine.snapshot(), before);
    remove_leftovers(&machine.host, &machine.records);
    assert_eq!(machine.snapshot(), before);
}

#[test]
fn what_is_planted_is_named_and_left_alone() {
    let mut machine = Machine::new();
    fs::write(machine.path("/etc/secret"), "secret").unwrap();
    symlink("/etc", machine.path("/home/ada/etc")).unwrap();
    symlink("/etc/secret", machine.path("/srv/planted")).unwrap();
    fs::write(machine.path("/srv/file"), "").unwrap();
    fs::create_dir(machine.path("/srv/dir")).unwrap();
    let before = machine.snapshot();
    let reasons = block_on(machine.converge(&composition(&[
        json!({"file": {"path": "/home/ada/etc/secret", "content": "x"}}),
        json!({"directory": {"path": "/home/ada/etc", "mode": "0777"}}),
        json!({"link": {"path": "/home/ada/etc/link", "target": "/x"}}),
        json!({"file": {"path": "/srv/planted", "content": "x"}}),
        json!({"file": {"path": "/srv/dir", "content": "x"}}),
        json!({"link": {"path": "/srv/file", "target": "/x"}}),
        json!({"directory": {"path": "/srv/file"}}),
        json!({"file": {"path": "/none/x", "content": "x"}}),
        json!({"file": {"path": "/srv/x", "content": "x", "owner": "ghost"}}),
    ])));
    for (id, reason) in [
        ("file:/home/ada/etc/secret", "someone other than root"),
        ("directory:/home/ada/etc", "a symbolic link in its place"),
        ("link:/home/ada/etc/link", "someone other than root"),
        ("file:/srv/planted", "a symbolic link in its place"),
        ("file:/srv/dir", "a directory in its place"),
        ("link:/srv/file", "a regular file in its place"),
        ("directory:/srv/file", "a regular file in its place"),
        ("file:/none/x", "the directory /none does not exist"),
        ("file:/srv/x", "the account ghost does not exist"),
    ] {
        assert!(reasons[id].contains(reason), "{id}: {}", reasons[id]);
    }
    assert_eq!(machine.snapshot(), before);
}

#[test]
fn an_account_is_read_with_those_of_its_wanted_groups_and_keys_that_are_there() {
    let mut machine = Machine::new();
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFakeKeyFakeKey ada";
    fs::create_dir(machine.path("/home/ada/.ssh")).unwrap();
    fs::write(machine.path("/home/ada/.ssh/authorized_keys"), format!("# mine\n{key}\n")).unwrap();
    let wanted = composition(&[json!({"account": {
        "name": "ada", "groups": ["engineers", "video"], "password": "first-login",
        "ssh_keys": [key, "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAnotherAnother ada"],
    }})]);
    let id = ResourceId::new("account", "ada");
    let Claimed::Apply(resource) = &wanted.claims[&id].claimed else { panic!("claimed") };
    let one = Wanted {
        id: &id,
        resource: Some(resource),
        record: None,
        audited: false,
        asks: true,
        holds: true,
        versions: &NO_VERSIONS,
        now: Timestamp::from_system(std::time::SystemTime::now()),
        settled: true,
    };
    let mut found = block_on(read(&mut machine.host, &[one]));
    let found = found.remove(&id).unwrap().unwrap();
    let attributes = found.attributes().unwrap();
    assert_eq!(attributes["groups"], json!(["engineers"]));
    assert_eq!(attributes["ssh_keys"], json!([key]));
    assert_eq!(attributes["password"], "none");
    assert_eq!(attributes["locked"], false);
}

#[test]
fn an_account_is_read_with_the_groups_and_keys_that_muster_gave_it_and_nobody_asks_for_any_more() {
    let machine = Machine::new();
    let group = "root:x:0:\nada:x:1000:\nstaff:x:50:ada\nvideo:x:44:ada\nengineers:x:4000:ada\n";
    fs::write(machine.path("/etc/group"), group).unwrap();
    let [old, new] =
        ["old", "new"].map(|key| format!("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFakeKeyFakeKey{key} ada"));
    fs::create_dir(machine.path("/home/ada/.ssh")).unwrap();
    fs::write(machine.path("/home/ada/.ssh/authorized_keys"), format!("# mine\n{old}\n{new}\n")).unwrap();
    let given = |groups: &[&str], keys: &[&String]| {
        Condition::present([("groups", json!(groups)), ("ssh_keys", json!(keys))])
    };
    let record = Record {
        before: given(&["staff"], &[]),
        wrote: given(&["ada", "engineers", "staff", "video"], &[&new, &old]),
        intended: None,
        profile: "base".to_owned(),
        on_removal: muster_proto::resource::OnRemoval::Restore,
        not_after: None,
        notify: vec![],
        extra: Value::Null,
    };
    let wanted =
        composition(&[json!({"account": {"name": "ada", "groups": ["engineers"], "ssh_keys": [new]}})]);
    let id = ResourceId::new("account", "ada");
    let Claimed::Apply(resource) = &wanted.claims[&id].claimed else { panic!("claimed") };
    let one = Wanted {
        id: &id,
        resource: Some(resource),
        record: Some(&record),
        audited: false,
        asks: true,
        holds: true,
        versions: &NO_VERSIONS,
        now: Timestamp::from_system(std::time::SystemTime::now()),
        settled: true,
    };
    let accounts = Accounts::load(&machine.host.root).unwrap();
    let found = account::read(&machine.host, &accounts, &one).unwrap();
    let attributes = found.attributes().unwrap();
    assert_eq!(attributes["groups"], json!(["engineers", "video"]), "staff was there before, ada is its own");
    assert_eq!(attributes["ssh_keys"], json!([new, old]));
}

#[test]
fn an_account_is_given_no_group_because_it_is_called_like_one() {
    let mut machine = Machine::new();
    fs::write(machine.path("/etc/group"), "root:x:0:\ndisk:x:6:\nengineers:x:4000:\n").unwrap();
    let mut refusal = |name: &str, uid: u32| {
        let wanted = composition(&[json!({"account": {"name": name, "uid": uid}})]);
        let plan = block_on(machine.plan(&wanted));
        let steps: Vec<&Step> = plan.steps.iter().collect();
        let mut written = block_on(write(&mut machine.host, &steps, &machine.records, &|_| None));
        written.remove(&ResourceId::new("account", name)).unwrap().result.unwrap_err()
    };
    for (name, uid) in [("disk", 4_000), ("engineers", 20_001)] {
        assert!(refusal(name, uid).contains(&format!("there is a group {name}")), "{name}");
    }
    let deploy = Group { name: "deploy".into(), gid: 4_001, members: BTreeSet::new() };
    assert!(account::refuse_foreign(&deploy, Some(4_001)).is_ok(), "who wrote both in a profile meant both");
}

#[test]
fn a_group_is_not_the_own_group_of_a_person_who_is_called_like_it() {
    let mut machine = Machine::new();
    fs::write(
        machine.path("/etc/passwd"),
        "root:x:0:0::/root:/bin/sh\nengineers:x:20001:20001::/home/e:/bin/sh\n",
    )
    .unwrap();
    fs::write(machine.path("/etc/group"), "root:x:0:\nengineers:x:20001:\n").unwrap();
    let id = ResourceId::new("group", "engineers");
    let one = Wanted {
        id: &id,
        resource: None,
        record: None,
        audited: false,
        asks: true,
        holds: true,
        versions: &NO_VERSIONS,
        now: Timestamp::from_system(std::time::SystemTime::now()),
        settled: true,
    };
    let read = block_on(read(&mut machine.host, &[one])).remove(&id).unwrap();
    assert!(read.unwrap_err().contains("own group of the person"));
}

#[test]
fn a_password_that_was_lost_with_the_agent_is_made_again() {
    let mut machine = Machine::new();
    fs::write(machine.path("/etc/shadow"), "ada:$y$hash:1::::::\n").unwrap();
    fs::write(machine.host.state.join("first-login-ada"), "").unwrap();
    let wanted = composition(&[json!({"account": {"name": "ada", "password": "first-login"}})]);
    block_on(async {
        assert_eq!(machine.plan(&wanted).await.steps.len(), 1);
        password_is_safe(&machine.host, "ada");
        assert!(machine.plan(&wanted).await.steps.is_empty());
    });
}

#[test]
fn an_account_that_should_be_locked_and_is_not_there_is_fine() {
    let mut machine = Machine::new();
    let wanted = composition(&[json!({"account": {"name": "ben", "state": "absent"}})]);
    assert!(block_on(machine.plan(&wanted)).steps.is_empty());
}

#[test]
fn a_user_who_spoils_their_keys_does_not_keep_the_account_from_being_locked() {
    let mut machine = Machine::new();
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFakeKeyFakeKey ada";
    fs::create_dir(machine.path("/home/ada/.ssh")).unwrap();
    let keys = machine.path("/home/ada/.ssh/authorized_keys");
    fs::write(&keys, format!("{key}\n")).unwrap();
    fs::hard_link(&keys, machine.path("/home/ada/second-name")).unwrap();
    let id = ResourceId::new("account", "ada");
    let has = Condition::present([("locked", false.into()), ("ssh_keys", json!([key]))]);
    let record = Record {
        before: Condition::Absent,
        wrote: has,
        intended: None,
        profile: "p".into(),
        on_removal: muster_proto::resource::OnRemoval::Restore,
        not_after: None,
        notify: vec![],
        extra: Value::Null,
    };
    machine.records.insert(id, record);
    let locks = |plan: Plan| plan.steps.iter().any(|step| flag(&step.to, "locked") == Some(true));
    assert!(locks(block_on(machine.plan(&Composition::default()))), "when nothing asks for it any more");
    fs::write(machine.path("/etc/shadow"), "ada:!:1:::::1:\n").unwrap();
    let locked = block_on(machine.plan(&Composition::default()));
    assert_eq!((locked.steps, locked.forget.len()), (vec![], 1), "it is locked: no turn tries for ever");
    fs::write(machine.path("/etc/shadow"), "ada:!:1::::::\n").unwrap();

    let ended = json!({"account": {"name": "ada", "ssh_keys": [key], "not_after": "2026-01-01T00:00:00Z"}});
    assert!(locks(block_on(machine.plan(&composition(&[ended])))), "when its lease ends");
}

#[test]
fn an_account_whose_end_was_cut_off_is_not_done_while_something_of_it_runs() {
    let mut machine = Machine::new();
    let uid = 64_323;
    let passwd = format!("ada:x:{uid}:1000::/home/ada:/bin/sh\n");
    fs::write(machine.path("/etc/passwd"), passwd).unwrap();
    fs::write(machine.path("/etc/shadow"), "ada:!:1:::::1:\n").unwrap();
    let ended = composition(&[json!({"account": {"name": "ada", "not_after": "2026-01-01T00:00:00Z"}})]);
    let id = ResourceId::new("account", "ada");
    let cut_off = Record {
        before: Condition::Absent,
        wrote: Condition::present([("locked", false.into())]),
        intended: Some(Condition::present([("locked", true.into())])),
        profile: "p".into(),
        on_removal: muster_proto::resource::OnRemoval::Restore,
        not_after: None,
        notify: vec![],
        extra: Value::Null,
    };
    machine.records.insert(id, cut_off);
    let running = crate::host::processes::tests::Running::start(uid, "exec sleep 600");
    for wanted in [&ended, &Composition::default()] {
        let plan = block_on(machine.plan(wanted));
        let locks: Vec<_> = plan.steps.iter().filter_map(|step| flag(&step.to, "locked")).collect();
        assert_eq!(locks, [true], "{plan:?}");
    }
    drop(running);
    for wanted in [&ended, &Composition::default()] {
        assert!(block_on(machine.plan(wanted)).steps.is_empty());
    }
}

#[test]
fn keys_of_a_user_whose_ssh_folder_leads_elsewhere_are_not_touched() {
    let mut machine = Machine::new();
    fs::create_dir(machine.path("/root")).unwrap();
    symlink("/root", machine.path("/home/ada/.ssh")).unwrap();
    let ada = Accounts::load(&machine.host.root).unwrap().user("ada").unwrap().clone();
    let error = authorized_keys::write(&machine.host, &ada, &["ssh-ed25519 AAAA x"], &[]).unwrap_err();
    assert!(format!("{error:#}").contains("not a directory"), "{error:#}");
    assert_eq!(fs::read_dir(machine.path("/root")).unwrap().count(), 0);

    fs::remove_file(machine.path("/home/ada/.ssh")).unwrap();
    authorized_keys::write(&machine.host, &ada, &["ssh-ed25519 AAAA x"], &[]).unwrap();
    let keys = fs::metadata(machine.path("/home/ada/.ssh/authorized_keys")).unwrap();
    assert_eq!((keys.mode() & 0o7777, keys.uid()), (0o600, 1000));
    let folder = fs::metadata(machine.path("/home/ada/.ssh")).unwrap();
    assert_eq!((folder.mode() & 0o7777, folder.uid()), (0o700, 1000));
    machine.host.digests = Default::default();
}

#[test]
fn packages_are_read_by_their_constraint_and_upgrades_are_not_taken_back() {
    let mut machine = Machine::new();
    let status = "Package: chrony\nStatus: install ok installed\nArchitecture: amd64\nVersion: 4.3-2\n\n\
                  Package: half\nStatus: install ok half-configured\nArchitecture: amd64\nVersion: 1\n";
    fs::write(machine.path("/var/lib/dpkg/status"), status).unwrap();
    let wanted = composition(&[
        json!({"package": {"name": "chrony", "version": ">= 4.3"}}),
        json!({"package": {"name": "half"}}),
        json!({"package": {"name": "telnet", "state": "absent"}}),
    ]);
    let plan = block_on(machine.plan(&wanted));
    let steps: Vec<_> = plan.steps.iter().map(|step| step.id.as_str()).collect();
    assert_eq!(steps, ["package:half"], "one that is half-way there is installed again");

    let step = Step { to: Condition::present([("version", ">= 4.3".into())]), ..plan.steps[0].clone() };
    let record = Record {
        before: Condition::present([("version", "4.2-1".into())]),
        wrote: step.to.clone(),
        intended: None,
        ..record_of(&step, None, Value::Null)
    };
    machine.records.insert(ResourceId::new("package", "chrony"), record);
    let plan = block_on(machine.plan(&Composition::default()));
    assert!(plan.steps.is_empty(), "{plan:?}");
    assert_eq!(plan.forget, [ResourceId::new("package", "chrony")]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn applying_twice_changes_nothing_and_taking_back_restores(
        files in proptest::collection::btree_map("[a-e]", ("[xy]{0,2}", proptest::option::of(0_u32..0o1000)), 0..5),
        there in proptest::collection::btree_map("[a-e]", "[xyz]{0,2}", 0..5),
    ) {
        let mut machine = Machine::new();
        for (name, content) in &there {
            fs::write(machine.path(&format!("/srv/{name}")), content).unwrap();
        }
        let resources: Vec<Value> = files
            .iter()
            .map(|(name, (content, mode))| {
                let mut file = json!({"path": format!("/srv/{name}"), "content": content});
                if let Some(mode) = mode {
                    file["mode"] = format!("{mode:04o}").into();
                }
                json!({ "file": file })
            })
            .collect();
        let wanted = composition(&resources);
        let before = machine.snapshot();
        block_on(async {
            assert_eq!(machine.converge(&wanted).await, BTreeMap::new());
            assert_eq!(machine.plan(&wanted).await.steps, []);
            assert_eq!(machine.converge(&Composition::default()).await, BTreeMap::new());
        });
        prop_assert_eq!(machine.snapshot(), before);
    }
}
