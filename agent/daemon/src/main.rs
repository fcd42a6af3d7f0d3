//! The `muster-agent` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    muster_agent::run()
}
