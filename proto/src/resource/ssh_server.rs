//! `ssh_server`: settings of sshd, in a file of Muster's own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::InvalidResource;
use super::value::{SettingValue, SnippetName, SshKeyword};
use crate::condition::Condition;
use crate::id::Digest;

/// What would put other settings under a condition, or bring in files that nobody manages.
const REFUSED: [&str; 2] = ["include", "match"];

/// Settings of the SSH server, as `sshd_config(5)` has them, in a file of their own that comes before the system's: of each
/// keyword sshd takes the first value it finds. The whole configuration is checked by `sshd -t` before the file takes its
/// place, and a running sshd reads it at once; sessions go on.
///
/// A change after which the server is not reached over a new connection within 90 s undoes itself, and the device says so.
///
/// ```yaml
/// - ssh_server:
///     name: hardening
///     settings:
///       PasswordAuthentication: "no"
///       PermitRootLogin: "no"
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SshServer {
    /// A name of your own. The file is `/etc/ssh/sshd_config.d/10-muster-<name>.conf`.
    pub name: SnippetName,
    /// Keywords with their values, such as `PasswordAuthentication: "no"`. `Match` and `Include` are refused.
    pub settings: BTreeMap<SshKeyword, SettingValue>,
}

impl SshServer {
    /// Where the settings stand.
    pub fn file(name: &str) -> String {
        format!("/etc/ssh/sshd_config.d/10-muster-{name}.conf")
    }

    /// The file as `sshd_config(5)` has it.
    pub fn rendered(&self) -> String {
        let lines = self.settings.iter().map(|(keyword, value)| format!("{keyword} {}\n", value.as_str()));
        format!("# Managed by Muster: ssh_server:{}\n{}", self.name, lines.collect::<String>())
    }

    /// The digest of the file, and that a running sshd has read it.
    pub fn desired(&self) -> Condition {
        let digest = Digest::of(self.rendered().as_bytes()).to_string();
        Condition::present([("file", digest.into()), ("loaded", true.into())])
    }

    pub(super) fn validate(&self) -> Result<(), InvalidResource> {
        if self.settings.is_empty() {
            return Err(InvalidResource::new("/ssh_server/settings", "give at least one"));
        }
        let mut seen: Vec<String> = vec![];
        for keyword in self.settings.keys() {
            let at = format!("/ssh_server/settings/{keyword}");
            let lower = keyword.as_str().to_ascii_lowercase();
            if REFUSED.contains(&lower.as_str()) {
                let message =
                    "Match and Include are not taken: use `line` or `file` for a configuration of your own";
                return Err(InvalidResource::new(at, message));
            }
            // sshd does not tell them apart by their case.
            if seen.contains(&lower) {
                return Err(InvalidResource::new(at, "this keyword is there twice, in another spelling"));
            }
            seen.push(lower);
        }
        Ok(())
    }
}
