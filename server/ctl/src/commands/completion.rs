//! `muster completion`: what a shell needs to complete commands.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::arguments::Arguments;
use crate::failure::{Ending, Failure};
use crate::output;

/// Print what a shell needs to complete commands
#[derive(Args)]
#[command(after_help = "Example:\n  muster completion bash > /etc/bash_completion.d/muster")]
pub(crate) struct Completion {
    /// The shell
    shell: Shell,
}

impl Completion {
    pub(crate) fn run(self) -> Result<Ending, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), "muster", &mut script);
        output::raw(&String::from_utf8_lossy(&script))?;
        Ok(Ending::Fine)
    }
}
