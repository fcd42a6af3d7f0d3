//! Regular files: what they hold, and writing many of them durably at the price of one sync.
//!
//! Nothing is written through a name: content goes into a new file beside the old one, owner and mode are set on its
//! descriptor, and the rename puts it in place whole. Where nothing was, the new file has no name at all before it gets its
//! own. After a crash there is the old file or the new one.

mod attributes;
mod digests;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::rc::Rc;

use anyhow::{Context as _, Result, bail, ensure};
use muster_proto::{Digest, Hasher};
use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, Stat, Uid};
use rustix::io::Errno;

use super::temporary;
use super::walk::{Place, Root, kind_of};

pub(crate) use self::attributes::{Attributes, changes, give_back, kept_mode, set_attributes};
pub(super) use self::digests::stamp;
pub(crate) use self::digests::{Digests, Seen, Stamp, content_of_any};

/// Up to this many files are synced one by one: a whole file system may have gigabytes of someone else's to write.
const SYNC_SINGLY: usize = 8;
/// Files whose directories are open at the same time: a process may have 1,024 descriptors unless told otherwise.
const AT_ONCE: usize = 400;
/// The largest file whose content is looked at. Where a user can put one, it may be without end.
const READ_LIMIT: u64 = 256 * 1024 * 1024;
/// The bits that make a program run as its owner or group.
pub(crate) const SET_ID: u32 = 0o6000;
pub(crate) const CHANGED: &str = "someone changed it a moment ago: left as it is";
pub(crate) const CAME: &str = "someone made it a moment ago: left as it is";

/// A user and a group by number; `None` leaves one as it is.
pub(crate) type Owners = (Option<u32>, Option<u32>);

/// A file to be written.
#[derive(Debug)]
pub(crate) struct NewFile {
    pub(crate) path: String,
    pub(crate) content: Vec<u8>,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) mode: u32,
    /// Nothing was there when it was looked at: what came since is nobody's to write over.
    pub(crate) is_new: bool,
}

fn check_regular(stat: &Stat) -> Result<()> {
    let regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    ensure!(regular, "there is {} in its place: remove it, or manage it as what it is", kind_of(stat));
    Ok(())
}

fn check_plain(stat: &Stat) -> Result<()> {
    check_regular(stat)?;
    ensure!(
        stat.st_nlink == 1,
        "it has {} hard links, and a change would reach the others: remove them first",
        stat.st_nlink
    );
    Ok(())
}

/// Opens a regular file with one name; `None` when there is nothing.
pub(super) fn open_plain(place: &Place) -> Result<Option<(std::fs::File, Stat)>> {
    open_checked(place, check_plain)
}

/// The check is on a handle that opens nothing, since to open a device or a FIFO can have effects, and what was checked is what
/// is then opened.
fn open_checked(place: &Place, check: fn(&Stat) -> Result<()>) -> Result<Option<(std::fs::File, Stat)>> {
    let handle = match place.handle() {
        Ok(handle) => handle,
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(error).context("asking about it"),
    };
    let stat = rustix::fs::fstat(&handle).context("asking about it")?;
    check(&stat)?;
    let path = format!("/proc/self/fd/{}", handle.as_raw_fd());
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty()).context("opening it")?;
    Ok(Some((file.into(), stat)))
}

fn digest_of(mut file: &std::fs::File) -> Result<Digest> {
    let mut hash = Hasher::default();
    let mut buffer = [0; 16 * 1024];
    let mut left = READ_LIMIT;
    // A sparse file is as large as its user says and costs them nothing.
    let size = file.metadata().context("asking about it")?.len();
    loop {
        ensure!(size <= READ_LIMIT && left > 0, "it has more than {} MiB: remove it first", READ_LIMIT >> 20);
        let n = file.read(&mut buffer).context("reading it")?;
        if n == 0 {
            break;
        }
        left = left.saturating_sub(n as u64);
        hash.update(&buffer[..n]);
    }
    Ok(hash.finish())
}

/// The bytes of the file at `path`, if there are at most `limit`; `None` when there is nothing.
pub(crate) fn content(root: &Root, path: &str, limit: u64) -> Result<Option<Vec<u8>>> {
    root.place(path)?.map_or(Ok(None), |place| content_at(&place, limit))
}

/// The text of the file at `path`, if it is at most `limit` bytes of text that everyone on this machine may read and reach.
pub(crate) fn public_text(root: &Root, path: &str, limit: u64) -> Result<Option<String>> {
    const OTHERS_READ: u32 = 0o004;
    let Some(place) = root.place(path)? else { return Ok(None) };
    let Some((file, stat)) = open_plain(&place)? else { return Ok(None) };
    let above = path.rsplit_once('/').map_or("", |(above, _)| above);
    if stat.st_mode & OTHERS_READ == 0 || !root.is_open_to_all(above)? {
        return Ok(None);
    }
    let text = read_limited(file, limit).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    Ok(text.filter(|text| !text.contains('\0')))
}

