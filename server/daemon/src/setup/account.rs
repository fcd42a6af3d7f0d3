//! As whom setup works. In a folder that belongs to the server's account, root would follow whatever links that account
//! put there, so it becomes that account first, which can do no more than it could before.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

/// Starts this program anew as the owner of the folder, when root is asked to work in a folder of somebody else's. Comes
/// back only when there is no need to.
pub(crate) fn become_owner_of(folder: &Path) -> Result<()> {
    let Some((user, group)) = owner_to_become(folder, rustix::process::geteuid().is_root()) else {
        return Ok(());
    };
    let mut again = Command::new("/proc/self/exe");
    // The account's other groups go with the change of user.
    let error = again.args(std::env::args_os().skip(1)).gid(group).uid(user).exec();
    Err(error).with_context(|| format!("can't become the owner of {}", folder.display()))
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
