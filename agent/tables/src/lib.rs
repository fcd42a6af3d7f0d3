//! The machine as SQL tables, with osquery's names, columns and meanings.
//!
//! [`open`] gives an in-memory SQLite connection with one virtual table per kind of fact and nothing else that
//! SQL could touch; [`query`] runs one statement on it within [`Limits`]. The agent does neither in its own
//! process: [`child`] is the protocol by which it asks a short-lived child with address-space and CPU limits.
//!
//! Two rules hold for every table. A fact that can't be read is an error that names the table, never an empty
//! result, so that no check passes because its evidence was missing. And no table touches a FUSE or network
//! mount, where a user or a dead server could hold the agent for ever.

mod authorize;
pub mod child;
mod column;
mod query;
mod root;
pub mod rpm;
mod table;
mod vtab;
mod walk;

pub use column::{Column, ColumnKind, TableDescription};
pub use query::{Answer, Limits, OpenError, QueryError, Tables, open, query};
pub use root::Root;
pub use table::systemd_units::{UnitRow, UnitsSource};

/// Describes every table: what `query --tables` prints and the documentation lists.
pub fn describe() -> Vec<TableDescription> {
    table::ALL.iter().map(|table| table.describe()).collect()
}
