//! The desired state of one device: which profile revisions apply, in order, and what they are filled in with.
//!
//! It names documents by digest and never contains or merges them: a change that 100,000 devices use costs one document
//! and 100,000 of these. Kept and sent as the exact bytes it was made as, so that a signature can go around them.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::id::{DeviceId, Digest, Generation, ProfileName, RevisionNumber};
use crate::resource::value::{AccountName, FullName, PeopleGroup, SshPublicKey};
use crate::timestamp::Timestamp;

/// What one device should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DesiredState {
    /// Version of this document's shape; 1.
    pub muster: u32,
    /// Version of the rules by which the revisions are composed.
    pub composition: u32,
    /// For whom.
    pub device: DeviceId,
    /// Grows with every change.
    pub generation: Generation,
    /// When the server made it.
    pub issued: Timestamp,
    /// What applies, in a fixed order; the order decides nothing but the text of messages.
    pub revisions: Vec<Applied>,
    /// What the revisions are filled in with.
    pub bindings: Bindings,
}

/// One profile revision that applies to a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Applied {
    /// The assignment that brought it here.
    pub assignment: String,
    /// The profile.
    pub profile: ProfileName,
    /// Its revision.
    pub revision: RevisionNumber,
    /// The document.
    pub digest: Digest,
    /// Higher wins the whole resource.
    pub precedence: i32,
    /// Whether the device changes anything.
    pub mode: Mode,
    /// Parameters that the assignment gives.
    #[serde(default)]
    pub params: BTreeMap<String, String>,
}

/// Whether a device makes it so or only looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Looks and reports; never writes.
    Audit,
    /// Makes it so.
    #[default]
    Enforce,
}

/// Values from the device's own record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bindings {
    /// The device's name in Muster.
    pub name: String,
    /// Its registered serial.
    pub serial: String,
    /// Its assigned person.
    #[serde(default)]
    pub owner: Option<Person>,
    /// The groups that its profiles give accounts to, each with who is in it now. A state with such groups asks for the
    /// rules of composition that know them, so that an agent that does not keeps what it has.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<PeopleGroup, Vec<Person>>,
}

/// The most members that the groups of one state may have together: each is an account that is made on the device, and the
/// state has to fit into a message.
pub const MAX_PEOPLE: usize = 200;

/// The numbers that accounts of people may have. Those below belong to the system, those above mean something else to the
/// kernel or to systemd.
pub const PERSON_UIDS: RangeInclusive<u32> = 1_000..=60_000;

/// The first number that a server gives to a person: above what distributions give to accounts that are made on a device by
/// hand, so that an account with such a number is a person's. The agent gives no such number by itself.
pub const FIRST_PERSON_UID: u32 = 20_000;

/// The version of the rules of composition that accounts for the members of a group came with.
pub const COMPOSITION_WITH_GROUPS: u32 = 2;

impl Bindings {
    /// The version of the rules that are needed to compose a state with these bindings.
    pub fn composition(&self) -> u32 {
        if self.groups.is_empty() { 1 } else { COMPOSITION_WITH_GROUPS }
    }
}

/// A person as devices need to know them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// Name of their account.
    pub username: AccountName,
    /// Name as others read it.
    #[serde(default)]
    pub full_name: Option<FullName>,
    /// Number of their account on every device; never given to another person.
    #[serde(default)]
    pub uid: Option<u32>,
    /// Keys that log in as them.
    #[serde(default)]
    pub ssh_keys: Vec<SshPublicKey>,
}
