//! How a command ends: well, with changes, or with a failure that says what, why, and what to do next.

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

use crate::output::escape;

/// A command that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Done.
    Fine,
    /// Asked what would change, and something would.
    Changes,
}

impl From<Ending> for ExitCode {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Fine => Self::SUCCESS,
            Ending::Changes => Self::from(2),
        }
    }
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub(crate) struct Failure {
    what: String,
    parts: Vec<String>,
    next: Option<String>,
    kind: Option<String>,
    passing: bool,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl Failure {
    /// A failure to do `what`.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), parts: Vec::new(), next: None, kind: None, passing: false, source: None }
    }

    /// Keeps the cause.
    pub(crate) fn because(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(cause.into());
        self
    }

    /// Names what it consists of, which is shown one a line.
    pub(crate) fn of_parts(mut self, parts: Vec<String>) -> Self {
        self.parts = parts;
        self
    }

    /// Keeps what the server calls this kind of problem.
    pub(crate) fn of(mut self, kind: String) -> Self {
        self.kind = Some(kind);
        self
    }

    /// Whether the server calls it this.
    pub(crate) fn is_of(&self, kind: &str) -> bool {
        self.kind.as_deref() == Some(kind)
    }

    /// Notes that it may be gone the next time, as where the server can't be reached.
    pub(crate) fn passing(mut self) -> Self {
        self.passing = true;
        self
    }

    /// Whether the same may succeed the next time.
    pub(crate) fn may_pass(&self) -> bool {
        self.passing
    }

    /// Says what to do next.
    pub(crate) fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }
}

/// Output that can't be written, such as to a pipe that was closed.
impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new("can't write the answer").because(error)
    }
}

/// Prints a failure with its causes. A reader that closed the pipe has seen what it wanted: that is no failure.
pub(crate) fn show(failure: &Failure) -> ExitCode {
    let mut text = format!("muster: {}\n", escape(&failure.what));
    for part in &failure.parts {
        text.push_str(&format!("  {}\n", escape(part)));
    }
    let mut cause: Option<&(dyn Error + 'static)> = failure.source();
    while let Some(error) = cause {
        if error.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
        {
            return ExitCode::SUCCESS;
        }
        text.push_str(&format!("  because: {}\n", escape(&error.to_string())));
        cause = error.source();
    }
    if let Some(next) = &failure.next {
        text.push_str(&format!("  next: {}\n", escape(next)));
    }
    // With stderr gone too there is nobody left to tell; the exit code still says it.
    drop(std::io::stderr().write_all(text.as_bytes()));
    ExitCode::FAILURE
}
