//! A connection that can only ask about the machine, and one statement run on it within limits.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use muster_proto::question::SQL_BYTES;
use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, Statement};
use serde::{Deserialize, Serialize};

use crate::authorize::Authorizer;
use crate::root::Root;
use crate::table::{self, systemd_units::UnitsSource};
use crate::vtab::{self, Machine};

/// The longest value or row that SQLite handles.
const VALUE_BYTES: i32 = 1024 * 1024;
/// How many instructions SQLite runs between two looks at the clock: some ten microseconds.
const INSTRUCTIONS_PER_LOOK: i32 = 1000;

/// No query runs longer, whatever its limits say.
pub(crate) const LONGEST: Duration = Duration::from_secs(3600);

/// How much one query may give back and how long it may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// The most rows.
    pub rows: usize,
    /// The most bytes of all values together.
    pub bytes: usize,
    /// The longest time.
    pub deadline: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { rows: 10_000, bytes: 4 * 1024 * 1024, deadline: Duration::from_secs(10) }
    }
}

/// What a query found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The names of the columns.
    pub columns: Vec<String>,
    /// The rows, each with one value per column.
    pub rows: Vec<Vec<serde_json::Value>>,
}

/// Why a query has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueryError {
    /// The statement asks for something that no query may do.
    #[error("refused: {what} is not allowed in a query")]
    Refused {
        /// What was asked for.
        what: String,
    },
    /// A table's source can't be read, so the query has no true answer.
    #[error("the table {table} can't be read: {why}")]
    Unreadable {
        /// The table.
        table: String,
        /// What went wrong and what to do about it.
        why: String,
    },
    /// The statement is not valid, or fails on the values it meets.
    #[error("not a valid query: {message}")]
    Syntax {
        /// SQLite's words.
        message: String,
    },
    /// The answer, or a value on the way to it, is larger than the limits allow.
    #[error("the query is too large: {what}")]
    TooLarge {
        /// Which limit.
        what: String,
    },
    /// The query did not end in time.
    #[error("the query did not end within its time limit; ask for fewer rows or add a WHERE clause")]
    Deadline,
    /// The child that ran the query ended by itself or was ended by its limits on memory and CPU.
    #[error("the query's process ended before it answered: {how}")]
    OutOfBounds {
        /// How it ended.
        how: String,
    },
    /// The child could not be started or spoken to.
    #[error("can't ask the query process: {why}")]
    Child {
        /// What went wrong.
        why: String,
    },
}

