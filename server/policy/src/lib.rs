//! The server's decisions as pure functions: no IO, no clock, no randomness; what they need comes as arguments.
//!
//! In the order of the flow: [`rights`] says who may ask, [`scope`] how far an API token reaches, [`password`] what may be
//! one, [`guess`] how long a wrong one waits, [`name`] what things may be called, [`import`] what a file of devices
//! changes, [`people`] what people and groups may be, [`artifact`] what files the server takes, [`admit`] whether a machine gets in, [`assign`] which assignments hold for a device, [`rollback`] what they go back to, [`rollout`] whom a
//! new one reaches first, [`compile`] what its desired state is, [`plans`] what many would do, [`pause`] and
//! [`guard`] whether it gets that now, [`comply`] how it stands, [`waiver`] which failures are
//! accepted, [`history`] how checks stood day by day, [`controls`] how controls did, [`keep`] how
//! much of what it says is kept, [`pace`] how
//! often it may say it, [`deletion`] which devices can be
//! forgotten, and [`restore`] what a record put back from a backup is good for.

pub mod admit;
pub mod artifact;
pub mod assign;
pub mod compile;
pub mod comply;
pub mod controls;
pub mod deletion;
pub mod guard;
pub mod guess;
pub mod history;
pub mod import;
pub mod keep;
pub mod lost;
pub mod name;
pub mod pace;
pub mod password;
pub mod pause;
pub mod people;
pub mod plans;
pub mod restore;
pub mod returning;
pub mod rights;
pub mod rollback;
pub mod rollout;
pub mod scope;
pub mod twins;
pub mod waiver;
