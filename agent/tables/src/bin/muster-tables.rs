//! Answers queries on standard input about the machine, or about the folder given as the one argument: what the
//! agent's query child does, for trying a query and for tests. It is not installed.

use std::io;
use std::process::ExitCode;

use muster_tables::{Root, UnitRow, child};

fn main() -> ExitCode {
    let root = std::env::args_os().nth(1).map_or_else(Root::system, Root::at);
    child::serve(io::stdin().lock(), io::stdout().lock(), root, no_units)
}

fn no_units() -> Result<Vec<UnitRow>, String> {
    Err("units are asked for over D-Bus, which is the agent's".to_owned())
}
