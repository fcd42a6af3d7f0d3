//! A machine for properties: paths are real ones in a folder, read and written by the agent's own code; packages, accounts,
//! services and what else takes commands are a map. It keeps its own record of what it was asked to write.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use muster_converge::plan::{Record, Step};
use muster_proto::condition::{Attributes, Condition};
use muster_proto::plan::StepView;
use muster_proto::resource::value::Mode;
use muster_proto::{Digest, ResourceId, Timestamp};
use serde_json::{Value, json};

use crate::cycle::machine::Machine;
use crate::host::Host;
use crate::resource::{self, Contents, Prepared, Preserved, Wanted, Written};

/// Everything that is there, in the words of conditions.
pub(super) type World = BTreeMap<ResourceId, Attributes>;

/// How a resource defies the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It can't be read.
    Unreadable,
    /// Looking ahead finds that it may not be changed.
    Blocked,
    /// Looking ahead fails.
    Unprepared,
    /// The write fails and changes nothing.
    Fails,
    /// The write is said to have worked and did nothing.
    Pretends,
}

/// What someone other than Muster does.
#[derive(Clone, Debug)]
pub(super) enum Meddling {
    /// Something new is there, or what is there has another attribute.
    Set(ResourceId, &'static str, Value),
    /// It goes.
    Gone(ResourceId),
    /// A file is written.
    Written(&'static str, &'static str),
    /// A directory is made.
    Directory(&'static str),
    /// A link is made.
    Linked(&'static str),
    /// Its permissions change.
    Mode(&'static str, u32),
    /// Whatever is at a path goes, with all that is in it.
    Removed(&'static str),
}

/// The place of a tree, which no other resource has.
pub(super) const TREE: &str = "/srv/t";

/// What a tree is unpacked from: an artifact with a file that tells which it is. Both are here: what is still to come is a step to who only asks,
/// and waited for by a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tool {
    One,
    Two,
}

impl Tool {
    pub(super) const ALL: [Self; 2] = [Self::One, Self::Two];

    fn bytes(self) -> Vec<u8> {
        let version = format!("{self:?}");
        let mut header = tar::Header::new_gnu();
        header.set_size(version.len() as u64);
        header.set_mode(0o644);
        let mut builder = tar::Builder::new(vec![]);
        // Whether or not a directory is taken off, there is one file of that name.
        for name in ["version", "tool/version"] {
            builder.append_data(&mut header, name, version.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    pub(super) fn artifact(self) -> Digest {
        Digest::of(&self.bytes())
    }
}

pub(super) struct Simulated {
    host: Host,
    root: PathBuf,
    /// What was last unpacked, and where its directory is: its number.
    unpacked: Option<(Attributes, u64)>,
    others: World,
    refusals: BTreeMap<ResourceId, Refusal>,
    /// Every step that it was asked to make, in order.
    pub(super) asked: Vec<StepView>,
    /// How often a service was restarted.
    pub(super) restarts: BTreeMap<ResourceId, u32>,
}

impl Simulated {
    pub(super) fn at(folder: &Path) -> Self {
        let root = folder.join("root");
        for dir in ["etc", "srv", "var/lib/dpkg"] {
            fs::create_dir_all(root.join(dir)).unwrap();
        }
        let files = [
            ("etc/passwd", "root:x:0:0::/root:/bin/sh\nada:x:1000:1000::/home/ada:/bin/sh\n"),
            ("etc/group", "root:x:0:\nada:x:1000:\n"),
            ("etc/shadow", "ada:!:1::::::\n"),
            ("var/lib/dpkg/status", ""),
        ];
        for (file, text) in files {
            fs::write(root.join(file), text).unwrap();
        }
        fs::create_dir(folder.join("artifacts")).unwrap();
        for tool in Tool::ALL {
            let name = muster_proto::artifact::hex(&tool.artifact());
            fs::write(folder.join("artifacts").join(name), tool.bytes()).unwrap();
        }
        let host = Host::at(&root, &folder.join("run"), folder).unwrap();
        let always_there = [
            ("certificate", "corp"),
            ("browser_policy", "firefox"),
            ("dconf", "corp"),
            ("firewall", "incoming"),
            ("login_rule", "office"),
            ("proxy", "proxy"),
            ("ssh_server", "corp"),
            ("network", "lan"),
            ("hostname", "hostname"),
            ("kernel_module", "usb_storage"),
            ("locale", "locale"),
            ("mount", "/mnt/x"),
            ("service", "cron"),
            ("service", "nginx"),
            ("sysctl", "net.ipv4.ip_forward"),
            ("time", "time"),
            ("timer", "report"),
            ("updates", "updates"),
        ];
        let others = always_there.map(|(kind, key)| (ResourceId::new(kind, key), fresh(kind)));
        Self {
            host,
            root,
            unpacked: None,
            others: others.into(),
            refusals: BTreeMap::new(),
            asked: vec![],
            restarts: BTreeMap::new(),
        }
    }

    pub(super) fn meddle(&mut self, meddling: &Meddling) {
        let at = |path: &str| self.root.join(path.trim_start_matches('/'));
        // What the map of the file system does not allow is not done.
        match meddling {
            Meddling::Set(id, name, value) => {
                let there = self.others.entry(id.clone()).or_insert_with(|| fresh(id.kind()));
                if there.contains_key(*name) {
                    there.insert((*name).to_owned(), value.clone());
                }
            }
            Meddling::Gone(id) => drop(self.others.remove(id)),
            // Behind a link it would be in the machine that the tests run on.
            Meddling::Written(path, _) if at(path).is_symlink() => {}
            Meddling::Written(path, text) => drop(fs::write(at(path), text)),
            Meddling::Directory(path) => drop(fs::create_dir(at(path))),
            Meddling::Linked(path) => drop(symlink("/nowhere", at(path))),
            Meddling::Mode(path, bits) => {
                if fs::symlink_metadata(at(path)).is_ok_and(|meta| !meta.is_symlink()) {
                    fs::set_permissions(at(path), fs::Permissions::from_mode(*bits)).unwrap();
                }
            }
            Meddling::Removed(path) => {
                drop(fs::remove_file(at(path)).or_else(|_| fs::remove_dir_all(at(path))));
            }
        }
    }

    /// Everything that is there.
    pub(super) fn world(&self) -> World {
        let mut world = self.others.clone();
        let mut ahead = vec![PathBuf::from("/srv")];
        while let Some(dir) = ahead.pop() {
            for entry in fs::read_dir(self.root.join(dir.strip_prefix("/").unwrap())).unwrap() {
                let entry = entry.unwrap();
                let path = dir.join(entry.file_name());
                let meta = fs::symlink_metadata(entry.path()).unwrap();
                if path == Path::new(TREE) && meta.is_dir() {
                    world.insert(ResourceId::new("archive", TREE), self.tree(&entry.path(), &meta));
                    continue;
                }
                let (kind, own) = if meta.is_dir() {
                    ahead.push(path.clone());
                    ("directory", None)
                } else if meta.is_symlink() {
                    let target = fs::read_link(entry.path()).unwrap();
                    let attributes = Condition::present([("target", target.to_str().into())]);
                    let id = ResourceId::new("link", path.to_str().unwrap());
                    world.insert(id, attributes.attributes().unwrap().clone());
                    continue;
                } else {
                    ("file", Some(Digest::of(&fs::read(entry.path()).unwrap()).to_string()))
                };
                let name = |number: u32| if number == 1000 { "ada".to_owned() } else { "root".to_owned() };
                let attributes = Condition::present([
                    ("content", own.into()),
                    ("owner", name(meta.uid()).into()),
                    ("group", name(meta.gid()).into()),
                    ("mode", Mode::from_bits(meta.mode()).to_string().into()),
                ]);
                let id = ResourceId::new(kind, path.to_str().unwrap());
                world.insert(id, attributes.attributes().unwrap().clone());
            }
        }
        world
    }

    /// The tree that is there, or what else is in the directory in its place.
    fn tree(&self, at: &Path, meta: &fs::Metadata) -> Attributes {
        let name = |number: u32| if number == 1000 { "ada" } else { "root" };
        let names: Vec<_> = fs::read_dir(at).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        let ours = self.unpacked.as_ref().filter(|(_, number)| *number == meta.ino());
        let artifact = match ours {
            None if names.is_empty() => "none".to_owned(),
            None => "unknown".to_owned(),
            Some((unpacked, _)) => {
                let artifact = unpacked["artifact"].as_str().unwrap();
                let tool = Tool::ALL.iter().find(|tool| tool.artifact().to_string() == artifact).unwrap();
                let changed = match fs::read(at.join("version")) {
                    Err(_) => ", but version is missing",
                    Ok(version) if version != format!("{tool:?}").as_bytes() => ", but version was changed",
                    Ok(_) if names.iter().any(|name| name == "zzz") => ", but zzz was added",
                    Ok(_) => "",
                };
                format!("{artifact}{changed}")
            }
        };
        let strip = ours.map_or(Value::Null, |(unpacked, _)| unpacked["strip"].clone());
        let attributes = [
            ("artifact", artifact.into()),
            ("strip", strip),
            ("owner", name(meta.uid()).into()),
            ("group", name(meta.gid()).into()),
        ];
        attributes.map(|(name, value)| (name.to_owned(), value)).into()
    }

    /// How resources defy the agent from now on. Of a path that can't be read something of its kind is there: what is nowhere,
    /// or is something else, is read like any other.
    pub(super) fn refuse(&mut self, refusals: &BTreeMap<ResourceId, Refusal>) {
        let is_there = |id: &ResourceId| {
            let there = fs::symlink_metadata(self.root.join(id.key().trim_start_matches('/')));
            there.is_ok_and(|there| match id.kind() {
                "directory" | "archive" => there.is_dir(),
                "link" => there.is_symlink(),
                _ => there.is_file(),
            })
        };
        let holds = |id: &ResourceId, refusal: Refusal| {
            refusal != Refusal::Unreadable || !is_path(id) || is_there(id)
        };
        let holding = refusals.iter().filter(|(id, refusal)| holds(id, **refusal));
        self.refusals = holding.map(|(id, refusal)| (id.clone(), *refusal)).collect();
    }

    fn refusal(&self, id: &ResourceId) -> Option<Refusal> {
        self.refusals.get(id).copied()
    }

    fn write_other(&mut self, step: &Step) {
        match &step.to {
            Condition::Absent => drop(self.others.remove(&step.id)),
            Condition::Present(to) => {
                let there = self.others.entry(step.id.clone()).or_insert_with(|| fresh(step.id.kind()));
                there.extend(to.as_ref().clone());
            }
        }
        if step.restart {
            *self.restarts.entry(step.id.clone()).or_default() += 1;
        }
    }
}

impl Machine for Simulated {
    async fn freshen(&mut self, _now: Timestamp) {}

    async fn read(&mut self, wanted: &[Wanted<'_>]) -> BTreeMap<ResourceId, Result<Condition, String>> {
        let readable = |one: &&Wanted<'_>| self.refusal(one.id) != Some(Refusal::Unreadable);
        let paths: Vec<_> = wanted.iter().filter(|one| is_path(one.id)).filter(readable).copied().collect();
        let mut read: BTreeMap<_, _> = wanted
            .iter()
            .map(|one| {
                let there = self.others.get(one.id).cloned().map_or(Condition::Absent, Condition::from_iter);
                (one.id.clone(), if readable(&one) { Ok(there) } else { Err("it can't be read".to_owned()) })
            })
            .collect();
        read.extend(resource::read(&mut self.host, &paths).await);
        read
    }

    async fn prepare(
        &mut self,
        steps: &[&Step],
        records: &BTreeMap<ResourceId, Record>,
    ) -> BTreeMap<ResourceId, Result<Prepared, String>> {
        let paths: Vec<_> = steps.iter().filter(|step| is_path(&step.id)).copied().collect();
        let mut prepared = resource::prepare(&mut self.host, &paths, records).await;
        for step in steps {
            match self.refusal(&step.id) {
                Some(Refusal::Blocked) => {
                    prepared
                        .insert(step.id.clone(), Ok(Prepared::Blocked("something is in the way".to_owned())));
                }
                Some(Refusal::Unprepared) => {
                    prepared.insert(step.id.clone(), Err("looking ahead failed".to_owned()));
                }
                _ if is_path(&step.id) => {}
                _ => drop(prepared.insert(step.id.clone(), Ok(Prepared::Ready(Preserved::default())))),
            }
        }
        prepared
    }

    async fn write(
        &mut self,
        steps: &[&Step],
        records: &BTreeMap<ResourceId, Record>,
        contents: &Contents<'_>,
    ) -> BTreeMap<ResourceId, Written> {
        let (mut written, mut paths) = (BTreeMap::new(), vec![]);
        for step in steps {
            self.asked.push(StepView {
                resource: step.id.clone(),
                action: step.action,
                differences: step.differences.clone(),
                restart: step.restart,
                note: None,
            });
            let result = match self.refusal(&step.id) {
                Some(Refusal::Fails) => Err("the write failed".to_owned()),
                // That a service was not restarted can't be seen by looking at it.
                Some(Refusal::Pretends) if step.restart => Err("the restart failed".to_owned()),
                Some(Refusal::Pretends) => Ok(()),
                _ if is_path(&step.id) => {
                    paths.push(*step);
                    continue;
                }
                _ => {
                    self.write_other(step);
                    Ok(())
                }
            };
            written.insert(step.id.clone(), Written { result, secret: None, extra: None });
        }
        written.extend(resource::write(&mut self.host, &paths, records, contents).await);
        let tree = paths.iter().find(|step| step.id.kind() == "archive" && written[&step.id].result.is_ok());
        if let Some(to) = tree.and_then(|step| step.to.attributes()).filter(|to| to["artifact"] != "none") {
            let number = fs::metadata(self.root.join(TREE.trim_start_matches('/'))).unwrap().ino();
            self.unpacked = Some((to.clone(), number));
        }
        written
    }

    async fn foretell(
        &mut self,
        _steps: &[Step],
        _records: &BTreeMap<ResourceId, Record>,
    ) -> BTreeMap<ResourceId, String> {
        BTreeMap::new()
    }

    fn public_text(&self, _path: &str) -> Option<String> {
        None
    }

    fn text(&self, _path: &str) -> Option<String> {
        None
    }

    fn writers(&self, _id: &ResourceId) -> Vec<String> {
        vec![]
    }

    fn folder(&self, _path: &str) -> Option<(u64, u64)> {
        None
    }

    fn password_is_safe(&self, _account: &str) {}
}

fn is_path(id: &ResourceId) -> bool {
    matches!(id.kind(), "archive" | "file" | "directory" | "link")
}

/// What something of this kind is when nobody says more.
fn fresh(kind: &str) -> Attributes {
    let attributes = match kind {
        "sudo" => {
            json!({"content": Digest::of(b"").to_string(), "owner": "root", "group": "root", "mode": "0644"})
        }
        "package" => json!({"version": "1.5"}),
        "group" => json!({"gid": 999}),
        "account" => json!({
            "locked": false, "full_name": "", "uid": 1000, "shell": "/bin/sh", "home": "/home/x", "groups": [],
            "ssh_keys": [],
        }),
        "service" => json!({"running": false, "enabled": false}),
        "certificate" => json!({"file": "none", "trusted": false}),
        "browser_policy" => json!({"file": "none"}),
        "dconf" => json!({"file": "none", "locks": "none", "compiled": true}),
        "firewall" => json!({"file": "none", "table": "none"}),
        "network" => {
            json!({"file": "none", "keyfile": "none", "netdev": "none", "key": "none", "loaded": true})
        }
        "proxy" => {
            json!({"services": "none", "logins": "none", "sessions": "none", "apt": "none", "loaded": true})
        }
        "login_rule" => json!({"lets_in": "none", "keeps_out": "none", "asked": false}),
        "ssh_server" => json!({"file": "none", "loaded": true}),
        "line" => json!({"line": Digest::of(b"Port 22").to_string()}),
        "hosts_entry" => json!({"line": "10.0.0.5 old"}),
        "hostname" => json!({"running": "debian", "file": Digest::of(b"debian\n").to_string()}),
        "kernel_module" => json!({"modprobe": "none", "modules_load": "none", "loaded": false}),
        "sysctl" => json!({"value": "0", "file": "none"}),
        "time" => json!({"localtime": "/usr/share/zoneinfo/Etc/UTC", "timezone": "none", "servers": "none"}),
        "locale" => json!({"file": "none", "generated": [], "listed": []}),
        "script" => json!({"ran": "before"}),
        "mount" => json!({"unit": "none", "enabled": false, "mounted": false}),
        "timer" => json!({"timer": "none", "service": "none", "enabled": false, "running": false}),
        "repository" => json!({"sources": "", "key": ""}),
        "updates" => json!({"to_install": ["curl 1 -> 2"]}),
        other => panic!("no such kind: {other}"),
    };
    attributes.as_object().unwrap().clone().into_iter().collect()
}
