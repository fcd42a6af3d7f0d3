//! What is under test: the packages as they ship, and the programs taken from them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::run_folder::cache;

/// The shipped packages and the server's programs, as `make deb` leaves them.
#[derive(Debug, Clone)]
pub struct Artifacts {
    /// The agent's package.
    pub agent_deb: PathBuf,
    /// The server's package.
    pub server_deb: PathBuf,
    /// The server binary out of the server's package.
    pub server: PathBuf,
    /// The admin's command line out of the server's package.
    pub cli: PathBuf,
    /// The agent's package as the server's package brings it, to be offered at `/install`.
    pub repository: PathBuf,
}

impl Artifacts {
    /// Finds them; fails with what to run when they were not built.
    pub fn find() -> Result<Self> {
        let folder = cache().join("deb");
        let programs = folder.join("muster-server/usr/bin");
        let found = Self {
            agent_deb: only_package(&folder, "muster-agent_")?,
            server_deb: only_package(&folder, "muster-server_")?,
            server: programs.join("muster-server"),
            cli: programs.join("muster"),
            repository: folder.join("muster-server/usr/share/muster-server/apt"),
        };
        for program in [&found.server, &found.cli] {
            if !program.is_file() {
                bail!("{} is missing: run `make deb`", program.display());
            }
        }
        Ok(found)
    }

    /// The version of both packages, as the name of the server's says it.
    pub fn version(&self) -> Result<String> {
        let name = self.server_deb.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.split('_').nth(1).map(str::to_owned).with_context(|| format!("{name} says no version"))
    }
}

fn only_package(folder: &Path, prefix: &str) -> Result<PathBuf> {
    let list =
        fs::read_dir(folder).with_context(|| format!("reading {}: run `make deb`", folder.display()))?;
    let mut found: Vec<PathBuf> = list
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(prefix) && name.ends_with(".deb")
        })
        .collect();
    match (found.pop(), found.is_empty()) {
        (Some(package), true) => Ok(package),
        (None, _) => bail!("no {prefix}*.deb in {}: run `make deb`", folder.display()),
        (Some(_), false) => bail!("more than one {prefix}*.deb in {}: run `make deb`", folder.display()),
    }
}
