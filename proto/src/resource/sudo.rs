//! `sudo`: one rule in a file of its own under `/etc/sudoers.d`.

use serde::{Deserialize, Serialize};

use super::InvalidResource;
use super::value::{AccountName, Existence, SnippetName, SudoCommand, SudoWho};
use crate::condition::Condition;
use crate::id::Digest;

/// Who may run which commands as whom, in a file of its own in `/etc/sudoers.d` that `visudo` has checked. With the end of the
/// resource it goes, or what stood there before comes back.
///
/// ```yaml
/// - sudo:
///     name: engineers-cron
///     who: "%engineers"
///     commands: ["/usr/bin/systemctl restart cron.service"]
///     password: true
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Sudo {
    /// The rule's name; the file is `/etc/sudoers.d/muster-<name>`.
    pub name: SnippetName,
    /// An account, or `%` and a group. A rule for one that is not on the device is Blocked until it is: whoever came to have
    /// the name would have the right.
    pub who: SudoWho,
    /// Commands with exactly these arguments; a path alone allows any arguments; `ALL` is everything.
    pub commands: Vec<SudoCommand>,
    /// As whom; root when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_as: Option<AccountName>,
    /// Whether sudo asks for the password of who runs it.
    #[serde(default = "yes")]
    pub password: bool,
    /// Whether the rule should be there.
    #[serde(default, skip_serializing_if = "Existence::is_present")]
    pub state: Existence,
}

fn yes() -> bool {
    true
}

impl Sudo {
    /// Where the rule of this name stands.
    pub fn file(name: &str) -> String {
        format!("/etc/sudoers.d/muster-{name}")
    }

    /// The rule as sudoers(5) writes it.
    pub fn rendered(&self) -> String {
        let run_as = self.run_as.as_ref().map_or("root", AccountName::as_str);
        let tag = if self.password { "" } else { "NOPASSWD: " };
        let commands: Vec<_> = self.commands.iter().map(SudoCommand::as_str).collect();
        format!(
            "# Managed by Muster: sudo:{}\n{} ALL=({run_as}) {tag}{}\n",
            self.name,
            self.who,
            commands.join(", ")
        )
    }

    /// The group that the rule is for, if it is for one.
    pub fn group(&self) -> Option<&str> {
        self.who.as_str().strip_prefix('%')
    }

    /// A file with the rule, mode 0440.
    pub fn desired(&self) -> Condition {
        match self.state {
            Existence::Absent => Condition::Absent,
            Existence::Present => Condition::present([
                ("content", Digest::of(self.rendered().as_bytes()).to_string().into()),
                ("mode", "0440".into()),
                ("owner", "root".into()),
                ("group", "root".into()),
            ]),
        }
    }

    pub(super) fn validate(&self) -> Result<(), InvalidResource> {
        if self.commands.is_empty() {
            return Err(InvalidResource::new("/sudo/commands", "name at least one command"));
        }
        Ok(())
    }
}
