//! The server's store: SQL written once, in the subset that SQLite and PostgreSQL share, over a driver per database.
//!
//! A change is one closure over a [`Tx`]: it reads, decides, writes and audits, and is durable before its answer is
//! given. Each noun has a module of plain functions that hold its SQL. Rules for that SQL: `$1`, `$2` ... in order of
//! first appearance (the driver refuses anything else), `ON CONFLICT` and `RETURNING`, times as BIGINT microseconds
//! UTC, truth as BIGINT 0 and 1, no function that only one of the two databases has.
//!
//! The SQL of checks is another thing: it is SQLite's, on every device, and [`question`] tells whether one can answer it.

pub mod admin;
pub mod api_token;
pub mod artifact;
pub mod assignment;
pub mod audit;
pub mod boot;
pub mod certificate;
pub mod change;
pub mod check;
pub mod claimed;
pub mod control;
pub mod day;
pub mod device;
mod driver;
pub mod enrollment;
pub mod error;
pub mod held;
pub mod kept;
pub mod label;
pub mod lost;
pub mod meta;
mod migration;
pub mod outcome;
pub mod password;
pub mod pause;
pub mod people_group;
pub mod person;
pub mod pin;
pub mod profile;
pub mod question;
pub mod reenrollment;
pub mod refused;
pub mod removal;
pub mod report;
pub mod returning;
pub mod rollout;
pub mod session;
pub mod state;
pub mod stray;
pub mod token;
pub mod totp;
pub mod value;
pub mod waiver;
mod word;

pub use change::Change;
pub use driver::sqlite::{Examined, Row, Store, Tx, copy, examine};
pub use error::{OpenError, StoreError};
pub use migration::newest as newest_schema;
