//! Trees that are unpacked from artifacts.

use std::os::unix::fs::DirBuilderExt as _;

use tar::{Builder, EntryType, Header};

use super::*;
use crate::artifacts::Heard;

/// An archive of files with their contents, under a leading directory.
fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = Builder::new(vec![]);
    for (name, content) in files {
        let mut header = header(EntryType::Regular, content.len());
        builder.append_data(&mut header, format!("tool-1/{name}"), content.as_bytes()).unwrap();
    }
    let mut link = header(EntryType::Symlink, 0);
    builder.append_link(&mut link, "tool-1/latest", "bin/tool").unwrap();
    builder.append_link(&mut header(EntryType::Link, 0), "tool-1/twin", "tool-1/bin/tool").unwrap();
    builder.into_inner().unwrap()
}

fn header(kind: EntryType, size: usize) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size as u64);
    header.set_mode(0o4755);
    header.set_mtime(1_700_000_000);
    header
}

fn tool(version: &str) -> Vec<u8> {
    archive(&[("bin/tool", version), ("share/doc/readme", "read me")])
}

impl Machine {
    /// Has an artifact here, as the link would.
    fn fetch(&self, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        let (mut file, _) = self.host.artifacts.begin(&digest).unwrap();
        std::io::Write::write_all(&mut file, bytes).unwrap();
        assert!(self.host.artifacts.complete(&digest).unwrap());
        digest
    }

