//! The child's side: takes limits upon itself, then answers until its input ends.

use std::io::{self, BufRead, BufWriter, Read, Write};
use std::process::ExitCode;
use std::time::Duration;

use rusqlite::Connection;
use rustix::process::{Resource, Rlimit, Signal, getrlimit, set_parent_process_death_signal, setrlimit};
use rustix::thread::set_no_new_privs;
use rustix::time::{ClockId, clock_gettime};

use super::{QUESTION_BYTES, Question, Reply};
use crate::query::{Tables, open, query};
use crate::root::Root;
use crate::table::systemd_units::UnitsSource;

/// All memory that the child may map: several times what a query of the largest tables takes.
const ADDRESS_SPACE: u64 = 256 * 1024 * 1024;
/// What SQLite itself may use of it, so that a greedy query is an error and not the end of the child.
const SQLITE_HEAP: i64 = 64 * 1024 * 1024;
/// Descriptors: the standard ones and those of one walk through the deepest path.
const DESCRIPTORS: u64 = 256;
/// How much of an answer is written at once.
const OUTPUT_BYTES: usize = 64 * 1024;

/// Answers queries, one JSON line each, until `input` ends. To be the whole of a process's work: the limits stay.
///
/// The child dies with the thread that started it, so that must be one that lives while it asks.
pub fn serve(input: impl Read, output: impl Write, root: Root, units: UnitsSource) -> ExitCode {
    let outcome = confine().and_then(|()| {
        let mut tables = open(root, units).map_err(io::Error::other)?;
        answer_all(input, &mut BufWriter::with_capacity(OUTPUT_BYTES, output), &mut tables)
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // The parent sees the exit; to say more there is only standard error.
        Err(error) => {
            let _ = writeln!(io::stderr(), "the query process stops: {error}");
            ExitCode::FAILURE
        }
    }
}

fn confine() -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    set_no_new_privs(true)?;
    for (resource, limit) in [
        (Resource::As, ADDRESS_SPACE),
        (Resource::Nofile, DESCRIPTORS),
        (Resource::Core, 0),
        (Resource::Fsize, 0),
    ] {
        setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) })?;
    }
    // The limit is the process's, whichever connection sets it.
    let limited = Connection::open_in_memory()
        .and_then(|connection| connection.pragma_update(None, "hard_heap_limit", SQLITE_HEAP));
    limited.map_err(io::Error::other)
}

fn answer_all(input: impl Read, output: &mut impl Write, tables: &mut Tables) -> io::Result<()> {
    let mut input = io::BufReader::new(input);
    let mut line = String::new();
    loop {
        line.clear();
        let length = (&mut input).take(QUESTION_BYTES as u64).read_line(&mut line)?;
        if length == 0 {
            return Ok(());
        }
        let question: Question = serde_json::from_str(&line)?;
        limit_cpu(question.limits.deadline)?;
        let reply = match query(tables, &question.sql, &question.limits) {
            Ok(answer) => Reply::Answer(answer),
            Err(error) => Reply::Error(error),
        };
        serde_json::to_writer(&mut *output, &reply)?;
        output.write_all(b"\n")?;
        output.flush()?;
    }
}

/// Gives one query the CPU time of its deadline and two seconds, on top of what the earlier ones used.
fn limit_cpu(deadline: Duration) -> io::Result<()> {
    let used = clock_gettime(ClockId::ProcessCPUTime).tv_sec;
    let used = u64::try_from(used).unwrap_or(0);
    let current = used.saturating_add(deadline.as_secs()).saturating_add(2);
    // The hard limit can't be raised again for the next query, so it stays where it is.
    setrlimit(Resource::Cpu, Rlimit { current: Some(current), ..getrlimit(Resource::Cpu) })?;
    Ok(())
}
