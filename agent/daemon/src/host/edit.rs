//! Changing a part of a file that is not Muster's as a whole: the rest stays byte for byte, and so do owner, mode and
//! extended attributes.

use std::os::fd::OwnedFd;

use anyhow::{Context as _, Result, ensure};
use rustix::fs::XattrFlags;
use rustix::io::Errno;

use super::files::{self, CHANGED, NewFile, Stamp};
use super::walk::Root;

/// The largest file of which a part is changed.
const LIMIT: u64 = 16 * 1024 * 1024;
/// The most that the kernel keeps for one extended attribute, and for the list of their names.
const XATTR_LIMIT: usize = 64 * 1024;

/// What the file at `path` holds; `None` when there is nothing.
pub(crate) fn read(root: &Root, path: &str) -> Result<Option<Vec<u8>>> {
    files::content(root, path, LIMIT).with_context(|| path.to_owned())
}

/// Puts what `change` makes of the file's content in its place, whole or not at all; of no file it gets nothing, and gives
/// `None` to have none.
pub(crate) fn edit(
    root: &Root,
    path: &str,
    change: impl FnOnce(Option<&[u8]>) -> Result<Option<Vec<u8>>>,
) -> Result<()> {
    let place = root.existing_place(path)?;
    let Some((file, stat)) = files::open_plain(&place).with_context(|| path.to_owned())? else {
        let Some(content) = change(None)? else { return Ok(()) };
        let new = NewFile { path: path.to_owned(), content, uid: 0, gid: 0, mode: 0o644, is_new: true };
        return files::write_at(place, &new);
    };
    let before = files::read_limited(file.try_clone().context("opening it again")?, LIMIT)?;
    let Some(content) = change(Some(&before))? else {
        return files::remove_all(root, &[(path, Some(muster_proto::Digest::of(&before)))]).remove(0);
    };
    if content == before {
        return Ok(());
    }
    let new = NewFile {
        path: path.to_owned(),
        content,
        uid: stat.st_uid,
        gid: stat.st_gid,
        mode: stat.st_mode & 0o7777,
        is_new: false,
    };
    let seen = Stamp::of(&stat);
    files::write_as(place, &new, |place, new| {
        copy_xattrs(&file.into(), new)?;
        let now = place.stat()?.map(|stat| Stamp::of(&stat));
        ensure!(now == Some(seen), CHANGED);
        Ok(())
    })
}

/// Gives a new file the extended attributes of the old one, such as access control lists and labels. Where one can't be
/// given, the old file stays.
fn copy_xattrs(from: &OwnedFd, to: &OwnedFd) -> Result<()> {
    let mut names = vec![0; XATTR_LIMIT];
    let length = match rustix::fs::flistxattr(from, &mut names[..]) {
        Ok(length) => length,
        Err(Errno::NOTSUP) => return Ok(()),
        Err(error) => return Err(error).context("listing its extended attributes"),
    };
    for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let shown = || format!("its extended attribute {} can't be kept", String::from_utf8_lossy(name));
        let mut value = vec![0; XATTR_LIMIT];
        let length = rustix::fs::fgetxattr(from, name, &mut value[..]).with_context(shown)?;
        rustix::fs::fsetxattr(to, name, &value[..length], XattrFlags::empty()).with_context(shown)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};

    use super::*;

    fn file(content: &str) -> (tempfile::TempDir, Root, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path()).unwrap();
        let path = dir.path().join("x");
        fs::write(&path, content).unwrap();
        (dir, root, path)
    }

    fn append(content: Option<&[u8]>) -> Result<Option<Vec<u8>>> {
        let mut content = content.unwrap_or_default().to_vec();
        content.extend(b"new\n");
        Ok(Some(content))
    }

    #[test]
    fn owner_mode_and_extended_attributes_stay() {
        let (_dir, root, path) = file("old\n");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        chown(&path, Some(1000), Some(33)).unwrap();
        let has = rustix::fs::setxattr(&path, "user.kept", b"yes", XattrFlags::empty()).is_ok();
        edit(&root, "/x", append).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "old\nnew\n");
        let meta = fs::metadata(&path).unwrap();
        assert_eq!((meta.uid(), meta.gid(), meta.mode() & 0o7777), (1000, 33, 0o640));
        let mut value = [0; 8];
        let length = rustix::fs::getxattr(&path, "user.kept", &mut value[..]);
        // Not every file system has them.
        assert_eq!(length.map(|length| value[..length].to_vec()).ok(), has.then(|| b"yes".to_vec()));
    }

    #[test]
    fn what_does_not_change_is_not_written() {
        let (_dir, root, path) = file("old\n");
        let inode = fs::metadata(&path).unwrap().ino();
        edit(&root, "/x", |content| Ok(content.map(<[u8]>::to_vec))).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().ino(), inode);
    }

    #[test]
    fn what_someone_changes_meanwhile_is_left_as_it_is() {
        let (_dir, root, path) = file("old\n");
        let error = edit(&root, "/x", |content| {
            fs::write(&path, "theirs, and longer\n").unwrap();
            append(content)
        });
        assert_eq!(error.unwrap_err().to_string(), CHANGED);
        assert_eq!(fs::read_to_string(&path).unwrap(), "theirs, and longer\n");
    }

    #[test]
    fn a_planted_link_or_a_second_name_is_not_written_through() {
        let (dir, root, path) = file("old\n");
        symlink("x", dir.path().join("link")).unwrap();
        assert!(format!("{:#}", edit(&root, "/link", append).unwrap_err()).contains("symbolic link"));
        fs::hard_link(&path, dir.path().join("hard")).unwrap();
        assert!(format!("{:#}", edit(&root, "/x", append).unwrap_err()).contains("2 hard links"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "old\n");
    }

    #[test]
    fn a_file_comes_and_goes() {
        let (dir, root, _) = file("");
        edit(&root, "/y", append).unwrap();
        assert_eq!(fs::read_to_string(dir.path().join("y")).unwrap(), "new\n");
        edit(&root, "/y", |_| Ok(None)).unwrap();
        assert!(!dir.path().join("y").exists());
    }
}
