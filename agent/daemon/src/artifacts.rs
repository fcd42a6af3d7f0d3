//! Artifacts on this device: a folder of files that are named by the digests of what they hold.
//!
//! The link alone writes there: it fetches what the state names, and removes what it does not name any more. A file has its name
//! once its bytes are proven and durable; until then it grows under another one, and goes on growing after a cut or a
//! restart.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Seek as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use muster_proto::resource::value::HttpsUrl;
use muster_proto::{Digest, artifact};

/// The folder's name, beside the ledger.
pub(crate) const FOLDER: &str = "artifacts";

/// What a file is called beyond its digest while it is fetched.
const PART: &str = ".part";

/// So many bytes stay free on the ledger's file system: a device that has none left can't even say so.
const KEPT_FREE: u64 = 256 * 1024 * 1024;

/// Artifacts that are to be here, each with where it is to be had, in the order in which that is tried: nowhere but at the server where
/// it names nothing.
pub(crate) type Named = BTreeMap<Digest, Vec<HttpsUrl>>;

/// What is heard of an artifact that is not here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// It comes by itself: how far it is, or what it waits for.
    Coming(String),
    /// Why it did not come. It is tried again, and somebody may have to do something before.
    Missed(String),
}

/// The artifacts that are here.
#[derive(Clone, Debug)]
pub(crate) struct Artifacts {
    folder: PathBuf,
}

impl Artifacts {
    /// Those in the agent's folder. Nothing is made before something is fetched.
    pub(crate) fn beside_ledger(state: &Path) -> Self {
        Self { folder: state.join(FOLDER) }
    }

    fn path(&self, artifact: &Digest) -> PathBuf {
        self.folder.join(artifact::hex(artifact))
    }

    fn part(&self, artifact: &Digest) -> PathBuf {
        self.folder.join(format!("{}{PART}", artifact::hex(artifact)))
    }

    /// Whether all of it is here.
    pub(crate) fn has(&self, artifact: &Digest) -> bool {
        self.path(artifact).is_file()
    }

    /// Opens it, once more proven to be what its name says; else it is thrown away, so that it is fetched again.
    pub(crate) fn open(&self, artifact: &Digest) -> Result<File> {
        let path = self.path(artifact);
        let mut file = File::open(&path).with_context(|| format!("opening {}", path.display()))?;
        if !is(&file, artifact).with_context(|| format!("reading {}", path.display()))? {
            fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
            bail!("{} was damaged on this device: it is fetched again", path.display());
        }
        file.rewind().with_context(|| format!("reading {}", path.display()))?;
        Ok(file)
    }

    /// Where it is, once more proven as by [`Artifacts::open`].
    pub(crate) fn prove(&self, artifact: &Digest) -> Result<PathBuf> {
        self.open(artifact)?;
        Ok(self.path(artifact))
    }

    /// Removes all that is none of these, nor a part of one.
    pub(crate) fn keep_only(&self, named: &Named) -> io::Result<()> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        let kept: BTreeSet<PathBuf> =
            named.keys().flat_map(|artifact| [self.path(artifact), self.part(artifact)]).collect();
        for entry in entries {
            let path = entry?.path();
            if !kept.contains(&path) {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    /// What is here of an artifact that is not whole, opened to be written behind that, and how many bytes it is.
    pub(crate) fn begin(&self, artifact: &Digest) -> io::Result<(File, u64)> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(self.part(artifact))?;
        let length = file.metadata()?.len();
        Ok((file, length))
    }

    /// Gives what came its name, durably, if it is what it should be; else nothing is left of it, and false is the answer.
    pub(crate) fn complete(&self, artifact: &Digest) -> io::Result<bool> {
        let part = self.part(artifact);
        let file = File::open(&part)?;
        if !is(&file, artifact)? {
            fs::remove_file(&part)?;
            return Ok(false);
        }
        file.sync_all()?;
        fs::rename(&part, self.path(artifact))?;
        File::open(&self.folder)?.sync_all()?;
        Ok(true)
    }

    /// Whether so many bytes more leave the file system with what the device needs.
    pub(crate) fn has_room_for(&self, bytes: u64) -> io::Result<bool> {
        let free = rustix::fs::statvfs(&self.folder)?;
        Ok(free.f_bavail.saturating_mul(free.f_frsize) >= bytes.saturating_add(KEPT_FREE))
    }
}

/// Whether a file holds what an artifact's name says, from where it stands on.
fn is(mut file: &File, artifact: &Digest) -> io::Result<bool> {
    let mut hash = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    let mut buffer = vec![0; 128 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            n => hash.update(&buffer[..n]),
        }
    }
    Ok(data_encoding::HEXLOWER.encode(hash.finish().as_ref()) == artifact::hex(artifact))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;

    use super::*;

    #[test]
    fn an_artifact_has_its_name_only_when_it_is_whole_and_goes_when_nobody_names_it() {
        let state = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::beside_ledger(state.path());
        let (one, other) = (Digest::of(b"whole"), Digest::of(b"other"));
        artifacts.keep_only(&Named::new()).unwrap();
        assert_eq!(artifacts.begin(&one).unwrap().1, 0);
        artifacts.begin(&one).unwrap().0.write_all_at(b"who", 0).unwrap();
        let (file, length) = artifacts.begin(&one).unwrap();
        assert_eq!(length, 3, "it goes on where it was cut off");
        assert!(!artifacts.has(&one));
        file.write_all_at(b"le", length).unwrap();
        assert!(artifacts.complete(&one).unwrap() && artifacts.has(&one));

        let mut read = String::new();
        artifacts.open(&one).unwrap().read_to_string(&mut read).unwrap();
        assert_eq!(read, "whole");
        artifacts.begin(&other).unwrap().0.write_all_at(b"wrong", 0).unwrap();
        assert!(!artifacts.complete(&other).unwrap() && !artifacts.has(&other));
        assert_eq!(artifacts.begin(&other).unwrap().1, 0, "nothing is left of what was wrong");

        artifacts.keep_only(&Named::from([(one, vec![])])).unwrap();
        assert!(artifacts.has(&one) && !artifacts.part(&other).exists());
        assert!(artifacts.has_room_for(1).unwrap() && !artifacts.has_room_for(u64::MAX / 2).unwrap());
        fs::write(artifacts.path(&one), "hole").unwrap();
        assert!(artifacts.open(&one).unwrap_err().to_string().contains("was damaged"));
        assert!(!artifacts.has(&one));
        artifacts.keep_only(&Named::new()).unwrap();
        assert_eq!(fs::read_dir(state.path().join(FOLDER)).unwrap().count(), 0);
    }
}
