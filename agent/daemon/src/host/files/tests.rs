use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::Path;

use super::*;

pub(super) fn root() -> (tempfile::TempDir, Root) {
    let dir = tempfile::tempdir().unwrap();
    let root = Root::open(dir.path()).unwrap();
    (dir, root)
}

pub(super) fn file(path: &str, content: &str) -> NewFile {
    let (path, content) = (path.to_owned(), content.as_bytes().to_vec());
    NewFile { path, content, uid: 0, gid: 0, mode: 0o644, is_new: false }
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn nothing_but_a_file_is_ever_opened() {
    let dir = tempfile::tempdir().unwrap();
    let root = Root::open(dir.path()).unwrap();
    let fifo = dir.path().join("fifo");
    rustix::fs::mknodat(CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    // Who opens a FIFO for writing waits until somebody reads it, unless they ask not to.
    let (tell, told) = std::sync::mpsc::channel();
    let writer = std::thread::spawn({
        let fifo = fifo.clone();
        move || tell.send(fs::OpenOptions::new().write(true).open(fifo))
    });
    let goes_on = || told.recv_timeout(std::time::Duration::from_millis(50)).is_ok();
    assert!(!goes_on());
    let error = content(&root, "/fifo", 10).unwrap_err();
    assert!(error.to_string().contains("in its place"), "{error:#}");
    assert!(!goes_on(), "the writer was let go on");
    drop(fs::File::open(fifo));
    writer.join().unwrap().unwrap();
}

#[test]
fn a_batch_is_written_whole_and_leaves_nothing_beside_it() {
    let (dir, root) = root();
    fs::create_dir(dir.path().join("a")).unwrap();
    let mut files: Vec<_> = (0..40).map(|i| file(&format!("/a/{i:02}"), &format!("content {i}"))).collect();
    files.push(NewFile { uid: 12, gid: 34, mode: 0o4750, ..file("/a/setuid", "x") });
    files.push(file("/none/x", ""));
    let results = write_all(&root, &files);
    assert!(results[..41].iter().all(Result::is_ok), "{results:?}");
    let missing = results[41].as_ref().unwrap_err().to_string();
    assert!(missing.starts_with("the directory /none does not exist: add it to the profile"), "{missing}");
    assert_eq!(names(&dir.path().join("a")).len(), 41);
    assert_eq!(fs::read_to_string(dir.path().join("a/39")).unwrap(), "content 39");
    let meta = fs::metadata(dir.path().join("a/setuid")).unwrap();
    assert_eq!((meta.uid(), meta.gid(), meta.mode() & 0o7777), (12, 34, 0o4750));
}

#[test]
fn what_came_to_be_where_nothing_was_is_not_written_over() {
    let (dir, root) = root();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("came"), "precious").unwrap();
    symlink("came", at("link")).unwrap();
    let new = |path| NewFile { uid: 12, gid: 34, mode: 0o4750, is_new: true, ..file(path, "ours") };
    let results = write_all(&root, &[new("/came"), new("/link"), new("/new")]);
    let said: Vec<_> = results.iter().map(|r| r.as_ref().map_err(ToString::to_string)).collect();
    assert!(said[0].as_ref().unwrap_err().contains("a moment ago: left as it is"), "{said:?}");
    assert!(said[1].as_ref().unwrap_err().contains("symbolic link"), "{said:?}");
    assert_eq!(said[2], Ok(&()));
    assert_eq!(fs::read_to_string(at("came")).unwrap(), "precious");
    let meta = fs::metadata(at("new")).unwrap();
    assert_eq!((meta.uid(), meta.gid(), meta.mode() & 0o7777), (12, 34, 0o4750));
    assert_eq!(names(dir.path()), ["came", "link", "new"]);
}

#[test]
fn a_new_file_gets_its_name_without_rights_over_the_whole_machine() {
    use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().to_owned();
    // Rights are those of a thread. Kernels since 6.10 ask for them only where others made the file, older ones always, and all ask
    // whether they are over the whole machine, as those of a container's root are not.
    let named = std::thread::spawn(move || {
        let place = Root::open(&at).unwrap().existing_place("/new").unwrap();
        let (file, name) = make(&place, true).unwrap();
        assert_eq!(name, None, "this file system has files without a name");
        let mut rights = capabilities(None).unwrap();
        rights.effective.remove(CapabilitySet::DAC_READ_SEARCH);
        set_capabilities(None, rights).unwrap();
        give_name(&place, &file).map_err(|error| format!("{error:#}"))
    });
    assert_eq!(named.join().unwrap(), Ok(()));
    assert_eq!(names(dir.path()), ["new"]);
}

#[test]
fn what_came_is_not_written_over_either_where_a_file_needs_a_name_from_the_start() {
    let (dir, root) = root();
    fs::write(dir.path().join("came"), "precious").unwrap();
    fs::write(dir.path().join("beside"), "ours").unwrap();
    let place = root.existing_place("/came").unwrap();
    assert_eq!(take_place(&place, "beside", true).unwrap_err().to_string(), CAME);
    take_place(&place, "beside", false).unwrap();
    assert_eq!(fs::read_to_string(dir.path().join("came")).unwrap(), "ours");
}

#[test]
fn a_batch_of_more_than_is_open_at_once_is_written_and_removed_whole() {
    let (dir, root) = root();
    let count = AT_ONCE + 30;
    let mut files = vec![];
    for i in 0..count {
        fs::create_dir(dir.path().join(format!("d{i}"))).unwrap();
        files.push(NewFile { is_new: true, ..file(&format!("/d{i}/x"), "x") });
    }
    assert!(write_all(&root, &files).iter().all(Result::is_ok));
    let going: Vec<_> = files.iter().map(|file| (file.path.as_str(), Some(Digest::of(b"x")))).collect();
    assert!(remove_all(&root, &going).iter().all(Result::is_ok));
    assert!(!dir.path().join("d7/x").exists());
}

#[test]
fn what_is_planted_in_place_of_a_file_is_named_and_nothing_is_written_through_it() {
    let (dir, root) = root();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("victim"), "precious").unwrap();
    symlink("victim", at("link")).unwrap();
    rustix::fs::mknodat(CWD, at("fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    fs::create_dir(at("dir")).unwrap();
    let mut digests = Digests::default();
    for (name, reason) in [("link", "symbolic link"), ("fifo", "a FIFO"), ("dir", "a directory")] {
        let path = format!("/{name}");
        let looked = digests.look(&root, &path).unwrap_err().to_string();
        let wrote = write_all(&root, &[file(&path, "evil")]).remove(0).unwrap_err().to_string();
        let set = set_attributes(&root, &path, None, |_| Ok(((Some(1000), None), Some(0o777))))
            .unwrap_err()
            .to_string();
        let removed = remove_all(&root, &[(&path, None)]).remove(0).unwrap_err().to_string();
        for said in [looked, wrote, set, removed] {
            assert!(said.contains(reason), "{name}: {said}");
        }
    }
    assert_eq!(fs::read_to_string(at("victim")).unwrap(), "precious");
    assert_eq!(fs::metadata(at("victim")).unwrap().uid(), 0);
    assert_eq!(names(dir.path()), ["dir", "fifo", "link", "victim"]);
}

#[test]
fn a_second_name_of_a_file_stays_as_it_is_whatever_happens_at_the_first() {
    let (dir, root) = root();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("x"), "precious").unwrap();
    fs::hard_link(at("x"), at("other")).unwrap();
    let before = fs::metadata(at("other")).unwrap().mode();
    let looked = Digests::default().look(&root, "/x").unwrap_err().to_string();
    let set =
        set_attributes(&root, "/x", None, |_| Ok(((Some(1000), None), Some(0o777)))).unwrap_err().to_string();
    for said in [looked, set] {
        assert!(said.contains("2 hard links"), "{said}");
    }
    assert!(Digests::default().look_at_any(&root, "/x").unwrap().unwrap().is_linked);
    write_all(&root, &[file("/x", "new")]).remove(0).unwrap();
    fs::remove_file(at("x")).unwrap();
    fs::hard_link(at("other"), at("x")).unwrap();
    remove_all(&root, &[("/x", None)]).remove(0).unwrap();
    assert!(!at("x").exists());
    let other = fs::metadata(at("other")).unwrap();
    assert_eq!((other.mode(), other.uid()), (before, 0));
    assert_eq!(fs::read_to_string(at("other")).unwrap(), "precious");
}

#[test]
fn a_file_in_a_users_directory_is_replaced_and_not_written_through() {
    let (dir, root) = root();
    fs::create_dir(dir.path().join("ada")).unwrap();
    chown(dir.path().join("ada"), Some(1000), Some(1000)).unwrap();
    fs::write(dir.path().join("ada/x"), "old").unwrap();
    let before = fs::metadata(dir.path().join("ada/x")).unwrap().ino();
    write_all(&root, &[file("/ada/x", "new")]).remove(0).unwrap();
    let after = fs::metadata(dir.path().join("ada/x")).unwrap();
    assert_ne!(after.ino(), before);
    assert_eq!((after.uid(), after.gid()), (0, 0));
}

#[test]
fn owner_and_mode_change_on_the_file_itself_and_setuid_of_root_survives_the_owner() {
    let (dir, root) = root();
    let path = dir.path().join("x");
    fs::write(&path, "").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o4755)).unwrap();
    set_attributes(&root, "/x", None, |_| Ok(((Some(1000), Some(1001)), None))).unwrap();
    let meta = fs::metadata(&path).unwrap();
    assert_eq!((meta.uid(), meta.gid(), meta.mode() & 0o7777), (1000, 1001, 0o4755));
}

