//! `muster manuals`: the manual pages and completions of the package, which the package's build asks for.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::arguments::Arguments;
use crate::failure::{Ending, Failure};

/// Write manual pages and completions into a folder laid out like /usr/share
#[derive(Args)]
#[command(hide = true, after_help = "Example:\n  muster manuals /usr/share")]
pub(crate) struct Manuals {
    /// The folder
    folder: PathBuf,
}

/// Where each shell looks.
const COMPLETIONS: [(Shell, &str, &str); 3] = [
    (Shell::Bash, "bash-completion/completions", "muster"),
    (Shell::Zsh, "zsh/vendor-completions", "_muster"),
    (Shell::Fish, "fish/vendor_completions.d", "muster.fish"),
];

impl Manuals {
    pub(crate) fn run(self) -> Result<Ending, Failure> {
        write(&self.folder).map_err(|error| {
            Failure::new(format!("can't write manual pages into {}", self.folder.display())).because(error)
        })?;
        Ok(Ending::Fine)
    }
}

fn write(folder: &Path) -> std::io::Result<()> {
    let pages = folder.join("man/man1");
    fs::create_dir_all(&pages)?;
    clap_mangen::generate_to(Arguments::command(), &pages)?;
    for (shell, place, name) in COMPLETIONS {
        let place = folder.join(place);
        fs::create_dir_all(&place)?;
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Arguments::command(), "muster", &mut script);
        fs::write(place.join(name), script)?;
    }
    Ok(())
}