/// Why the tables could not be set up: a defect or no memory, as nothing of the machine is read yet.
#[derive(Debug, thiserror::Error)]
#[error("can't set up the tables of the machine")]
pub struct OpenError(#[from] rusqlite::Error);

/// A connection on which the machine's tables are all there is.
#[derive(Debug)]
pub struct Tables {
    connection: Connection,
    refused: Receiver<String>,
}

/// Opens an in-memory connection on which every table is registered and hostile SQL is refused.
///
/// `units` is asked for the systemd units when a query reads them: that takes D-Bus, which this crate lacks.
pub fn open(root: Root, units: UnitsSource) -> Result<Tables, OpenError> {
    let mut connection = Connection::open_in_memory()?;
    harden(&connection)?;
    let machine = Arc::new(Machine { root, units });
    for table in table::ALL {
        vtab::register(&connection, table, &machine)?;
    }
    let (sender, refused) = sync_channel(1);
    let authorizer = Authorizer { builtin: modules(&connection)?, refused: sender };
    // Last, as it would refuse what comes before.
    connection
        .authorizer(Some(move |context: rusqlite::hooks::AuthContext<'_>| authorizer.authorize(&context)))?;
    Ok(Tables { connection, refused })
}

/// Lists the virtual tables that there are, SQLite's own among them.
fn modules(connection: &Connection) -> rusqlite::Result<BTreeSet<String>> {
    let mut statement = connection.prepare("SELECT lower(name) FROM pragma_module_list")?;
    let names = statement.query_map([], |row| row.get(0))?;
    names.collect()
}

fn harden(connection: &Connection) -> rusqlite::Result<()> {
    // Sorting must not spill to a file.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    for (config, on) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_ATTACH_CREATE, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_ATTACH_WRITE, false),
    ] {
        connection.set_db_config(config, on)?;
    }
    for (limit, value) in [
        (Limit::SQLITE_LIMIT_LENGTH, VALUE_BYTES),
        (Limit::SQLITE_LIMIT_SQL_LENGTH, i32::try_from(SQL_BYTES).expect("the limit is small")),
        (Limit::SQLITE_LIMIT_ATTACHED, 0),
        (Limit::SQLITE_LIMIT_COLUMN, 200),
        (Limit::SQLITE_LIMIT_EXPR_DEPTH, 100),
        (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 50),
        (Limit::SQLITE_LIMIT_FUNCTION_ARG, 50),
        // A pattern such as %a%a%a% takes time in the power of its length.
        (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 256),
        (Limit::SQLITE_LIMIT_VDBE_OP, 100_000),
        (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, 0),
        (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 0),
        (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
    ] {
        connection.set_limit(limit, value)?;
    }
    Ok(())
}

/// Runs one statement.
pub fn query(tables: &mut Tables, sql: &str, limits: &Limits) -> Result<Answer, QueryError> {
    let end = Instant::now() + limits.deadline.min(LONGEST);
    // What an earlier statement was refused for is not to be reported for this one.
    let Tables { connection, refused } = tables;
    let _ = refused.try_recv();
    connection
        .progress_handler(INSTRUCTIONS_PER_LOOK, Some(move || Instant::now() >= end))
        .map_err(|error| explain(refused, &error))?;
    let mut statement = connection.prepare(sql).map_err(|error| explain(refused, &error))?;
    if statement.column_count() == 0 {
        return Err(QueryError::Syntax { message: "it gives no rows; write a SELECT".to_owned() });
    }
    // The authorizer does not see EXPLAIN, which would show a program in place of facts.
    if statement.is_explain() != 0 {
        return Err(QueryError::Refused { what: "EXPLAIN".to_owned() });
    }
    collect(refused, &mut statement, limits)
}

fn collect(
    refused: &Receiver<String>,
    statement: &mut Statement<'_>,
    limits: &Limits,
) -> Result<Answer, QueryError> {
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let mut answer = Answer { rows: Vec::new(), columns };
    let mut bytes = 0;
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next().map_err(|error| explain(refused, &error))? {
        if answer.rows.len() >= limits.rows {
            return Err(QueryError::TooLarge { what: format!("its answer has over {} rows", limits.rows) });
        }
        let mut values = Vec::with_capacity(answer.columns.len());
        for index in 0..answer.columns.len() {
            let value = row.get_ref(index).map_err(|error| explain(refused, &error))?;
            bytes += size(value);
            if bytes > limits.bytes {
                return Err(QueryError::TooLarge {
                    what: format!("its answer has over {} bytes", limits.bytes),
                });
            }
            values.push(json(value));
        }
        answer.rows.push(values);
    }
    Ok(answer)
}

/// What a value weighs in the answer; a number as much as its memory, so that many of them count.
fn size(value: ValueRef<'_>) -> usize {
    match value {
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => 8,
        ValueRef::Text(text) => text.len().max(8),
        ValueRef::Blob(blob) => blob.len() * 2,
    }
}

fn json(value: ValueRef<'_>) -> serde_json::Value {
    match value {
        ValueRef::Null => serde_json::Value::Null,
        ValueRef::Integer(integer) => integer.into(),
        ValueRef::Real(real) => real.into(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned().into(),
        ValueRef::Blob(blob) => blob.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into(),
    }
}

/// Turns SQLite's words into ours.
fn explain(refused: &Receiver<String>, error: &rusqlite::Error) -> QueryError {
    let (code, message) = match error {
        rusqlite::Error::SqliteFailure(code, message) => (code.code, message.clone().unwrap_or_default()),
        rusqlite::Error::SqlInputError { error, msg, .. } => (error.code, msg.clone()),
        rusqlite::Error::MultipleStatement => {
            return QueryError::Refused { what: "more than one statement".to_owned() };
        }
        other => return QueryError::Syntax { message: other.to_string() },
    };
    match code {
        ErrorCode::AuthorizationForStatementDenied => {
            QueryError::Refused { what: refused.try_recv().unwrap_or(message) }
        }
        ErrorCode::SystemIoFailure => match message.split_once(": ") {
            Some((table, why)) => QueryError::Unreadable { table: table.to_owned(), why: why.to_owned() },
            None => QueryError::Syntax { message },
        },
        ErrorCode::OperationInterrupted => QueryError::Deadline,
        ErrorCode::TooBig => {
            QueryError::TooLarge { what: format!("a value or the statement is over {VALUE_BYTES} bytes") }
        }
        ErrorCode::OutOfMemory => {
            QueryError::TooLarge { what: "it needs more memory than it may".to_owned() }
        }
        _ => match refused.try_recv() {
            Ok(what) => QueryError::Refused { what },
            Err(_) => QueryError::Syntax { message },
        },
    }
}
