//! The name that something new has until it is whole and takes the place of the old.
//!
//! It follows from the name that it is made for, so that what a crash left is found without listing a directory, which
//! its user can make endless. Where a user may write, such a name can be occupied: whatever has it is unlinked and never
//! followed or opened, and what can't be unlinked is evaded by a name that nobody can foresee.

use anyhow::{Context as _, Result};
use muster_proto::Digest;
use rustix::fs::AtFlags;
use rustix::io::Errno;

use super::walk::Place;

const PREFIX: &str = ".muster-new-";
/// How often a name is cleared of what someone puts there again and again.
const TRIES: usize = 3;

/// Makes something for `place` beside it; what was made, and its name.
pub(crate) fn make<T>(
    place: &Place,
    make: impl Fn(&str) -> rustix::io::Result<T>,
) -> rustix::io::Result<(T, String)> {
    let usual = usual_name(&place.name);
    for _ in 0..TRIES {
        match make(&usual) {
            Err(Errno::EXIST) if discard(place, &usual).is_ok() => {}
            Err(Errno::EXIST) => break,
            made => return Ok((made?, usual)),
        }
    }
    let evading = format!("{PREFIX}{}", random_suffix()?);
    Ok((make(&evading)?, evading))
}

/// Removes what a crash left beside `place`, if there is something.
pub(crate) fn remove_leftover(place: &Place) -> Result<()> {
    match discard(place, &usual_name(&place.name)) {
        Ok(()) => place.sync_dir(),
        Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error).context("removing what a crash left beside it"),
    }
}

/// Removes a name, whatever it stands for; a directory can only be someone else's and stays.
pub(crate) fn discard(place: &Place, name: &str) -> rustix::io::Result<()> {
    rustix::fs::unlinkat(&place.dir, name, AtFlags::empty())
}

/// The name for what is made for `name`. Of one length, because that may be as long as a name can be.
pub(crate) fn usual_name(name: &str) -> String {
    let digest = Digest::of(name.as_bytes()).to_string();
    let hex = digest.rsplit(':').next().unwrap_or_default();
    format!("{PREFIX}{}", &hex[..32])
}

/// A suffix that nobody can foresee and occupy.
pub(crate) fn random_suffix() -> rustix::io::Result<String> {
    let mut bytes = [0; 8];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Errno::AGAIN)?;
    Ok(data_encoding::HEXLOWER.encode(&bytes))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use rustix::fs::{FileType, Mode, OFlags, mknodat, openat};

    use super::super::walk::Root;
    use super::*;

    fn place() -> (tempfile::TempDir, Place) {
        let dir = tempfile::tempdir().unwrap();
        let place = Root::open(dir.path()).unwrap().existing_place("/x").unwrap();
        (dir, place)
    }

    fn make_file(place: &Place) -> String {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        make(place, |name| openat(&place.dir, name, flags, Mode::RUSR)).unwrap().1
    }

    #[test]
    fn what_is_planted_under_the_name_is_neither_followed_nor_opened_nor_in_the_way() {
        let (dir, place) = place();
        let usual = usual_name("x");
        fs::write(dir.path().join("victim"), "precious").unwrap();
        symlink("victim", dir.path().join(&usual)).unwrap();
        assert_eq!(make_file(&place), usual);
        fs::remove_file(dir.path().join(&usual)).unwrap();
        mknodat(&place.dir, usual.as_str(), FileType::Fifo, Mode::RUSR, 0).unwrap();
        assert_eq!(make_file(&place), usual);
        fs::remove_file(dir.path().join(&usual)).unwrap();
        fs::create_dir(dir.path().join(&usual)).unwrap();
        assert_ne!(make_file(&place), usual, "a directory is evaded");
        assert_eq!(fs::read_to_string(dir.path().join("victim")).unwrap(), "precious");
    }

    #[test]
    fn a_leftover_is_found_by_the_name_that_it_was_made_for() {
        let (dir, place) = place();
        make_file(&place);
        remove_leftover(&place).unwrap();
        remove_leftover(&place).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_longest_name_has_one_too() {
        assert!(usual_name(&"x".repeat(255)).len() < 64);
        assert_ne!(usual_name("x"), usual_name("y"));
    }
}
