//! The query child as a process: many queries on one child, its limits, and its end.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::fixture::machine;
use muster_tables::child::QueryChild;
use muster_tables::{Limits, QueryError};

fn child_at(root: &Path) -> QueryChild<impl FnMut() -> Command> {
    let root: PathBuf = root.to_owned();
    QueryChild::new(move || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_muster-tables"));
        command.arg(&root).env_clear();
        command
    })
}

#[test]
fn many_queries_share_one_child() {
    let root = machine();
    let mut child = child_at(root.path());
    for _ in 0..50 {
        let answer = child.ask("SELECT uid, username FROM users WHERE uid > 0", &Limits::default()).unwrap();
        assert_eq!(answer.columns, ["uid", "username"]);
        assert_eq!(serde_json::to_string(&answer.rows).unwrap(), r#"[[1000,"ada"]]"#);
    }
    let error = child.ask("SELECT id FROM systemd_units", &Limits::default()).unwrap_err();
    assert!(matches!(error, QueryError::Unreadable { table, .. } if table == "systemd_units"));
    let error = child.ask("PRAGMA user_version", &Limits::default()).unwrap_err();
    assert_eq!(error, QueryError::Refused { what: "PRAGMA user_version".to_owned() });
}

#[test]
fn an_endless_query_ends_and_the_child_goes_on() {
    let root = machine();
    let mut child = child_at(root.path());
    let limits = Limits { deadline: Duration::from_millis(200), ..Limits::default() };
    let endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT max(x) FROM c";
    let start = Instant::now();
    assert_eq!(child.ask(endless, &limits), Err(QueryError::Deadline));
    assert!(start.elapsed() < Duration::from_secs(2));
    assert!(child.ask("SELECT 1", &limits).is_ok());
}

#[test]
fn a_query_that_eats_memory_is_an_error_within_the_childs_bounds() {
    let mut child = child_at(Path::new("/"));
    let limits = Limits { deadline: Duration::from_secs(60), ..Limits::default() };
    let greedy =
        "WITH RECURSIVE c(x, y) AS (SELECT 1, printf('%.*c', 10000, 'x') UNION SELECT x + 1, y FROM c)
                  SELECT count(*) FROM c";
    let more_memory = QueryError::TooLarge { what: "it needs more memory than it may".to_owned() };
    assert_eq!(child.ask(greedy, &limits), Err(more_memory));
    let peak = peak_memory(child_of_this_test(&mut child));
    assert!(peak < 128 * 1024, "{peak} KiB");
}

/// The process that answers: nextest runs each test in a process of its own, so there is one.
fn child_of_this_test(child: &mut QueryChild<impl FnMut() -> Command>) -> i64 {
    let parent = std::process::id();
    let sql = format!("SELECT pid FROM processes WHERE parent = {parent} AND name = 'muster-tables'");
    let answer = child.ask(&sql, &Limits::default()).unwrap();
    assert_eq!(answer.rows.len(), 1);
    answer.rows[0][0].as_i64().unwrap()
}

/// The most memory that a process has had in use, in KiB.
fn peak_memory(pid: i64) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn one_function_call_that_would_run_for_long_is_killed() {
    let mut child = child_at(Path::new("/"));
    let limits = Limits { deadline: Duration::from_millis(200), ..Limits::default() };
    let slow = "WITH t(a, b) AS (SELECT printf('%.*c', 1000000, 'a'), printf('%.*c', 500000, 'a') || 'b')
                SELECT instr(a, b) + instr(a || '1', b) + instr(a || '2', b) FROM t";
    let start = Instant::now();
    assert_eq!(child.ask(slow, &limits), Err(QueryError::Deadline));
    assert!(start.elapsed() < Duration::from_secs(8));
    assert!(child.ask("SELECT 1", &limits).is_ok());
}

#[test]
fn a_child_that_answers_nothing_is_killed_at_the_deadline() {
    let mut child = QueryChild::new(|| {
        let mut command = Command::new("/bin/sleep");
        command.arg("60");
        command
    });
    let limits = Limits { deadline: Duration::from_millis(100), ..Limits::default() };
    let start = Instant::now();
    assert_eq!(child.ask("SELECT 1", &limits), Err(QueryError::Deadline));
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_child_that_dies_is_told_from_one_that_is_slow() {
    let mut child = QueryChild::new(|| {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "read line; kill -SEGV $$"]);
        command
    });
    let error = child.ask("SELECT 1", &Limits::default()).unwrap_err();
    assert!(matches!(error, QueryError::OutOfBounds { how } if how.contains("11")));
    let mut missing = QueryChild::new(|| Command::new("/nonexistent/muster"));
    assert!(matches!(missing.ask("SELECT 1", &Limits::default()), Err(QueryError::Child { .. })));
}

#[test]
fn the_largest_question_and_answer_pass_the_pipes() {
    let root = machine();
    let mut child = child_at(root.path());
    let long = format!("SELECT '{}'", "x".repeat(30_000));
    assert_eq!(child.ask(&long, &Limits::default()).unwrap().rows[0][0].as_str().unwrap().len(), 30_000);
    let answer = child.ask(
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 100)
         SELECT printf('%.*c', 30000, char(1)) FROM c",
        &Limits::default(),
    );
    assert_eq!(answer.unwrap().rows.len(), 100);
    let too_long = format!("SELECT '{}'", "x".repeat(40_000));
    assert!(matches!(child.ask(&too_long, &Limits::default()), Err(QueryError::TooLarge { .. })));
}

#[test]
fn the_limits_are_the_processs_own() {
    let mut child = child_at(Path::new("/"));
    let pid = child_of_this_test(&mut child);
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    assert!(limits.lines().any(|line| line.starts_with("Max address space") && line.contains("268435456")));
    assert!(limits.lines().any(|line| line.starts_with("Max file size") && line.contains(" 0 ")));
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    assert!(status.contains("NoNewPrivs:\t1"));
}
