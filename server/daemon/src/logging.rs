//! The log: one line an event, to standard error, which systemd keeps in its journal.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Begins to log. `RUST_LOG` says what; by default everything that an admin should know of.
pub(crate) fn begin() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // The journal has its own clock.
    if std::env::var_os("JOURNAL_STREAM").is_some() {
        log.without_time().init();
    } else {
        log.init();
    }
}
