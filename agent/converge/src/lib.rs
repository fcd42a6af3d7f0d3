//! The agent's decisions, pure: no IO, no clock, no randomness.
//!
//! In the order of a cycle: [`accept`] a desired state or refuse it, [`plan`] the exact changes from what is observed
//! to what is desired, in the [`order`] in which they can be made, and say what became of each in an [`outcome`], with a [`diff`] of texts;
//! [`schedule`] says when to look again, [`fight`] when to stand back, [`archive`] what may be unpacked, [`trial`] what has to prove that it
//! cuts nobody off, and [`updates`] and [`reboot`] which hours are for what.

pub mod accept;
pub mod archive;
pub mod diff;
pub mod fight;
pub mod foresee;
pub mod order;
pub mod outcome;
pub mod plan;
pub mod reboot;
mod record;
mod restarts;
pub mod schedule;
mod step;
pub mod trial;
pub mod updates;
