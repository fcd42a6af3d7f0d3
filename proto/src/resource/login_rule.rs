//! `login_rule`: who may log in from where, by `pam_access`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::InvalidResource;
use super::value::{AccountName, InvalidValue, IpNetwork, SnippetName};
use crate::condition::{Condition, NO_FILE};
use crate::id::Digest;

/// The key of the rule for everyone whom no other rule names.
pub const EVERYONE: &str = "everyone";

/// More accounts, groups or places than anybody reads, and than fit into a line that `pam_access` takes.
const MOST: usize = 100;

/// What `access.conf(5)` takes for more than an account, however it is written.
const WORDS: [&str; 4] = ["all", "except", "none", "local"];

/// From where accounts may log in, by `access.conf(5)`, in files of Muster's own in `/etc/security/access.d`. It counts for all that
/// asks the system's PAM whether an account may be used: the console, the desktop, SSH, `su`, `sudo`, cron. `pam_access` is brought
/// into it by `pam-auth-update` with the first rule, and out of it with the last.
///
/// A rule that names accounts and groups says from where these may log in; who is named by several may do so from the places of each.
/// A rule for `everyone` counts for whom no other rule names. Root is concerned only where it is named, and never at the device
/// itself. When the time of a rule has passed (`not_after`), those whom it names may log in from nowhere; when it leaves the device, it counts no more.
///
/// A change after which the server is not reached over a new connection within 90 s undoes itself, and the device says so.
///
/// ```yaml
/// - login_rule: { name: admins, groups: [admins], from: [local, 10.0.0.0/8] }
/// - login_rule: { name: everyone, from: [local] }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LoginRule {
    /// A name of your own, or `everyone` for the rule for whom no other one names.
    pub name: SnippetName,
    /// The accounts that it is for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<AccountName>,
    /// The groups whose members it is for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<AccountName>,
    /// From where: addresses and networks, such as `10.0.0.0/8`, and `local` for the device itself: its console and desktop, `su`, `sudo`
    /// and cron. An empty list is from nowhere.
    pub from: Vec<LoginPlace>,
}

/// From where somebody logs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginPlace {
    /// The device itself.
    Local,
    /// An address or a network.
    Network(IpNetwork),
}

impl LoginPlace {
    /// Checks `text`; the error says what was expected.
    pub fn parse(text: &str) -> Result<Self, InvalidValue> {
        const EXPECTED: InvalidValue =
            InvalidValue("local, or an address or a network, such as 10.0.0.5, 10.0.0.0/8 or 2001:db8::/32");
        match text {
            "local" => Ok(Self::Local),
            text => IpNetwork::parse(text).map(Self::Network).map_err(|_| EXPECTED),
        }
    }
}

impl fmt::Display for LoginPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("local"),
            Self::Network(network) => network.fmt(f),
        }
    }
}

impl Serialize for LoginPlace {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LoginPlace {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for LoginPlace {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "LoginPlace".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "pattern": "^(local|[0-9A-Fa-f:.]+(/[0-9]{1,3})?)$"})
    }
}

impl LoginRule {
    /// Where it stands what a rule lets in, and where that all else is kept out. Of all lines the first that fits counts, and files are
    /// read in the order of their names: first what any rule lets in, then what the rules keep out, then everyone.
    pub fn files(name: &str) -> [String; 2] {
        let [lets_in, keeps_out] = if name == EVERYONE { [70, 80] } else { [50, 60] };
        [lets_in, keeps_out].map(|place| format!("/etc/security/access.d/{place}-muster-{name}.conf"))
    }

    fn who(&self) -> Vec<String> {
        if self.name.as_str() == EVERYONE {
            return vec!["ALL".to_owned()];
        }
        let accounts = self.accounts.iter().map(|name| name.as_str().to_owned());
        accounts.chain(self.groups.iter().map(|name| format!("({name})"))).collect()
    }

