//! `~/.ssh/authorized_keys`: keys are added and taken away one by one; lines that are not Muster's stay.
//!
//! The file lies in a user's own directory. It is reached without following a link there, replaced rather than
//! written through, and only where the user could have made it so themselves.

use anyhow::{Context as _, Result, ensure};
use rustix::fs::{FileType, Gid, Mode, OFlags, Uid};

use crate::host::Host;
use crate::host::accounts::User;
use crate::host::files::{self, NewFile};

const LIMIT: u64 = 1024 * 1024;

pub(super) fn path(user: &User) -> String {
    format!("{}/.ssh/authorized_keys", user.home.trim_end_matches('/'))
}

/// Those of the wanted keys that are there.
pub(super) fn present(host: &Host, user: &User, mut wanted: Vec<String>) -> Result<Vec<String>> {
    let path = path(user);
    let text = files::content(&host.root, &path, LIMIT).with_context(|| format!("reading {path}"))?;
    let text = String::from_utf8_lossy(text.as_deref().unwrap_or_default()).into_owned();
    wanted.retain(|key| text.lines().any(|line| line.trim() == key));
    Ok(wanted)
}

/// Lets `wanted` be there, and of `ours`, the keys that Muster may have put there, no other.
pub(super) fn write(host: &Host, user: &User, wanted: &[&str], ours: &[String]) -> Result<()> {
    let path = path(user);
    prepare_folder(host, user)?;
    let before = files::content(&host.root, &path, LIMIT).with_context(|| format!("reading {path}"))?;
    let content = merge(before.as_deref().unwrap_or_default(), wanted, ours);
    if before.as_deref().is_some_and(|before| before == content) || (before.is_none() && content.is_empty()) {
        return Ok(());
    }
    let file = NewFile { path: path.clone(), content, uid: user.uid, gid: user.gid, mode: 0o600 };
    files::write_all(&host.root, &[file]).remove(0).with_context(|| format!("writing {path}"))
}

/// Works on bytes, because a user's comments need not be UTF-8.
fn merge(before: &[u8], wanted: &[&str], ours: &[String]) -> Vec<u8> {
    let mut content = vec![];
    let mut missing: Vec<&str> = wanted.to_vec();
    for line in before.split_inclusive(|byte| *byte == b'\n') {
        let key = line.trim_ascii();
        missing.retain(|wanted| wanted.as_bytes() != key);
        let ours = ours.iter().any(|ours| ours.as_bytes() == key);
        if !ours || wanted.iter().any(|wanted| wanted.as_bytes() == key) {
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

/// Makes `.ssh` as its user would, or checks that it is theirs.
fn prepare_folder(host: &Host, user: &User) -> Result<()> {
    let home = user.home.trim_end_matches('/');
    let place =
        host.root.place(&format!("{home}/.ssh"))?.with_context(|| format!("{home} does not exist"))?;
    let theirs = |uid: u32| uid == user.uid || uid == 0;
    let above = rustix::fs::fstat(&place.dir).context("asking about the home directory")?;
    ensure!(above.st_uid == user.uid, "{home} does not belong to {}", user.name);
    if place.stat()?.is_none() {
        rustix::fs::mkdirat(&place.dir, &place.name, Mode::RWXU).context("making .ssh")?;
        let dir = place.open(OFlags::DIRECTORY).context("opening .ssh")?;
        rustix::fs::fchown(&dir, Some(Uid::from_raw(user.uid)), Some(Gid::from_raw(user.gid)))
            .context("giving .ssh to its user")?;
        return place.sync_dir();
    }
    let stat = place.stat()?.context(".ssh is gone again")?;
    let directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
    ensure!(directory, "{home}/.ssh is not a directory: it is not followed");
    ensure!(theirs(stat.st_uid), "{home}/.ssh does not belong to {}", user.name);
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
