//! The Muster server: operations behind its doors.
//!
//! [`command`] is what an admin types on the server's machine; `rest` is the door for admins.

mod app;
mod ca;
pub mod command;
mod grpc;
mod listen;
mod rest;
