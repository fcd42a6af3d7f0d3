//! What an admin types on the server's machine.

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The Muster server.
#[derive(Parser)]
#[command(name = "muster-server", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Print the OpenAPI document of the REST API
    Openapi,
    /// Print the version
    Version,
}

/// Runs the command that the process's arguments name.
pub fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "muster-server: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match command {
        Command::Openapi => out.write_all(crate::rest::openapi::text().as_bytes())?,
        Command::Version => writeln!(out, "muster-server {}", env!("CARGO_PKG_VERSION"))?,
    }
    Ok(())
}
