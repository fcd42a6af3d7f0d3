//! SQLite: one thread writes and commits in groups, a few connections read beside it.
//!
//! The writer takes what is queued, runs each closure under a savepoint of its own, commits once (one fsync for all)
//! and only then answers: what is acknowledged is durable. A closure that fails takes back only its own writes.

mod copy;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior};
use tokio::sync::{Semaphore, broadcast, mpsc, oneshot};

use crate::change::Change;
use crate::error::{OpenError, StoreError, is_full};
use crate::migration;
use crate::value::{Column, Param, Value};

pub use copy::{Examined, copy, examine};

/// Connections that read at the same time.
const READERS: usize = 4;
/// Closures that one commit may cover; more would only make the first of them wait.
const GROUP: usize = 128;
/// Closures that may wait for the writer before callers do.
const QUEUE: usize = 1024;
/// Changes a slow listener may be behind before it is told to read everything again.
const FEED: usize = 1024;
/// How long a connection waits for another process, such as a backup, that holds the lock.
const BUSY: Duration = Duration::from_secs(10);
/// Statements kept prepared per connection.
const STATEMENTS: usize = 128;

/// A handle on the store; cheap to clone.
#[derive(Clone)]
pub struct Store {
    writer: mpsc::Sender<Job>,
    readers: Arc<Readers>,
    feed: broadcast::Sender<Change>,
}

/// A transaction: what every function of this crate that has SQL takes.
pub struct Tx<'c> {
    connection: &'c Connection,
    changes: Vec<Change>,
    afterwards: Vec<Box<dyn FnOnce() + Send>>,
}

/// One row of an answer.
pub struct Row<'r>(&'r rusqlite::Row<'r>);

/// Idle connections behind a mutex that is held only to take or give back one; the semaphore counts them.
struct Readers {
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
}

/// Given a transaction, or why there is none.
type Job = Box<dyn FnOnce(Result<&mut Tx<'_>, StoreError>) -> Done + Send>;
type Answer = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// A closure that has run and waits for the commit to be answered.
struct Done {
    verdict: Verdict,
    answer: Answer,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Keep,
    TakeBack,
}

impl Store {
    /// Opens the database, makes it if it is not there, and brings its schema up to date.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let opened = |source| cant_open(path, source);
        let mut connection = connect(path).map_err(opened)?;
        migrate(&mut connection, path)?;
        let mut idle = Vec::with_capacity(READERS);
        for _ in 0..READERS {
            let reader = connect(path).map_err(opened)?;
            reader.pragma_update(None, "query_only", true).map_err(opened)?;
            idle.push(reader);
        }
        let (writer, jobs) = mpsc::channel(QUEUE);
        let (feed, _) = broadcast::channel(FEED);
        let publish = feed.clone();
        std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || write_until_closed(&connection, jobs, &publish))?;
        let readers =
            Arc::new(Readers { idle: Mutex::new(idle), permits: Arc::new(Semaphore::new(READERS)) });
        Ok(Self { writer, readers, feed })
    }

    /// Runs `change` in a transaction and answers once it is durable. If it fails, nothing of it is kept.
    pub async fn write<T, E>(
        &self,
        change: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |tx| {
            let result = tx.map_err(E::from).and_then(change);
            let verdict = if result.is_ok() { Verdict::Keep } else { Verdict::TakeBack };
            let answer: Answer = Box::new(move |committed| {
                let result = match committed {
                    Ok(()) => result,
                    Err(error) => result.and(Err(error.into())),
                };
                // Whoever asked may have gone away; the change stands all the same.
                drop(answer.send(result));
            });
            Done { verdict, answer }
        });
        self.writer.send(job).await.map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }

    /// Runs `look` over one unchanging view of the database.
    pub async fn read<T, E>(
        &self,
        look: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let readers = Arc::clone(&self.readers);
        let permits = Arc::clone(&self.readers.permits);
        let permit = permits.acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let looked = tokio::task::spawn_blocking(move || {
            let lock = || readers.idle.lock().unwrap_or_else(PoisonError::into_inner);
            let mut connection = lock().pop().expect("a permit stands for an idle connection");
            let result = read_once(&mut connection, look);
            lock().push(connection);
            // Only now: whoever asked may be gone, and the next one must find a connection.
            drop(permit);
            result
        });
        looked.await.map_err(|_| StoreError::Closed)?
    }

    /// Tells a change that is in no transaction, such as that of a link.
    pub fn announce(&self, change: Change) {
        // Nobody has to listen.
        drop(self.feed.send(change));
    }

    /// Everything that changes from now on, told after it is durable. One who lags is told so and reads all again.
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.feed.subscribe()
    }
}