/// As [`content`], at a place that was reached before.
pub(crate) fn content_at(place: &Place, limit: u64) -> Result<Option<Vec<u8>>> {
    let Some((file, _)) = open_plain(place)? else { return Ok(None) };
    read_limited(file, limit).map(Some)
}

/// Reads to the end, which has to come within `limit` bytes.
pub(crate) fn read_limited(file: std::fs::File, limit: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).context("reading it")?;
    ensure!(bytes.len() as u64 <= limit, "it is larger than {limit} bytes");
    Ok(bytes)
}

/// An error where something else is `found` than was there when a write was `planned`: what is written over is in the ledger as it
/// was then, and can't be had back as it became since.
pub(crate) fn check_since(planned: Option<Digest>, found: Option<Digest>) -> Result<()> {
    match (planned, found) {
        (None, Some(_)) => bail!(CAME),
        (Some(planned), Some(found)) => ensure!(planned == found, CHANGED),
        (_, None) => {}
    }
    Ok(())
}

/// Sets owner, group and mode on an open file or directory, durably.
pub(crate) fn apply_attributes(
    fd: &OwnedFd,
    stat: &Stat,
    (uid, gid): Owners,
    mode: Option<u32>,
) -> Result<()> {
    if changes((stat.st_uid, stat.st_gid), (uid, gid)) {
        rustix::fs::fchown(fd, uid.map(Uid::from_raw), gid.map(Gid::from_raw))
            .context("changing its owner")?;
    }
    // After the owner, because a change of owner takes setuid and setgid away.
    let mode = mode.unwrap_or(stat.st_mode & 0o7777);
    rustix::fs::fchmod(fd, Mode::from_raw_mode(mode)).context("changing its mode")?;
    rustix::fs::fsync(fd).context("syncing it")
}

/// Makes a directory that everybody may read, if there is none.
pub(crate) fn ensure_directory(root: &Root, path: &str) -> Result<()> {
    let place = root.existing_place(path)?;
    if place.stat()?.is_some() {
        return Ok(());
    }
    rustix::fs::mkdirat(&place.dir, &place.name, Mode::RWXU).with_context(|| format!("making {path}"))?;
    let dir = place.open(OFlags::DIRECTORY)?;
    let stat = rustix::fs::fstat(&dir)?;
    apply_attributes(&dir, &stat, (Some(0), Some(0)), Some(0o755))?;
    place.sync_dir()
}

/// Removes files, each if it holds the content that is expected of it, where some is, and syncs each directory once.
pub(crate) fn remove_all(root: &Root, files: &[(&str, Option<Digest>)]) -> Vec<Result<()>> {
    files.chunks(AT_ONCE).flat_map(|files| remove_some(root, files)).collect()
}

fn remove_some(root: &Root, files: &[(&str, Option<Digest>)]) -> Vec<Result<()>> {
    let mut touched = Touched::default();
    let mut results: Vec<Result<()>> = Vec::with_capacity(files.len());
    for (index, (path, expected)) in files.iter().enumerate() {
        results.push(remove(root, path, *expected).and_then(|place| {
            if let Some(place) = place {
                touched.note(folder_of(&place)?, place, index);
            }
            Ok(())
        }));
    }
    touched.sync(&mut results);
    results
}

/// The place that the file had; `None` when there was nothing. Other names of it stay, and what it holds there.
fn remove(root: &Root, path: &str, expected: Option<Digest>) -> Result<Option<Place>> {
    let Some(place) = root.place(path)? else { return Ok(None) };
    let Some(stat) = place.stat()? else { return Ok(None) };
    check_regular(&stat)?;
    if let Some(expected) = expected {
        let Some((file, _)) = open_checked(&place, check_regular)? else { return Ok(None) };
        ensure!(digest_of(&file)? == expected, CHANGED);
    }
    rustix::fs::unlinkat(&place.dir, &place.name, AtFlags::empty()).context("removing it")?;
    Ok(Some(place))
}

/// A directory, by its device and its number there.
type Folder = (u64, u64);

fn folder_of(place: &Place) -> Result<Folder> {
    let stat = rustix::fs::fstat(&place.dir).context("asking about its directory")?;
    Ok((stat.st_dev, stat.st_ino))
}

/// Directories whose entries changed, and which files that concerns.
#[derive(Default)]
struct Touched(BTreeMap<Folder, (Place, Vec<usize>)>);

impl Touched {
    fn note(&mut self, folder: Folder, place: Place, index: usize) {
        self.0.entry(folder).or_insert_with(|| (place, vec![])).1.push(index);
    }

