//! The profiles in the documentation, by `muster profile check` itself.

use std::fs;
use std::path::Path;
use std::process::Command;

use muster_tests::document;

#[test]
fn every_profile_in_the_documentation_passes_its_check() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let folder = tempfile::tempdir().unwrap();
    let mut checked = 0;
    for (name, text) in document::all(&docs).unwrap() {
        for block in document::blocks(&text).iter().filter(|block| block.info.starts_with("yaml")) {
            let file = folder.path().join("profile.yaml");
            fs::write(&file, &block.text).unwrap();
            let said = Command::new(env!("CARGO_BIN_EXE_muster"))
                .args(["profile", "check"])
                .arg(&file)
                .env_clear()
                .output()
                .unwrap();
            assert!(
                said.status.success(),
                "{name}:\n{}\n{}",
                block.text,
                String::from_utf8_lossy(&said.stderr)
            );
            checked += 1;
        }
    }
    assert!(checked > 2, "only {checked} profiles were found");
}
