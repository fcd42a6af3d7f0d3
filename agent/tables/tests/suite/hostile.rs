//! SQL that means harm: each statement is refused or ends within its limits, and the next query is answered.

use std::time::{Duration, Instant};

use crate::fixture::{ask, lines, machine, tables};
use muster_tables::{Limits, QueryError, query};

#[test]
fn what_sqlite_is_built_without_is_not_there_to_be_asked() {
    let root = machine();
    let mut tables = tables(root.path());
    for sql in [
        "SELECT * FROM dbstat",
        "SELECT load_extension('/tmp/x.so')",
        "SELECT fts3_tokenizer('x')",
        "SELECT rtreecheck('x')",
    ] {
        let answer = ask(&mut tables, sql);
        let gone = matches!(&answer, Err(QueryError::Syntax { message }) if message.starts_with("no such "));
        assert!(gone, "{sql}: {answer:?}");
    }
}

#[test]
fn what_is_not_a_plain_select_is_refused_by_name() {
    let root = machine();
    let mut tables = tables(root.path());
    for (sql, what) in [
        ("ATTACH '/tmp/x.db' AS x", "ATTACH"),
        ("DETACH main", "DETACH"),
        ("PRAGMA table_info(users)", "PRAGMA table_info"),
        ("PRAGMA temp_store_directory = '/tmp'", "PRAGMA"),
        ("SELECT * FROM pragma_table_info('users')", "pragma_table_info"),
        ("SELECT * FROM pragma_database_list", "pragma_database_list"),
        ("SELECT * FROM sqlite_master", "sqlite_master"),
        ("SELECT * FROM sqlite_schema", "sqlite_master"),
        ("SELECT * FROM json_each('[1]')", "json_each"),
        ("SELECT randomblob(1000000000)", "randomblob"),
        ("SELECT zeroblob(1000000000)", "zeroblob"),
        ("CREATE TABLE t (x)", "other than SELECT"),
        ("CREATE TEMP TABLE t (x)", "other than SELECT"),
        ("CREATE VIRTUAL TABLE t USING fts5(x)", "other than SELECT"),
        ("CREATE VIEW v AS SELECT 1", "other than SELECT"),
        ("BEGIN", "transactions"),
        ("SAVEPOINT s", "transactions"),
        ("EXPLAIN SELECT * FROM users", "EXPLAIN"),
        ("SELECT 1; SELECT 2", "more than one statement"),
        ("ANALYZE", "other than SELECT"),
        ("SELECT count(*) FROM pragma_database_list", "pragma_database_list"),
        ("SELECT count(*) FROM sqlite_master", "sqlite_master"),
        ("SELECT count(*) FROM JSON_EACH('[1]')", "json_each"),
    ] {
        match ask(&mut tables, sql) {
            Err(QueryError::Refused { what: refused }) => {
                assert!(refused.to_lowercase().contains(&what.to_lowercase()), "{sql}: {refused}")
            }
            other => panic!("{sql}: {other:?}"),
        }
        assert_eq!(lines(&mut tables, "SELECT uid FROM users WHERE username = 'ada'"), ["[1000]"]);
    }
}

#[test]
fn writes_are_refused() {
    let root = machine();
    let mut tables = tables(root.path());
    for sql in [
        "INSERT INTO users (uid) VALUES (0)",
        "DELETE FROM users",
        "UPDATE users SET uid = 0",
        "DROP TABLE users",
        "REINDEX",
        "VACUUM INTO '/tmp/copy.db'",
        "ALTER TABLE users RENAME TO x",
    ] {
        let outcome = ask(&mut tables, sql);
        assert!(
            matches!(outcome, Err(QueryError::Refused { .. } | QueryError::Syntax { .. })),
            "{sql}: {outcome:?}"
        );
    }
}

