//! As whom this program works in a data folder. In one that belongs to the server's account, root would follow whatever
//! links that account put there, so it becomes that account first, which can do no more than it could before. Files
//! elsewhere, such as a backup, are root's: they are opened before, and handed over open.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitStatus};

use anyhow::{Context as _, Result};

/// Starts this program anew as the owner of the folder, when root is asked to work in a folder of somebody else's. Comes
/// back only when there is no need to.
pub(crate) fn become_owner_of(folder: &Path) -> Result<()> {
    match as_owner_of(folder) {
        None => Ok(()),
        Some(mut again) => replace_by(again.args(std::env::args_os().skip(1)), folder),
    }
}

/// The same with other arguments, and with what the new one reads.
pub(crate) fn become_owner_to_read(
    folder: &Path,
    arguments: impl IntoIterator<Item = OsString>,
    input: impl FnOnce() -> Result<File>,
) -> Result<()> {
    match as_owner_of(folder) {
        None => Ok(()),
        Some(mut again) => replace_by(again.args(arguments).stdin(input()?), folder),
    }
}

/// Runs this program as the owner of the folder, writing to `output`, under the same condition; `None` when there is no
/// need to.
pub(crate) fn run_as_owner_of(
    folder: &Path,
    arguments: impl IntoIterator<Item = OsString>,
    output: &File,
) -> Result<Option<ExitStatus>> {
    let Some(mut again) = as_owner_of(folder) else { return Ok(None) };
    let output = output.try_clone().context("can't hand the file over")?;
    let status = again.args(arguments).stdout(output).status();
    status.map(Some).with_context(|| cant_become(folder))
}

fn as_owner_of(folder: &Path) -> Option<Command> {
    let (user, group) = owner_to_become(folder, rustix::process::geteuid().is_root())?;
    let mut again = Command::new("/proc/self/exe");
    // The account's other groups go with the change of user.
    again.gid(group).uid(user);
    Some(again)
}

fn replace_by(again: &mut Command, folder: &Path) -> Result<()> {
    Err(again.exec()).with_context(|| cant_become(folder))
}

fn cant_become(folder: &Path) -> String {
    format!("can't become the owner of {}", folder.display())
}

fn owner_to_become(folder: &Path, is_root: bool) -> Option<(u32, u32)> {
    // Not of what a link leads to: whoever made it chose that.
    let metadata = fs::symlink_metadata(folder).ok()?;
    (is_root && metadata.uid() != 0).then(|| (metadata.uid(), metadata.gid()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_becomes_the_owner_of_a_folder_that_is_not_roots() {
        let folder = tempfile::tempdir().unwrap();
        let own = fs::metadata(folder.path()).unwrap().uid();
        assert_eq!(owner_to_become(folder.path(), false), None);
        assert_eq!(owner_to_become(&folder.path().join("not there yet"), true), None);
        assert_eq!(owner_to_become(folder.path(), true).map(|(user, _)| user), (own != 0).then_some(own));
        if own == 0 {
            std::os::unix::fs::chown(folder.path(), Some(65_534), Some(65_533)).unwrap();
            assert_eq!(owner_to_become(folder.path(), true), Some((65_534, 65_533)));
        }
    }
}
