//! What an admin types on the server's machine.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{CommandFactory as _, Parser, Subcommand};

use crate::admin::Admin;
use crate::backup::Backup;
use crate::doctor::Doctor;
use crate::manuals::Manuals;
use crate::restore::Restore;
use crate::serve::Serve;
use crate::setup::Setup;
use crate::{logging, rest};

/// The Muster server
#[derive(Parser)]
#[command(
    name = "muster-server",
    version,
    arg_required_else_help = true,
    after_help = "Example:\n  sudo muster-server setup --name muster.corp.example --trust-domain corp.example"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Setup(Setup),
    Serve(Serve),
    Backup(Backup),
    Restore(Restore),
    Doctor(Doctor),
    #[command(subcommand)]
    Admin(Admin),
    /// Print the OpenAPI document of the REST API
    #[command(after_help = "Example:\n  muster-server openapi > openapi.json")]
    Openapi,
    /// Print the version
    #[command(after_help = "Example:\n  muster-server version")]
    Version,
    Manuals(Manuals),
}

/// Runs the command that the process's arguments name.
pub fn main() -> ExitCode {
    match run(std::env::args_os()) {
        Ok(code) => code,
        Err(error) => {
            // With stderr gone there is nobody left to tell; the exit code still says it.
            drop(writeln!(std::io::stderr(), "muster-server: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Runs the command that these arguments name, the first being the program; of `--help` and mistakes it says what there is to say.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Result<ExitCode> {
    let command = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments.command,
        Err(error) => {
            error.print()?;
            // A mistake is a failure like any other: 2 is for warnings.
            return Ok(if error.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS });
        }
    };
    // What setup and the server write, down to the database's own files, is nobody else's to read.
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    let mut out = std::io::stdout().lock();
    match command {
        Command::Setup(setup) => {
            drop(out);
            setup.drop_rights()?;
            runtime()?.block_on(setup.run())?;
        }
        Command::Serve(serve) => {
            logging::begin();
            runtime()?.block_on(serve.run())?;
        }
        Command::Backup(backup) => {
            drop(out);
            backup.run(runtime)?;
        }
        Command::Restore(restore) => {
            drop(out);
            restore.drop_rights()?;
            runtime()?.block_on(restore.run())?;
        }
        Command::Doctor(doctor) => {
            drop(out);
            doctor.drop_rights()?;
            return runtime()?.block_on(doctor.run());
        }
        Command::Manuals(manuals) => manuals.run(Arguments::command())?,
        Command::Admin(admin) => {
            drop(out);
            admin.drop_rights()?;
            runtime()?.block_on(admin.run())?;
        }
        Command::Openapi => out.write_all(rest::openapi::text().as_bytes())?,
        Command::Version => writeln!(out, "muster-server {}", env!("CARGO_PKG_VERSION"))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("can't start the runtime")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_an_example_in_its_help() {
        let mut waiting = vec![Arguments::command()];
        while let Some(command) = waiting.pop() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Example"), "{} has no example", command.get_name());
            waiting.extend(command.get_subcommands().cloned());
        }
    }

    #[test]
    fn every_command_line_in_the_documentation_is_one() {
        let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
        let mut checked = 0;
        for (name, text) in muster_tests::document::all(&docs).unwrap() {
            for words in muster_tests::document::command_lines(&text, "muster-server").unwrap() {
                let parsed = Arguments::try_parse_from(&words);
                assert!(parsed.is_ok(), "{name}: {}\n{}", words.join(" "), parsed.err().unwrap());
                checked += 1;
            }
        }
        assert!(checked > 0, "the documentation has no command line");
    }
}