    /// What the rule lets in.
    pub fn lets_in(&self) -> String {
        let places: Vec<_> = self
            .from
            .iter()
            .map(|place| match place {
                LoginPlace::Local => "LOCAL".to_owned(),
                LoginPlace::Network(network) => network.to_string(),
            })
            .collect();
        let who = self.who().into_iter().filter(|_| !places.is_empty());
        self.file(who.map(|who| format!("+:{who}:{}\n", places.join(" "))).collect())
    }

    /// What the rule keeps out: root only where it is named, and never at the device itself.
    pub fn keeps_out(&self) -> String {
        let line = |who: String| match who.as_str() {
            "root" => "-:root:ALL EXCEPT LOCAL\n".to_owned(),
            who => format!("-:{who} EXCEPT root:ALL\n"),
        };
        self.file(self.who().into_iter().map(line).collect())
    }

    fn file(&self, lines: Vec<String>) -> String {
        format!("# Managed by Muster: login_rule:{}\n{}", self.name, lines.concat())
    }

    /// The digests of its files, and that the system's PAM asks for them.
    pub fn desired(&self) -> Condition {
        Condition::present([
            ("lets_in", Digest::of(self.lets_in().as_bytes()).to_string().into()),
            ("keeps_out", Digest::of(self.keeps_out().as_bytes()).to_string().into()),
            ("asked", true.into()),
        ])
    }

    /// It lets nobody in any more.
    pub fn ended(&self) -> Condition {
        Condition::present([
            ("lets_in", NO_FILE.into()),
            ("keeps_out", Digest::of(self.keeps_out().as_bytes()).to_string().into()),
            ("asked", true.into()),
        ])
    }

    pub(super) fn validate(&self) -> Result<(), InvalidResource> {
        let error = |field: &str, message: &str| {
            Err(InvalidResource::new(format!("/login_rule/{field}"), message.to_owned()))
        };
        let named = self.accounts.len() + self.groups.len();
        if self.name.as_str() == EVERYONE && named > 0 {
            return error("name", "the rule for everyone names nobody: leave accounts and groups out");
        }
        if self.name.as_str() != EVERYONE && named == 0 {
            return error("accounts", "name accounts or groups, or call the rule everyone");
        }
        if named > MOST || self.from.len() > MOST {
            return error("from", "at most 100 accounts and groups, and 100 places");
        }
        let is_word = |account: &&AccountName| WORDS.contains(&account.as_str());
        if let Some(word) = self.accounts.iter().find(is_word) {
            let message =
                format!("{word} is a word of access.conf(5), which takes it for other accounts as well");
            return error("accounts", &message);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn who_is_named_comes_in_from_the_places_and_from_nowhere_else() {
        let rule: LoginRule = serde_json::from_value(json!({
            "name": "office", "accounts": ["kim"], "groups": ["engineers"], "from": ["10.0.0.0/8", "2001:db8::/32", "local"],
        }))
        .unwrap();
        assert_eq!(
            rule.lets_in(),
            "# Managed by Muster: login_rule:office\n+:kim:10.0.0.0/8 2001:db8::/32 LOCAL\n+:(engineers):10.0.0.0/8 2001:db8::/32 LOCAL\n"
        );
        assert_eq!(
            rule.keeps_out(),
            "# Managed by Muster: login_rule:office\n-:kim EXCEPT root:ALL\n-:(engineers) EXCEPT root:ALL\n"
        );
    }

    #[test]
    fn everyone_else_is_kept_out_but_for_root() {
        let rule: LoginRule = serde_json::from_value(json!({"name": "everyone", "from": []})).unwrap();
        assert_eq!(rule.lets_in(), "# Managed by Muster: login_rule:everyone\n");
        assert_eq!(rule.keeps_out(), "# Managed by Muster: login_rule:everyone\n-:ALL EXCEPT root:ALL\n");
        let [before, after] = LoginRule::files("everyone");
        assert!(LoginRule::files("office")[1] < before && before < after);
    }
}
