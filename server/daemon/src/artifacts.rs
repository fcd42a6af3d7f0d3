//! The files of artifacts, in a folder beside the database: one called by its digest is whole, with `.part` it is on its
//! way.
//!
//! What is whole was synced before it got its name, and never changes. Who changes files of one artifact takes turns with
//! others who would. All functions that are not `async` wait for the disk.

use std::collections::HashMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::SystemTime;

use hyper::body::Bytes;
use mime_guess::mime;
use muster_proto::{Digest, Hasher, artifact};
use tokio::sync::OwnedMutexGuard;
use tower_http::services::ServeFile;
use tower_http::services::fs::ServeFileSystemResponseBody;

use crate::backup::archive::free_space;

const PART: &str = ".part";

/// Bytes that are read at once to be hashed.
const BLOCK: usize = 256 * 1024;

/// The folder; cheap to clone.
#[derive(Clone)]
pub(crate) struct Artifacts(Arc<Inner>);

struct Inner {
    folder: PathBuf,
    limit: u64,
    turns: Mutex<HashMap<Digest, Weak<tokio::sync::Mutex<()>>>>,
}

/// What is there of an artifact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// All of it, under its name.
    Whole,
    /// So many bytes from its beginning; 0 where there is nothing.
    Part(u64),
}

/// The turn of who changes files of one artifact, until it is dropped.
pub(crate) struct Turn {
    digest: Digest,
    _alone: OwnedMutexGuard<()>,
}

/// An artifact on its way, whose next bytes are taken.
pub(crate) struct Part {
    file: File,
    length: u64,
    turn: Turn,
}

/// A file of the folder.
pub(crate) struct Found {
    /// Of which artifact.
    pub(crate) digest: Digest,
    /// Whether it is all of it.
    pub(crate) is_whole: bool,
    /// When it was changed last.
    pub(crate) touched: SystemTime,
}

