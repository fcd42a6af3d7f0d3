//! Finds the paths that a LIKE pattern means in the `file` table, with osquery's rules: `%` stands for any text
//! within one name, and `%%` as the last name for everything below. Letters match as they are written.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{Dir, FileType};

use crate::column::{Unreadable, text};
use crate::root::is_absent;
use crate::walk::{Walk, WalkError};

/// A pattern that finds more than this is a mistake, and its answer too long for anyone.
const MAX_PATHS: usize = 100_000;
/// No deeper than this below a `%%`.
const MAX_DEPTH: usize = 64;

/// A path by parts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Part>);

#[derive(Debug, PartialEq, Eq)]
enum Part {
    /// Just this name.
    Name(String),
    /// Names like this.
    Like(String),
    /// Everything below.
    Below,
}

impl Pattern {
    pub(super) fn parse(pattern: &str) -> Result<Self, Unreadable> {
        let Some(path) = pattern.strip_prefix('/') else {
            return Err(Unreadable(format!("the pattern {pattern:?} does not begin with /")));
        };
        let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
        let last = names.len().saturating_sub(1);
        let part = |(index, name): (usize, &&str)| match *name {
            "%%" if index == last => Part::Below,
            name if name.contains(['%', '_']) => Part::Like(name.to_owned()),
            name => Part::Name(name.to_owned()),
        };
        Ok(Self(names.iter().enumerate().map(part).collect()))
    }
}

/// Lists the paths that exist now. A pattern that leads into a remote mount is an error: what is there stays
/// unknown, and a check must not pass on it.
pub(super) fn expand(walk: &Walk, pattern: &Pattern) -> Result<Vec<String>, Unreadable> {
    let mut paths = vec![String::new()];
    for part in &pattern.0 {
        let mut next = Vec::new();
        for path in paths {
            match part {
                Part::Name(name) => next.push(format!("{path}/{name}")),
                Part::Like(like) => {
                    let entries = entries(walk, &path)?.into_iter();
                    let matching = entries.filter(|(name, _)| is_like(like.as_bytes(), name.as_bytes()));
                    next.extend(matching.map(|(name, _)| format!("{path}/{name}")));
                }
                Part::Below => below(walk, &path, MAX_DEPTH, &mut next)?,
            }
            if next.len() > MAX_PATHS {
                return Err(Unreadable(format!("the pattern means over {MAX_PATHS} paths")));
            }
        }
        paths = next;
    }
    Ok(paths.into_iter().filter(|path| !path.is_empty()).collect())
}

fn below(walk: &Walk, path: &str, depth: usize, found: &mut Vec<String>) -> Result<(), Unreadable> {
    for (name, kind) in entries(walk, path)? {
        let path = format!("{path}/{name}");
        found.push(path.clone());
        if found.len() > MAX_PATHS {
            return Ok(());
        }
        // Links are not followed downwards, so this ends.
        if depth > 0 && matches!(kind, FileType::Directory | FileType::Unknown) {
            below(walk, &path, depth - 1, found)?;
        }
    }
    Ok(())
}

/// Lists a folder; what is none has no entries.
fn entries(walk: &Walk, path: &str) -> Result<Vec<(String, FileType)>, Unreadable> {
    let listed = || -> Result<Vec<(String, FileType)>, WalkError> {
        let place = walk.open_directory(Path::new(if path.is_empty() { "/" } else { path }))?;
        let mut names = Vec::new();
        for entry in Dir::read_from(&place)? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name != "." && name != ".." {
                names.push((text(name.as_bytes()), entry.file_type()));
            }
        }
        names.sort_unstable_by(|left, right| left.0.cmp(&right.0));
        Ok(names)
    };
    match listed() {
        Ok(names) => Ok(names),
        Err(WalkError::Io(error)) if is_absent(&error) => Ok(Vec::new()),
        Err(WalkError::Io(error)) => Err(Unreadable::file(path, &error)),
        Err(error) => Err(Unreadable(format!("can't look into {path}: {error}"))),
    }
}

/// SQL's LIKE for one name, byte by byte, in time that grows with the product of the lengths at most.
fn is_like(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut position, mut back) = (0, 0, None);
    while position < name.len() {
        match pattern.get(at) {
            Some(b'%') => {
                back = Some((at, position));
                at += 1;
            }
            Some(&byte) if byte == b'_' || byte == name[position] => {
                at += 1;
                position += 1;
            }
            _ => match back {
                // Let the last % take one byte more.
                Some((percent, from)) => {
                    back = Some((percent, from + 1));
                    at = percent + 1;
                    position = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|&byte| byte == b'%')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_and_underscore_match_within_a_name() {
        for (pattern, name, expected) in [
            ("%.conf", "a.conf", true),
            ("%.conf", "a.conf.bak", false),
            ("a%b%c", "aXXbYYbc", true),
            ("_.d", "x.d", true),
            ("_.d", "xy.d", false),
            ("%", "", true),
            ("a", "", false),
        ] {
            assert_eq!(is_like(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn two_percent_signs_at_the_end_mean_everything_below() {
        assert_eq!(
            Pattern::parse("/etc/a%/%%").unwrap(),
            Pattern(vec![Part::Name("etc".to_owned()), Part::Like("a%".to_owned()), Part::Below]),
        );
        assert!(Pattern::parse("etc/%").is_err());
    }

    proptest::proptest! {
        #[test]
        fn a_name_is_like_itself_with_percent_signs_put_in(name in "[a-z.]{0,20}", at in 0_usize..20) {
            let at = at.min(name.len());
            let pattern = format!("{}%{}", &name[..at], &name[at..]);
            proptest::prop_assert!(is_like(pattern.as_bytes(), name.as_bytes()));
        }

        #[test]
        fn no_pattern_panics(pattern: String, name: Vec<u8>) {
            let _ = Pattern::parse(&pattern);
            is_like(pattern.as_bytes(), &name);
        }
    }
}
