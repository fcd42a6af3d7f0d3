//! Whether a device can answer the SQL of a check. SQLite itself is asked, as it is what devices have: the statement is
//! prepared, never run, on empty tables that are called like a device's, and may do what it may do there. This has nothing
//! to do with the database in which the store is kept.

use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use muster_proto::question::{SQL_BYTES, TABLES, Table, may_call, may_read};
use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode};

use crate::StoreError;

/// What is the matter with a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No device can answer it.
    Wrong(String),
    /// It names what the agents of this version don't have; those of another may.
    Unknown(String),
}

/// Tells whether statements can be answered.
pub struct Judge {
    connection: Connection,
    refused: Receiver<String>,
}

impl Judge {
    /// Makes the empty tables.
    pub fn new() -> Result<Self, StoreError> {
        let mut connection = Connection::open_in_memory()?;
        // As on a device: what stands in double quotes is a name, and there are no parameters.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
        connection.set_limit(Limit::SQLITE_LIMIT_VARIABLE_NUMBER, 0)?;
        connection.set_limit(Limit::SQLITE_LIMIT_SQL_LENGTH, i32::try_from(SQL_BYTES).unwrap_or(i32::MAX))?;
        for table in &TABLES {
            connection.execute_batch(&create(table))?;
        }
        let builtin = modules(&connection)?;
        let (sender, refused) = sync_channel(1);
        // Last, as it would refuse what comes before.
        connection.authorizer(Some(move |context: AuthContext<'_>| {
            authorize(&context.action, &builtin, &sender)
        }))?;
        Ok(Self { connection, refused })
    }

    /// Prepares a statement.
    pub fn judge(&self, sql: &str) -> Result<(), Fault> {
        // What an earlier statement was refused for says nothing of this one.
        let _ = self.refused.try_recv();
        let statement = self.connection.prepare(sql).map_err(|error| self.explain(&error))?;
        if statement.column_count() == 0 {
            return Err(Fault::Wrong("it gives no rows; write a SELECT".to_owned()));
        }
        // The authorizer does not see EXPLAIN.
        if statement.is_explain() != 0 {
            return Err(Fault::Wrong("EXPLAIN is not allowed in a check".to_owned()));
        }
        Ok(())
    }

    fn explain(&self, error: &rusqlite::Error) -> Fault {
        if let Ok(what) = self.refused.try_recv() {
            return Fault::Wrong(format!("{what} is not allowed in a check"));
        }
        let message = match error {
            rusqlite::Error::MultipleStatement => {
                "more than one statement is not allowed in a check".to_owned()
            }
            rusqlite::Error::SqliteFailure(code, _) if code.code == ErrorCode::TooBig => {
                format!("its text is over {SQL_BYTES} bytes")
            }
            rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
            rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
            other => other.to_string(),
        };
        if depends_on_tables(&message) { Fault::Unknown(message) } else { Fault::Wrong(message) }
    }
}

/// Whether tables of another version could make it right. The number of columns is among it, as the hidden ones of a
/// device's tables are not hidden in these.
fn depends_on_tables(message: &str) -> bool {
    ["no such table", "no such column", "no such function"].iter().any(|start| message.starts_with(start))
        || message.contains("the same number of result columns")
}

fn create(table: &Table) -> String {
    let columns = table.columns.split_whitespace().chain(table.hidden.split_whitespace());
    let columns: Vec<_> = columns.map(|column| format!("\"{column}\"")).collect();
    format!("CREATE TABLE \"{}\" ({})", table.name, columns.join(", "))
}

/// The virtual tables that SQLite itself brings, in lower case.
fn modules(connection: &Connection) -> Result<BTreeSet<String>, rusqlite::Error> {
    let mut statement = connection.prepare("SELECT lower(name) FROM pragma_module_list")?;
    let names = statement.query_map([], |row| row.get(0))?;
    names.collect()
}

fn authorize(
    action: &AuthAction<'_>,
    builtin: &BTreeSet<String>,
    refused: &SyncSender<String>,
) -> Authorization {
    let what = match action {
        AuthAction::Select | AuthAction::Recursive => return Authorization::Allow,
        AuthAction::Read { table_name, column_name } => {
            if may_read(table_name, column_name, |name| builtin.contains(name)) {
                return Authorization::Allow;
            }
            format!("reading the table {table_name}")
        }
        AuthAction::Function { function_name } if may_call(function_name) => return Authorization::Allow,
        AuthAction::Function { function_name } => format!("the function {function_name}"),
        _ => "a statement other than SELECT".to_owned(),
    };
    // The first refusal is the one to report: a full channel already holds it.
    let _ = refused.try_send(what);
    Authorization::Deny
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_device_can_answer_is_found_right() {
        let judge = Judge::new().unwrap();
        for sql in [
            "SELECT username FROM shadow WHERE password_status = 'empty'",
            "SELECT 1",
            "SELECT count(*) FROM USERS u JOIN user_groups USING (uid) GROUP BY u.shell",
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 9) SELECT count(*) FROM n",
            "SELECT phys_footprint FROM processes WHERE name LIKE 'x%';",
            "SELECT 1 FROM file WHERE path = '/srv/build' AND gid = 4000",
        ] {
            assert_eq!(judge.judge(sql), Ok(()), "{sql}");
        }
    }

    #[test]
    fn what_no_device_can_answer_is_wrong_and_says_why() {
        let judge = Judge::new().unwrap();
        for (sql, why) in [
            ("SELECT username FORM shadow WHERE", "syntax error"),
            ("SELEC 1", "syntax error"),
            ("SELECT 'x", "unrecognized token"),
            ("SELECT (1", "incomplete input"),
            ("", "it gives no rows"),
            ("-- nothing", "it gives no rows"),
            ("SELECT 1; SELECT 2", "more than one statement"),
            ("SELECT randomblob(9)", "the function randomblob is not allowed"),
            ("SELECT * FROM sqlite_master", "reading the table sqlite_master"),
            ("SELECT * FROM json_each('[1]')", "reading the table json_each"),
            ("DELETE FROM users", "other than SELECT"),
            ("ATTACH '/tmp/x' AS x", "other than SELECT"),
            ("PRAGMA table_info(users)", "other than SELECT"),
            ("EXPLAIN SELECT 1", "EXPLAIN"),
            ("SELECT uid FROM users WHERE uid = ?", "too many SQL variables"),
            ("SELECT gid FROM users JOIN groups", "ambiguous"),
        ] {
            match judge.judge(sql) {
                Err(Fault::Wrong(message)) => assert!(message.contains(why), "{sql}: {message}"),
                other => panic!("{sql}: {other:?}"),
            }
        }
        let long = format!("SELECT '{}'", "x".repeat(SQL_BYTES));
        assert!(matches!(judge.judge(&long), Err(Fault::Wrong(_))));
        assert_eq!(judge.judge("SELECT 1"), Ok(()), "a statement that was refused leaves nothing behind");
    }

    #[test]
    fn names_that_agents_of_another_version_may_have_are_only_unknown() {
        let judge = Judge::new().unwrap();
        for (sql, name) in [
            ("SELECT * FROM docker_images", "no such table: docker_images"),
            ("SELECT colour FROM users", "no such column: colour"),
            ("SELECT uid FROM users WHERE username = \"ada\"", "no such column"),
            ("SELECT version_compare('1', '2')", "no such function: version_compare"),
        ] {
            match judge.judge(sql) {
                Err(Fault::Unknown(message)) => assert!(message.contains(name), "{sql}: {message}"),
                other => panic!("{sql}: {other:?}"),
            }
        }
    }
}