#[test]
fn setuid_of_a_user_does_not_become_setuid_of_the_next_owner() {
    let (dir, root) = root();
    let path = dir.path().join("x");
    fs::write(&path, "").unwrap();
    chown(&path, Some(1000), Some(1000)).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o6755)).unwrap();
    set_attributes(&root, "/x", None, |_| Ok(((Some(1000), None), None))).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o6755, "the owner is the same");
    set_attributes(&root, "/x", None, |_| Ok(((Some(0), None), None))).unwrap();
    let meta = fs::metadata(&path).unwrap();
    assert_eq!((meta.uid(), meta.mode() & 0o7777), (0, 0o755));
}

#[test]
fn attributes_are_set_on_the_content_that_was_planned_and_on_no_other() {
    let (dir, root) = root();
    let path = dir.path().join("x");
    fs::write(&path, "theirs").unwrap();
    chown(&path, Some(1000), Some(1000)).unwrap();
    let set = |content: &[u8]| {
        set_attributes(&root, "/x", Some(Digest::of(content)), |_| Ok(((Some(0), None), Some(0o4755))))
    };
    let error = set(b"ours").unwrap_err().to_string();
    assert!(error.contains("left as it is"), "{error}");
    let meta = fs::metadata(&path).unwrap();
    assert_eq!((meta.uid(), meta.mode() & 0o7000), (1000, 0));
    set(b"theirs").unwrap();
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o4755);
}

