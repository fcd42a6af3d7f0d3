//! Makes a tree of files from an archive, beside the place where it is to be, and puts it there whole.
//!
//! This is long work, and is done on a thread of its own. What is made is below a directory that root alone can enter until it is
//! whole and durable; each step goes by a descriptor of it, and over no link.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result, ensure};
use muster_converge::archive::{Archive, Entry, What};
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, RenameFlags, Timespec, Timestamps, Uid};
use rustix::io::Errno;

use super::tree::{self, Lists, Tree};

/// The mode of a tree's own directory, and of those that an archive does not name.
const OPEN: u32 = 0o755;

/// As many bytes are written at once.
const BLOCK: usize = 128 * 1024;

/// What something takes on its file system beside its bytes, be it empty: a block, as most have them.
const EACH: u64 = 4096;

/// How often it is looked whether there is room for more, in bytes.
const LOOK_EVERY: u64 = 16 * 1024 * 1024;

/// So many bytes stay free where a tree is made: what runs there needs room, too.
const KEPT_FREE: u64 = 64 * 1024 * 1024;

/// Where something is put, and what is taken away there.
#[derive(Debug)]
pub(crate) struct Spot {
    /// The path, by which the tree is listed.
    pub(crate) path: String,
    /// The directory above.
    pub(crate) dir: OwnedFd,
    /// The last name of the path.
    pub(crate) name: String,
    /// The name of what is not in its place yet, or no more.
    pub(crate) aside: String,
    pub(crate) lists: Lists,
    /// Set when nobody waits for this any more.
    pub(crate) stop: Arc<AtomicBool>,
}

impl Spot {
    /// Unpacks `archive` and puts it in place of what is there: an empty directory, or a tree that is known.
    pub(crate) fn unpack(&self, archive: File, tree: &Tree) -> Result<()> {
        self.clear()?;
        let made = self.make(archive, tree);
        if made.is_err() {
            // If even this fails, the next try or the next start removes it.
            self.clear().ok();
        }
        made
    }

    /// Puts an empty directory in place of the tree.
    pub(crate) fn empty(&self, (uid, gid): (u32, u32), mode: u32) -> Result<()> {
        self.clear()?;
        let top = self.begin()?;
        finish_top(&top, (uid, gid), mode)?;
        self.put_in_place()?;
        self.lists.forget(&self.path)?;
        self.clear()
    }

    /// Takes the tree away.
    pub(crate) fn remove(&self) -> Result<()> {
        self.clear()?;
        match rustix::fs::renameat(&self.dir, &self.name, &self.dir, &self.aside) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error).context("putting it aside"),
        }
        self.sync()?;
        self.lists.forget(&self.path)?;
        self.clear()
    }

    fn make(&self, archive: File, tree: &Tree) -> Result<()> {
        let top = self.begin()?;
        const NOT_UNPACKED: &str = "the archive is not unpacked";
        let mut archive = Archive::open(archive, tree.strip).context(NOT_UNPACKED)?;
        let mut unpacking = Unpacking { top: &top, tree, last: None, since_look: 0, stop: &self.stop };
        while let Some(entry) = archive.next_entry().context(NOT_UNPACKED)? {
            unpacking
                .make(&entry, &mut archive)
                .with_context(|| format!("unpacking {}", entry.place.join("/")))?;
        }
        rustix::fs::syncfs(&top).context("syncing what was unpacked")?;
        self.lists.catch_up(&self.path, self.dir.as_fd(), &self.name)?;
        self.lists.write(&self.path, tree, &top, OPEN)?;
        finish_top(&top, (tree.uid, tree.gid), OPEN)?;
        self.put_in_place()?;
        self.lists.settle(&self.path)?;
        self.clear().context("it is in place, but what was there before is not gone")
    }

    /// A new directory aside, which root alone can enter.
    fn begin(&self) -> Result<OwnedFd> {
        rustix::fs::mkdirat(&self.dir, &self.aside, Mode::RWXU).context("making a directory beside it")?;
        tree::open(self.dir.as_fd(), self.aside.as_str(), OFlags::RDONLY).context("opening the new directory")
    }

    fn put_in_place(&self) -> Result<()> {
        check(&self.stop)?;
        let rename = |flags| rustix::fs::renameat_with(&self.dir, &self.aside, &self.dir, &self.name, flags);
        // An empty directory gives way by itself.
        match rename(RenameFlags::empty()) {
            Err(Errno::EXIST | Errno::NOTEMPTY) => rename(RenameFlags::EXCHANGE),
            renamed => renamed,
        }
        .context("putting it in place")?;
        self.sync()
    }

    fn sync(&self) -> Result<()> {
        let above =
            tree::open(self.dir.as_fd(), ".", OFlags::RDONLY).context("opening the directory above")?;
        rustix::fs::fsync(above).context("syncing the directory above")
    }

    /// Removes what is aside, of this try or of one that a crash cut off.
    fn clear(&self) -> Result<()> {
        tree::remove(self.dir.as_fd(), &self.aside)
    }
}

fn check(stop: &AtomicBool) -> Result<()> {
    ensure!(!stop.load(Ordering::Relaxed), "it was given up");
    Ok(())
}

/// Gives a tree's own directory to whom it is to belong, and opens it.
fn finish_top(top: &OwnedFd, (uid, gid): (u32, u32), mode: u32) -> Result<()> {
    rustix::fs::fchown(top, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
        .context("setting its owner")?;
    rustix::fs::fchmod(top, Mode::from_raw_mode(mode)).context("setting its mode")?;
    rustix::fs::fsync(top).context("syncing it")
}

/// A tree that is being made.
struct Unpacking<'a> {
    top: &'a OwnedFd,
    tree: &'a Tree,
    /// The directory in which the last entry was made: the next one is mostly in it, too.
    last: Option<(Vec<String>, OwnedFd)>,
    since_look: u64,
    stop: &'a AtomicBool,
}

