//! Reaches a path component by component, so that nobody but root decides where it leads.
//!
//! A symbolic link is followed only if root owns it and only root can write the directory that it stands in and those
//! above. From where a user may write on, everything is taken as it stands: a link there is refused, never followed.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Component, Path};
use std::rc::Rc;

use anyhow::{Context as _, Result, bail, ensure};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat, StatxFlags};
use rustix::io::Errno;

/// As many links as the kernel itself follows.
const MAX_LINKS: usize = 40;

/// Where absolute paths begin: `/`, or a folder that stands for it.
#[derive(Debug)]
pub(crate) struct Root(OwnedFd);

/// A name in a directory that was reached safely. There may or may not be something of that name.
#[derive(Debug)]
pub(crate) struct Place {
    /// The directory, opened with `O_PATH`; shared by the places in it, because a process may hold only so many open.
    pub(crate) dir: Rc<OwnedFd>,
    /// The last component of the path.
    pub(crate) name: String,
}

/// Who but root can decide what is found in a directory, by writing there or in one on the way to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Others {
    /// Only root.
    Nobody,
    /// This account alone.
    One(u32),
    /// Members of a group, everybody, or several accounts.
    Several,
}

impl Others {
    /// Those of `self` and those who can write in a directory on the way.
    fn and_in(self, directory: &Stat) -> Self {
        match (self, directory.st_uid) {
            _ if directory.st_mode & 0o022 != 0 => Self::Several,
            (_, 0) => self,
            (Self::Nobody, uid) => Self::One(uid),
            (Self::One(one), uid) if one == uid => self,
            (Self::One(_) | Self::Several, _) => Self::Several,
        }
    }
}

/// Where [`Root::way`] leads.
#[derive(Debug)]
pub(crate) enum Way {
    /// To a directory, opened with `O_PATH`. Who may change what is in it is not said.
    There(OwnedFd),
    /// Nowhere: these directories are missing, the last of them the one that was asked for.
    Missing(Vec<String>),
}

/// Something other than a directory is on the way, so that nothing can be at the path.
#[derive(Debug, thiserror::Error)]
#[error("{0} is not a directory")]
pub(crate) struct NotADirectory(String);

fn handle() -> OFlags {
    OFlags::PATH | OFlags::CLOEXEC
}

