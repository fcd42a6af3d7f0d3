//! How the link stands, noted in memory beside the output of commands: whoever asks the device itself, with `muster-agent
//! status`, is told what is so now. The ledger is told of the server's word every ten minutes only.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use muster_proto::Timestamp;
use serde::{Deserialize, Serialize};

use super::Trouble;
use crate::clock::boottime;

/// Of several messages within so many seconds one is noted.
const NOTED_EVERY: i64 = 10;

/// How the link stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Standing {
    /// When the server was last heard; `None` when this agent has not heard it.
    pub(crate) heard: Option<Heard>,
    /// What keeps it from being heard now.
    pub(crate) down: Option<Down>,
}

/// When the server was last heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Heard {
    /// By its own time.
    pub(crate) at: Timestamp,
    /// In microseconds since boot, which nobody can set.
    boottime: i64,
}

/// Why there is no link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Down {
    /// Since when, by the time that certificates are judged by.
    pub(crate) since: Timestamp,
    /// In words; of a refusal the server's own, with the reference to its audit.
    pub(crate) why: String,
    /// Whether the server does not take this device, rather than that it can't be reached.
    pub(crate) refused: bool,
}

impl Heard {
    fn now(at: Timestamp) -> Self {
        Self { at, boottime: boottime() }
    }

    /// How many seconds ago that was.
    pub(crate) fn ago(&self) -> i64 {
        (boottime() - self.boottime).max(0) / 1_000_000
    }
}

/// Keeps the note.
pub(super) struct Noted {
    path: PathBuf,
    standing: Standing,
}

fn path(scratch: &Path) -> PathBuf {
    scratch.join("link")
}

impl Standing {
    /// What is noted; nothing before the agent ran in this boot.
    pub(crate) fn read(scratch: &Path) -> Result<Self> {
        let path = path(scratch);
        match fs::read(&path) {
            Ok(text) => {
                serde_json::from_slice(&text).with_context(|| format!("{} can't be read", path.display()))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("can't read {}", path.display())),
        }
    }

    /// The refusal that stands, if one does.
    pub(crate) fn refusal(&self) -> Option<&Down> {
        self.down.as_ref().filter(|down| down.refused)
    }
}

impl Noted {
    /// Begins with nothing: what an earlier agent met may be over.
    pub(super) fn begin(scratch: &Path) -> Self {
        let noted = Self { path: path(scratch), standing: Standing::default() };
        noted.write();
        noted
    }

    /// The server is heard, and so takes this device.
    pub(super) fn heard(&mut self, at: Timestamp) {
        let is_news = self.standing.heard.is_none_or(|heard| heard.ago() >= NOTED_EVERY);
        if is_news || self.standing.down.is_some() {
            self.standing = Standing { heard: Some(Heard::now(at)), down: None };
            self.write();
        }
    }

    /// Notes what keeps the server from being heard. A refusal stands until the server takes the device again, with the
    /// reference that it gave first; of all else the latest is told.
    pub(super) fn down(&mut self, trouble: &Trouble, now: Timestamp) {
        let (why, refused) = (trouble.whole(), trouble.is_refusal());
        let since = match &self.standing.down {
            Some(down) if down.refused || (!refused && down.why == why) => return,
            Some(down) if !refused => down.since,
            _ => now,
        };
        self.standing.down = Some(Down { since, why, refused });
        self.write();
    }

    fn write(&self) {
        let new = self.path.with_extension("new");
        let noted = serde_json::to_string(&self.standing)
            .map_err(std::io::Error::from)
            .and_then(|text| fs::write(&new, text))
            .and_then(|()| fs::rename(&new, &self.path));
        if let Err(error) = noted {
            tracing::warn!(path = %self.path.display(), %error, "how the link stands could not be noted");
        }
    }
}

/// Where no agent runs, nothing is known of the link.
impl Drop for Noted {
    fn drop(&mut self) {
        fs::remove_file(&self.path).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::default().plus_seconds(seconds)
    }

    #[test]
    fn a_refusal_is_known_from_the_first_on_until_the_server_takes_the_device_again() {
        let scratch = tempfile::tempdir().unwrap();
        let read = || Standing::read(scratch.path()).unwrap();
        assert_eq!(read(), Standing::default());
        let mut noted = Noted::begin(scratch.path());
        for (reference, seconds) in [("ref-1", 1), ("ref-2", 2)] {
            noted.down(&Trouble::Refused(reference.to_owned()), at(seconds));
        }
        noted.down(&Trouble::Closed, at(3));
        let standing = read();
        let stands = standing.refusal().unwrap();
        assert!(stands.since == at(1) && stands.why.contains("ref-1"), "{stands:?}");
        noted.heard(at(4));
        assert_eq!((read().refusal(), read().heard.unwrap().at), (None, at(4)));
        noted.down(&Trouble::Refused("ref-3".to_owned()), at(5));
        Noted::begin(scratch.path());
        assert_eq!(read(), Standing::default());
    }

    #[test]
    fn a_link_that_is_lost_is_down_since_then_and_says_what_is_met_last() {
        let scratch = tempfile::tempdir().unwrap();
        let read = || Standing::read(scratch.path()).unwrap();
        let mut noted = Noted::begin(scratch.path());
        noted.heard(at(1));
        noted.down(&Trouble::Closed, at(2));
        noted.down(&Trouble::Silent, at(3));
        let down = read().down.unwrap();
        assert!(down.since == at(2) && !down.refused && down.why.contains("fell silent"), "{down:?}");
        assert_eq!(read().heard.unwrap().at, at(1), "when it was last heard is still known");
        assert!(read().heard.unwrap().ago() < 5);
    }
}