    fn in_srv(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("/srv")).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn wanted(artifact: Digest) -> Composition {
    composition(&[
        json!({"archive": {"path": "/srv/tool", "artifact": artifact, "strip": 1, "group": "engineers"}}),
    ])
}

const ID: &str = "archive:/srv/tool";

#[tokio::test]
async fn a_tree_is_unpacked_kept_replaced_as_a_whole_and_taken_back() {
    let mut machine = Machine::new();
    let before = machine.snapshot();
    let (one, two) = (machine.fetch(&tool("one")), machine.fetch(&tool("two")));
    assert_eq!(machine.converge(&wanted(one)).await, BTreeMap::new());
    assert_eq!(machine.text("/srv/tool/latest"), "one");
    let meta = fs::metadata(machine.path("/srv/tool/bin/tool")).unwrap();
    assert_eq!(
        (meta.mode() & 0o7777, meta.uid(), meta.gid(), meta.mtime(), meta.nlink()),
        (0o755, 0, 4000, 1_700_000_000, 2)
    );
    let meta = fs::metadata(machine.path("/srv/tool")).unwrap();
    assert_eq!((meta.mode() & 0o7777, meta.gid()), (0o755, 4000));
    assert!(machine.plan(&wanted(one)).await.steps.is_empty());

    let open = fs::File::open(machine.path("/srv/tool/bin/tool")).unwrap();
    assert_eq!(machine.converge(&wanted(two)).await, BTreeMap::new());
    assert_eq!(
        (machine.text("/srv/tool/twin"), machine.in_srv()),
        ("two".to_owned(), vec!["tool".to_owned()])
    );
    assert_eq!(std::io::read_to_string(open).unwrap(), "one", "who runs the old one goes on with it");

    let nothing = Composition::default();
    assert_eq!(machine.converge(&nothing).await, BTreeMap::new());
    assert_eq!(machine.snapshot(), before);
    assert_eq!(machine.records, BTreeMap::new());
    assert_eq!(fs::read_dir(machine.folder.path().join("archives")).unwrap().count(), 0);
}

#[tokio::test]
async fn an_empty_directory_comes_back_as_it_was() {
    let mut machine = Machine::new();
    fs::DirBuilder::new().mode(0o750).create(machine.path("/srv/tool")).unwrap();
    chown(machine.path("/srv/tool"), Some(1000), Some(1000)).unwrap();
    let before = machine.snapshot();
    let (one, two) = (machine.fetch(&tool("one")), machine.fetch(&tool("two")));
    for artifact in [one, two] {
        assert_eq!(machine.converge(&wanted(artifact)).await, BTreeMap::new());
    }
    assert_eq!(machine.text("/srv/tool/bin/tool"), "two");
    assert_eq!(machine.converge(&Composition::default()).await, BTreeMap::new());
    assert_eq!(machine.snapshot(), before);
}

#[tokio::test]
async fn whatever_is_changed_added_or_taken_away_in_a_tree_is_named_and_put_right() {
    let mut machine = Machine::new();
    let one = machine.fetch(&tool("one"));
    assert_eq!(machine.converge(&wanted(one)).await, BTreeMap::new());
    let whole = machine.snapshot();
    type Meddle = fn(PathBuf);
    let meddling: [(&str, Meddle); 8] = [
        ("twin was changed", |tree| fs::write(tree.join("bin/tool"), "eve").unwrap()),
        ("share/doc/readme is missing", |tree| fs::remove_file(tree.join("share/doc/readme")).unwrap()),
        ("bin/eve was added", |tree| fs::write(tree.join("bin/eve"), "eve").unwrap()),
        ("share is missing", |tree| fs::remove_dir_all(tree.join("share")).unwrap()),
        ("share is no directory", |tree| {
            fs::remove_dir_all(tree.join("share")).unwrap();
            symlink("bin", tree.join("share")).unwrap();
        }),
        ("its own mode or owner was changed", |tree| {
            fs::set_permissions(tree, fs::Permissions::from_mode(0o777)).unwrap();
        }),
        ("share/doc was changed", |tree| chown(tree.join("share/doc"), Some(1000), None).unwrap()),
        ("latest was changed", |tree| {
            fs::remove_file(tree.join("latest")).unwrap();
            symlink("/etc/shadow", tree.join("latest")).unwrap();
        }),
    ];
    for (what, meddle) in meddling {
        meddle(machine.path("/srv/tool"));
        let plan = machine.plan(&wanted(one)).await;
        let found = plan.steps.first().map(|step| step.differences[0].from.to_string()).unwrap_or_default();
        assert!(found.contains(what), "{what}: {found}");
        assert_eq!(machine.converge(&wanted(one)).await, BTreeMap::new(), "{what}");
        assert_eq!(machine.snapshot(), whole, "{what}");
    }
    // What came and went is no change.
    fs::write(machine.path("/srv/tool/bin/passing"), "").unwrap();
    fs::remove_file(machine.path("/srv/tool/bin/passing")).unwrap();
    assert!(machine.plan(&wanted(one)).await.steps.is_empty());
}

#[tokio::test]
async fn what_someone_put_into_a_tree_keeps_it_from_being_taken_back() {
    let mut machine = Machine::new();
    let one = machine.fetch(&tool("one"));
    assert_eq!(machine.converge(&wanted(one)).await, BTreeMap::new());
    fs::write(machine.path("/srv/tool/notes"), "mine").unwrap();
    let reasons = machine.converge(&Composition::default()).await;
    assert!(reasons[ID].contains("someone changed it"), "{reasons:?}");
    assert_eq!(machine.text("/srv/tool/notes"), "mine");
}

#[tokio::test]
async fn what_muster_did_not_unpack_is_left_as_it_is() {
    let mut machine = Machine::new();
    let one = machine.fetch(&tool("one"));
    fs::create_dir(machine.path("/srv/tool")).unwrap();
    fs::write(machine.path("/srv/tool/data"), "precious").unwrap();
    let before = machine.snapshot();
    let reasons = machine.converge(&wanted(one)).await;
    assert!(reasons[ID].contains("Muster did not unpack"), "{reasons:?}");
    assert_eq!(machine.snapshot(), before);
    fs::remove_dir_all(machine.path("/srv/tool")).unwrap();
    fs::write(machine.path("/srv/tool"), "x").unwrap();
    let reasons = machine.converge(&wanted(one)).await;
    assert!(reasons[ID].contains("a regular file in its place"), "{reasons:?}");

    let below_home = |path: &str| composition(&[json!({"archive": {"path": path, "artifact": one}})]);
    let reasons = machine.converge(&below_home("/home/ada/tool")).await;
    assert!(reasons["archive:/home/ada/tool"].contains("others than root"), "{reasons:?}");
    let reasons = machine.converge(&below_home("/opt/tool")).await;
    assert!(reasons["archive:/opt/tool"].contains("/opt does not exist"), "{reasons:?}");
}

#[tokio::test]
async fn an_artifact_that_is_not_here_is_waited_for_and_one_that_is_damaged_thrown_away() {
    let mut machine = Machine::new();
    let one = Digest::of(&tool("one"));
    let plan = machine.plan(&wanted(one)).await;
    assert!(plan.steps.is_empty());
    assert_eq!(plan.settled[0].outcome, OutcomeKind::Waiting);
    let hear = |machine: &mut Machine, heard| drop(machine.host.told_of_artifacts.insert(one, heard));
    hear(&mut machine, Heard::Missed("there is no room for it".to_owned()));
    let missed = machine.plan(&wanted(one)).await;
    let told = (missed.settled[0].outcome, missed.settled[0].reason.as_deref());
    assert_eq!(told, (OutcomeKind::Drifted, Some("there is no room for it")));
    hear(&mut machine, Heard::Coming("its artifact is being fetched: 1 of 2 MiB".to_owned()));
    assert!(machine.converge(&wanted(one)).await[ID].contains("1 of 2 MiB"));
    machine.fetch(&tool("one"));
    let file = machine.folder.path().join("artifacts").join(muster_proto::artifact::hex(&one));
    fs::write(file, tool("eve")).unwrap();
    let reasons = machine.converge(&wanted(one)).await;
    assert!(reasons[ID].contains("was damaged on this device"), "{reasons:?}");
    assert!(!machine.host.artifacts.has(&one) && machine.in_srv().is_empty());
}

#[tokio::test]
async fn a_hostile_archive_leaves_nothing_behind() {
    let mut machine = Machine::new();
    let before = machine.snapshot();
    let write = |builder: &mut Builder<Vec<u8>>, kind, name: &str, target: &str| {
        let mut header = header(kind, 0);
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.as_mut_bytes()[157..157 + target.len()].copy_from_slice(target.as_bytes());
        header.set_cksum();
        builder.append(&header, &b""[..]).unwrap();
    };
    type Entries = [(EntryType, &'static str, &'static str)];
    let hostile: [(&str, &Entries); 6] = [
        ("has '..' in its path", &[(EntryType::Regular, "t/../../../etc/cron.d/x", "")]),
        (
            "below what is no directory",
            &[(EntryType::Symlink, "t/d", "e"), (EntryType::Regular, "t/d/x", "")],
        ),
        ("two things of that name", &[(EntryType::Regular, "t/x", ""), (EntryType::Symlink, "t/x", "y")]),
        (
            "no regular file",
            &[(EntryType::Symlink, "t/a/b/l", "../../x"), (EntryType::Link, "t/m", "t/a/b/l")],
        ),
        ("is not there", &[(EntryType::Link, "t/m", "t/passwd")]),
        ("is a device file", &[(EntryType::Regular, "t/x", ""), (EntryType::Char, "t/null", "")]),
    ];
    for (why, entries) in hostile {
        let mut builder = Builder::new(vec![]);
        for (kind, name, target) in entries {
            write(&mut builder, *kind, name, target);
        }
        let artifact = machine.fetch(&builder.into_inner().unwrap());
        let reasons = machine.converge(&wanted(artifact)).await;
        assert!(reasons[ID].contains(why), "{why}: {reasons:?}");
        assert_eq!(machine.snapshot(), before, "{why}");
    }
}

#[tokio::test]
async fn what_a_crash_left_beside_a_tree_is_removed_and_a_list_without_its_tree_counts_for_nothing() {
    let mut machine = Machine::new();
    let (one, two) = (machine.fetch(&tool("one")), machine.fetch(&tool("two")));
    assert_eq!(machine.converge(&wanted(one)).await, BTreeMap::new());
    // As it is right before the exchange: the new tree beside the old, its list written, the intent in the ledger.
    let aside = machine.path("/srv").join(crate::host::temporary::usual_name("tool"));
    fs::create_dir_all(aside.join("bin")).unwrap();
    fs::write(aside.join("bin/tool"), "tw").unwrap();
    let lists = machine.folder.path().join("archives");
    let list = fs::read_dir(&lists).unwrap().next().unwrap().unwrap().path();
    fs::copy(&list, list.with_extension("next")).unwrap();
    let text = fs::read_to_string(&list).unwrap();
    let (head, rest) = text.split_once('\n').unwrap();
    let mut words: Vec<_> = head.split(' ').collect();
    words[5] = "1";
    fs::write(list.with_extension("next"), format!("{}\n{rest}", words.join(" "))).unwrap();
    fs::write(lists.join("of-nothing"), "").unwrap();
    assert!(machine.plan(&wanted(one)).await.steps.is_empty(), "the old tree is the one it was");
    let id = ResourceId::new("archive", "/srv/tool");
    machine.records.get_mut(&id).unwrap().intended = Some(Condition::Absent);
    remove_leftovers(&machine.host, &machine.records);
    assert_eq!(machine.in_srv(), ["tool"]);
    assert!(!lists.join("of-nothing").exists());
    // And right after it, when only the new list has the tree.
    assert_eq!(machine.converge(&wanted(two)).await, BTreeMap::new());
    fs::rename(&list, list.with_extension("next")).unwrap();
    assert!(machine.plan(&wanted(two)).await.steps.is_empty());
}
