//! `muster-server manuals`: the manual pages and completions of the package, which the package's build asks for.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap_complete::Shell;

/// Write manual pages and completions into a folder laid out like /usr/share
#[derive(clap::Args)]
#[command(hide = true, after_help = "Example:\n  muster-server manuals /usr/share")]
pub(crate) struct Manuals {
    /// The folder
    folder: PathBuf,
}

/// Where each shell looks.
const COMPLETIONS: [(Shell, &str, &str); 3] = [
    (Shell::Bash, "bash-completion/completions", "muster-server"),
    (Shell::Zsh, "zsh/vendor-completions", "_muster-server"),
    (Shell::Fish, "fish/vendor_completions.d", "muster-server.fish"),
];

impl Manuals {
    /// Writes them for this command line.
    pub(crate) fn run(self, mut command: clap::Command) -> Result<()> {
        let mut write = || -> std::io::Result<()> {
            let pages = self.folder.join("man/man1");
            fs::create_dir_all(&pages)?;
            clap_mangen::generate_to(command.clone(), &pages)?;
            for (shell, place, name) in COMPLETIONS {
                let place = self.folder.join(place);
                fs::create_dir_all(&place)?;
                let mut script = Vec::new();
                clap_complete::generate(shell, &mut command, "muster-server", &mut script);
                fs::write(place.join(name), script)?;
            }
            Ok(())
        };
        write().with_context(|| format!("can't write manual pages into {}", self.folder.display()))
    }
}
