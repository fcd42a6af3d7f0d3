//! What is at each place of a device, so that a crash can be held against what was there before and what was to come.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::device::Device;

/// Where profiles of the tests put things.
const ROOTS: [&str; 5] = ["/etc", "/srv", "/usr/local", "/home", "/var/lib/muster"];

/// How the mode of a directory begins, in octal.
const DIRECTORY: &str = "40";

/// What is at each place: what kind of thing, with which rights, whose, and a digest of what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look(BTreeMap<PathBuf, String>);

impl Device<'_> {
    /// Looks at every place where profiles put things.
    pub fn look(&self) -> Result<Look> {
        let mut seen = BTreeMap::new();
        for root in ROOTS {
            let host = self.path(root);
            walk(&host, Path::new(root), &mut seen)
                .with_context(|| format!("looking at {root} of {}", self.name()))?;
        }
        Ok(Look(seen))
    }
}

/// What goes away while it is looked at is not there.
fn walk(host: &Path, shown: &Path, seen: &mut BTreeMap<PathBuf, String>) -> io::Result<()> {
    let gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    let entries = match fs::read_dir(host) {
        Err(error) if gone(&error) => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let (host, shown) = (entry.path(), shown.join(entry.file_name()));
        let metadata = match fs::symlink_metadata(&host) {
            Err(error) if gone(&error) => continue,
            metadata => metadata?,
        };
        let held = if metadata.is_file() {
            fs::read(&host)
        } else if metadata.is_symlink() {
            fs::read_link(&host).map(|target| target.into_os_string().into_encoded_bytes())
        } else {
            Ok(Vec::new())
        };
        let held = match held {
            Err(error) if gone(&error) => continue,
            held => held?,
        };
        let mut hasher = DefaultHasher::new();
        held.hash(&mut hasher);
        let line = format!(
            "{:o} {}:{} {} bytes {:016x}",
            metadata.mode(),
            metadata.uid(),
            metadata.gid(),
            held.len(),
            hasher.finish()
        );
        if metadata.is_dir() {
            walk(&host, &shown, seen)?;
        }
        seen.insert(shown, line);
    }
    Ok(())
}

impl Look {
    /// The places that are other than in `that`, but for those that begin with one of `apart`: what was there, and what is.
    pub fn differences(&self, that: &Self, apart: &[&str]) -> Vec<String> {
        let paths = self.0.keys().chain(that.0.keys().filter(|path| !self.0.contains_key(*path)));
        paths
            .filter(|path| self.0.get(*path) != that.0.get(*path) && !is_apart(path, apart))
            .map(|path| {
                format!("{}: {:?} instead of {:?}", path.display(), that.0.get(path), self.0.get(path))
            })
            .collect()
    }

    /// The files and links of `now` that are neither as in this look, from which something went, nor as in `to`: something
    /// half-made. A directory is made closed to all and opened then, so it may be in between.
    pub fn torn(&self, to: &Self, now: &Self, apart: &[&str]) -> Vec<String> {
        let mut paths: Vec<_> = self.0.keys().chain(to.0.keys()).chain(now.0.keys()).collect();
        paths.sort();
        paths.dedup();
        paths
            .into_iter()
            .filter(|path| {
                let found = now.0.get(*path);
                found.is_none_or(|found| !found.starts_with(DIRECTORY))
                    && found != self.0.get(*path)
                    && found != to.0.get(*path)
                    && !is_apart(path, apart)
            })
            .map(|path| {
                let [from, to, now] = [self, to, now].map(|look| look.0.get(path));
                format!("{}: {now:?} is neither {from:?} nor {to:?}", path.display())
            })
            .collect()
    }

    /// Unfinished files of the agent.
    pub fn unfinished(&self) -> Vec<&Path> {
        let is = |path: &&PathBuf| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".muster"))
        };
        self.0.keys().filter(is).map(PathBuf::as_path).collect()
    }
}

fn is_apart(path: &Path, apart: &[&str]) -> bool {
    apart.iter().any(|prefix| path.to_string_lossy().starts_with(prefix))
}
