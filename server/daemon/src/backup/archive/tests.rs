use super::*;
use crate::backup::manifest::PARTS;

/// An archive of these members as they are, whatever the manifest says.
fn packed(members: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for (path, kind, content) in members {
        let mut header = Header::new_ustar();
        // As somebody would who wants to write elsewhere: the library itself refuses such names.
        let name = &mut header.as_old_mut().name;
        name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(*kind);
        header.set_size(content.len() as u64);
        if *kind == EntryType::Symlink {
            header.set_link_name("/etc/passwd").unwrap();
        }
        header.set_cksum();
        tar.append(&header, *content).unwrap();
    }
    tar.into_inner().unwrap()
}

fn manifest() -> Manifest {
    let time = muster_proto::Timestamp::default();
    let mut manifest = Manifest::new(1, time, "muster.corp.example", &"corp.example".parse().unwrap());
    for part in PARTS {
        manifest.add(part.path, &Content::small(part.path.into())).unwrap();
    }
    manifest
}

type Members<'a> = Vec<(&'a str, EntryType, &'a [u8])>;

/// Extracts an archive of the members as `change` leaves them.
fn extracted(change: impl FnOnce(&mut Members<'_>)) -> (tempfile::TempDir, Result<Extracted>) {
    let list = serde_json::to_vec(&manifest()).unwrap();
    let mut members: Members<'_> = vec![(MANIFEST, EntryType::Regular, &list)];
    members.extend(PARTS.iter().map(|part| (part.path, EntryType::Regular, part.path.as_bytes())));
    change(&mut members);
    let folder = tempfile::tempdir().unwrap();
    let extracted = extract(&packed(&members)[..], &DataFolder::at(folder.path()));
    (folder, extracted)
}

fn refusal(change: impl FnOnce(&mut Members<'_>)) -> String {
    match extracted(change).1 {
        Ok(_) => panic!("it is taken"),
        Err(error) => format!("{error:#}"),
    }
}

#[test]
fn what_is_extracted_is_for_its_owner_alone_and_the_configuration_comes_last() {
    use std::os::unix::fs::PermissionsExt as _;
    let (folder, extracted) = extracted(|_| {});
    let Extracted { manifest: read, config } = extracted.unwrap();
    assert_eq!((read, config.as_str()), (manifest(), CONFIG));
    assert!(!folder.path().join(CONFIG).exists());
    let mode = |path: &str| fs::metadata(folder.path().join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("ca"), mode("ca/root.key"), mode("muster.db")), (0o700, 0o600, 0o600));
    assert_eq!(fs::read_to_string(folder.path().join("ca/root.crt")).unwrap(), "ca/root.crt");
}

#[test]
fn a_link_a_folder_or_another_name_in_place_of_a_member_is_refused() {
    for kind in [
        EntryType::Symlink,
        EntryType::Link,
        EntryType::Directory,
        EntryType::GNULongName,
        EntryType::XHeader,
    ] {
        let said = refusal(|members| members[2] = ("ca/root.key", kind, b""));
        assert!(said.contains("where ca/root.key should be"), "{kind:?}: {said}");
    }
    for name in ["../ca/root.key", "/ca/root.key", "ca//root.key", "./ca/root.key"] {
        let said = refusal(|members| members[2].0 = name);
        assert!(said.contains("where ca/root.key should be"), "{name}: {said}");
    }
}

#[test]
fn a_member_that_was_changed_is_missing_or_too_many_is_refused() {
    let damaged = refusal(|members| members[2].2 = b"ca/root.kex");
    assert!(damaged.contains("ca/root.key is damaged"), "{damaged}");
    let longer = refusal(|members| members[2].2 = b"ca/root.key and more");
    assert!(longer.contains("where ca/root.key should be"), "{longer}");
    let short = refusal(|members| members.truncate(PARTS.len()));
    assert!(short.contains("ends before server.toml"), "{short}");
    let more = refusal(|members| members.push(("setup-link", EntryType::Regular, b"x")));
    assert!(more.contains("more in it"), "{more}");
    let other = refusal(|members| members.rotate_left(1));
    assert!(other.contains("not a backup"), "{other}");
}

#[test]
fn an_archive_that_breaks_off_anywhere_is_refused() {
    let list = serde_json::to_vec(&manifest()).unwrap();
    let mut members: Members<'_> = vec![(MANIFEST, EntryType::Regular, &list)];
    members.extend(PARTS.iter().map(|part| (part.path, EntryType::Regular, part.path.as_bytes())));
    let whole = packed(&members);
    // The two empty blocks at the end say nothing that the manifest does not.
    for length in (0..whole.len() - 2 * 512 - 512).step_by(97) {
        let folder = tempfile::tempdir().unwrap();
        assert!(extract(&whole[..length], &DataFolder::at(folder.path())).is_err(), "{length}");
    }
}
