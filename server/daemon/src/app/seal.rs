//! Seals secrets at rest with AES-256-GCM under a key that lies beside the database, in a file of its own.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};

/// Bytes of the key.
const KEY_LEN: usize = 32;

/// Seals and opens.
pub(crate) struct SealingKey(RandomizedNonceKey);

/// The key's file can't be used.
#[derive(Debug, thiserror::Error)]
#[error(
    "can't {doing} the sealing key {path}; restore it from a backup, or remove it and lose unrevealed passwords"
)]
pub(crate) struct KeyFileError {
    doing: &'static str,
    path: PathBuf,
    source: std::io::Error,
}

/// What was sealed was sealed with another key or for something else, or was changed.
#[derive(Debug, thiserror::Error)]
#[error("the sealed secret can't be opened with this server's sealing key")]
pub(crate) struct Unopened;

impl SealingKey {
    /// Reads the key from its file; makes both when there is none.
    pub(crate) fn open_or_create(path: &Path) -> Result<Self, KeyFileError> {
        let failed = |doing| move |source| KeyFileError { doing, path: path.to_owned(), source };
        match std::fs::read(path) {
            Ok(bytes) => Self::from_bytes(&bytes).ok_or_else(|| {
                failed("use")(std::io::Error::new(std::io::ErrorKind::InvalidData, "it is not 32 bytes long"))
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Self::create(path).map_err(failed("write"))
            }
            Err(error) => Err(failed("read")(error)),
        }
    }

    fn create(path: &Path) -> std::io::Result<Self> {
        let bytes: [u8; KEY_LEN] = super::secret::random();
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        if let Some(folder) = path.parent() {
            std::fs::File::open(folder)?.sync_all()?;
        }
        Ok(Self::from_bytes(&bytes).expect("the key has the cipher's length"))
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        (bytes.len() == KEY_LEN).then(|| RandomizedNonceKey::new(&AES_256_GCM, bytes).ok())?.map(Self)
    }

    /// Seals `secret`; it opens only with the same `purpose`, such as whose it is. The nonce stands in front.
    pub(crate) fn seal(&self, purpose: &str, secret: &[u8]) -> Vec<u8> {
        let mut sealed = secret.to_vec();
        let nonce = self
            .0
            .seal_in_place_append_tag(Aad::from(purpose.as_bytes()), &mut sealed)
            .expect("AES-GCM seals anything below 64 GiB");
        let mut whole = nonce.as_ref().to_vec();
        whole.append(&mut sealed);
        whole
    }

    /// Opens what was sealed for this purpose.
    pub(crate) fn open(&self, purpose: &str, sealed: &[u8]) -> Result<Vec<u8>, Unopened> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_LEN).ok_or(Unopened)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Unopened)?;
        let mut opened = sealed.to_vec();
        let length = self
            .0
            .open_in_place(nonce, Aad::from(purpose.as_bytes()), &mut opened)
            .map_err(|_| Unopened)?
            .len();
        opened.truncate(length);
        Ok(opened)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_secret_opens_for_its_purpose_only_and_with_the_key_from_disk() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sealing.key");
        let sealed = SealingKey::open_or_create(&path).unwrap().seal("device/ada", b"correct horse");
        let again = SealingKey::open_or_create(&path).unwrap();
        assert_eq!(again.open("device/ada", &sealed).unwrap(), b"correct horse");
        assert!(again.open("device/bob", &sealed).is_err());
        let mut changed = sealed;
        changed[20] ^= 1;
        assert!(again.open("device/ada", &changed).is_err());
    }
}
