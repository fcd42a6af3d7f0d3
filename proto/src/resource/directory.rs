//! `directory`: a directory with its owner and mode; its contents are not managed.

use serde::{Deserialize, Serialize};

use super::value::{AbsolutePath, AccountName, Existence, Mode};
use crate::condition::Condition;

/// A directory. One that is not there is made with 0755 and root unless the profile says otherwise. One that is there is changed
/// where only root, or the account that is to own it, can have put it there, or where Muster made it; else it is Blocked, with
/// whose it is. With the end of the resource one that Muster made goes if nothing is in it, and one that was there gets back its owner
/// and mode.
///
/// ```yaml
/// - directory: { path: /srv/build, group: engineers, mode: "2775", on_removal: keep }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Directory {
    /// Where.
    pub path: AbsolutePath,
    /// The owning account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<AccountName>,
    /// The owning group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<AccountName>,
    /// Permission bits, in quotes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// Whether it should be there. Only an empty directory is ever removed.
    #[serde(default, skip_serializing_if = "Existence::is_present")]
    pub state: Existence,
}

impl Directory {
    /// Present, with the owner, group and mode that are given.
    pub fn desired(&self) -> Condition {
        match self.state {
            Existence::Absent => Condition::Absent,
            Existence::Present => Condition::present([
                ("owner", self.owner.as_ref().map(AccountName::as_str).into()),
                ("group", self.group.as_ref().map(AccountName::as_str).into()),
                ("mode", self.mode.map(|m| m.to_string()).into()),
            ]),
        }
    }
}
