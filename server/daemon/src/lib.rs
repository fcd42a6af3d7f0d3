//! The Muster server: operations behind its doors.
//!
//! In the order of a server's life: [`command`] is what an admin types on its machine, `setup` makes the data folder that
//! `config` describes, `serve` wires everything and runs until it is told to stop. `listen` accepts connections; behind it
//! `grpc` is the door for devices, `rest` and `web` are the doors for admins, `app` holds the operations that all of them
//! call, and `ca` signs certificates. `metrics` counts.

mod app;
mod ca;
pub mod command;
mod config;
mod grpc;
mod listen;
mod logging;
mod metrics;
mod rest;
mod serve;
mod setup;
mod web;

pub use serve::serve;
