//! `script`: a program that runs once, or whenever another one says that it is due.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::InvalidResource;
use super::value::{AbsolutePath, AccountName, Argument, SnippetName, Span};
use crate::condition::Condition;
use crate::id::Digest;

/// More arguments than anybody reads.
const MOST_ARGUMENTS: usize = 64;

/// The longest body.
const MOST_BYTES: usize = 64 * 1024;

/// The longest a script may take, in seconds: no other change is made meanwhile.
const LONGEST: u64 = 60 * 60;

/// What a script may have, in MiB of memory.
const MEMORY: std::ops::RangeInclusive<u32> = 16..=65_536;

/// A program that the device runs once, and again when what it runs changes. It runs in a transient unit of systemd's, outside
/// of the agent and with limits of its own. One that fails, or is cut off by a crash, is Failed and runs again only if it is
/// declared `idempotent`; otherwise when it changes, or when the resource goes and comes back. Nothing that it did is taken back
/// with the end of the resource.
///
/// ```yaml
/// - script:
///     name: make-data-volume
///     body: |
///       set -eu
///       mkfs.ext4 -L data /dev/disk/by-partlabel/data
///     unless: [/usr/sbin/blkid, -L, data]
///     timeout: 5m
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// Its name.
    pub name: SnippetName,
    /// The absolute path of a program and its arguments, 64 at most, which no shell reads. In place of `body`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<Argument>,
    /// A text that `interpreter` is given as a file, 64 KiB at most. In place of `command`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
    /// What reads the body: the absolute path of a program and its arguments; `[/bin/sh]` when left out. The file comes last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interpreter: Vec<Argument>,
    /// The absolute path of a program and its arguments. Where it ends with 0 the script is not run; it is asked before each run
    /// and, once the script has run, at every turn of the agent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unless: Vec<Argument>,
    /// The account that it runs as; root when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<AccountName>,
    /// How long it may take, 1h at most; `10m` when left out. Then it is told to end, and killed ten seconds later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// How much memory it may take, in MiB; 512 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<u32>,
    /// Whether it may run again after a run that did not end well.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub idempotent: bool,
}

impl Script {
    /// The program and its arguments, without the file of the body.
    pub fn argv(&self) -> Vec<&str> {
        let words = match (self.body.is_empty(), self.interpreter.is_empty()) {
            (true, _) => &self.command,
            (false, false) => &self.interpreter,
            (false, true) => return vec!["/bin/sh"],
        };
        words.iter().map(Argument::as_str).collect()
    }

    /// What names a run: a script that says something else is another one.
    pub fn digest(&self) -> Digest {
        Digest::of(json!([self.argv(), self.body, self.user, self.unless]).to_string().as_bytes())
    }

    /// What will run, for people: the program, as whom and unless what, and the body.
    pub fn shown(&self) -> String {
        let words = |words: Vec<&str>| serde_json::Value::from(words).to_string();
        let user = self.user.as_ref().map_or("root", AccountName::as_str);
        let mut text = format!("runs {} as {user}\n", words(self.argv()));
        if !self.unless.is_empty() {
            text.push_str(&format!("unless {}\n", words(self.unless.iter().map(Argument::as_str).collect())));
        }
        text + &self.body
    }

    /// How long it may take, in seconds.
    pub fn seconds(&self) -> u64 {
        self.timeout.as_ref().map_or(600, Span::seconds)
    }

    /// Present when it has run.
    pub fn desired(&self) -> Condition {
        Condition::present([("ran", self.digest().to_string().into())])
    }

    pub(super) fn validate(&self) -> Result<(), InvalidResource> {
        let wrong =
            |field: &str, message: &str| Err(InvalidResource::new(format!("/script{field}"), message));
        if self.command.is_empty() == self.body.is_empty() {
            return wrong("", "give one of command and body");
        }
        if self.body.is_empty() && !self.interpreter.is_empty() {
            return wrong("/interpreter", "an interpreter reads a body: give one, or leave it out");
        }
        if self.body.len() > MOST_BYTES || self.body.contains('\0') {
            return wrong("/body", "a body has at most 64 KiB and no NUL in it");
        }
        let lists =
            [("/command", &self.command), ("/interpreter", &self.interpreter), ("/unless", &self.unless)];
        for (field, words) in lists {
            let Some(program) = words.first() else { continue };
            if AbsolutePath::parse(program.as_str()).is_err() {
                return wrong(field, "begin with the absolute path of a program");
            }
            if words.len() > MOST_ARGUMENTS {
                return wrong(field, "more than 64 arguments");
            }
        }
        if self.seconds() > LONGEST {
            return wrong("/timeout", "a script takes at most 1h");
        }
        if self.memory_mib.is_some_and(|memory| !MEMORY.contains(&memory)) {
            return wrong("/memory_mib", "between 16 and 65536 MiB");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(fields: serde_json::Value) -> Script {
        serde_json::from_value(fields).unwrap()
    }

    #[test]
    fn a_script_is_another_one_when_it_does_something_else_and_not_when_it_may_take_longer() {
        let one = script(json!({"name": "x", "body": "echo 1\n"}));
        let longer = script(json!({"name": "x", "body": "echo 1\n", "timeout": "1h", "idempotent": true}));
        let other = script(json!({"name": "x", "body": "echo 1\n", "user": "ada"}));
        assert_eq!(one.digest(), longer.digest());
        assert_ne!(one.digest(), other.digest());
        assert_eq!(one.argv(), ["/bin/sh"]);
    }
}
