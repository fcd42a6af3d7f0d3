//! Whole trees of files: what one is known again by, and its end.
//!
//! Of a tree that was unpacked a list is kept in the agent's folder, with what the kernel says of each entry: to look whether all is
//! as it was takes one call for each, and reads no file. Nothing here follows a link or goes into what is mounted in a tree.

use std::collections::BTreeSet;
use std::ffi::{CStr, CString};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, BufWriter, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use muster_proto::text::escape;
use muster_proto::{Digest, ResourceId, artifact};
use rustix::fs::{AtFlags, Dir, DirEntry, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;
use rustix::path::Arg;

use super::walk::{Identity, Place, identity};

/// The folder of the lists, beside the ledger.
pub(crate) const FOLDER: &str = "archives";

/// The most directories within each other that a tree is removed with; it holds one descriptor for each.
const DEEPEST: usize = 256;

/// The most entries that are removed as one tree: its owner may go on making more.
const MOST_REMOVED: u32 = 1_000_000;

/// So many names of a directory are kept in memory while what they name is removed.
const AT_ONCE: usize = 1024;

/// What is said of a tree as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tree {
    /// What it was unpacked from.
    pub(crate) artifact: Digest,
    /// With so many directories taken off.
    pub(crate) strip: u8,
    /// Whose all of it is.
    pub(crate) uid: u32,
    /// Whose all of it is.
    pub(crate) gid: u32,
}

/// What is found where a tree should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A directory that Muster did not put there.
    Foreign,
    /// The tree that Muster put there, and what in it is not as it was, if anything.
    Ours(Tree, Option<String>),
}

/// The lists of the trees on this device.
#[derive(Clone, Debug)]
pub(crate) struct Lists {
    folder: PathBuf,
}

impl Lists {
    /// Those in the agent's folder.
    pub(crate) fn beside_ledger(state: &Path) -> Self {
        Self { folder: state.join(FOLDER) }
    }

    fn path(&self, of: &str) -> PathBuf {
        self.folder.join(artifact::hex(&Digest::of(of.as_bytes())))
    }

    fn next(&self, of: &str) -> PathBuf {
        self.path(of).with_extension("next")
    }

    /// Looks at the directory at `place`, whose path is `of`.
    pub(crate) fn look(&self, of: &str, place: &Place) -> Result<Found> {
        let top = match open(place.dir.as_fd(), place.name.as_str(), OFlags::PATH) {
            Err(Errno::XDEV) => {
                bail!("a file system is mounted there: unmount it, or name a directory below it")
            }
            top => top.context("opening it")?,
        };
        let identity = identity(&top)?;
        // The next one is in force as soon as its tree is in place, whether or not a crash kept it from its name.
        for path in [self.path(of), self.next(of)] {
            let file = match File::open(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                file => file.with_context(|| format!("opening {}", path.display()))?,
            };
            let mut lines = BufReader::new(file).lines();
            let unreadable =
                || format!("the list of its files in {} can't be read: remove it", path.display());
            let first = lines.next().with_context(unreadable)?.with_context(unreadable)?;
            let (tree, known) = parse_head(&first).with_context(unreadable)?;
            if known == identity {
                let changed = check(&top, lines.map(|line| line.with_context(unreadable)))?;
                return Ok(Found::Ours(tree, changed));
            }
        }
        Ok(Found::Foreign)
    }