impl Root {
    /// Opens the directory that all paths are taken from.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        Ok(Self(rustix::fs::open(path, handle() | OFlags::DIRECTORY, Mode::empty())?))
    }

    /// The place of `path`; `None` when a directory on the way is missing.
    pub(crate) fn place(&self, path: &str) -> Result<Option<Place>> {
        let (above, name) = path.rsplit_once('/').with_context(|| format!("{path:?} is not absolute"))?;
        Ok(match self.directory(above)? {
            Some(dir) => Some(Place::within(&Rc::new(dir), name)?),
            None => None,
        })
    }

    /// The place of `path`, whose directory has to be there.
    pub(crate) fn existing_place(&self, path: &str) -> Result<Place> {
        let above = path.rsplit_once('/').map_or("", |(above, _)| above);
        self.place(path)?.with_context(|| {
            format!(
                "the directory {above} does not exist: add it to the profile, or the package that brings it"
            )
        })
    }

    /// Opens the regular file that a path leads to, over links as every program goes: for what is read, and never shown or
    /// changed. `None` when nothing is there. Nothing else is opened, as that could have effects.
    pub(crate) fn follow(&self, path: &str) -> Result<Option<File>> {
        let relative = path.trim_start_matches('/');
        let found =
            match rustix::fs::openat2(&self.0, relative, handle(), Mode::empty(), ResolveFlags::IN_ROOT) {
                Ok(found) => found,
                Err(Errno::NOENT) => return Ok(None),
                Err(error) => return Err(error).with_context(|| format!("opening {path}")),
            };
        let stat = rustix::fs::fstat(&found).with_context(|| format!("asking about {path}"))?;
        let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        ensure!(is_file, "{path} leads to {}, and not to a file", kind_of(&stat));
        let again = format!("/proc/self/fd/{}", found.as_raw_fd());
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::open(again, flags, Mode::empty());
        Ok(Some(file.with_context(|| format!("opening {path}"))?.into()))
    }

    /// Opens a directory with `O_PATH`; `None` when it or one on the way is missing.
    pub(crate) fn directory(&self, path: &str) -> Result<Option<OwnedFd>> {
        let relative = path.trim_start_matches('/');
        let relative = if relative.is_empty() { "." } else { relative };
        // One call does for the usual path, which has no links. Whatever else it says is judged step by step.
        let flags = handle() | OFlags::DIRECTORY;
        match rustix::fs::openat2(&self.0, relative, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS) {
            Ok(dir) => Ok(Some(dir)),
            Err(Errno::NOENT) => Ok(None),
            Err(_) => {
                let reached = self.walk(relative).with_context(|| format!("on the way to {path}"))?;
                Ok(reached.map(|reached| reached.dir))
            }
        }
    }

    /// Who but root can decide what is found in a directory; `None` when it or one on the way is missing.
    pub(crate) fn others_in(&self, path: &str) -> Result<Option<Others>> {
        let relative = path.trim_start_matches('/');
        let reached = self.walk(relative).with_context(|| format!("on the way to {path}"))?;
        Ok(reached.map(|reached| reached.others))
    }

    /// Whether every account of the machine reaches what is in a directory, as far as modes say.
    pub(crate) fn is_open_to_all(&self, path: &str) -> Result<bool> {
        let relative = path.trim_start_matches('/');
        let reached = self.walk(relative).with_context(|| format!("on the way to {path}"))?;
        Ok(reached.is_some_and(|reached| reached.open))
    }

    /// Goes to a directory over no link at all, and only through directories that nobody but root can change: what is put there
    /// is put nowhere else.
    pub(crate) fn way(&self, path: &str) -> Result<Way> {
        let mut here = Reached::new(reopen(&self.0)?, Others::Nobody)?;
        let (mut so_far, mut missing) = (String::new(), vec![]);
        for name in path.trim_start_matches('/').split('/') {
            let above = if so_far.is_empty() { "/".to_owned() } else { so_far.clone() };
            so_far.push('/');
            so_far.push_str(name);
            if !missing.is_empty() {
                missing.push(so_far.clone());
                continue;
            }
            ensure!(here.others == Others::Nobody, "someone other than root can change what is in {above}");
            let flags = handle() | OFlags::NOFOLLOW | OFlags::DIRECTORY;
            match rustix::fs::openat(&here.dir, name, flags, Mode::empty()) {
                Ok(next) => here = Reached::new(next, Others::Nobody)?,
                Err(Errno::NOENT) => missing.push(so_far.clone()),
                Err(Errno::NOTDIR | Errno::LOOP) => {
                    bail!("{so_far} is not a directory, or only a link to one")
                }
                Err(error) => return Err(error).with_context(|| format!("opening {so_far}")),
            }
        }
        Ok(if missing.is_empty() { Way::There(here.dir) } else { Way::Missing(missing) })
    }

    fn walk(&self, path: &str) -> Result<Option<Reached>> {
        // What is below the deepest element is the way back for "..", which never leaves the root.
        let mut stack = vec![Reached::new(reopen(&self.0)?, Others::Nobody)?];
        let mut ahead = components(Path::new(path));
        let mut links = 0;
        // Who goes on by a link has gone through the directory that it stands in.
        let mut open = stack.iter().all(|reached| reached.open);
        while let Some(name) = ahead.pop() {
            if name == ".." {
                if stack.len() > 1 {
                    stack.pop();
                }
                continue;
            }
            let shown = name.to_string_lossy().escape_default().to_string();
            let here = stack.last().expect("the root is never popped");
            let next = match rustix::fs::openat(&here.dir, &name, handle() | OFlags::NOFOLLOW, Mode::empty())
            {
                Ok(next) => next,
                Err(Errno::NOENT) => return Ok(None),
                Err(error) => return Err(error).with_context(|| format!("opening {shown}")),
            };
            let stat = rustix::fs::fstat(&next).with_context(|| format!("asking about {shown}"))?;
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => {
                    let reached = Reached::new(next, here.others)?;
                    open &= reached.open;
                    stack.push(reached);
                }
                FileType::Symlink => {
                    ensure!(
                        stat.st_uid == 0 && here.others == Others::Nobody,
                        "{shown} is a symbolic link that someone other than root could have placed: it is not followed"
                    );
                    links += 1;
                    ensure!(links <= MAX_LINKS, "{shown} is one symbolic link too many");
                    let target = rustix::fs::readlinkat(&next, "", Vec::new())
                        .with_context(|| format!("reading the link {shown}"))?;
                    let target = OsString::from_vec(target.into_bytes());
                    if Path::new(&target).is_absolute() {
                        stack.truncate(1);
                    }
                    ahead.extend(components(Path::new(&target)));
                }
                _ => return Err(NotADirectory(shown).into()),
            }
        }
        Ok(stack.pop().map(|reached| Reached { open, ..reached }))
    }
}

