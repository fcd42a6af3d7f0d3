//! `dconf`: settings of the desktop, for all users of the device.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::InvalidResource;
use super::value::{DconfKey, DconfValue, SnippetName};
use crate::condition::Condition;
use crate::id::Digest;

/// The file that says which databases a user's settings come from.
pub const PROFILE: &str = "/etc/dconf/profile/user";
/// The database that is made of the files.
pub const DATABASE: &str = "/etc/dconf/db/local";

/// Settings of GNOME and other desktops that keep theirs in dconf(7): what every user has who chose nothing else, or, where
/// they are locked, what every user has. They stand in files of their own in `/etc/dconf/db/local.d`, from which `dconf update`
/// of the package `dconf-cli` makes the database `local`. It counts where `/etc/dconf/profile/user` names it, by a line
/// `system-db:local` below `user-db:user`: give that file by `file`.
///
/// ```yaml
/// - dconf:
///     name: screen
///     settings:
///       /org/gnome/desktop/screensaver/lock-enabled: "true"
///       /org/gnome/desktop/session/idle-delay: "uint32 300"
///     locked: true
/// - file:
///     path: /etc/dconf/profile/user
///     content: "user-db:user\nsystem-db:local\n"
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Dconf {
    /// A name of your own. The file is `/etc/dconf/db/local.d/90-muster-<name>`.
    pub name: SnippetName,
    /// Keys with their values as `GVariant` text: `/org/gnome/desktop/screensaver/lock-delay: "uint32 0"`,
    /// `/org/gnome/login-screen/banner-message-text: "'Property of Corp'"`.
    pub settings: BTreeMap<DconfKey, DconfValue>,
    /// Whether users are kept from choosing something else.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub locked: bool,
}

impl Dconf {
    /// Where the settings stand.
    pub fn file(name: &str) -> String {
        format!("/etc/dconf/db/local.d/90-muster-{name}")
    }

    /// Where it is said that users may not change them.
    pub fn locks(name: &str) -> String {
        format!("/etc/dconf/db/local.d/locks/90-muster-{name}")
    }

    /// The settings as a keyfile of dconf: by their directories.
    pub fn rendered(&self) -> String {
        let mut text = format!("# Managed by Muster: dconf:{}\n", self.name);
        let mut settings: Vec<_> = self.settings.iter().map(|(key, value)| (key.parts(), value)).collect();
        // A key of a directory below sorts between those of the one above.
        settings.sort_by_key(|(parts, _)| *parts);
        let mut last = None;
        for ((directory, name), value) in settings {
            if last != Some(directory) {
                text.push_str(&format!("\n[{directory}]\n"));
                last = Some(directory);
            }
            text.push_str(&format!("{name}={}\n", value.as_str()));
        }
        text
    }

    /// The keys that are locked, or nothing where none is.
    pub fn rendered_locks(&self) -> Option<String> {
        let lines = self.settings.keys().map(|key| format!("{key}\n"));
        self.locked
            .then(|| format!("# Managed by Muster: dconf:{}\n{}", self.name, lines.collect::<String>()))
    }

    /// The digests of the files, and that the database was made since.
    pub fn desired(&self) -> Condition {
        let digest = |text: &str| Digest::of(text.as_bytes()).to_string();
        let locks =
            self.rendered_locks().map_or_else(|| crate::condition::NO_FILE.to_owned(), |text| digest(&text));
        Condition::present([
            ("file", digest(&self.rendered()).into()),
            ("locks", locks.into()),
            ("compiled", true.into()),
        ])
    }

    pub(super) fn validate(&self) -> Result<(), InvalidResource> {
        if self.settings.is_empty() {
            return Err(InvalidResource::new("/dconf/settings", "give at least one"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_of_one_directory_stand_together_although_another_lies_between_them() {
        let dconf: Dconf = serde_json::from_value(json!({"name": "base", "locked": true, "settings": {
            "/org/gnome/a/a": "true", "/org/gnome/a/b/y": "uint32 5", "/org/gnome/a/z": "'text'",
        }}))
        .unwrap();
        assert_eq!(
            dconf.rendered(),
            "# Managed by Muster: dconf:base\n\n[org/gnome/a]\na=true\nz='text'\n\n[org/gnome/a/b]\ny=uint32 5\n"
        );
        assert_eq!(
            dconf.rendered_locks().unwrap(),
            "# Managed by Muster: dconf:base\n/org/gnome/a/a\n/org/gnome/a/b/y\n/org/gnome/a/z\n"
        );
    }
}
