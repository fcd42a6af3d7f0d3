//! The Muster agent: one process that enrolls its device, follows the desired state and makes it so.
//!
//! In the order of the flow: [`identity`] holds the key and certificate and enrolls; [`link`] keeps the connection and
//! brings desired states and [`artifacts`]; [`ledger`] remembers; [`cycle`] reads through [`resource`], plans by `muster-converge`, writes
//! through [`resource`] on the [`host`], and reports back over the link. [`command`] is what an admin types.

mod artifacts;
mod clock;
mod command;
mod config;
mod cycle;
mod facts;
mod host;
mod identity;
mod inventory;
mod ledger;
mod link;
mod resource;
mod service;
mod watch;

pub use command::run;