#[test]
fn a_file_that_changed_since_the_plan_is_not_removed() {
    let (dir, root) = root();
    fs::write(dir.path().join("x"), "theirs").unwrap();
    let (ours, theirs) = (Some(Digest::of(b"ours")), Some(Digest::of(b"theirs")));
    let error = remove_all(&root, &[("/x", ours)]).remove(0).unwrap_err().to_string();
    assert!(error.contains("left as it is"), "{error}");
    let results = remove_all(&root, &[("/x", theirs), ("/gone", ours), ("/none/x", None)]);
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert!(!dir.path().join("x").exists());
}

#[test]
fn of_two_names_of_one_file_in_one_batch_the_first_is_written_and_the_second_says_so() {
    let (dir, root) = root();
    fs::create_dir(dir.path().join("real")).unwrap();
    symlink("real", dir.path().join("alias")).unwrap();
    for count in [0, 20] {
        let mut files = vec![file("/real/x", "one"), file("/alias/x", "two")];
        files.extend((0..count).map(|number| file(&format!("/real/{number}"), "more")));
        let mut results = write_all(&root, &files).into_iter();
        results.next().unwrap().unwrap();
        let error = results.next().unwrap().unwrap_err().to_string();
        assert!(error.contains("the same file as another one"), "{error}");
        assert!(results.all(|result| result.is_ok()));
        assert_eq!(fs::read_to_string(dir.path().join("real/x")).unwrap(), "one");
    }
    assert_eq!(names(&dir.path().join("real")).len(), 21);
}
