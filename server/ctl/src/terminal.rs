//! Asking the person at the terminal.

use std::io::{BufRead, IsTerminal, Read, Write};

use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use crate::failure::Failure;
use crate::output::{escape, note};

/// The longest password taken from standard input.
const MAX_PASSWORD: u64 = 4096;

/// Whether a person can be asked.
pub(crate) fn present() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// The yes that a command can be given beforehand, by a program or by who is sure. Without it and without a terminal nothing is done.
#[derive(clap::Args)]
pub(crate) struct Consent {
    /// Do not ask
    #[arg(short = 'y', long)]
    yes: bool,
}

impl Consent {
    /// Whether nobody is to be asked.
    pub(crate) fn is_given(&self) -> bool {
        self.yes
    }

    /// Fails, with what it is about, where it was not given and nobody can be asked.
    pub(crate) fn needs_somebody(&self, about: &str) -> Result<(), Failure> {
        if self.yes || present() {
            return Ok(());
        }
        Err(Failure::new(format!("{about} Nobody is at the terminal to confirm")).next("add --yes"))
    }

    /// Asks, unless it was given; `undone` is what the failure says when the answer is no.
    pub(crate) fn ask(&self, about: &str, question: &str, undone: &str) -> Result<(), Failure> {
        self.needs_somebody(about)?;
        if self.yes || confirm(&format!("{} {question}", escape(about)))? {
            return Ok(());
        }
        Err(Failure::new(undone))
    }

    /// Asks for the device's whole name, which is not typed by accident.
    pub(crate) fn ask_for_name(&self, about: &str, name: &str, undone: &str) -> Result<(), Failure> {
        self.needs_somebody(about)?;
        if self.yes {
            return Ok(());
        }
        note(about);
        if ask("Type the device's name to go on: ")? == name {
            return Ok(());
        }
        Err(Failure::new(format!("that is not its name: {undone}")))
    }
}

/// Asks a question that is answered by yes or no; no when nothing is typed.
pub(crate) fn confirm(question: &str) -> Result<bool, Failure> {
    let answer = ask(&format!("{question} [y/N] "))?;
    Ok(matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// Asks for a line.
pub(crate) fn ask(prompt: &str) -> Result<String, Failure> {
    let unread = |error| Failure::new("can't read from the terminal").because(error);
    if present() {
        let mut terminal = std::io::stderr();
        terminal.write_all(prompt.as_bytes()).and_then(|()| terminal.flush()).map_err(unread)?;
    }
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(unread)?;
    Ok(line.trim().to_owned())
}

/// Takes a secret from a line of standard input, or asks for it without showing it.
pub(crate) fn password(from_stdin: bool, prompt: &str) -> Result<String, Failure> {
    let unread = |error| Failure::new("can't read the password").because(error);
    if from_stdin {
        let mut line = String::new();
        // Through the same buffer that `ask` reads from: other lines may stand behind this one.
        std::io::stdin().lock().take(MAX_PASSWORD).read_line(&mut line).map_err(unread)?;
        return Ok(line.trim_end_matches(['\r', '\n']).to_owned());
    }
    if !present() {
        return Err(Failure::new("there is no terminal to ask for the password")
            .next("give it on standard input with --password-stdin"));
    }
    let input = std::io::stdin();
    let before = tcgetattr(&input).map_err(|e| unread(e.into()))?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&input, OptionalActions::Flush, &silent).map_err(|e| unread(e.into()))?;
    let answer = ask(prompt);
    tcsetattr(&input, OptionalActions::Now, &before).map_err(|e| unread(e.into()))?;
    let mut terminal = std::io::stderr();
    drop(terminal.write_all(b"\n"));
    answer
}
