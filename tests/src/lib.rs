//! The rig of the system tests and of the demo: real Debian devices, each booted with its own systemd in a
//! container, on a network of their own with a real server.
//!
//! A [`Network`] is a set of kernel namespaces that end with the test process, whatever ends it. A [`Device`] is
//! an overlay over one cached Debian root; [`Server`] runs the shipped server binary beside them, [`Admin`] speaks to it; [`Packages`]
//! serves the two signed package repositories that devices may reach.

mod admin;
mod ambush;
mod artifacts;
mod browser;
pub mod clock;
mod command;
mod crash;
mod device;
mod disk;
pub mod document;
mod elsewhere;
mod fleet;
mod ledger;
mod looks;
pub mod measure;
mod network;
mod packages;
mod power;
mod repack;
mod rounds;
mod rpms;
mod run_folder;
mod server;
mod snapshot;
mod wait;

pub use admin::{ADMIN_NAME, Admin, Answer};
pub use ambush::{Ambush, Call, places};
pub use artifacts::Artifacts;
pub use browser::Walk;
pub use command::Output;
pub use crash::Crash;
pub use device::Device;
pub use elsewhere::Elsewhere;
pub use fleet::Fleet;
pub use ledger::ask;
pub use looks::Look;
pub use network::{Network, SERVER_ADDRESS, SERVER_NAME, end};
pub use packages::{PACKAGES_NAME, PACKAGES_URL, Packages};
pub use repack::repack;
pub use rounds::{Rounds, STEPS, Scene};
pub use server::Server;
pub use snapshot::{ACCOUNT_FILES, Snapshot};
pub use wait::wait_until;
