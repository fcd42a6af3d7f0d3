//! One file per command: its arguments, what it asks of the server, and what it prints.

pub(crate) mod admin;
pub(crate) mod api_token;
pub(crate) mod assign;
pub(crate) mod assignments;
pub(crate) mod audit;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod compliance;
pub(crate) mod context;
pub(crate) mod device;
pub(crate) mod group;
pub(crate) mod login;
pub(crate) mod lost;
pub(crate) mod manuals;
pub(crate) mod pause;
pub(crate) mod person;
pub(crate) mod profile;
pub(crate) mod removal;
pub(crate) mod report;
pub(crate) mod rollback;
pub(crate) mod rollout;
pub(crate) mod setup;
pub(crate) mod token;
pub(crate) mod unassign;
pub(crate) mod waiver;
pub(crate) mod why;