#[test]
fn a_recursion_without_end_ends_at_the_deadline() {
    let root = machine();
    let mut tables = tables(root.path());
    let limits = Limits { deadline: Duration::from_millis(300), ..Limits::default() };
    let start = Instant::now();
    let endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c";
    assert_eq!(query(&mut tables, endless, &limits), Err(QueryError::Deadline));
    assert!(start.elapsed() < Duration::from_secs(3));
    assert_eq!(
        lines(
            &mut tables,
            "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 5) SELECT sum(x) FROM c"
        ),
        ["[15]"]
    );
}

#[test]
fn a_product_of_tables_ends_at_the_deadline() {
    let root = machine();
    let limits = Limits { deadline: Duration::from_millis(300), ..Limits::default() };
    let tables_list =
        vec!["deb_packages"; 30].iter().enumerate().map(|(i, t)| format!("{t} t{i}")).collect::<Vec<_>>();
    let sql = format!("SELECT count(*) FROM {}", tables_list.join(", "));
    assert_eq!(query(&mut tables(root.path()), &sql, &limits), Err(QueryError::Deadline));
}

#[test]
fn values_and_answers_stay_small() {
    let root = machine();
    let mut tables = tables(root.path());
    let many = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 1000000)";
    for sql in [
        "SELECT printf('%.*c', 1000000000, 'x')".to_owned(),
        "SELECT printf('%1000000000d', 1)".to_owned(),
        format!("{many} SELECT group_concat(x, 'xxxxxxxxxx') FROM c"),
        format!("{many} SELECT json_group_array(x) FROM c"),
        format!("{many} SELECT x FROM c"),
        "WITH RECURSIVE c(x) AS (SELECT 'aaaaaaaaaaaaaaaa' UNION ALL SELECT x || x FROM c) SELECT length(x) FROM c".to_owned(),
    ] {
        let outcome = ask(&mut tables, &sql);
        assert!(matches!(outcome, Err(QueryError::TooLarge { .. })), "{sql}: {outcome:?}");
    }
    let limits = Limits { bytes: 100, ..Limits::default() };
    let outcome = query(&mut tables, "SELECT printf('%.*c', 101, 'x')", &limits);
    assert!(matches!(outcome, Err(QueryError::TooLarge { .. })), "{outcome:?}");
}

#[test]
fn quotes_for_names_are_not_taken_for_texts() {
    let root = machine();
    let outcome = ask(&mut tables(root.path()), "SELECT * FROM users WHERE username = \"ada\"");
    assert!(matches!(outcome, Err(QueryError::Syntax { message }) if message.contains("no such column")));
}

#[test]
fn nonsense_is_a_syntax_error_in_sqlites_words() {
    let root = machine();
    let mut tables = tables(root.path());
    for sql in
        ["", "SELEC 1", "SELECT * FROM nothing", "SELECT nothing FROM users", "\0", "-- only a comment"]
    {
        let outcome = ask(&mut tables, sql);
        assert!(matches!(outcome, Err(QueryError::Syntax { .. })), "{sql:?}: {outcome:?}");
    }
}

#[test]
fn a_statement_too_long_or_too_deep_is_refused() {
    let root = machine();
    let mut tables = tables(root.path());
    let long = format!("SELECT '{}'", "x".repeat(40_000));
    assert!(matches!(ask(&mut tables, &long), Err(QueryError::TooLarge { .. })));
    let deep = format!("SELECT {}1{}", "(".repeat(5000), ")".repeat(5000));
    assert!(ask(&mut tables, &deep).is_err());
}

proptest::proptest! {
    #[test]
    fn no_text_as_a_query_panics_or_changes_what_comes_next(sql: String) {
        let root = machine();
        let mut tables = tables(root.path());
        let limits = Limits { deadline: Duration::from_secs(1), ..Limits::default() };
        let _ = query(&mut tables, &sql, &limits);
        proptest::prop_assert_eq!(lines(&mut tables, "SELECT uid FROM users WHERE uid = 0"), ["[0]"]);
    }
}