fn read_once<T, E: From<StoreError>>(
    connection: &mut Connection,
    look: impl FnOnce(&mut Tx<'_>) -> Result<T, E>,
) -> Result<T, E> {
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Deferred).map_err(StoreError::from)?;
    look(&mut Tx { connection: &transaction, changes: Vec::new(), afterwards: Vec::new() })
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // Not `temp_store = memory`: what a statement may have to take back is then kept in a list that SQLite walks at the end of
    // each, so that a job of ten thousand statements takes a minute of the one writer.
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

fn cant_open(path: &Path, source: rusqlite::Error) -> OpenError {
    let path = path.to_owned();
    if is_full(&source) { OpenError::Full { path } } else { OpenError::Open { path, source } }
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    let (found, floor) = schema_of(connection)
        .and_then(|found| Ok((found, floor_of(connection, found)?)))
        .map_err(|source| cant_open(path, source))?;
    let known = migration::newest();
    if !migration::works_with(found, floor) {
        return Err(OpenError::Newer { path: path.to_owned(), found, floor, known });
    }
    for step in migration::ALL.iter().filter(|step| step.number > found) {
        apply(connection, step).map_err(|source| match source {
            full if is_full(&full) => OpenError::Full { path: path.to_owned() },
            source => OpenError::Migration { path: path.to_owned(), number: step.number, source },
        })?;
    }
    Ok(())
}

/// The number of the last migration that was applied; 0 in an empty database.
fn schema_of(connection: &Connection) -> rusqlite::Result<i64> {
    let count = "SELECT COUNT(*) FROM sqlite_schema WHERE name = 'migration'";
    let tables: i64 = connection.query_row(count, [], |row| row.get(0))?;
    match tables {
        0 => Ok(0),
        _ => connection.query_row("SELECT COALESCE(MAX(number), 0) FROM migration", [], |row| row.get(0)),
    }
}

/// The oldest schema whose servers can work with this database, as the server said that brought it to the one it has.
fn floor_of(connection: &Connection, found: i64) -> rusqlite::Result<i64> {
    if found == 0 {
        return Ok(0);
    }
    let said = "SELECT value FROM meta WHERE name = 'schema_floor'";
    let floor: Option<String> = connection.query_row(said, [], |row| row.get(0)).optional()?;
    // What was said of another schema does not count, and one of which nothing is said is for its own servers.
    let said = floor.as_deref().and_then(|said| said.split_once(' '));
    let floor =
        said.filter(|(schema, _)| schema.parse() == Ok(found)).and_then(|(_, floor)| floor.parse().ok());
    Ok(floor.unwrap_or(found))
}

fn apply(connection: &mut Connection, step: &migration::Migration) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Exclusive)?;
    transaction.execute_batch(step.sql)?;
    transaction.execute("INSERT INTO migration (number) VALUES ($1)", [step.number])?;
    transaction.execute(
        "INSERT INTO meta (name, value) VALUES ('schema_floor', $1)
         ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        [format!("{} {}", step.number, migration::floor(step.number))],
    )?;
    transaction.commit()
}

fn write_until_closed(
    connection: &Connection,
    mut jobs: mpsc::Receiver<Job>,
    feed: &broadcast::Sender<Change>,
) {
    while let Some(first) = jobs.blocking_recv() {
        write_group(connection, first, &mut jobs, feed);
    }
}

