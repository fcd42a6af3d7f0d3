//! `group`: a group of accounts in the local database.

use serde::{Deserialize, Serialize};

use super::InvalidResource;
use super::value::{AccountName, Existence};
use crate::condition::Condition;

/// A local group. Who is in it is said by the accounts. With the end of the resource one that Muster made goes, unless it is an
/// account's own.
///
/// ```yaml
/// - group: { name: engineers, gid: 4000 }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// The group's name.
    pub name: AccountName,
    /// Its number; the system's next free one below 20000 when left out, as those from there on are for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
    /// Whether it should be there.
    #[serde(default, skip_serializing_if = "Existence::is_present")]
    pub state: Existence,
}

impl Group {
    /// Present, with `gid` where it is given.
    pub fn desired(&self) -> Condition {
        match self.state {
            Existence::Absent => Condition::Absent,
            Existence::Present => Condition::present([("gid", self.gid.into())]),
        }
    }

    pub(super) fn validate(&self) -> Result<(), InvalidResource> {
        if self.gid == Some(0) || self.name.as_str() == "root" {
            return Err(InvalidResource::new("/group", "root is not a group that Muster manages"));
        }
        // To chown(2) it means: leave the group as it is.
        if self.gid == Some(u32::MAX) {
            return Err(InvalidResource::new(
                "/group/gid",
                "4294967295 is not a number that a group can have",
            ));
        }
        Ok(())
    }
}
