//! `~/.ssh/authorized_keys`: keys are added and taken away one by one; lines that are not Muster's stay.
//!
//! The file lies in a user's own directory. It is reached without following a link there, replaced rather than
//! written through, and only where the user could have made it so themselves.

use std::os::fd::OwnedFd;
use std::rc::Rc;

use anyhow::{Context as _, Result, bail, ensure};
use rustix::fs::{Gid, Mode, OFlags, Uid};
use rustix::io::Errno;

use crate::host::Host;
use crate::host::accounts::User;
use crate::host::files::{self, NewFile};
use crate::host::walk::{Place, count_entries};

const NAME: &str = "authorized_keys";
const LIMIT: u64 = 1024 * 1024;
/// How often it is begun anew where its user changes the file meanwhile.
const TRIES: usize = 5;

pub(super) fn path(user: &User) -> String {
    format!("{}/.ssh/authorized_keys", user.home.trim_end_matches('/'))
}

/// Those of the wanted keys that are there.
pub(super) fn present(host: &Host, user: &User, mut wanted: Vec<String>) -> Result<Vec<String>> {
    let path = path(user);
    let content = files::content(&host.root, &path, LIMIT).with_context(|| format!("reading {path}"))?;
    let content = content.unwrap_or_default();
    wanted.retain(|key| content.split(|byte| *byte == b'\n').any(|line| is_line_of(line, key)));
    Ok(wanted)
}

/// Whether a line is this key and nothing else, however it is set off.
fn is_line_of(line: &[u8], key: &str) -> bool {
    line.trim_ascii() == key.as_bytes().trim_ascii()
}

/// Lets `wanted` be there, and of `ours`, the keys that Muster may have put there, no other.
pub(super) fn write(host: &Host, user: &User, wanted: &[&str], ours: &[String]) -> Result<()> {
    let folder = folder(host, user)?;
    write_in(folder, user, wanted, ours)
}

/// Writes in the directory that was checked, whatever its user has put in its place since.
fn write_in(folder: OwnedFd, user: &User, wanted: &[&str], ours: &[String]) -> Result<()> {
    let (path, folder) = (path(user), Rc::new(folder));
    for _ in 0..TRIES {
        let place = Place::within(&folder, NAME)?;
        let before = files::content_at(&place, LIMIT).with_context(|| format!("reading {path}"))?;
        let content = merge(before.as_deref().unwrap_or_default(), wanted, ours);
        let is_so = before.as_ref().is_some_and(|before| *before == content)
            || before.is_none() && content.is_empty();
        if is_so
            || replace(place, user, before.as_deref(), content).with_context(|| format!("writing {path}"))?
        {
            return Ok(());
        }
    }
    bail!("{path}: {}", files::CHANGED)
}

/// Puts the new content in the place of what was there before; false where its user has changed that since. What they write in the
/// moment between this look and the rename is lost, as it is with any editor.
fn replace(place: Place, user: &User, before: Option<&[u8]>, content: Vec<u8>) -> Result<bool> {
    let (uid, gid, is_new) = (user.uid, user.gid, before.is_none());
    let file = NewFile { path: path(user), content, uid, gid, mode: 0o600, is_new };
    let mut is_same = true;
    let written = files::write_as(place, &file, |place, new| {
        // All that takes long comes before the look.
        rustix::fs::fsync(new).context("syncing it")?;
        is_same = files::content_at(place, LIMIT)?.as_deref() == before;
        ensure!(is_same, files::CHANGED);
        Ok(())
    });
    if is_same { written.map(|()| true) } else { Ok(false) }
}

/// Works on bytes, because a user's comments need not be UTF-8.
fn merge(before: &[u8], wanted: &[&str], ours: &[String]) -> Vec<u8> {
    let mut content = vec![];
    let mut missing: Vec<&str> = wanted.to_vec();
    for line in before.split_inclusive(|byte| *byte == b'\n') {
        missing.retain(|wanted| !is_line_of(line, wanted));
        let ours = ours.iter().any(|ours| is_line_of(line, ours));
        if !ours || wanted.iter().any(|wanted| is_line_of(line, wanted)) {
            content.extend_from_slice(line);
        }
    }
    for key in missing {
        if content.last().is_some_and(|byte| *byte != b'\n') {
            content.push(b'\n');
        }
        content.extend_from_slice(key.as_bytes());
        content.push(b'\n');
    }
    content
}

/// Opens `.ssh`: made as its user would, or checked to be theirs.
fn folder(host: &Host, user: &User) -> Result<OwnedFd> {
    let home = user.home.trim_end_matches('/');
    let place =
        host.root.place(&format!("{home}/.ssh"))?.with_context(|| format!("{home} does not exist"))?;
    let above = rustix::fs::fstat(&place.dir).context("asking about the home directory")?;
    ensure!(above.st_uid == user.uid, "{home} does not belong to {}", user.name);
    match place.open(OFlags::DIRECTORY) {
        Ok(dir) => {
            let stat = rustix::fs::fstat(&dir).context("asking about .ssh")?;
            let theirs = stat.st_uid == user.uid || stat.st_uid == 0;
            ensure!(theirs, "{home}/.ssh does not belong to {}", user.name);
            Ok(dir)
        }
        Err(Errno::NOENT) => make_folder(&place, user),
        Err(Errno::NOTDIR | Errno::LOOP) => bail!("{home}/.ssh is not a directory: it is not followed"),
        Err(error) => Err(error).context("opening .ssh"),
    }
}