    /// Writes the list of a tree that is to be put at `of`, durably, before it is.
    ///
    /// Its top is root's alone as long as it is not in place, so of that the list says what it will be.
    pub(crate) fn write(&self, of: &str, tree: &Tree, top: &OwnedFd, mode: u32) -> Result<()> {
        fs::create_dir_all(&self.folder).with_context(|| format!("making {}", self.folder.display()))?;
        let path = self.next(of);
        let write = || -> Result<()> {
            let mut out = BufWriter::new(File::create(&path)?);
            let (ino, seconds, nanoseconds) = identity(top)?;
            let Tree { artifact, strip, uid, gid } = tree;
            writeln!(out, "1 {artifact} {strip} {uid} {gid} {ino} {seconds} {nanoseconds}")?;
            let mut stat = rustix::fs::fstat(top)?;
            (stat.st_uid, stat.st_gid) = (*uid, *gid);
            stat.st_mode = FileType::Directory.as_raw_mode() | mode;
            describe(top, "", &stat, &mut out)?;
            let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
            Ok(file.sync_all()?)
        };
        write().with_context(|| format!("writing {}", path.display()))?;
        self.sync()
    }

    /// Gives the list its name that counts already, where a crash kept it from that: the next one is not to be written over it.
    pub(crate) fn catch_up(&self, of: &str, dir: BorrowedFd<'_>, name: &str) -> Result<()> {
        let (Ok(top), Ok(file)) = (open(dir, name, OFlags::PATH), File::open(self.next(of))) else {
            return Ok(());
        };
        let mut first = String::new();
        BufReader::new(file).read_line(&mut first).context("reading the list of its files")?;
        match parse_head(first.trim_end()) {
            Some((_, known)) if known == identity(&top)? => self.settle(of),
            _ => Ok(()),
        }
    }

    /// Has the list that was written last count as the one of `of`, now that its tree is in place.
    pub(crate) fn settle(&self, of: &str) -> Result<()> {
        fs::rename(self.next(of), self.path(of)).context("keeping the list of its files")?;
        self.sync()
    }

