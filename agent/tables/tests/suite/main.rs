//! What users of the crate rely on, asked through its public face.

#![expect(clippy::unwrap_used, reason = "a test that can't be set up has failed")]

mod child;
mod contract;
mod dead_mount;
mod fixture;
mod hostile;
mod live;
mod tables;
