//! The contract between agent, server and the people who write profiles. No IO, no clock, no randomness.
//!
//! In the order of the flow: an admin writes a [`profile`] of [`resource`]s and [`check`]s, whose SQL is a [`question`]; the server resolves which
//! revisions apply to a device and sends their names as a [`state`]; the device (and the server, for previews)
//! merges them by [`compose`]; the device compares [`condition`]s into a [`plan`] and answers with a [`report`]. A
//! [`dry_run`] asks for the plan alone, a [`last_order`] ends what people can do on a lost device, and [`returning`]
//! says how one comes back whose certificate ended; an [`artifact`] is what it fetches beside
//! documents; [`serial`] says what a machine is known by. [`wire`] is the envelope between the two, [`rest`] what the admin's side speaks.

pub mod artifact;
pub mod check;
pub mod clock;
pub mod compose;
pub mod condition;
pub mod cost;
pub mod dry_run;
pub mod enrollment;
pub mod fit;
pub mod id;
pub mod last_order;
mod near;
pub mod plan;
pub mod profile;
pub mod question;
pub mod report;
pub mod resource;
#[cfg(feature = "rest")]
pub mod rest;
pub mod returning;
#[cfg(feature = "yaml")]
pub mod review;
pub mod secret;
pub mod serial;
pub mod spiffe;
pub mod state;
pub mod template;
pub mod text;
pub mod timestamp;
pub mod told;
pub mod when;
pub mod wire;
#[cfg(feature = "yaml")]
pub mod yaml;

pub use id::{DeviceId, Digest, Generation, Hasher, ProfileName, ResourceId, RevisionNumber};
pub use timestamp::Timestamp;

/// The version of the profile language this crate reads (`muster: 1`).
pub const LANGUAGE_VERSION: u32 = 1;

/// The version of the rules in [`compose`]; a state that asks for a newer one is not composed by an older agent. A state
/// asks for no more than it needs. 2 knows accounts for the members of a group.
pub const COMPOSITION_VERSION: u32 = 2;
