//! What an admin types on the server's machine.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};

use crate::admin::Admin;
use crate::backup::Backup;
use crate::doctor::Doctor;
use crate::restore::Restore;
use crate::serve::Serve;
use crate::setup::Setup;
use crate::{logging, rest};

/// The Muster server
#[derive(Parser)]
#[command(name = "muster-server", version, arg_required_else_help = true)]
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
    Openapi,
    /// Print the version
    Version,
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

/// Runs the command that these arguments name, the first being the program; with `--help` and mistakes the process ends.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Result<ExitCode> {
    let command = Arguments::parse_from(arguments).command;
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
