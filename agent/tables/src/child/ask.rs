//! The parent's side: starts the child when there is something to ask, and ends it when it does not answer.

use std::io::{self, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use muster_proto::question::SQL_BYTES;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;

use super::{QUESTION_BYTES, Question, Reply};
use crate::query::{Answer, LONGEST, Limits, QueryError};

/// What the child has beyond the query's own deadline before it is killed.
const GRACE: Duration = Duration::from_secs(2);
/// JSON writes one byte as six at most (`\u0001`), and commas, quotes and column names come on top.
const JSON_PER_BYTE: usize = 7;
const JSON_EXTRA: usize = 1024 * 1024;

/// A child that answers queries. It is started at the first query, and again after one that ended it.
#[derive(Debug)]
pub struct QueryChild<F> {
    prepare: F,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    process: Child,
    input: ChildStdin,
    output: ChildStdout,
}

impl<F: FnMut() -> Command> QueryChild<F> {
    /// `prepare` gives the command that runs [`serve`](super::serve()): the agent's own executable, by absolute
    /// path, with a clean environment. Its standard input and output are set here.
    pub fn new(prepare: F) -> Self {
        Self { prepare, running: None }
    }

    /// Asks one query. Blocks until the answer is there or two seconds after the deadline.
    pub fn ask(&mut self, sql: &str, limits: &Limits) -> Result<Answer, QueryError> {
        let question = Question { sql: sql.to_owned(), limits: *limits };
        let mut line = serde_json::to_string(&question).map_err(|error| child(&error.into()))?;
        line.push('\n');
        if sql.len() > SQL_BYTES || line.len() > QUESTION_BYTES {
            return Err(QueryError::TooLarge { what: format!("its text is over {SQL_BYTES} bytes") });
        }
        let mut running = match self.running.take() {
            Some(running) => running,
            None => start((self.prepare)()).map_err(|error| child(&error))?,
        };
        match exchange(&mut running, &line, limits) {
            Ok(Reply::Answer(answer)) => {
                self.running = Some(running);
                Ok(answer)
            }
            Ok(Reply::Error(error)) => {
                self.running = Some(running);
                Err(error)
            }
            Err(error) => Err(ended(running, &error)),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has nothing to save. An error means that it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn start(mut command: Command) -> io::Result<Running> {
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let missing = || io::Error::other("a pipe to the process is missing");
    let input = process.stdin.take().ok_or_else(missing)?;
    let output = process.stdout.take().ok_or_else(missing)?;
    Ok(Running { process, input, output })
}

fn exchange(running: &mut Running, question: &str, limits: &Limits) -> io::Result<Reply> {
    let end = Instant::now() + limits.deadline.min(LONGEST) + GRACE;
    running.input.write_all(question.as_bytes())?;
    let most = limits.bytes.saturating_mul(JSON_PER_BYTE).saturating_add(JSON_EXTRA);
    let line = read_line(&mut running.output, end, most)?;
    Ok(serde_json::from_slice(&line)?)
}

/// Reads up to a newline. The child sends nothing after it until it is asked again.
fn read_line(output: &mut ChildStdout, end: Instant, most: usize) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let mut buffer = [0; 16 * 1024];
    while line.last() != Some(&b'\n') {
        let left = end.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
        let ready = poll(&mut [PollFd::new(output, PollFlags::IN)], Some(&timeout));
        match ready {
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        let length = output.read(&mut buffer)?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        line.extend_from_slice(&buffer[..length]);
        if line.len() > most {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
    }
    Ok(line)
}

/// Ends the child and says why there is no answer.
fn ended(mut running: Running, error: &io::Error) -> QueryError {
    let gone = matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe);
    if error.kind() == io::ErrorKind::TimedOut {
        return QueryError::Deadline;
    }
    if error.kind() == io::ErrorKind::FileTooLarge {
        return QueryError::TooLarge { what: "its answer is longer than the limits allow".to_owned() };
    }
    if !gone {
        return child(error);
    }
    // Its pipe is closed, so it is ending by itself, and waiting for it is short.
    match running.process.wait() {
        Ok(status) => by_status(status),
        Err(error) => child(&error),
    }
}

fn by_status(status: ExitStatus) -> QueryError {
    match status.signal() {
        Some(signal) if signal == Signal::XCPU.as_raw() => QueryError::Deadline,
        Some(signal) if signal == Signal::ABORT.as_raw() => {
            QueryError::OutOfBounds { how: "it ran out of memory or met a defect".to_owned() }
        }
        _ => QueryError::OutOfBounds { how: status.to_string() },
    }
}

fn child(error: &io::Error) -> QueryError {
    QueryError::Child { why: error.to_string() }
}