    /// Forgets the tree at `of`.
    pub(crate) fn forget(&self, of: &str) -> Result<()> {
        for path in [self.path(of), self.next(of)] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("removing {}", path.display()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Forgets all trees but those of these resources.
    pub(crate) fn keep_only<'i>(&self, ids: impl Iterator<Item = &'i ResourceId>) -> Result<()> {
        let kept: BTreeSet<PathBuf> = ids.flat_map(|id| [self.path(id.key()), self.next(id.key())]).collect();
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let path = entry?.path();
            if !kept.contains(&path) {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        let folder = File::open(&self.folder).and_then(|folder| folder.sync_all());
        folder.with_context(|| format!("syncing {}", self.folder.display()))
    }
}

fn parse_head(line: &str) -> Option<(Tree, Identity)> {
    let mut words = line.strip_prefix("1 ")?.split(' ');
    let tree = Tree {
        artifact: words.next()?.parse().ok()?,
        strip: words.next()?.parse().ok()?,
        uid: words.next()?.parse().ok()?,
        gid: words.next()?.parse().ok()?,
    };
    let identity = (words.next()?.parse().ok()?, words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    words.next().is_none().then_some((tree, identity))
}

/// Opens a directory at or below `dir`, over no link and into nothing that is mounted there.
pub(super) fn open(dir: BorrowedFd<'_>, path: impl Arg, extra: OFlags) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | extra;
    let within = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV | ResolveFlags::BENEATH;
    rustix::fs::openat2(dir, path, flags, Mode::empty(), within)
}

/// What a directory has, in whatever order.
fn entries(dir: &OwnedFd) -> Result<impl Iterator<Item = Result<DirEntry>>> {
    let entries = Dir::read_from(dir).context("listing it")?.map(|entry| entry.context("listing it"));
    let is_own = |entry: &Result<DirEntry>| {
        entry.as_ref().is_ok_and(|entry| matches!(entry.file_name().to_bytes(), b"." | b".."))
    };
    Ok(entries.filter(move |entry| !is_own(entry)))
}

fn text(entry: &DirEntry) -> String {
    entry.file_name().to_string_lossy().into_owned()
}

fn joined(above: &str, name: &str) -> String {
    if above.is_empty() { name.to_owned() } else { format!("{above}/{name}") }
}

/// What the kernel says of an entry, as words. The first four are what a directory has to have kept, the others change with what is
/// in it.
fn stamp(stat: &Stat) -> String {
    let mut words = String::new();
    write!(words, "{} {} {} {}", stat.st_ino, stat.st_mode, stat.st_uid, stat.st_gid).ok();
    let times = (stat.st_mtime, stat.st_mtime_nsec, stat.st_ctime, stat.st_ctime_nsec);
    write!(words, " {} {}.{} {}.{}", stat.st_size, times.0, times.1, times.2, times.3).ok();
    words
}

/// As many words as [`stamp`] has.
const WORDS: usize = 7;
/// As many of them as a directory has to have kept.
const KEPT_WORDS: usize = 4;

/// Writes what is in a directory: itself as `d`, then each entry, directories as `s`, and then these with what is in them.
fn describe(dir: &OwnedFd, path: &str, stat: &Stat, out: &mut impl Write) -> Result<()> {
    writeln!(out, "d {} {path}", stamp(stat))?;
    let here = open(dir.as_fd(), ".", OFlags::RDONLY)?;
    let mut below = vec![];
    let names: Result<BTreeSet<String>> = entries(&here)?.map(|entry| Ok(text(&entry?))).collect();
    for name in names? {
        let stat = rustix::fs::statat(dir, &name, AtFlags::SYMLINK_NOFOLLOW)?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            writeln!(out, "s {name}")?;
            below.push((name, stat));
        } else {
            writeln!(out, "e {} {name}", stamp(&stat))?;
        }
    }
    drop(here);
    for (name, stat) in below {
        let inner = open(dir.as_fd(), &name, OFlags::PATH)?;
        describe(&inner, &joined(path, &name), &stat, out)?;
    }
    Ok(())
}

/// A directory whose entries are being looked at.
struct Open {
    dir: OwnedFd,
    path: String,
    /// The names that it should have, where its times say that it may have others.
    expected: Option<BTreeSet<String>>,
}

impl Open {
    /// What it has too much. What it lacks was missed already, or is when it is to be opened.
    fn finish(self, top: &OwnedFd) -> Result<Option<String>> {
        let Some(expected) = self.expected else { return Ok(None) };
        let path = if self.path.is_empty() { "." } else { self.path.as_str() };
        let dir = open(top.as_fd(), path, OFlags::RDONLY)?;
        for entry in entries(&dir)? {
            let name = text(&entry?);
            if !expected.contains(&name) {
                return Ok(Some(format!("{} was added", escape(&joined(&self.path, &name)))));
            }
        }
        Ok(None)
    }
}

/// The first thing in a tree that is not as its list says.
fn check(top: &OwnedFd, lines: impl Iterator<Item = Result<String>>) -> Result<Option<String>> {
    const BROKEN: &str = "the list of its files is broken";
    let mut here: Option<Open> = None;
    for line in lines {
        let line = line?;
        let (kind, rest) = line.split_once(' ').context(BROKEN)?;
        if kind == "d" {
            let (known, path) = split_stamp(rest).context(BROKEN)?;
            if let Some(changed) = here.take().map(|open| open.finish(top)).transpose()?.flatten() {
                return Ok(Some(changed));
            }
            let below = if path.is_empty() { "." } else { path };
            let dir = match open(top.as_fd(), below, OFlags::PATH) {
                Ok(dir) => dir,
                Err(Errno::XDEV) => return Ok(Some(format!("something is mounted at {path}"))),
                Err(Errno::NOENT) => return Ok(Some(format!("{path} is missing"))),
                Err(Errno::NOTDIR | Errno::LOOP) => return Ok(Some(format!("{path} is no directory"))),
                Err(error) => return Err(error).with_context(|| format!("opening {path} in it")),
            };
            let now = stamp(&rustix::fs::fstat(&dir)?);
            if kept(&now) != kept(known) {
                let path = if path.is_empty() { "its own mode or owner" } else { path };
                return Ok(Some(format!("{path} was changed")));
            }
            let expected = (now != known).then(BTreeSet::new);
            here = Some(Open { dir, path: path.to_owned(), expected });
            continue;
        }
        let open = here.as_mut().context(BROKEN)?;
        let name = match kind {
            "s" => rest,
            "e" => {
                let (known, name) = split_stamp(rest).context(BROKEN)?;
                match rustix::fs::statat(&open.dir, name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(stat) if stamp(&stat) == known => name,
                    Ok(_) => return Ok(Some(format!("{} was changed", joined(&open.path, name)))),
                    Err(Errno::NOENT) => {
                        return Ok(Some(format!("{} is missing", joined(&open.path, name))));
                    }
                    Err(error) => return Err(error).with_context(|| format!("asking about {name} in it")),
                }
            }
            _ => bail!(BROKEN),
        };
        if let Some(expected) = &mut open.expected {
            expected.insert(name.to_owned());
        }
    }
    here.map(|open| open.finish(top)).transpose().map(Option::flatten)
}

/// The stamp at the beginning of a line, and what follows.
fn split_stamp(line: &str) -> Option<(&str, &str)> {
    let end = line.match_indices(' ').nth(WORDS - 1)?.0;
    Some((&line[..end], &line[end + 1..]))
}

fn kept(stamp: &str) -> &str {
    stamp.match_indices(' ').nth(KEPT_WORDS - 1).map_or(stamp, |(end, _)| &stamp[..end])
}

/// Whether something is mounted in a tree, somewhere; then it can't be removed.
pub(crate) fn mounted_in(place: &Place) -> Result<Option<String>> {
    let top = match open(place.dir.as_fd(), &place.name, OFlags::RDONLY) {
        Err(Errno::XDEV) => return Ok(Some("the directory itself".to_owned())),
        top => top.context("opening it")?,
    };
    look_for_mounts(&top, "", 0)
}

fn look_for_mounts(dir: &OwnedFd, path: &str, depth: usize) -> Result<Option<String>> {
    ensure!(depth < DEEPEST, TOO_DEEP);
    for entry in entries(dir)? {
        let entry = entry?;
        if !matches!(entry.file_type(), FileType::Directory | FileType::Unknown) {
            continue;
        }
        let path = joined(path, &escape(&text(&entry)));
        match open(dir.as_fd(), entry.file_name(), OFlags::RDONLY) {
            Ok(inner) => {
                if let Some(mounted) = look_for_mounts(&inner, &path, depth + 1)? {
                    return Ok(Some(mounted));
                }
            }
            Err(Errno::XDEV) => return Ok(Some(path)),
            // It is gone, or is none.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
            Err(error) => return Err(error).with_context(|| format!("opening {path} in it")),
        }
    }
    Ok(None)
}

const TOO_DEEP: &str = "it holds too many directories within each other: remove it by hand";

/// Removes what is at a name, be it a whole tree. What is not there is removed already.
pub(crate) fn remove(dir: BorrowedFd<'_>, name: &str) -> Result<()> {
    let mut left = MOST_REMOVED;
    remove_within(dir, &CString::new(name)?, 0, &mut left).with_context(|| format!("removing {name}"))
}

fn remove_within(dir: BorrowedFd<'_>, name: &CStr, depth: usize, left: &mut u32) -> Result<()> {
    *left = left.checked_sub(1).context("it holds too many files: remove it by hand")?;
    match rustix::fs::unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR) => {}
        Err(error) => return Err(error.into()),
    }
    ensure!(depth < DEEPEST, TOO_DEEP);
    let inner = open(dir, name, OFlags::RDONLY)?;
    loop {
        let some: Result<Vec<CString>> =
            entries(&inner)?.take(AT_ONCE).map(|entry| Ok(entry?.file_name().to_owned())).collect();
        let some = some?;
        if some.is_empty() {
            break;
        }
        for name in some {
            remove_within(inner.as_fd(), &name, depth + 1, left)?;
        }
    }
    Ok(rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR)?)
}
