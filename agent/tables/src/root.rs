//! The folder under which the machine's files are read: `/`, or a fixture in a test.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat, readlinkat};

use crate::column::Unreadable;

/// The most that is read of one file: four times the dpkg status of a large desktop.
const FILE_BYTES: u64 = 32 * 1024 * 1024;

/// The folder under which `/proc`, `/sys`, `/etc` and `/var/lib` are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root(PathBuf);

impl Root {
    /// The machine itself.
    pub fn system() -> Self {
        Self(PathBuf::from("/"))
    }

    /// A folder laid out like a machine's root.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    pub(crate) fn is_system(&self) -> bool {
        self.0 == Path::new("/")
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Where the absolute path `path` of the machine is found.
    pub(crate) fn join(&self, path: &str) -> PathBuf {
        self.0.join(path.trim_start_matches('/'))
    }

    /// Reads a whole file of the system's own, within a bound, without waiting on a FIFO or device put there.
    pub(crate) fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = File::from(openat(CWD, self.join(path), flags, Mode::empty())?);
        read_bounded(file)
    }

    /// Like [`read`](Self::read), for a file without which the table can't answer.
    pub(crate) fn require(&self, path: &str) -> Result<Vec<u8>, Unreadable> {
        self.read(path).map_err(|error| Unreadable::file(path, &error))
    }

    /// Reads a file that need not exist, trimmed: what is not there is the empty text.
    pub(crate) fn optional(&self, path: &str) -> Result<String, Unreadable> {
        match self.read(path) {
            Ok(bytes) => Ok(crate::column::text(bytes.trim_ascii())),
            Err(error) if is_absent(&error) => Ok(String::new()),
            Err(error) => Err(Unreadable::file(path, &error)),
        }
    }

    /// Lists the names in a folder of the system's own.
    pub(crate) fn list(&self, path: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(self.join(path))? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Reads where a link points.
    pub(crate) fn read_link(&self, path: &str) -> io::Result<PathBuf> {
        let target = readlinkat(CWD, self.join(path), Vec::new())?;
        Ok(PathBuf::from(std::ffi::OsString::from_vec(target.into_bytes())))
    }
}

/// Whether an error says that there is nothing: also what `/proc` says of a process that has just ended.
pub(crate) fn is_absent(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
        || error.kind() == io::ErrorKind::NotADirectory
        || error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error())
}

/// Reads a regular file, and refuses to cut one that is over the bound: half a file is wrong evidence.
pub(crate) fn read_bounded(file: File) -> io::Result<Vec<u8>> {
    if FileType::from_raw_mode(fstat(&file)?.st_mode) != FileType::RegularFile {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is over {FILE_BYTES} bytes")));
    }
    Ok(bytes)
}
