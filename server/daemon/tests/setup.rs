//! `muster-server setup` as root in a folder that belongs to the server's account.

#![expect(clippy::unwrap_used, reason = "tests, and what they share")]

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::Path;
use std::process::{Command, Output};

/// The account `nobody`.
const ACCOUNT: u32 = 65_534;

fn setup(data: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_muster-server"))
        .args(["setup", "--name", "localhost", "--trust-domain", "corp.example", "--yes", "--data"])
        .arg(data)
        .output()
        .unwrap()
}

#[test]
fn a_link_that_the_account_planted_leads_root_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    if fs::metadata(folder.path()).unwrap().uid() != 0 {
        // Only root can give files away.
        return;
    }
    let (data, victim) = (folder.path().join("data"), folder.path().join("victim"));
    let first = setup(&data);
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    let said = String::from_utf8_lossy(&first.stdout).into_owned();
    assert!(said.contains("Warning: whoever gets a copy"), "{said}");
    let give = |path: &Path| chown(path, Some(ACCOUNT), Some(ACCOUNT)).unwrap();
    fs::read_dir(&data).unwrap().for_each(|entry| give(&entry.unwrap().path()));
    fs::read_dir(data.join("ca")).unwrap().for_each(|entry| give(&entry.unwrap().path()));
    give(&data);
    let aside = folder.path().join("aside");
    fs::create_dir(&aside).unwrap();
    let database =
        ["muster.db", "muster.db-wal", "muster.db-shm"].map(|name| (data.join(name), aside.join(name)));
    database.iter().for_each(|(from, to)| drop(fs::rename(from, to)));
    symlink(&victim, data.join("muster.db")).unwrap();
    assert!(!setup(&data).status.success());
    assert!(!victim.exists(), "root wrote where the account pointed");
    fs::remove_file(data.join("muster.db")).unwrap();
    database.iter().for_each(|(from, to)| drop(fs::rename(to, from)));
    let again = setup(&data);
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
    assert_eq!(fs::metadata(data.join("setup-link")).unwrap().uid(), ACCOUNT);
}

#[test]
fn another_name_than_the_folder_was_set_up_with_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let first = setup(&data);
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    for (option, other) in [("--name", "other.example"), ("--trust-domain", "other.example")] {
        let again = Command::new(env!("CARGO_BIN_EXE_muster-server"))
            .args(["setup", option, other, "--yes", "--data"])
            .arg(&data)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&again.stderr).into_owned();
        assert_eq!(again.status.code(), Some(1), "{said}");
        assert!(said.contains("already, not other.example"), "{said}");
    }
}
