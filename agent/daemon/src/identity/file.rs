//! Writes secrets so that only root reads them and a crash leaves the old file or the new one, and erases them.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use super::Error;

/// Nothing that is kept here comes near this size.
const MAX_FILE: u64 = 256 * 1024;

/// Makes a folder for root alone, if it is not there.
pub(super) fn make_folder(path: &Path) -> Result<(), Error> {
    let failed = |source| Error::File { doing: "make the folder", path: path.to_owned(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
    sync_folder_of(path)
}

/// Reads a text file; `None` when it is not there. One that a crash left half erased is erased whole first.
pub(super) fn read(path: &Path) -> Result<Option<String>, Error> {
    let failed = |source| Error::File { doing: "read", path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut text = String::new();
    file.take(MAX_FILE).read_to_string(&mut text).map_err(failed)?;
    // No text begins so: [`erase`] has overwritten it and did not come to removing its name.
    if text.starts_with('\0') {
        erase(path)?;
        return Ok(None);
    }
    Ok(Some(text))
}

/// Replaces a file, or makes it. Durable on return.
pub(super) fn replace(path: &Path, content: &[u8]) -> Result<(), Error> {
    let failed = |doing, source| Error::File { doing, path: path.to_owned(), source };
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = Path::new(&name);
    erase(new)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(new)
        .map_err(|source| failed("make", source))?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(|source| failed("write", source))?;
    std::fs::rename(new, path).map_err(|source| failed("replace", source))?;
    sync_folder_of(path)
}

/// Overwrites and removes a file, if it is there. Durable on return.
///
/// Overwriting reaches what file systems that write in place still hold; copy-on-write ones and flash may keep a copy.
pub(super) fn erase(path: &Path) -> Result<(), Error> {
    let failed = |source| Error::File { doing: "erase", path: path.to_owned(), source };
    // The name may be a link to a file that is not ours to overwrite: then only the name goes.
    let options = OFlags::NOFOLLOW.bits().cast_signed();
    match OpenOptions::new().write(true).custom_flags(options).open(path) {
        Ok(mut file) => {
            let length = file.metadata().map_err(failed)?.len().min(MAX_FILE);
            std::io::copy(&mut std::io::repeat(0).take(length), &mut file).map_err(failed)?;
            file.sync_all().map_err(failed)?;
        }
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {}
        Err(error) => return Err(failed(error)),
    }
    std::fs::remove_file(path).map_err(failed)?;
    sync_folder_of(path)
}

fn sync_folder_of(path: &Path) -> Result<(), Error> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let failed = |source| Error::File { doing: "sync the folder", path: folder.to_owned(), source };
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}
