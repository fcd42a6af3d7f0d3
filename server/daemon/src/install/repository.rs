//! The apt repository: the packages as they came with the server, under an index signed when it is asked for.
//!
//! Nothing is kept between two requests, so that no timer has to renew what ends.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use aws_lc_rs::digest::{self, SHA256};
use data_encoding::HEXLOWER;
use muster_proto::Timestamp;
use time::OffsetDateTime;
use time::macros::format_description;

/// The suite and its one component.
pub(super) const SUITE: &str = "stable";
pub(super) const COMPONENT: &str = "main";

/// Whoever holds an old index back from a device can do so for a week at most.
const VALID: i64 = 7 * 86_400;
/// An index is dated to the beginning of its hour: apt refuses one from the future, and devices' clocks differ.
const HOUR: i64 = 3_600;
/// The part of an index's folder before its architecture.
const FOLDER: &str = "binary-";

/// The index of one architecture, as `dpkg-scanpackages` wrote it.
struct Index {
    architecture: String,
    content: Vec<u8>,
}

/// What can be installed.
pub(super) struct Repository {
    folder: PathBuf,
    indexes: Vec<Index>,
}

impl Repository {
    /// Reads the indexes of the folder; without a folder there is nothing to install.
    pub(super) fn open(folder: &Path) -> Result<Self> {
        let list = folder.join("dists").join(SUITE).join(COMPONENT);
        let failed = || format!("can't read the packages in {}", list.display());
        let mut indexes = Vec::new();
        match fs::read_dir(&list) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(failed),
            Ok(entries) => {
                for entry in entries {
                    indexes.extend(index(&entry.with_context(failed)?.path()).with_context(failed)?);
                }
            }
        }
        indexes.sort_by(|one, other| one.architecture.cmp(&other.architecture));
        Ok(Self { folder: folder.to_owned(), indexes })
    }

    /// Where the packages themselves lie.
    pub(super) fn pool(&self) -> PathBuf {
        self.folder.join("pool")
    }

    /// The architectures that there are packages for.
    pub(super) fn architectures(&self) -> Vec<&str> {
        self.indexes.iter().map(|index| index.architecture.as_str()).collect()
    }

    /// The architectures whose index names a package, with all that it names there.
    pub(super) fn offered(&self) -> Vec<String> {
        let has_all = |index: &&Index| {
            let text = String::from_utf8_lossy(&index.content);
            let mut named = text.lines().filter_map(|line| line.strip_prefix("Filename: ")).peekable();
            named.peek().is_some() && named.all(|name| self.folder.join(name.trim()).is_file())
        };
        self.indexes.iter().filter(has_all).map(|index| index.architecture.clone()).collect()
    }

    /// The index of what is below `binary-<architecture>`.
    pub(super) fn index(&self, folder: &str) -> Option<&[u8]> {
        let architecture = folder.strip_prefix(FOLDER)?;
        let index = self.indexes.iter().find(|index| index.architecture == architecture)?;
        Some(&index.content)
    }

    /// The text that is signed: what the indexes are, and until when.
    pub(super) fn release(&self, now: Timestamp) -> String {
        let date = dated(now);
        let mut text = format!(
            "Origin: Muster\nLabel: Muster\nSuite: {SUITE}\nCodename: {SUITE}\nDate: {}\nValid-Until: {}\n\
             Architectures: {}\nComponents: {COMPONENT}\nDescription: The Muster agent\nSHA256:\n",
            in_words(date),
            in_words(date.plus_seconds(VALID)),
            self.architectures().join(" "),
        );
        for Index { architecture, content } in &self.indexes {
            let sum = HEXLOWER.encode(digest::digest(&SHA256, content).as_ref());
            text.push_str(&format!(" {sum} {} {COMPONENT}/{FOLDER}{architecture}/Packages\n", content.len()));
        }
        text
    }
}

/// When an index that is asked for now counts as made.
pub(super) fn dated(now: Timestamp) -> Timestamp {
    Timestamp::default().plus_seconds(now.seconds() - now.seconds() % HOUR)
}

fn index(folder: &Path) -> io::Result<Option<Index>> {
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let Some(architecture) = name.strip_prefix(FOLDER) else { return Ok(None) };
    Ok(Some(Index { architecture: architecture.to_owned(), content: fs::read(folder.join("Packages"))? }))
}

/// As Debian writes times.
fn in_words(time: Timestamp) -> String {
    let format = format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] UTC"
    );
    let time = OffsetDateTime::from_unix_timestamp(time.seconds()).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    time.format(format).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_names_each_index_by_its_digest_and_ends_in_a_week() {
        let folder = tempfile::tempdir().unwrap();
        let main = folder.path().join("dists/stable/main");
        for (architecture, content) in [("arm64", "b"), ("amd64", "abc")] {
            fs::create_dir_all(main.join(format!("binary-{architecture}"))).unwrap();
            fs::write(main.join(format!("binary-{architecture}/Packages")), content).unwrap();
        }
        let repository = Repository::open(folder.path()).unwrap();
        let release = repository.release("2026-11-26T00:59:07.5Z".parse().unwrap());
        for line in [
            "Date: Thu, 26 Nov 2026 00:00:00 UTC",
            "Valid-Until: Thu, 03 Dec 2026 00:00:00 UTC",
            "Architectures: amd64 arm64",
            " ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad 3 main/binary-amd64/Packages",
        ] {
            assert!(release.lines().any(|found| found == line), "{line} is not in:\n{release}");
        }
        assert_eq!(repository.index("binary-amd64"), Some(&b"abc"[..]));
        assert_eq!(repository.index("binary-../amd64"), None);
    }

    #[test]
    fn without_a_folder_there_is_nothing_to_install() {
        let repository = Repository::open(Path::new("/nonexistent/apt")).unwrap();
        assert!(repository.architectures().is_empty());
    }
}
