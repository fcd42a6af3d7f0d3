//! `account`: a local account, named, for the device's owner, or one for each member of a group.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::InvalidResource;
use super::value::{AbsolutePath, AccountName, Existence, FullName, PeopleGroup, SshPublicKey};
use crate::condition::Condition;
use crate::state::Person;

/// The key of an account for the owner until [`Account::bind`] has put the owner's name in its place. `@` can't
/// begin an account's name.
pub const OWNER_KEY: &str = "@owner";

/// A local account. None is ever removed. With the end of the resource one that Muster made is locked, what runs as it is ended, the
/// groups and keys that profiles gave it are taken from it, and its home and password stay; one that was there before gets back what it
/// had. When its time has passed (`not_after`), either is locked so.
///
/// ```yaml
/// - account:
///     for: owner
///     groups: [engineers]
///     password: first-login
/// - account:
///     name: bob
///     full_name: Bob Byrne
///     ssh_keys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINVgZxcJmZH8wTAEYgdpyhcVFjZ7CUI1GnRbNJPlHBXk bob@vendor"]
///     not_after: "2027-01-01T00:00:00Z"
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Whose account it is, in place of `name`.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub for_: Option<For>,
    /// A group each of whose members gets an account, in place of `name`: `group:engineers`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<From>,
    /// The account's name, in place of `for` and `from`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<AccountName>,
    /// The person's name as others read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_name: Option<FullName>,
    /// Its number; the system's next free one below 20000 when left out, as those from there on are for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// The login shell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shell: Option<AbsolutePath>,
    /// The home directory; made when the account is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<AbsolutePath>,
    /// Groups that the account is in beside its own. One that is no longer named is taken from it; what Muster did not put it in is left.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<AccountName>,
    /// How it gets a password; left out, it has none and can't log in with one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Password>,
    /// Keys that may log in. One that is no longer named is taken away; what Muster did not put there is left.
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

/// Whose members get accounts, written as `group:engineers`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct From(pub PeopleGroup);

impl From {
    /// What stands before the group's name.
    const PREFIX: &str = "group:";

    fn parse(text: &str) -> Result<Self, String> {
        let name = text.strip_prefix(Self::PREFIX).ok_or_else(|| "expected group:NAME".to_owned())?;
        PeopleGroup::parse(name).map(Self).map_err(|error| error.to_string())
    }
}

impl Serialize for From {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}{}", Self::PREFIX, self.0))
    }
}

impl<'de> Deserialize<'de> for From {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for From {
    fn schema_name() -> Cow<'static, str> {
        "From".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "pattern": "^group:[a-z0-9][a-z0-9._-]{0,62}$"})
    }
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
    /// The name, [`OWNER_KEY`], or `@group:engineers` until the group's members are bound.
    pub fn key(&self) -> Cow<'_, str> {
        match (&self.name, &self.from) {
            (Some(name), _) => name.as_str().into(),
            (None, Some(from)) => group_key(&from.0).into(),
            (None, None) => OWNER_KEY.into(),
        }
    }

    /// Puts a person's name, uid, full name and keys where the profile leaves them open.
    pub fn bind(&self, person: &Person) -> Self {
        let mut bound = self.clone();
        (bound.for_, bound.from) = (None, None);
        bound.name = Some(person.username.clone());
        bound.full_name = bound.full_name.or_else(|| person.full_name.clone());
        bound.uid = bound.uid.or(person.uid);
        bound.ssh_keys.extend(person.ssh_keys.iter().cloned());
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
        let given = [self.for_.is_some(), self.from.is_some(), self.name.is_some()];
        if given.iter().filter(|given| **given).count() != 1 {
            return Err(InvalidResource::new(
                "/account",
                "give one of name, for: owner and from: \"group:NAME\"",
            ));
        }
        if self.from.is_some() {
            self.validate_for_many()?;
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

    /// What belongs to one person can't be the same for all members.
    fn validate_for_many(&self) -> Result<(), InvalidResource> {
        let own = [
            ("uid", self.uid.is_some()),
            ("full_name", self.full_name.is_some()),
            ("home", self.home.is_some()),
        ];
        match own.into_iter().find(|(_, given)| *given) {
            None => Ok(()),
            Some((field, _)) => Err(InvalidResource::new(
                format!("/account/{field}"),
                format!("{field} can't be the same for every member of a group: each has their own"),
            )),
        }
    }
}

/// The key of the accounts of a group's members until they are bound. `@` can't begin an account's name.
pub fn group_key(group: &PeopleGroup) -> String {
    format!("@{}{group}", From::PREFIX)
}

/// The group whose members such a key stands for.
pub fn group_of_key(key: &str) -> Option<PeopleGroup> {
    From::parse(key.strip_prefix('@')?).ok().map(|from| from.0)
}

/// A sorted list, or null for an empty one: nothing is said then.
fn list<'a>(items: impl Iterator<Item = &'a str>) -> Value {
    let mut items: Vec<_> = items.collect();
    items.sort_unstable();
    items.dedup();
    if items.is_empty() { Value::Null } else { items.into() }
}