impl Artifacts {
    /// The folder at this path, which is made for its owner alone if it is not there, for artifacts of at most `limit` bytes.
    pub(crate) fn open(folder: &Path, limit: u64) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        Ok(Self::at(folder, limit))
    }

    /// The same for who only looks: the folder need not be there.
    pub(crate) fn at(folder: &Path, limit: u64) -> Self {
        Self(Arc::new(Inner { folder: folder.to_owned(), limit, turns: Mutex::default() }))
    }

    /// The most bytes that one may have.
    pub(crate) fn limit(&self) -> u64 {
        self.0.limit
    }

    /// How many bytes are free where they lie.
    pub(crate) fn free(&self) -> io::Result<u64> {
        free_space(&self.0.folder).map_err(io::Error::other)
    }

    /// Where a whole one lies.
    pub(crate) fn path(&self, digest: Digest) -> PathBuf {
        self.0.folder.join(artifact::hex(&digest))
    }

    fn part_path(&self, digest: Digest) -> PathBuf {
        self.0.folder.join(artifact::hex(&digest) + PART)
    }

    /// What is there of an artifact.
    pub(crate) fn held(&self, digest: Digest) -> io::Result<Held> {
        if length(&self.path(digest))?.is_some() {
            return Ok(Held::Whole);
        }
        Ok(Held::Part(length(&self.part_path(digest))?.unwrap_or(0)))
    }

    /// Waits until nobody else changes files of this artifact.
    pub(crate) async fn turn(&self, digest: Digest) -> Turn {
        let turn = {
            let mut turns = self.0.turns.lock().unwrap_or_else(PoisonError::into_inner);
            turns.retain(|_, turn| turn.strong_count() > 0);
            let known = turns.get(&digest).and_then(Weak::upgrade);
            known.unwrap_or_else(|| {
                let turn = Arc::default();
                turns.insert(digest, Arc::downgrade(&turn));
                turn
            })
        };
        Turn { digest, _alone: turn.lock_owned().await }
    }

    /// Opens what came so far, to add to it.
    pub(crate) fn part(&self, turn: Turn) -> io::Result<Part> {
        let mut options = OpenOptions::new();
        options
            .append(true)
            .create(true)
            .mode(0o600)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32);
        let file = options.open(self.part_path(turn.digest))?;
        Ok(Part { length: file.metadata()?.len(), file, turn })
    }

    /// Reads what came, and gives it its name if it is what it should be; says whether it was. What was not is removed.
    pub(crate) fn keep(&self, turn: &Turn) -> io::Result<bool> {
        let (part, whole) = (self.part_path(turn.digest), self.path(turn.digest));
        let file = File::open(&part)?;
        if digest_of(&file)? != turn.digest {
            fs::remove_file(&part)?;
            return Ok(false);
        }
        file.sync_all()?;
        fs::rename(&part, &whole)?;
        File::open(&self.0.folder)?.sync_all()?;
        Ok(true)
    }

    /// Removes all that there is of it.
    pub(crate) fn remove(&self, turn: &Turn) -> io::Result<()> {
        for path in [self.part_path(turn.digest), self.path(turn.digest)] {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// The digest of the bytes that a whole one really has; `None` where it is not there.
    pub(crate) fn measure(&self, digest: Digest) -> io::Result<Option<Digest>> {
        match File::open(self.path(digest)) {
            Ok(file) => digest_of(&file).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All files of artifacts. What has another name was not put there by Muster.
    pub(crate) fn all(&self) -> io::Result<Vec<Found>> {
        let mut all = Vec::new();
        for entry in fs::read_dir(&self.0.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let part = name.to_str().and_then(|name| name.strip_suffix(PART));
            let (hex, is_whole) = (part.or_else(|| name.to_str()), part.is_none());
            let digest = hex.and_then(|hex| format!("sha256:{hex}").parse().ok());
            let Some(digest) = digest else { continue };
            match entry.metadata() {
                Ok(there) => all.push(Found { digest, is_whole, touched: there.modified()? }),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }

    /// Answers with the bytes of a whole one, or with the part of them that a `Range` asks for, read as they are sent. Where
    /// it is not there the answer says 404.
    pub(crate) async fn serve(
        &self,
        digest: Digest,
        range: Option<&http::HeaderValue>,
    ) -> io::Result<http::Response<ServeFileSystemResponseBody>> {
        let mut asked = http::Request::new(());
        if let Some(range) = range {
            asked.headers_mut().insert(http::header::RANGE, range.clone());
        }
        ServeFile::new_with_mime(self.path(digest), &mime::APPLICATION_OCTET_STREAM).try_call(asked).await
    }
}

impl Turn {
    /// Of which artifact.
    pub(crate) fn digest(&self) -> Digest {
        self.digest
    }
}

impl Part {
    /// How many bytes came so far.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Adds bytes.
    pub(crate) fn append(&mut self, pieces: &[Bytes]) -> io::Result<()> {
        for piece in pieces {
            self.file.write_all(piece)?;
            self.length += piece.len() as u64;
        }
        Ok(())
    }

    /// Makes durable what came, and gives the turn back.
    pub(crate) fn sync(self) -> io::Result<Turn> {
        self.file.sync_data()?;
        Ok(self.turn)
    }
}

fn length(path: &Path) -> io::Result<Option<u64>> {
    match fs::symlink_metadata(path) {
        Ok(there) => Ok(Some(there.len())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The digest of all that a file has from here on.
fn digest_of(mut file: &File) -> io::Result<Digest> {
    let (mut hasher, mut block) = (Hasher::default(), vec![0; BLOCK]);
    loop {
        match file.read(&mut block)? {
            0 => return Ok(hasher.finish()),
            read => hasher.update(&block[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, Artifacts) {
        let folder = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::open(&folder.path().join("artifacts"), 1024).unwrap();
        (folder, artifacts)
    }

    async fn put(artifacts: &Artifacts, digest: Digest, bytes: &'static [u8]) -> Turn {
        let mut part = artifacts.part(artifacts.turn(digest).await).unwrap();
        part.append(&[Bytes::from_static(bytes)]).unwrap();
        part.sync().unwrap()
    }

    #[tokio::test]
    async fn what_is_as_announced_gets_its_name_and_what_is_not_goes() {
        let (_folder, artifacts) = folder();
        let (right, wrong) = (Digest::of(b"right"), Digest::of(b"other"));
        let turn = put(&artifacts, right, b"ri").await;
        assert_eq!(artifacts.held(right).unwrap(), Held::Part(2));
        drop(turn);
        let turn = put(&artifacts, right, b"ght").await;
        assert!(artifacts.keep(&turn).unwrap());
        assert_eq!(artifacts.held(right).unwrap(), Held::Whole);
        assert_eq!(artifacts.measure(right).unwrap(), Some(right));
        let turn = put(&artifacts, wrong, b"right").await;
        assert!(!artifacts.keep(&turn).unwrap());
        assert_eq!(artifacts.held(wrong).unwrap(), Held::Part(0));
        assert_eq!(artifacts.all().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_link_in_place_of_a_part_is_not_written_through() {
        let (folder, artifacts) = folder();
        let victim = folder.path().join("victim");
        fs::write(&victim, "as it was").unwrap();
        let digest = Digest::of(b"right");
        std::os::unix::fs::symlink(&victim, artifacts.part_path(digest)).unwrap();
        assert!(artifacts.part(artifacts.turn(digest).await).is_err());
        assert_eq!(fs::read(&victim).unwrap(), b"as it was");
    }

    #[tokio::test]
    async fn one_at_a_time_changes_an_artifact_and_others_are_not_held_up() {
        let (_folder, artifacts) = folder();
        let (one, other) = (Digest::of(b"one"), Digest::of(b"other"));
        let first = artifacts.turn(one).await;
        let moment = std::time::Duration::from_millis(20);
        assert!(tokio::time::timeout(moment, artifacts.turn(one)).await.is_err());
        drop(artifacts.turn(other).await);
        drop(first);
        artifacts.turn(one).await;
    }

    #[tokio::test]
    async fn what_has_another_name_is_nothing_of_ours() {
        let (folder, artifacts) = folder();
        fs::write(folder.path().join("artifacts/notes.txt"), "x").unwrap();
        drop(put(&artifacts, Digest::of(b"x"), b"x").await);
        let all: Vec<_> = artifacts.all().unwrap().into_iter().map(|found| found.digest).collect();
        assert_eq!(all, [Digest::of(b"x")]);
    }
}
