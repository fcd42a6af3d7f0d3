//! The Muster command line. It knows the REST API and nothing else of the server.
//!
//! [`arguments`] is what can be typed; each command has a file in [`commands`]. [`api`] asks the server over a TLS
//! connection pinned by [`pin`], [`contexts`] remembers servers, [`output`] prints.

mod api;
mod arguments;
mod commands;
mod contexts;
mod failure;
mod key_file;
mod key_from;
mod output;
mod pin;
mod span;
mod target;
mod terminal;

use std::process::ExitCode;

use clap::Parser;

/// Says what is wrong with the words, or the help that was asked for. A mistake is a failure like any other: 2 is for changes.
fn usage(error: &clap::Error) -> ExitCode {
    let told = error.print();
    if error.use_stderr() || told.is_err() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn main() -> ExitCode {
    let arguments = match arguments::Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return failure::show(&failure::Failure::new("can't start the runtime").because(error));
        }
    };
    match runtime.block_on(arguments.run()) {
        Ok(ending) => ending.into(),
        Err(failure) => failure::show(&failure),
    }
}
