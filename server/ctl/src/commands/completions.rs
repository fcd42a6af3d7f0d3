//! `muster completions`: what a shell needs to complete commands.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::arguments::Arguments;
use crate::failure::{Ending, Failure};
use crate::output;

/// Print what a shell needs to complete commands
///
/// The package puts this in place for bash, zsh and fish already.
#[derive(Args)]
#[command(
    after_help = "Example:\n  muster completions bash > ~/.local/share/bash-completion/completions/muster"
)]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self) -> Result<Ending, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), "muster", &mut script);
        output::raw(&String::from_utf8_lossy(&script))?;
        Ok(Ending::Fine)
    }
}