/// A directory on the way.
struct Reached {
    dir: OwnedFd,
    /// Who can change what is in it, or in the directories that led to it.
    others: Others,
    /// Whether everyone may go through it.
    open: bool,
}

impl Reached {
    fn new(dir: OwnedFd, above: Others) -> Result<Self> {
        let stat = rustix::fs::fstat(&dir).context("asking about a directory")?;
        Ok(Self { dir, others: above.and_in(&stat), open: stat.st_mode & 0o001 != 0 })
    }
}

impl Place {
    /// A name in a directory that was reached before.
    pub(crate) fn within(dir: &Rc<OwnedFd>, name: &str) -> Result<Self> {
        ensure!(!matches!(name, "" | "." | ".."), "{name:?} names no file");
        Ok(Self { dir: Rc::clone(dir), name: name.to_owned() })
    }

    /// What is there, without following a link; `None` when nothing is.
    pub(crate) fn stat(&self) -> Result<Option<Stat>> {
        match rustix::fs::statat(&self.dir, &self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error).context("asking about it"),
        }
    }

    /// A handle of what is there, be it a link, which opens nothing.
    pub(crate) fn handle(&self) -> rustix::io::Result<OwnedFd> {
        rustix::fs::openat(&self.dir, &self.name, handle() | OFlags::NOFOLLOW, Mode::empty())
    }

    /// Opens what is there for reading. A FIFO does not block, a terminal does not become ours, a link is an error.
    pub(crate) fn open(&self, extra: OFlags) -> rustix::io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        rustix::fs::openat(&self.dir, &self.name, flags | extra, Mode::empty())
    }

    /// Removes what is there, which is no directory.
    pub(crate) fn unlink(&self) -> Result<()> {
        rustix::fs::unlinkat(&self.dir, &self.name, AtFlags::empty()).context("removing it")
    }

    /// Makes the directory's entries durable.
    pub(crate) fn sync_dir(&self) -> Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = rustix::fs::openat(&self.dir, ".", flags, Mode::empty())?;
        Ok(rustix::fs::fsync(&dir)?)
    }
}

/// By what a directory is known again: its number, and its birth in seconds and nanoseconds. The number of one that is gone is soon
/// another's, which has not its birth.
pub(crate) type Identity = (u64, i64, u32);

/// By what this directory is known again.
pub(crate) fn identity(dir: &OwnedFd) -> Result<Identity> {
    let asked = StatxFlags::INO | StatxFlags::BTIME;
    let stat = rustix::fs::statx(dir, "", AtFlags::EMPTY_PATH, asked).context("asking which one it is")?;
    Ok((stat.stx_ino, stat.stx_btime.tv_sec, stat.stx_btime.tv_nsec))
}

/// How many entries a directory has, counted up to `most`: a user can make one that takes long to list.
pub(crate) fn count_entries(dir: &OwnedFd, most: usize) -> Result<usize> {
    let entries = Dir::read_from(dir).context("listing it")?.filter(|entry| {
        entry.as_ref().map_or(true, |entry| !matches!(entry.file_name().to_bytes(), b"." | b".."))
    });
    Ok(entries.take(most).count())
}

/// The names of what a directory has, up to `most` of them.
pub(crate) fn names(dir: &OwnedFd, most: usize) -> Result<Vec<String>> {
    let names = Dir::read_from(dir).context("listing it")?.take(most);
    names.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

/// What a path holds that should hold something else, in words.
pub(crate) fn kind_of(stat: &Stat) -> &'static str {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => "a regular file",
        FileType::Directory => "a directory",
        FileType::Symlink => "a symbolic link",
        FileType::Fifo => "a FIFO",
        FileType::Socket => "a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "a device file",
        FileType::Unknown => "something unknown",
    }
}