fn make_folder(place: &Place, user: &User) -> Result<OwnedFd> {
    rustix::fs::mkdirat(&place.dir, &place.name, Mode::RWXU).context("making .ssh")?;
    let dir = place.open(OFlags::DIRECTORY).context("opening .ssh")?;
    hand_over(&dir, user)?;
    place.sync_dir()?;
    Ok(dir)
}

/// Gives a directory that was just made to its user, who may have put another one in its place since: one that holds
/// something, or is not as it was made, is not given away.
fn hand_over(dir: &OwnedFd, user: &User) -> Result<()> {
    let stat = rustix::fs::fstat(dir).context("asking about .ssh")?;
    let as_made = stat.st_uid == 0 && stat.st_mode & 0o777 == 0o700;
    ensure!(
        as_made && count_entries(dir, 1)? == 0,
        "{} put another directory in the place of .ssh: it is left alone",
        user.name
    );
    rustix::fs::fchown(dir, Some(Uid::from_raw(user.uid)), Some(Gid::from_raw(user.gid)))
        .context("giving .ssh to its user")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    use proptest::prelude::*;

    use super::*;

    fn ada() -> User {
        let text = String::new;
        User {
            name: "ada".into(),
            uid: 1000,
            gid: 1000,
            gecos: text(),
            home: "/home/ada".into(),
            shell: text(),
        }
    }

    fn open(path: &std::path::Path) -> OwnedFd {
        fs::File::open(path).unwrap().into()
    }

    #[test]
    fn a_directory_of_root_that_its_user_put_in_place_of_a_new_one_is_not_given_to_them() {
        let dir = tempfile::tempdir().unwrap();
        let (kept, made) = (dir.path().join("kept"), dir.path().join("made"));
        for path in [&kept, &made] {
            fs::create_dir(path).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
        }
        fs::write(kept.join("secret"), "").unwrap();
        let error = hand_over(&open(&kept), &ada()).unwrap_err().to_string();
        assert!(error.contains("left alone"), "{error}");
        assert_eq!(fs::metadata(&kept).unwrap().uid(), 0);
        hand_over(&open(&made), &ada()).unwrap();
        assert_eq!(fs::metadata(&made).unwrap().uid(), 1000);
    }

    #[test]
    fn keys_go_into_the_directory_that_was_checked_whatever_has_its_name_by_then() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at(".ssh")).unwrap();
        let checked = open(&at(".ssh"));
        fs::rename(at(".ssh"), at("moved")).unwrap();
        fs::create_dir(at(".ssh")).unwrap();
        write_in(checked, &ada(), &["ssh-rsa A m"], &[]).unwrap();
        assert_eq!(fs::read_to_string(at("moved/authorized_keys")).unwrap(), "ssh-rsa A m\n");
        assert_eq!(fs::read_dir(at(".ssh")).unwrap().count(), 0);
    }

    #[test]
    fn a_key_that_its_user_adds_while_the_file_is_written_is_not_lost() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Rc::new(open(dir.path()));
        let keys = dir.path().join(NAME);
        let place = || Place::within(&folder, NAME).unwrap();
        for before in [None, Some("ssh-rsa A a\n")] {
            fs::remove_file(&keys).ok();
            if let Some(before) = before {
                fs::write(&keys, before).unwrap();
            }
            let seen = files::content_at(&place(), LIMIT).unwrap();
            let content = merge(seen.as_deref().unwrap_or_default(), &["ssh-rsa M m"], &[]);
            fs::write(&keys, "ssh-rsa A a\nssh-rsa B b\n").unwrap();
            assert!(!replace(place(), &ada(), seen.as_deref(), content).unwrap());
            assert_eq!(fs::read_to_string(&keys).unwrap(), "ssh-rsa A a\nssh-rsa B b\n");
        }
        write_in(open(dir.path()), &ada(), &["ssh-rsa M m"], &[]).unwrap();
        assert_eq!(fs::read_to_string(&keys).unwrap(), "ssh-rsa A a\nssh-rsa B b\nssh-rsa M m\n");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn foreign_lines_stay_and_only_our_own_keys_go() {
        let before = b"# mine\nssh-rsa FOREIGN x\nssh-rsa OLD m\nssh-rsa KEPT m";
        let ours = ["ssh-rsa OLD m".to_owned(), "ssh-rsa KEPT m".to_owned()];
        let after = merge(before, &["ssh-rsa KEPT m", "ssh-rsa NEW m"], &ours);
        assert_eq!(after, b"# mine\nssh-rsa FOREIGN x\nssh-rsa KEPT m\nssh-rsa NEW m\n");
    }

    proptest! {
        #[test]
        fn adding_keys_and_taking_them_away_leaves_what_was_there(lines in "([a-z# ]{0,12}\n){0,5}") {
            let keys = ["ssh-rsa A m", "ssh-rsa B m"];
            let ours = keys.map(str::to_owned);
            let with = merge(lines.as_bytes(), &keys, &ours);
            prop_assert_eq!(&merge(&with, &keys, &ours), &with, "adding twice changes nothing");
            prop_assert_eq!(merge(&with, &[], &ours), lines.as_bytes());
        }
    }
}
