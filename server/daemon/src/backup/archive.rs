//! The archive: a plain tar file whose first member is the manifest and whose others are exactly those it lists.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use muster_proto::{Digest, Hasher};
use tar::{Archive, Builder, Entry, EntryType, Header};
use zeroize::Zeroizing;

use super::manifest::{CONFIG, Manifest, Member};
use crate::config::DataFolder;

const MANIFEST: &str = "manifest.json";
/// A line for each part and artifact: tens of thousands of them.
const MAX_MANIFEST: u64 = 8 * 1024 * 1024;
/// Left free for the database's log and for what the server writes next.
pub(super) const SPARE: u64 = 64 * 1024 * 1024;

/// What a member holds.
pub(super) enum Content {
    /// Held here.
    Small(Zeroizing<Vec<u8>>),
    /// In a file that nobody else writes to.
    File(PathBuf),
}

impl Content {
    pub(super) fn small(bytes: Vec<u8>) -> Self {
        Self::Small(Zeroizing::new(bytes))
    }

    pub(super) fn file(path: &Path) -> io::Result<Self> {
        Ok(Self::File(fs::canonicalize(path)?))
    }

    /// Its size and digest.
    pub(super) fn measure(&self) -> io::Result<(u64, Digest)> {
        let mut hashing = Hashing::new(self.open()?);
        let size = io::copy(&mut hashing, &mut io::sink())?;
        Ok((size, hashing.digest()))
    }

    fn open(&self) -> io::Result<Box<dyn Read + '_>> {
        Ok(match self {
            Self::Small(bytes) => Box::new(&bytes[..]),
            Self::File(path) => Box::new(File::open(path)?),
        })
    }
}

/// Writes manifest and members; gives the manifest's digest.
pub(super) fn write<P: AsRef<str>>(
    out: impl Write,
    manifest: &Manifest,
    contents: impl IntoIterator<Item = (P, Content)>,
) -> Result<Digest> {
    let mut tar = Builder::new(out);
    let list = serde_json::to_vec_pretty(manifest).context("can't write the manifest")?;
    let mut append = |path: &str, size: u64, content: &mut dyn Read| {
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Regular);
        header.set_size(size);
        header.set_mode(0o600);
        header.set_mtime(manifest.made.seconds().unsigned_abs());
        tar.append_data(&mut header, path, content.take(size)).with_context(|| format!("can't write {path}"))
    };
    append(MANIFEST, list.len() as u64, &mut &list[..])?;
    for (member, (path, content)) in manifest.members.iter().zip(contents) {
        append(path.as_ref(), member.size, &mut content.open()?)?;
    }
    tar.into_inner().and_then(|mut out| out.flush()).context("can't write the backup")?;
    Ok(Digest::of(&list))
}

/// What [`extract`] did not put into the folder.
pub(crate) struct Extracted {
    /// The list.
    pub(crate) manifest: Manifest,
    /// `server.toml`: with it the folder counts as set up, so that it comes last.
    pub(crate) config: String,
}

/// Puts the members into an empty folder, for its owner alone. What was put there before an error is the caller's to
/// remove. Only names of known parts are ever made into paths.
pub(crate) fn extract(input: impl Read, folder: &DataFolder) -> Result<Extracted> {
    let mut archive = Archive::new(input);
    // Raw: extensions that give a member another name or size come as members of their own, which are refused.
    let mut entries = archive.entries().context("it is not a backup")?.raw(true);
    let mut next = |path: &str| match entries.next() {
        Some(entry) => entry.with_context(|| format!("it breaks off before {path}")),
        None => bail!("it ends before {path}"),
    };
    let manifest = read_manifest(next(MANIFEST)?)?;
    let needed = manifest.members.iter().fold(SPARE, |sum, member| sum.saturating_add(member.size));
    let free = free_space(folder.path())?;
    ensure!(needed <= free, "it needs {needed} bytes, and {free} are free in {}", folder.path().display());
    let mut config = Vec::new();
    for member in &manifest.members {
        let entry = next(&member.path)?;
        check(&entry, &member.path, member.size)?;
        if member.path == CONFIG {
            copy(entry, member, &mut config)?;
        } else {
            put(entry, member, folder.path())?;
        }
    }
    ensure!(entries.next().is_none(), "there is more in it than its manifest lists");
    let config = String::from_utf8(config).context("its server.toml is not text")?;
    Ok(Extracted { manifest, config })
}

/// How many bytes are free where this folder lies.
pub(crate) fn free_space(folder: &Path) -> Result<u64> {
    let stat = rustix::fs::statvfs(folder).with_context(|| format!("can't look at {}", folder.display()))?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

fn read_manifest(mut entry: Entry<'_, impl Read>) -> Result<Manifest> {
    let size = entry.size();
    check(&entry, MANIFEST, size).context("it is not a backup")?;
    ensure!(size <= MAX_MANIFEST, "it is not a backup: its manifest has {size} bytes");
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).context("its manifest can't be read")?;
    Manifest::read(&bytes)
}

/// Whether the next member is this plain file.
fn check(entry: &Entry<'_, impl Read>, path: &str, size: u64) -> Result<()> {
    let (kind, name) = (entry.header().entry_type(), entry.path_bytes());
    ensure!(
        kind == EntryType::Regular && *name == *path.as_bytes() && entry.size() == size,
        "where {path} should be, it has {:?}, {} bytes, of kind {kind:?}",
        String::from_utf8_lossy(&name),
        entry.size()
    );
    Ok(())
}

fn put(entry: Entry<'_, impl Read>, member: &Member, folder: &Path) -> Result<()> {
    let path = folder.join(&member.path);
    let failed = || format!("can't write {}", path.display());
    let parent = path.parent().unwrap_or(folder);
    DirBuilder::new().recursive(true).mode(0o700).create(parent).with_context(failed)?;
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).with_context(failed)?;
    copy(entry, member, &mut file)?;
    file.sync_all().and_then(|()| File::open(parent)?.sync_all()).with_context(failed)
}

fn copy(entry: Entry<'_, impl Read>, member: &Member, out: &mut impl Write) -> Result<()> {
    let mut hashing = Hashing::new(entry);
    let size = io::copy(&mut hashing, out).with_context(|| format!("{} can't be copied", member.path))?;
    ensure!(size == member.size, "it breaks off in {}", member.path);
    ensure!(
        hashing.digest() == member.sha256,
        "{} is damaged: its digest is not that of the manifest",
        member.path
    );
    Ok(())
}

/// Passes on what is read, and hashes it.
struct Hashing<R> {
    inner: R,
    hasher: Hasher,
}

impl<R: Read> Hashing<R> {
    fn new(inner: R) -> Self {
        Self { inner, hasher: Hasher::default() }
    }

    fn digest(self) -> Digest {
        self.hasher.finish()
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        Ok(read)
    }
}

#[cfg(test)]
mod tests;