impl Unpacking<'_> {
    fn make(&mut self, entry: &Entry, archive: &mut Archive<File>) -> Result<()> {
        check(self.stop)?;
        self.look_at_room(EACH)?;
        let (name, above) = entry.place.split_last().context("it has no name")?;
        self.go_to(above)?;
        let dir = self.last.as_ref().map_or(self.top, |(_, dir)| dir);
        match &entry.what {
            What::Directory { mode } => {
                let dir = self.directory(dir, name)?;
                rustix::fs::fchmod(&dir, Mode::from_raw_mode(*mode)).context("setting its mode")
            }
            What::File { mode, size, modified } => {
                let flags =
                    OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let file = rustix::fs::openat(dir, name, flags, Mode::RUSR | Mode::WUSR).map_err(twice)?;
                let mut file = File::from(file);
                self.fill(&mut file, *size, archive)?;
                self.give_away(&file)?;
                rustix::fs::fchmod(&file, Mode::from_raw_mode(*mode)).context("setting its mode")?;
                let modified = Timespec { tv_sec: *modified, tv_nsec: 0 };
                let times = Timestamps { last_access: modified, last_modification: modified };
                rustix::fs::futimens(&file, &times).context("setting its time")
            }
            What::Link { target } => {
                rustix::fs::symlinkat(target, dir, name).map_err(twice)?;
                let owners = (Some(Uid::from_raw(self.tree.uid)), Some(Gid::from_raw(self.tree.gid)));
                rustix::fs::chownat(dir, name, owners.0, owners.1, AtFlags::SYMLINK_NOFOLLOW)
                    .context("setting its owner")
            }
            What::Twin { of } => {
                let (twin, its_above) = of.split_last().context("what it is another name of has none")?;
                let path = its_above.join("/");
                let path = if path.is_empty() { "." } else { path.as_str() };
                let its_dir = tree::open(self.top.as_fd(), path, OFlags::PATH).map_err(below_link)?;
                // Another name of a link could lead out from where the link itself does not.
                let stat = rustix::fs::statat(&its_dir, twin, AtFlags::SYMLINK_NOFOLLOW)
                    .context("what it is another name of is not there")?;
                ensure!(
                    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile,
                    "it is another name of what is no regular file"
                );
                rustix::fs::linkat(&its_dir, twin, dir, name, AtFlags::empty()).map_err(twice)
            }
        }
    }

    /// Opens the directory that these names lead to, and makes what is missing of it.
    fn go_to(&mut self, names: &[String]) -> Result<()> {
        if self.last.as_ref().is_some_and(|(there, _)| there == names) {
            return Ok(());
        }
        let mut here = tree::open(self.top.as_fd(), ".", OFlags::RDONLY).context("opening it")?;
        for name in names {
            here = self.directory(&here, name)?;
        }
        self.last = Some((names.to_vec(), here));
        Ok(())
    }

    /// Opens a directory, or makes it.
    fn directory(&self, above: &OwnedFd, name: &str) -> Result<OwnedFd> {
        let made = match rustix::fs::mkdirat(above, name, Mode::RWXU) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(error) => return Err(error).context("making a directory"),
        };
        let dir = tree::open(above.as_fd(), name, OFlags::RDONLY).map_err(below_link)?;
        if made {
            self.give_away(&dir)?;
            rustix::fs::fchmod(&dir, Mode::from_raw_mode(OPEN)).context("setting a directory's mode")?;
        }
        Ok(dir)
    }

    fn give_away(&self, fd: impl std::os::fd::AsFd) -> Result<()> {
        let owners = (Some(Uid::from_raw(self.tree.uid)), Some(Gid::from_raw(self.tree.gid)));
        rustix::fs::fchown(fd, owners.0, owners.1).context("setting its owner")
    }

    fn fill(&mut self, file: &mut File, size: u64, archive: &mut Archive<File>) -> Result<()> {
        let mut block = vec![0; usize::try_from(size).map_or(BLOCK, |size| size.clamp(1, BLOCK))];
        let mut left = size;
        while left > 0 {
            let n = match archive.read(&mut block) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read.context("reading the archive")?,
            };
            ensure!(n > 0, "the archive is cut off");
            self.look_at_room(n as u64)?;
            file.write_all(&block[..n]).context("writing it")?;
            left = left.saturating_sub(n as u64);
        }
        Ok(())
    }

    fn look_at_room(&mut self, bytes: u64) -> Result<()> {
        self.since_look += bytes;
        if self.since_look < LOOK_EVERY {
            return Ok(());
        }
        self.since_look = 0;
        check(self.stop)?;
        let free = rustix::fs::fstatvfs(self.top).context("asking for free space")?;
        ensure!(
            free.f_bavail.saturating_mul(free.f_frsize) >= KEPT_FREE + LOOK_EVERY,
            "its file system has no room left for it: make some"
        );
        Ok(())
    }
}

fn twice(error: Errno) -> anyhow::Error {
    match error {
        Errno::EXIST => anyhow::anyhow!("the archive has two things of that name"),
        error => anyhow::Error::from(error).context("making it"),
    }
}

fn below_link(error: Errno) -> anyhow::Error {
    match error {
        Errno::LOOP | Errno::NOTDIR => anyhow::anyhow!("the archive has it below what is no directory"),
        error => anyhow::Error::from(error).context("opening a directory"),
    }
}
