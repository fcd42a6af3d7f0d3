//! `account`: a local account, named or for the device's owner.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::InvalidResource;
use super::value::{AbsolutePath, AccountName, Existence, FullName, SshPublicKey};
use crate::condition::Condition;
use crate::state::Person;

/// The key of an account for the owner until [`Account::bind`] has put the owner's name in its place. `@` can't
/// begin an account's name.
pub const OWNER_KEY: &str = "@owner";

/// A local account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Whose account it is, in place of `name`.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub for_: Option<For>,
    /// The account's name, in place of `for`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<AccountName>,
    /// The person's name as others read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_name: Option<FullName>,
    /// Its number; the system's next free one when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// The login shell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shell: Option<AbsolutePath>,
    /// The home directory; made when the account is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<AbsolutePath>,
    /// Groups that the account is in beside its own; further ones are left alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<AccountName>,
    /// How it gets a password; left out, it has none and can't log in with one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Password>,
    /// Keys that may log in; further ones are left alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ssh_keys: Vec<SshPublicKey>,
    /// Whether it should be there. An account that goes is locked and its home kept.
    #[serde(default, skip_serializing_if = "Existence::is_present")]
    pub state: Existence,
}

/// Whose account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum For {
    /// The device's assigned person.
    Owner,
}

/// How an account gets a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Password {
    /// Made on the device, revealed once to an admin, and to be changed at the first login.
    FirstLogin,
}

impl Account {
    /// The name, or [`OWNER_KEY`].
    pub fn key(&self) -> &str {
        self.name.as_ref().map_or(OWNER_KEY, AccountName::as_str)
    }

    /// Puts the owner's name, uid, full name and keys where the profile leaves them open.
    pub fn bind(&self, owner: &Person) -> Self {
        let mut bound = self.clone();
        bound.for_ = None;
        bound.name = Some(owner.username.clone());
        bound.full_name = bound.full_name.or_else(|| owner.full_name.clone());
        bound.uid = bound.uid.or(owner.uid);
        bound.ssh_keys.extend(owner.ssh_keys.iter().cloned());
        bound.ssh_keys.sort();
        bound.ssh_keys.dedup();
        bound
    }

    /// Present and unlocked, with whatever the profile says of it.
    pub fn desired(&self) -> Condition {
        if self.state == Existence::Absent {
            return Condition::present([("locked", true.into())]);
        }
        Condition::present([
            ("locked", false.into()),
            ("full_name", self.full_name.as_ref().map(FullName::as_str).into()),
            ("uid", self.uid.into()),
            ("shell", self.shell.as_ref().map(AbsolutePath::as_str).into()),
            ("home", self.home.as_ref().map(AbsolutePath::as_str).into()),
            ("groups", list(self.groups.iter().map(AccountName::as_str))),
            ("ssh_keys", list(self.ssh_keys.iter().map(SshPublicKey::as_str))),
            ("password", self.password.map_or(Value::Null, |_| "set".into())),
        ])
    }

    /// Locked: no login by password or key, and its sessions over.
    pub fn ended(&self) -> Condition {
        Condition::present([("locked", true.into())])
    }

    pub(super) fn validate(&self) -> Result<(), InvalidResource> {
        match (&self.for_, &self.name) {
            (Some(_), None) | (None, Some(_)) => {}
            (Some(_), Some(_)) | (None, None) => {
                return Err(InvalidResource::new("/account", "give either name or for: owner"));
            }
        }
        if self.uid == Some(0) || self.name.as_ref().is_some_and(|name| name.as_str() == "root") {
            return Err(InvalidResource::new("/account", "root is not an account that Muster manages"));
        }
        // To chown(2) it means: leave the owner as it is.
        if self.uid == Some(u32::MAX) {
            return Err(InvalidResource::new(
                "/account/uid",
                "4294967295 is not a number that an account can have",
            ));
        }
        Ok(())
    }
}

/// A sorted list, or null for an empty one: nothing is said then.
fn list<'a>(items: impl Iterator<Item = &'a str>) -> Value {
    let mut items: Vec<_> = items.collect();
    items.sort_unstable();
    items.dedup();
    if items.is_empty() { Value::Null } else { items.into() }
}
