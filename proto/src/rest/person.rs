//! People and groups of them, in the shape that a directory's have: an id for good, a username, whether they are active,
//! and groups with members.

use serde::{Deserialize, Serialize};

use crate::timestamp::Timestamp;

/// A person to be added.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewPerson {
    /// Name of their account; for good.
    pub username: String,
    /// Name as others read it.
    #[serde(default)]
    pub full_name: Option<String>,
    /// Number of their account on every device, for good; the server gives one when left out.
    #[serde(default)]
    pub uid: Option<u32>,
    /// Keys that log in as them.
    #[serde(default)]
    pub ssh_keys: Vec<String>,
}

/// Changes to a person; what is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PersonPatch {
    /// Name as others read it; empty for none.
    #[serde(default)]
    pub full_name: Option<String>,
    /// All their keys.
    #[serde(default)]
    pub ssh_keys: Option<Vec<String>>,
    /// True brings somebody back who left. Removing is what makes them leave.
    #[serde(default)]
    pub active: Option<bool>,
}

/// A person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PersonView {
    /// Their id, for good.
    pub id: String,
    /// Name of their account.
    pub username: String,
    /// Name as others read it.
    pub full_name: Option<String>,
    /// Number of their account on every device; never another's.
    pub uid: u32,
    /// Keys that log in as them.
    pub ssh_keys: Vec<String>,
    /// Whether they are here: who left has no account anywhere.
    pub active: bool,
    /// Groups they are in.
    pub groups: Vec<String>,
    /// When they were added.
    pub created: Timestamp,
    /// When they left.
    pub left: Option<Timestamp>,
}

/// A person, and the devices that know them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PersonDetail {
    /// As in the list.
    pub person: PersonView,
    /// Names of the devices they own.
    pub owns: Vec<String>,
    /// Names of the devices whose state gives accounts to a group they are in.
    pub through_groups: Vec<String>,
}

/// What a change of a person came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PersonChange {
    /// The person as they are now.
    pub person: PersonView,
    /// Devices that got a newer state.
    pub devices: u64,
    /// Names of the devices they own.
    pub owns: Vec<String>,
}

/// A group to be made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewGroup {
    /// What profiles call it, as in `from: "group:engineers"`; for good.
    pub name: String,
    /// What it is, for people.
    #[serde(default)]
    pub description: String,
    /// Usernames of who is in it from the start.
    #[serde(default)]
    pub members: Vec<String>,
}

/// A group of people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GroupView {
    /// What profiles call it.
    pub name: String,
    /// Its id, for good.
    pub id: String,
    /// What it is, for people.
    pub description: String,
    /// When it was made.
    pub created: Timestamp,
    /// Devices whose state gives accounts to its members.
    pub devices: u64,
    /// Usernames of who is in it.
    pub members: Vec<String>,
}

/// What a change of a group came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GroupChange {
    /// The group as it is now.
    pub group: GroupView,
    /// Devices that got a newer state.
    pub devices: u64,
}