fn reopen(dir: &OwnedFd) -> Result<OwnedFd> {
    Ok(rustix::fs::openat(dir, ".", handle() | OFlags::DIRECTORY, Mode::empty())?)
}

/// The components of a path, the last one first.
fn components(path: &Path) -> Vec<OsString> {
    let mut all: Vec<_> = path
        .components()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        })
        .collect();
    all.reverse();
    all
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

    use super::*;

    fn root() -> (tempfile::TempDir, Root) {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path()).unwrap();
        (dir, root)
    }

    #[test]
    fn a_link_of_root_in_a_directory_of_root_is_followed_and_never_out_of_the_root() {
        let (dir, root) = root();
        fs::create_dir_all(dir.path().join("usr/lib")).unwrap();
        fs::write(dir.path().join("usr/lib/x"), "x").unwrap();
        symlink("usr/lib", dir.path().join("lib")).unwrap();
        symlink("/../../usr/lib", dir.path().join("up")).unwrap();
        for path in ["/lib/x", "/up/x"] {
            assert!(root.place(path).unwrap().unwrap().stat().unwrap().is_some(), "{path}");
        }
    }

    #[test]
    fn a_file_is_read_over_links_and_further_names_and_nothing_else_is_opened() {
        let (dir, root) = root();
        let at = |path: &str| dir.path().join(path);
        fs::create_dir_all(at("etc")).unwrap();
        fs::create_dir_all(at("usr/share/zones/Etc")).unwrap();
        fs::write(at("usr/share/zones/Etc/UTC"), "zone").unwrap();
        fs::hard_link(at("usr/share/zones/Etc/UTC"), at("usr/share/zones/Etc/Zulu")).unwrap();
        symlink("Etc/Zulu", at("usr/share/zones/Zulu")).unwrap();
        symlink("/usr/share/zones/Zulu", at("etc/absolute")).unwrap();
        symlink("../usr/share/zones/Etc/UTC", at("etc/relative")).unwrap();
        symlink("../../../../usr/share/zones/Etc/UTC", at("etc/out")).unwrap();
        symlink("/usr/share/zones/gone", at("etc/gone")).unwrap();
        symlink("/usr/share/zones", at("etc/folder")).unwrap();
        symlink("loop", at("etc/loop")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, at("etc/fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        for path in ["/etc/absolute", "/etc/relative", "/etc/out", "/usr/share/zones/Etc/UTC"] {
            let file = root.follow(path).unwrap().unwrap();
            assert_eq!(std::io::read_to_string(file).unwrap(), "zone", "{path}");
        }
        assert!(root.follow("/etc/gone").unwrap().is_none());
        for path in ["/etc/folder", "/etc/fifo", "/etc/loop"] {
            let error = root.follow(path).unwrap_err().to_string();
            assert!(error.contains(path), "{error}");
        }
    }

    #[test]
    fn what_lies_behind_a_closed_directory_is_not_open_to_all_nor_by_a_link_in_one() {
        let (dir, root) = root();
        let closed = |path: &str, mode: u32| {
            fs::set_permissions(dir.path().join(path), fs::Permissions::from_mode(mode)).unwrap();
        };
        fs::create_dir_all(dir.path().join("root/deep")).unwrap();
        fs::create_dir_all(dir.path().join("etc")).unwrap();
        symlink("/etc", dir.path().join("root/conf")).unwrap();
        closed("", 0o755);
        closed("root", 0o710);
        assert!(root.is_open_to_all("/etc").unwrap() && root.is_open_to_all("").unwrap());
        for path in ["/root", "/root/deep", "/root/conf", "/nowhere"] {
            assert!(!root.is_open_to_all(path).unwrap(), "{path}");
        }
    }

    #[test]
    fn a_link_that_a_user_could_have_placed_is_refused() {
        let (dir, root) = root();
        fs::create_dir_all(dir.path().join("etc")).unwrap();
        fs::create_dir_all(dir.path().join("home/ada")).unwrap();
        chown(dir.path().join("home/ada"), Some(1000), Some(1000)).unwrap();
        symlink("/etc", dir.path().join("home/ada/conf")).unwrap();
        fs::create_dir_all(dir.path().join("tmp")).unwrap();
        fs::set_permissions(dir.path().join("tmp"), fs::Permissions::from_mode(0o1777)).unwrap();
        symlink("/etc", dir.path().join("tmp/conf")).unwrap();
        // Of root's own making, but below a directory where the user can put another in its place.
        fs::create_dir(dir.path().join("home/ada/roots")).unwrap();
        symlink("/etc", dir.path().join("home/ada/roots/conf")).unwrap();
        for path in ["/home/ada/conf/shadow", "/home/ada/roots/conf/shadow", "/tmp/conf/shadow"] {
            let error = format!("{:#}", root.place(path).unwrap_err());
            assert!(error.contains("someone other than root"), "{error}");
        }
    }

    #[test]
    fn who_can_put_something_in_a_directory_is_known_by_all_on_the_way() {
        let (dir, root) = root();
        for (path, uid, mode) in [
            ("srv", 0, 0o755),
            ("srv/of-ada", 1000, 0o755),
            ("srv/of-ada/roots", 0, 0o755),
            ("srv/of-ada/of-ben", 1001, 0o755),
            ("srv/of-all", 0, 0o1777),
            ("srv/of-all/roots", 0, 0o755),
            ("srv/of-a-group", 0, 0o2775),
        ] {
            let at = dir.path().join(path);
            fs::create_dir(&at).unwrap();
            fs::set_permissions(&at, fs::Permissions::from_mode(mode)).unwrap();
            chown(&at, Some(uid), None).unwrap();
        }
        for (path, others) in [
            ("/", Others::Nobody),
            ("/srv", Others::Nobody),
            ("/srv/of-ada", Others::One(1000)),
            ("/srv/of-ada/roots", Others::One(1000)),
            ("/srv/of-ada/of-ben", Others::Several),
            ("/srv/of-all", Others::Several),
            ("/srv/of-all/roots", Others::Several),
            ("/srv/of-a-group", Others::Several),
        ] {
            assert_eq!(root.others_in(path).unwrap(), Some(others), "{path}");
        }
        assert_eq!(root.others_in("/none").unwrap(), None);
    }

    #[test]
    fn the_way_of_root_alone_has_no_link_and_nothing_that_others_may_change() {
        let (dir, root) = root();
        for path in ["srv/data", "home/ada/x", "srv/shared/x"] {
            fs::create_dir_all(dir.path().join(path)).unwrap();
        }
        chown(dir.path().join("home/ada"), Some(1000), Some(1000)).unwrap();
        fs::set_permissions(dir.path().join("srv/shared"), fs::Permissions::from_mode(0o2775)).unwrap();
        symlink("data", dir.path().join("srv/link")).unwrap();
        fs::write(dir.path().join("srv/file"), "").unwrap();
        for path in ["/srv/data", "/srv/shared"] {
            assert!(matches!(root.way(path).unwrap(), Way::There(_)), "{path}");
        }
        let Way::Missing(missing) = root.way("/srv/data/a/b").unwrap() else { panic!("it is there") };
        assert_eq!(missing, ["/srv/data/a", "/srv/data/a/b"]);
        for (path, reason) in [
            ("/home/ada/x", "can change what is in /home/ada"),
            ("/home/ada/none", "can change what is in /home/ada"),
            ("/srv/shared/x", "can change what is in /srv/shared"),
            ("/srv/link", "/srv/link is not a directory"),
            ("/srv/link/x", "/srv/link is not a directory"),
            ("/srv/file", "/srv/file is not a directory"),
        ] {
            let error = root.way(path).unwrap_err().to_string();
            assert!(error.contains(reason), "{path}: {error}");
        }
    }

    #[test]
    fn a_circle_of_links_ends() {
        let (dir, root) = root();
        symlink("b", dir.path().join("a")).unwrap();
        symlink("a", dir.path().join("b")).unwrap();
        assert!(root.place("/a/x").is_err());
    }

    #[test]
    fn a_missing_directory_on_the_way_is_not_an_error_but_a_file_there_is() {
        let (dir, root) = root();
        fs::write(dir.path().join("file"), "").unwrap();
        assert!(root.place("/none/x").unwrap().is_none());
        assert!(root.place("/file/x").is_err());
        assert!(root.place("relative").is_err());
    }
}
