//! What the demo says while it works, on standard error; standard output is for the result.

use std::io::Write as _;
use std::sync::LazyLock;
use std::time::Instant;

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// One line.
pub(crate) fn say(line: &str) {
    // With nobody left to read it there is nothing to be done.
    writeln!(std::io::stderr(), "{line}").ok();
}

/// The heading of a step, with the seconds since the start.
pub(crate) fn step(what: &str) {
    say(&format!("[{:5.1} s] {what}", START.elapsed().as_secs_f64()));
}
