//! The key that signs the package repository, in a file of the data folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use aws_lc_rs::signature::Ed25519KeyPair;
use data_encoding::BASE64;
use muster_proto::Timestamp;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

use super::openpgp::Key;
use crate::config::DataFolder;

/// A key counts as made at the beginning of its day: a device whose clock is somewhat behind still takes it.
const DAY: i64 = 86_400;

/// What the file holds.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    /// Part of the fingerprint.
    made: Timestamp,
    /// PKCS#8, in base64.
    ed25519: String,
}

/// The key's file can't be used.
#[derive(Debug, thiserror::Error)]
#[error(
    "can't use the key of the package repository, {path}; restore it from a backup, or remove it and give every device the new one"
)]
pub(crate) struct KeyFileError {
    path: PathBuf,
    source: Box<dyn std::error::Error + Send + Sync>,
}

/// Reads the key; makes it when there is none, as on a server that was set up before it had packages.
pub(super) fn open_or_create(folder: &DataFolder, now: Timestamp) -> Result<Key, KeyFileError> {
    let path = folder.packages_key();
    match fs::read_to_string(&path).map(Zeroizing::new) {
        Ok(text) => read(&text).map_err(|source| KeyFileError { path, source }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(folder, &path, now),
        Err(error) => Err(KeyFileError { path, source: error.into() }),
    }
}

fn read(text: &str) -> Result<Key, Box<dyn std::error::Error + Send + Sync>> {
    // The parser's own message would show the line, which holds the key.
    let kept: Kept = toml::from_str(text).map_err(|_| "it is not as Muster writes it")?;
    let encoded = Zeroizing::new(kept.ed25519);
    let pkcs8 = Zeroizing::new(BASE64.decode(encoded.as_bytes()).map_err(|_| "it is not base64")?);
    let pair = Ed25519KeyPair::from_pkcs8(&pkcs8).map_err(|_| "it is not an Ed25519 key")?;
    Ok(Key::new(pair, kept.made))
}

fn create(folder: &DataFolder, path: &Path, now: Timestamp) -> Result<Key, KeyFileError> {
    let failed =
        |source: Box<dyn std::error::Error + Send + Sync>| KeyFileError { path: path.to_owned(), source };
    let made = now.plus_seconds(-(now.seconds() % DAY));
    let made = Timestamp::default().plus_seconds(made.seconds());
    let pair = Ed25519KeyPair::generate().map_err(|_| failed("no key could be made".into()))?;
    let pkcs8 = pair.to_pkcs8v1().map_err(|_| failed("the key can't be written".into()))?;
    let mut kept = Kept { made, ed25519: BASE64.encode(pkcs8.as_ref()) };
    let text = toml::to_string(&kept).map(Zeroizing::new).map_err(|error| failed(error.into()));
    kept.ed25519.zeroize();
    let text = text?;
    folder.write_private(path, &text).map_err(|error| failed(error.into()))?;
    Ok(Key::new(pair, made))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_key_is_made_once_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::at(folder.path());
        let at = |time: &str| open_or_create(&data, time.parse().unwrap()).unwrap().certificate("x");
        let first = at("2026-11-20T12:00:00Z");
        assert_eq!(at("2027-01-01T00:00:00Z"), first);
        let mode = fs::metadata(data.packages_key()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn an_error_about_the_file_does_not_show_the_key() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::at(folder.path());
        fs::write(data.packages_key(), "made = 1\ned25519 = \"c2VjcmV0\"\nmore = 2\n").unwrap();
        let error = anyhow::Error::from(open_or_create(&data, Timestamp::default()).err().unwrap());
        assert!(!format!("{error:#}").contains("c2VjcmV0"), "{error:#}");
    }
}
