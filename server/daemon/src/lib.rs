//! The Muster server: operations behind its doors.
//!
//! In the order of a server's life: [`command`] is what an admin types on its machine, `setup` makes the data folder that
//! `config` describes, `serve` wires everything and runs until it is told to stop. `listen` accepts connections; behind it
//! `grpc` is the door for devices, `rest` and `web` are the doors for admins, `install` and `docs` are open to all, `app`
//! holds the operations that all of them call, `artifacts` has files that devices fetch, and `ca` signs certificates. `metrics` counts. `backup`, `restore`,
//! `doctor` and `admin` are for bad days; `account` says as whom commands work.

mod account;
mod admin;
mod app;
mod artifacts;
mod backup;
mod ca;
pub mod command;
mod config;
mod docs;
mod doctor;
mod grpc;
mod install;
mod listen;
mod logging;
mod manuals;
mod metrics;
mod rest;
mod restore;
mod serve;
mod setup;
mod web;

pub use serve::serve;