fn write_group(
    connection: &Connection,
    first: Job,
    jobs: &mut mpsc::Receiver<Job>,
    feed: &broadcast::Sender<Change>,
) {
    let mut done = Vec::new();
    let (mut changes, mut afterwards) = (Vec::new(), Vec::new());
    let mut next = Some(first);
    let mut outcome = connection.execute_batch("BEGIN IMMEDIATE");
    while let Some(job) = next {
        let mut tx = Tx { connection, changes: Vec::new(), afterwards: Vec::new() };
        if outcome.is_ok() {
            outcome = connection.execute_batch("SAVEPOINT job");
        }
        let ran = job(match &outcome {
            Ok(()) => Ok(&mut tx),
            Err(error) => Err(not_durable(error)),
        });
        if outcome.is_ok() {
            outcome = connection.execute_batch(match ran.verdict {
                Verdict::Keep => "RELEASE job",
                Verdict::TakeBack => "ROLLBACK TO job; RELEASE job",
            });
        }
        if ran.verdict == Verdict::Keep {
            changes.append(&mut tx.changes);
            afterwards.append(&mut tx.afterwards);
        }
        done.push(ran.answer);
        next = if outcome.is_ok() && done.len() < GROUP { jobs.try_recv().ok() } else { None };
    }
    let committed = outcome.and_then(|()| connection.execute_batch("COMMIT"));
    if committed.is_err() && !connection.is_autocommit() {
        // A failed commit leaves the transaction open; what it held was never acknowledged.
        drop(connection.execute_batch("ROLLBACK"));
    }
    if committed.is_ok() {
        afterwards.into_iter().for_each(|run| run());
        for change in changes {
            // Nobody has to listen.
            drop(feed.send(change));
        }
    }
    for answer in done {
        answer(committed.as_ref().copied().map_err(not_durable));
    }
}

fn not_durable(error: &rusqlite::Error) -> StoreError {
    if is_full(error) { StoreError::Full(error.to_string()) } else { StoreError::Commit(error.to_string()) }
}

impl Tx<'_> {
    /// Runs a statement that answers nothing; gives how many rows it changed.
    pub fn execute(&mut self, sql: &str, params: &[Param<'_>]) -> Result<u64, StoreError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        bind(&mut statement, sql, params)?;
        Ok(statement.raw_execute()? as u64)
    }

    /// Gives all rows, each read by `read`.
    pub fn query<T>(
        &mut self,
        sql: &str,
        params: &[Param<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        bind(&mut statement, sql, params)?;
        let mut rows = statement.raw_query();
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(read(&Row(row))?);
        }
        Ok(found)
    }

    /// Gives the first row, if there is one.
    pub fn query_one<T>(
        &mut self,
        sql: &str,
        params: &[Param<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        bind(&mut statement, sql, params)?;
        let mut rows = statement.raw_query();
        let found = rows.next()?.map(|row| read(&Row(row)));
        found.transpose()
    }

    /// Tells `change` to whoever listens, once this transaction is durable.
    pub fn tell(&mut self, change: Change) {
        if self.changes.last() != Some(&change) {
            self.changes.push(change);
        }
    }

    /// Runs `what` once this transaction is durable, and never when it is not; it must be quick, and not use the store.
    pub fn afterwards(&mut self, what: impl FnOnce() + Send + 'static) {
        self.afterwards.push(Box::new(what));
    }
}

fn bind(
    statement: &mut rusqlite::CachedStatement<'_>,
    sql: &str,
    params: &[Param<'_>],
) -> Result<(), StoreError> {
    let numbered = (1..=statement.parameter_count()).all(|index| {
        let name = statement.parameter_name(index).and_then(|name| name.strip_prefix('$'));
        name.and_then(|digits| digits.parse().ok()) == Some(index)
    });
    if !numbered || statement.parameter_count() != params.len() {
        return Err(StoreError::ParameterOrder(sql.to_owned()));
    }
    for (index, param) in params.iter().enumerate() {
        let value = ToSqlOutput::Borrowed(match param.value() {
            Value::Null => ValueRef::Null,
            Value::Integer(n) => ValueRef::Integer(n),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Bytes(bytes) => ValueRef::Blob(bytes),
        });
        statement.raw_bind_parameter(index + 1, value)?;
    }
    Ok(())
}

impl Row<'_> {
    /// Reads a column, from 0.
    pub fn get<T: Column>(&self, column: usize) -> Result<T, StoreError> {
        let wrong = || StoreError::Column { column, expected: T::EXPECTED };
        let value = match self.0.get_ref(column)? {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(n) => Value::Integer(n),
            ValueRef::Text(bytes) => Value::Text(std::str::from_utf8(bytes).map_err(|_| wrong())?),
            ValueRef::Blob(bytes) => Value::Bytes(bytes),
            ValueRef::Real(_) => return Err(wrong()),
        };
        T::read(value).ok_or_else(wrong)
    }
}