    fn sync<T>(self, results: &mut [Result<T>]) {
        for (place, members) in self.0.into_values() {
            if let Err(error) = place.sync_dir() {
                for index in members {
                    results[index] = Err(anyhow::anyhow!("syncing its directory: {error:#}"));
                }
            }
        }
    }
}

/// A new file before it is in its place.
struct Staged {
    place: Place,
    folder: Folder,
    form: Form,
    is_new: bool,
    stamp: Stamp,
}

enum Form {
    /// It has no name yet.
    Nameless(OwnedFd),
    /// It has another name beside its place, and is held where that is needed for the sync.
    Beside(String, Option<OwnedFd>),
}

impl Staged {
    fn file(&self) -> Option<&OwnedFd> {
        match &self.form {
            Form::Nameless(file) => Some(file),
            Form::Beside(_, file) => file.as_ref(),
        }
    }

    /// One descriptor is enough to sync a whole file system.
    fn close(&mut self) {
        if let Form::Beside(_, file) = &mut self.form {
            *file = None;
        }
    }

    /// Takes back what has a name already.
    fn discard(&self) {
        if let Form::Beside(name, _) = &self.form {
            discard(&self.place, name);
        }
    }
}

/// Directories that were opened for new files.
#[derive(Default)]
struct Folders {
    known: BTreeMap<Folder, Rc<OwnedFd>>,
    /// The one that was reached last, for the next file in it.
    last: Option<(String, Folder, Rc<OwnedFd>)>,
}

impl Folders {
    fn place(&mut self, root: &Root, path: &str) -> Result<(Place, Folder)> {
        if let (Some((above, folder, dir)), Some((is, name))) = (&self.last, path.rsplit_once('/'))
            && above == is
        {
            return Ok((Place::within(dir, name)?, *folder));
        }
        let mut place = root.existing_place(path)?;
        let folder = folder_of(&place)?;
        place.dir = Rc::clone(self.known.entry(folder).or_insert_with(|| Rc::clone(&place.dir)));
        let above = path.rsplit_once('/').map_or("", |(above, _)| above);
        self.last = Some((above.to_owned(), folder, Rc::clone(&place.dir)));
        Ok((place, folder))
    }
}

/// Writes all files: new ones beside the old ones, one sync, renames, one sync of each directory. What becomes of one
/// does not stop the others; the answers are in the order of `files`.
pub(crate) fn write_all(root: &Root, files: &[NewFile]) -> Vec<Result<()>> {
    write_each(root, files).into_iter().map(|written| written.map(drop)).collect()
}

/// As [`write_all`]; what each file showed when it was written.
fn write_each(root: &Root, files: &[NewFile]) -> Vec<Result<Stamp>> {
    files.chunks(AT_ONCE).flat_map(|files| write_some(root, files)).collect()
}

fn write_some(root: &Root, files: &[NewFile]) -> Vec<Result<Stamp>> {
    let (mut folders, mut devices, mut places) = (Folders::default(), BTreeSet::new(), BTreeSet::new());
    let mut stage = |file: &NewFile| {
        let (place, folder) = folders.place(root, &file.path)?;
        // What is staged for one place has one name, which the second of two would take from the first.
        let is_first = places.insert((folder, place.name.clone()));
        ensure!(is_first, "it is the same file as another one that is written now, by a link on the way");
        let mut staged = stage(place, folder, file)?;
        if !devices.insert(folder.0) && files.len() > SYNC_SINGLY {
            staged.close();
        }
        Ok(staged)
    };
    let staged: Vec<Result<Staged>> = files.iter().map(&mut stage).collect();
    let synced = sync_staged(&staged);
    let mut results: Vec<Result<Stamp>> = Vec::with_capacity(files.len());
    let mut touched = Touched::default();
    for (index, staged) in staged.into_iter().enumerate() {
        let renamed = staged.and_then(|staged| match synced.get(&staged.folder.0) {
            Some(Err(error)) => {
                staged.discard();
                bail!("syncing it: {error}")
            }
            _ => {
                let (folder, stamp) = (staged.folder, staged.stamp);
                touched.note(folder, put_in_place(staged)?, index);
                Ok(stamp)
            }
        });
        results.push(renamed);
    }
    touched.sync(&mut results);
    results
}

/// Writes one file at a place that was reached before.
pub(crate) fn write_at(place: Place, file: &NewFile) -> Result<()> {
    write_as(place, file, |_, _| Ok(()))
}

/// As [`write_at`], with what else has to be done on the new file before it takes its place. An error of that leaves all
/// as it was.
pub(crate) fn write_as(
    place: Place,
    file: &NewFile,
    finish: impl FnOnce(&Place, &OwnedFd) -> Result<()>,
) -> Result<()> {
    let folder = folder_of(&place)?;
    let staged = stage(place, folder, file)?;
    let finished = match staged.file() {
        Some(new) => finish(&staged.place, new).and_then(|()| rustix::fs::fsync(new).context("syncing it")),
        None => Ok(()),
    };
    finished.inspect_err(|_| staged.discard())?;
    put_in_place(staged)?.sync_dir().context("syncing its directory")
}

