//! What can go wrong with the store, told apart by what the caller can do about it.

use std::path::PathBuf;

/// A read or write did not happen.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused a statement.
    #[error("the database refused a statement")]
    Sql(#[from] rusqlite::Error),
    /// The change could not be made durable; nothing of it is kept.
    #[error("the database could not make the change durable: {0}; look at disk space and the disk's health")]
    Commit(String),
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
    /// It was written by a newer server.
    #[error(
        "the database {path} has version {found}, this server knows {known}: install the newer muster-server again, or restore a backup"
    )]
    Newer {
        /// Which file.
        path: PathBuf,
        /// The version found.
        found: i64,
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
