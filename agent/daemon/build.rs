//! Makes manual pages and completions of the command line, laid out like /usr/share, for the package to take up. They
//! are made here because a command that writes them would be on every device.

// The command line as the agent has it: here it is only described, not used.
#[allow(dead_code)]
#[path = "src/command/line.rs"]
mod line;

use std::path::PathBuf;
use std::{env, fs, io};

use clap::CommandFactory as _;
use clap_complete::Shell;

/// Where each shell looks.
const COMPLETIONS: [(Shell, &str, &str); 3] = [
    (Shell::Bash, "bash-completion/completions", "muster-agent"),
    (Shell::Zsh, "zsh/vendor-completions", "_muster-agent"),
    (Shell::Fish, "fish/vendor_completions.d", "muster-agent.fish"),
];

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=src/command/line.rs");
    let out = env::var_os("OUT_DIR").map(PathBuf::from).ok_or_else(|| io::Error::other("no OUT_DIR"))?;
    let share = out.join("share");
    let pages = share.join("man/man1");
    fs::create_dir_all(&pages)?;
    let mut command = line::Cli::command();
    clap_mangen::generate_to(command.clone(), &pages)?;
    for (shell, place, name) in COMPLETIONS {
        let place = share.join(place);
        fs::create_dir_all(&place)?;
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut command, "muster-agent", &mut script);
        fs::write(place.join(name), script)?;
    }
    Ok(())
}
