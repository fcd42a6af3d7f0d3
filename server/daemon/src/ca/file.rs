//! Writes keys and certificates so that only their owner reads them and a crash leaves the old file or the new one.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use super::Error;

/// Makes a folder for its owner alone, if it is not there.
pub(super) fn make_folder(path: &Path) -> Result<(), Error> {
    let failed = |source| Error::File { doing: "make the folder", path: path.to_owned(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
    sync_folder_of(path)
}

/// Reads a text file.
pub(super) fn read(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|source| Error::File {
        doing: "read",
        path: path.to_owned(),
        source,
    })
}

/// Writes a file that must not be there yet.
pub(super) fn create(path: &Path, content: &[u8]) -> Result<(), Error> {
    write(path, content)?;
    sync_folder_of(path)
}

/// Replaces a file, or makes it.
pub(super) fn replace(path: &Path, content: &[u8]) -> Result<(), Error> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = Path::new(&name);
    // A leftover of a crash; nobody else writes here.
    match std::fs::remove_file(new) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            return Err(Error::File { doing: "remove", path: new.to_owned(), source });
        }
        _ => {}
    }
    write(new, content)?;
    std::fs::rename(new, path).map_err(|source| Error::File {
        doing: "replace",
        path: path.to_owned(),
        source,
    })?;
    sync_folder_of(path)
}

fn write(path: &Path, content: &[u8]) -> Result<(), Error> {
    let failed = |source| Error::File { doing: "write", path: path.to_owned(), source };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    file.write_all(content).map_err(failed)?;
    file.sync_all().map_err(failed)
}

fn sync_folder_of(path: &Path) -> Result<(), Error> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let failed = |source| Error::File { doing: "sync the folder", path: folder.to_owned(), source };
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}
