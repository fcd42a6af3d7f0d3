//! That the server refuses this device, noted in memory beside the output of commands: whoever asks the device itself, with
//! `muster-agent status`, is not told that all is well.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use muster_proto::Timestamp;
use serde::{Deserialize, Serialize};

/// What is known of a refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refusal {
    /// Since when, by the time that certificates are judged by.
    pub(crate) since: Timestamp,
    /// The server's words, with the reference to its audit.
    pub(crate) why: String,
}

/// Keeps the note.
pub(super) struct Noted {
    path: PathBuf,
    noted: bool,
}

fn path(scratch: &Path) -> PathBuf {
    scratch.join("refused")
}

impl Refusal {
    /// The refusal that stands, if one does.
    pub(crate) fn read(scratch: &Path) -> Result<Option<Self>> {
        let path = path(scratch);
        match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text)
                .map(Some)
                .with_context(|| format!("{} can't be read", path.display())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("can't read {}", path.display())),
        }
    }
}

impl Noted {
    /// Begins without one: what an earlier agent was told may be over.
    pub(super) fn begin(scratch: &Path) -> Self {
        let mut noted = Self { path: path(scratch), noted: true };
        noted.clear();
        noted
    }

    /// Notes a refusal, unless one is noted.
    pub(super) fn note(&mut self, why: String, since: Timestamp) {
        if self.noted {
            return;
        }
        self.noted = true;
        let text = serde_json::json!(Refusal { since, why }).to_string();
        let new = self.path.with_extension("new");
        if let Err(error) = fs::write(&new, text).and_then(|()| fs::rename(&new, &self.path)) {
            tracing::warn!(path = %self.path.display(), %error, "that the server refuses could not be noted");
        }
    }

    /// The server takes this device again.
    pub(super) fn clear(&mut self) {
        if !self.noted {
            return;
        }
        self.noted = false;
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                tracing::warn!(path = %self.path.display(), %error, "an old refusal could not be forgotten");
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_known_from_the_first_on_until_the_server_takes_the_device_again() {
        let scratch = tempfile::tempdir().unwrap();
        let at = |seconds| Timestamp::default().plus_seconds(seconds);
        let mut noted = Noted::begin(scratch.path());
        assert_eq!(Refusal::read(scratch.path()).unwrap(), None);
        noted.note("refused (reference ref-1)".into(), at(1));
        noted.note("refused (reference ref-2)".into(), at(2));
        let stands = Refusal::read(scratch.path()).unwrap().unwrap();
        assert_eq!((stands.since, stands.why.as_str()), (at(1), "refused (reference ref-1)"));
        noted.clear();
        assert_eq!(Refusal::read(scratch.path()).unwrap(), None);
        noted.note("refused (reference ref-3)".into(), at(3));
        Noted::begin(scratch.path());
        assert_eq!(Refusal::read(scratch.path()).unwrap(), None);
    }
}
