//! What can go wrong with the store, told apart by what the caller can do about it.

use std::path::PathBuf;

/// A read or write did not happen.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused a statement.
    #[error("the database refused a statement")]
    Sql(#[source] rusqlite::Error),
    /// The change could not be made durable; nothing of it is kept.
    #[error("the database could not make the change durable: {0}; look at the disk's health")]
    Commit(String),
    /// There is no room on the disk of the database; nothing of the change is kept.
    #[error("there is no room on the disk of the database: {0}")]
    Full(String),
    /// The writer has ended.
    #[error("the store is shutting down")]
    Closed,
    /// A statement's parameters are not numbered in order of first appearance: the wrong values would be bound.
    #[error("parameters out of order in: {0}")]
    ParameterOrder(String),
    /// A column does not hold what it should.
    #[error("column {column} of the answer does not hold {expected}")]
    Column {
        /// From 0.
        column: usize,
        /// What it should hold.
        expected: &'static str,
    },
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        if is_full(&error) { Self::Full(error.to_string()) } else { Self::Sql(error) }
    }
}

/// Whether SQLite found no room for a page. Enlarging the shared memory beside the log fails as an input or output error.
pub(crate) fn is_full(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode;
    use rusqlite::ffi::SQLITE_IOERR_SHMSIZE;
    error
        .sqlite_error()
        .is_some_and(|error| error.code == ErrorCode::DiskFull || error.extended_code == SQLITE_IOERR_SHMSIZE)
}

/// The store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file can't be opened as a database.
    #[error("can't open the database {path}")]
    Open {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// There is no room beside it, and without some it can't even be read.
    #[error(
        "there is no room on the disk of the database {path}: make some; nothing is lost, and the server goes on by itself"
    )]
    Full {
        /// Which file.
        path: PathBuf,
    },
    /// It was written by a newer server that left nothing for this one to work with.
    #[error(
        "the database {path} has version {found}, which servers that know version {floor} or newer can work with; this one \
         knows {known}: install the newer muster-server again, or restore the backup that was made before the upgrade"
    )]
    Newer {
        /// Which file.
        path: PathBuf,
        /// The version found.
        found: i64,
        /// The oldest version whose servers can work with it.
        floor: i64,
        /// The newest version known here.
        known: i64,
    },
    /// A migration failed; the database is as it was before it.
    #[error("migration {number} of the database {path} failed; the database is as it was before")]
    Migration {
        /// Which file.
        path: PathBuf,
        /// Which migration.
        number: i64,
        /// Why.
        source: rusqlite::Error,
    },
    /// A copy is damaged, so that nobody must rely on it.
    #[error("the database {path} is damaged: {fault}; find out why before it is used any further")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// The first thing that is wrong.
        fault: String,
    },
    /// The writer's thread could not be started.
    #[error("can't start the store's writer")]
    Thread(#[from] std::io::Error),
}
