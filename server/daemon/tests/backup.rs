//! `muster-server backup`, `restore` and `doctor` on real data folders.

#![expect(clippy::unwrap_used, reason = "tests, and what they share")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use muster_proto::{Digest, Timestamp, artifact};
use muster_store::Store;
use muster_store::artifact::ArtifactRow;
use serde_json::Value;

/// The account `nobody`.
const ACCOUNT: u32 = 65_534;

struct Place(tempfile::TempDir);

impl Place {
    /// A folder with a server that was set up.
    fn set_up() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::set_permissions(place.0.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let data = place.path("data");
        let words = ["setup", "--name", "localhost", "--trust-domain", "corp.example", "--yes", "--data"];
        good(server(&words, &[&data]));
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn back_up(&self) -> PathBuf {
        let file = self.path("backup.tar");
        good(server(&["backup", "--data"], &[&self.path("data"), Path::new("--to"), &file]));
        file
    }

    fn restore(&self, file: &Path, data: &str) -> Output {
        server(&["restore"], &[file, Path::new("--data"), &self.path(data)])
    }
}

fn server(words: &[&str], paths: &[&Path]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_muster-server"))
        .args(words)
        .args(paths)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn good(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn refused(output: Output) -> String {
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

fn findings(data: &Path) -> (Option<i32>, Vec<Value>) {
    let output = server(&["doctor", "-o", "json", "--data"], &[data]);
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap())
}

fn state_of(findings: &[Value], check: &str) -> String {
    let found = findings.iter().find(|finding| finding["check"] == check);
    found.unwrap_or_else(|| panic!("{check}: {findings:?}"))["state"].as_str().unwrap().to_owned()
}

#[test]
fn a_backup_comes_back_as_the_same_server_for_its_owner_alone() {
    let place = Place::set_up();
    let file = place.back_up();
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    let said = good(place.restore(&file, "new"));
    assert!(said.contains("localhost is restored") && said.contains("revoke them again"), "{said}");
    for part in
        ["ca/root.crt", "ca/root.key", "ca/issuing.pem", "sealing.key", "server.toml", "listen-admins.pem"]
    {
        let (old, new) = (place.path("data").join(part), place.path("new").join(part));
        assert_eq!(fs::read(old).unwrap(), fs::read(&new).unwrap(), "{part}");
        assert_eq!(fs::metadata(new).unwrap().mode() & 0o777, 0o600, "{part}");
    }
    assert_eq!(fs::metadata(place.path("new")).unwrap().mode() & 0o777, 0o700);
    assert!(!place.path("new/setup-link").exists() && !place.path("new/restoring").exists());
    assert!(!place.path("data/backup.new").exists());
}

#[test]
fn a_backup_is_made_while_the_server_serves() {
    let place = Place::set_up();
    let mut serving = Command::new(env!("CARGO_BIN_EXE_muster-server"))
        .args(["serve", "--listen-devices", "127.0.0.1:0", "--listen-admins", "127.0.0.1:0", "--data"])
        .arg(place.path("data"))
        .env("RUST_LOG", "info")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let log = BufReader::new(serving.stderr.take().unwrap());
    log.lines().find(|line| line.as_ref().unwrap().contains("serving")).unwrap().unwrap();
    let file = place.back_up();
    serving.kill().unwrap();
    serving.wait().unwrap();
    assert_eq!(state_of(&findings(&place.path("data")).1, "backup"), "ok");
    good(place.restore(&file, "new"));
    let piped = server(&["backup", "--to", "-", "--data"], &[&place.path("new")]);
    assert!(piped.stdout.starts_with(b"manifest.json\0"));
}

#[test]
fn a_folder_with_anything_in_it_is_refused_and_left_as_it_is() {
    let place = Place::set_up();
    let file = place.back_up();
    let said = refused(place.restore(&file, "data"));
    assert!(said.contains("is not empty"), "{said}");
    assert!(place.path("data/server.toml").exists());
}

#[test]
fn no_server_is_set_up_over_a_restore_that_was_cut_off() {
    let place = Place::set_up();
    fs::remove_file(place.path("data/server.toml")).unwrap();
    fs::write(place.path("data/restoring"), "").unwrap();
    let words = ["setup", "--name", "localhost", "--trust-domain", "corp.example", "--yes", "--data"];
    let said = refused(server(&words, &[&place.path("data")]));
    assert!(said.contains("restore again"), "{said}");
    assert!(!place.path("data/server.toml").exists());
}

#[test]
fn a_damaged_backup_leaves_an_empty_folder_and_says_what_is_damaged() {
    let place = Place::set_up();
    let file = place.back_up();
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, &bytes).unwrap();
    let said = refused(place.restore(&file, "new"));
    assert!(said.contains("muster.db is damaged"), "{said}");
    assert_eq!(fs::read_dir(place.path("new")).unwrap().count(), 0);
    fs::write(&file, &bytes[..middle]).unwrap();
    refused(place.restore(&file, "new"));
    assert_eq!(fs::read_dir(place.path("new")).unwrap().count(), 0);
}

#[test]
fn a_backup_that_fails_leaves_the_last_one_and_nothing_half_written() {
    let place = Place::set_up();
    let file = place.back_up();
    let before = fs::read(&file).unwrap();
    fs::write(place.path("data/muster.db"), "not a database").unwrap();
    let failed = server(&["backup", "--data"], &[&place.path("data"), Path::new("--to"), &file]);
    refused(failed);
    assert_eq!(fs::read(&file).unwrap(), before);
    assert_eq!(fs::read_dir(place.0.path()).unwrap().count(), 2, "data and backup");
}

#[test]
fn root_keeps_the_file_and_the_account_reads_its_folder() {
    let place = Place::set_up();
    if fs::metadata(place.0.path()).unwrap().uid() != 0 {
        // Only root can give files away.
        return;
    }
    for entry in walk(&place.path("data")) {
        chown(entry, Some(ACCOUNT), Some(ACCOUNT)).unwrap();
    }
    let file = place.back_up();
    assert_eq!(fs::metadata(&file).unwrap().uid(), 0);
    fs::create_dir(place.path("new")).unwrap();
    chown(place.path("new"), Some(ACCOUNT), Some(ACCOUNT)).unwrap();
    good(place.restore(&file, "new"));
    for entry in walk(&place.path("new")) {
        assert_eq!(fs::metadata(&entry).unwrap().uid(), ACCOUNT, "{}", entry.display());
    }
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![folder.to_owned()];
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap().is_dir() {
            true => found.extend(walk(&entry.path())),
            false => found.push(entry.path()),
        }
    }
    found
}

#[test]
fn the_doctor_names_what_is_wrong_and_a_backup_heals_one_of_it() {
    let place = Place::set_up();
    let data = place.path("data");
    let (code, found) = findings(&data);
    assert_eq!(code, Some(1), "nobody serves: {found:?}");
    assert_eq!(state_of(&found, "port for devices"), "failed");
    assert_eq!(state_of(&found, "backup"), "warning");
    for check in
        ["data folder", "configuration", "database", "schema", "audit", "clock", "issuing certificate"]
    {
        assert_eq!(state_of(&found, check), "ok", "{check}");
    }
    let file = place.back_up();
    assert_eq!(state_of(&findings(&data).1, "backup"), "ok");
    good(place.restore(&file, "new"));
    assert_eq!(state_of(&findings(&place.path("new")).1, "backup"), "ok", "it is known by the restore");
    fs::set_permissions(data.join("ca/root.key"), fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(state_of(&findings(&data).1, "data folder"), "failed");
    let table = server(&["doctor", "--data"], &[&data]);
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(table.contains("failed   data folder") && table.contains("chmod -R go="), "{table}");
}

impl Place {
    /// Has an artifact stored, without asking a server for it.
    fn store(&self, bytes: &[u8], name: &str) -> PathBuf {
        let folder = self.path("data/artifacts");
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).unwrap();
        let digest = Digest::of(bytes);
        let now = Timestamp::from_system(std::time::SystemTime::now());
        let row = ArtifactRow {
            digest,
            name: name.to_owned(),
            size: bytes.len() as u64,
            put_by: "admin:kim".to_owned(),
            begun: now,
            stored: Some(now),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let written = async {
            let store = Store::open(&self.path("data/muster.db")).unwrap();
            store.write(move |tx| muster_store::artifact::insert(tx, &row)).await
        };
        runtime.block_on(written).unwrap();
        let file = folder.join(artifact::hex(&digest));
        fs::write(&file, bytes).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        file
    }
}

#[test]
fn artifacts_come_back_with_a_backup_and_what_is_damaged_is_named() {
    let place = Place::set_up();
    let tool = place.store(b"a tool", "tool.tar");
    let other = place.store(b"another", "other.tar");
    fs::write(place.path("data/artifacts/notes.part"), "x").unwrap();
    fs::write(&other, "damaged").unwrap();
    assert_eq!(state_of(&findings(&place.path("data")).1, "artifacts"), "failed");
    let file = place.path("backup.tar");
    let words = ["backup", "--data"];
    let said = good(server(&words, &[&place.path("data"), Path::new("--to"), &file]));
    assert!(said.contains("and 1 artifacts") && said.contains("its file is damaged"), "{said}");
    let said = good(place.restore(&file, "new"));
    assert!(said.contains("Artifacts 1 put back") && said.contains("- other.tar (sha256:"), "{said}");
    assert!(!said.contains("- tool.tar"), "{said}");
    let back = place.path("new/artifacts").join(tool.file_name().unwrap());
    assert_eq!(fs::read(&back).unwrap(), b"a tool");
    assert_eq!(fs::metadata(&back).unwrap().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(place.path("new/artifacts")).unwrap().count(), 1);
    fs::write(&other, "another").unwrap();
    assert_eq!(state_of(&findings(&place.path("data")).1, "artifacts"), "ok");
}

#[test]
fn a_backup_without_artifacts_says_so_and_so_does_its_restore() {
    let place = Place::set_up();
    place.store(b"a tool", "tool.tar");
    let file = place.path("small.tar");
    let words = ["backup", "--without-artifacts", "--data"];
    let said = good(server(&words, &[&place.path("data"), Path::new("--to"), &file]));
    assert!(said.contains("Not in it: the artifacts in"), "{said}");
    let said = good(place.restore(&file, "new"));
    assert!(said.contains("Artifacts 0 put back") && said.contains("muster artifact put FILE"), "{said}");
    assert!(said.contains("- tool.tar (sha256:"), "{said}");
    assert_eq!(state_of(&findings(&place.path("new")).1, "artifacts"), "failed");
}