fn stage(place: Place, folder: Folder, file: &NewFile) -> Result<Staged> {
    let (new, beside) = make(&place, file.is_new).context("making a new file in its directory")?;
    let stat = fill(&new, file).inspect_err(|_| beside.iter().for_each(|name| discard(&place, name)))?;
    let form = match beside {
        None => Form::Nameless(new),
        Some(name) => Form::Beside(name, Some(new)),
    };
    Ok(Staged { place, folder, form, is_new: file.is_new, stamp: Stamp::of(&stat) })
}

/// Makes an empty file that only root may open, and its name where it has one.
fn make(place: &Place, is_new: bool) -> rustix::io::Result<(OwnedFd, Option<String>)> {
    let (flags, mode) = (OFlags::WRONLY | OFlags::CLOEXEC, Mode::RUSR | Mode::WUSR);
    if is_new {
        match rustix::fs::openat(&place.dir, ".", flags | OFlags::TMPFILE, mode) {
            // Not every file system has files without a name.
            Err(Errno::OPNOTSUPP) => {}
            made => return Ok((made?, None)),
        }
    }
    let flags = flags | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
    let (file, name) = temporary::make(place, |name| rustix::fs::openat(&place.dir, name, flags, mode))?;
    Ok((file, Some(name)))
}

/// Gives a new file what it is to hold, and its owner and mode; what it showed once it was written to.
fn fill(fd: &OwnedFd, file: &NewFile) -> Result<Stat> {
    let mut content = file.content.as_slice();
    while !content.is_empty() {
        let n = rustix::io::write(fd, content).context("writing it")?;
        content = &content[n..];
    }
    let stat = rustix::fs::fstat(fd).context("asking about it")?;
    // Asked even of root's: the directory may be setgid, and then the new file is of the directory's group.
    if changes((stat.st_uid, stat.st_gid), (Some(file.uid), Some(file.gid))) {
        rustix::fs::fchown(fd, Some(Uid::from_raw(file.uid)), Some(Gid::from_raw(file.gid)))
            .context("setting its owner")?;
    }
    rustix::fs::fchmod(fd, Mode::from_raw_mode(file.mode)).context("setting its mode")?;
    Ok(stat)
}

/// Makes the staged files durable; how that went, by file system.
fn sync_staged(staged: &[Result<Staged>]) -> BTreeMap<u64, Result<(), Errno>> {
    let singly = staged.len() <= SYNC_SINGLY;
    let mut synced = BTreeMap::new();
    for (device, file) in staged.iter().flatten().filter_map(|s| Some((s.folder.0, s.file()?))) {
        let so_far = synced.entry(device);
        if singly {
            let so_far = so_far.or_insert(Ok(()));
            *so_far = so_far.and_then(|()| rustix::fs::fsync(file));
        } else {
            so_far.or_insert_with(|| rustix::fs::syncfs(file));
        }
    }
    synced
}

fn put_in_place(staged: Staged) -> Result<Place> {
    let put = match &staged.form {
        Form::Nameless(file) => give_name(&staged.place, file),
        Form::Beside(name, _) => take_place(&staged.place, name, staged.is_new),
    };
    put.inspect_err(|_| staged.discard())?;
    Ok(staged.place)
}

fn give_name(place: &Place, file: &OwnedFd) -> Result<()> {
    let mut named = rustix::fs::linkat(file, "", &place.dir, &place.name, AtFlags::EMPTY_PATH);
    if named == Err(Errno::NOENT) {
        // Before Linux 6.10 that needs rights over the whole machine, which root in a container has not.
        let nameless = format!("/proc/self/fd/{}", file.as_raw_fd());
        named = rustix::fs::linkat(CWD, &nameless, &place.dir, &place.name, AtFlags::SYMLINK_FOLLOW);
    }
    match named {
        Err(Errno::EXIST) => {
            if let Some(stat) = place.stat()? {
                check_regular(&stat)?;
            }
            bail!(CAME)
        }
        named => named.context("putting it in place"),
    }
}

fn take_place(place: &Place, name: &str, is_new: bool) -> Result<()> {
    // What was planted since it was looked at is not replaced. Other names of the file stay, with what it holds.
    if let Some(stat) = place.stat()? {
        check_regular(&stat)?;
        ensure!(!is_new, CAME);
    }
    rustix::fs::renameat(&place.dir, name, &place.dir, &place.name).context("putting it in place")
}

fn discard(place: &Place, temporary: &str) {
    // If even this fails, the next write of the same file or the next start removes it.
    temporary::discard(place, temporary).ok();
}

#[cfg(test)]
mod tests;
