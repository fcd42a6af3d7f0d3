//! Running a program from an argument list, with a time limit, and keeping all that it said.

use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

/// What a program that ended said and how it ended.
#[derive(Debug, Clone)]
pub struct Output {
    /// The command line, for messages.
    pub command: String,
    /// The exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// All of its standard output; bytes that are not UTF-8 are replaced.
    pub stdout: String,
    /// All of its standard error; bytes that are not UTF-8 are replaced.
    pub stderr: String,
}

impl Output {
    /// Whether it exited with 0.
    pub fn success(&self) -> bool {
        self.code == Some(0)
    }

    /// Itself if it exited with 0, otherwise an error that carries what it said.
    pub fn ok(self) -> Result<Self> {
        if self.success() {
            return Ok(self);
        }
        let end = self.code.map_or_else(|| "by a signal".to_owned(), |code| format!("with {code}"));
        bail!(
            "`{}` ended {end}\nstdout: {}\nstderr: {}",
            self.command,
            self.stdout.trim(),
            self.stderr.trim()
        )
    }

    /// Standard output without the white space around it.
    pub fn line(&self) -> &str {
        self.stdout.trim()
    }
}

/// A command from an argument list whose first item is the program.
pub(crate) fn command<S: AsRef<OsStr>>(argv: impl IntoIterator<Item = S>) -> Command {
    let mut words = argv.into_iter();
    let program = words.next().map(|word| word.as_ref().to_owned()).unwrap_or_default();
    let mut command = Command::new(program);
    command.args(words);
    command
}

/// Runs a command to its end; fails when it can't start or is not done within `limit`.
pub(crate) fn run<S: AsRef<OsStr>>(argv: impl IntoIterator<Item = S>, limit: Duration) -> Result<Output> {
    let argv: Vec<OsString> = argv.into_iter().map(|word| word.as_ref().to_owned()).collect();
    let shown = argv.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
    // `timeout` ends the whole process group, which killing one child from here would not.
    let mut words: Vec<OsString> = vec!["timeout".into(), "-k".into(), "5".into()];
    words.push(limit.as_secs().max(1).to_string().into());
    words.extend(argv);
    let output =
        command(&words).stdin(Stdio::null()).output().with_context(|| format!("`{shown}` did not start"))?;
    let ended = Output {
        command: shown,
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    };
    if ended.code == Some(124) {
        bail!(
            "`{}` was not done within {} s\nstdout: {}\nstderr: {}",
            ended.command,
            limit.as_secs(),
            ended.stdout.trim(),
            ended.stderr.trim()
        );
    }
    Ok(ended)
}

/// Runs a prepared command with a text on its standard input, to its end.
pub(crate) fn run_with_input(mut command: Command, input: &str) -> Result<Output> {
    let shown = format!("{:?}", command.get_program());
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("{shown} did not start"))?;
    let mut stdin = child.stdin.take().context("the command has no standard input")?;
    // A program that ends without reading its input is judged by its exit code, not by this pipe.
    stdin.write_all(input.as_bytes()).ok();
    drop(stdin);
    let output = child.wait_with_output().with_context(|| format!("waiting for {shown}"))?;
    Ok(Output {
        command: shown,
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
