//! The strings that resources are made of, each checked once where a document is read.
//!
//! These checks are what keeps a newline out of a sudoers file and a `../` out of a path: past this file a value is
//! what its type says.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::text::one_line;

/// Declares a checked string: its doc, its check, and a regular expression that says the same in the JSON Schema.
macro_rules! checked_string {
    ($(#[$doc:meta])* $name:ident, $expected:literal, $pattern:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Checks `text`; the error says what was expected.
            pub fn parse(text: &str) -> Result<Self, InvalidValue> {
                let check: fn(&str) -> bool = $check;
                if check(text) { Ok(Self(text.to_owned())) } else { Err(InvalidValue($expected)) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
            }
        }

        #[cfg(feature = "schema")]
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({"type": "string", "pattern": $pattern})
            }
        }
    };
}

mod mode;
mod network;
mod packages;
mod time;

pub use mode::Mode;
pub use network::{
    Endpoint, InterfaceAddress, InterfaceName, InterfacePattern, IpNetwork, NoProxy, PacUrl, Ports, ProxyUrl,
    RadioIdentity, SshKeyword, Ssid, WireGuardKey,
};
pub use packages::{HttpsUrl, PackageName, RepositoryUrl, SuiteName, VersionConstraint};
pub use time::{CalendarEvent, LocaleCategory, LocaleName, Span, TimeOfDay, TimeServer, TimeZone};

/// A value was not what its type demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {0}")]
pub struct InvalidValue(pub &'static str);

fn word(text: &str, max: usize, first: fn(u8) -> bool, rest: fn(u8) -> bool) -> bool {
    text.len() <= max && text.bytes().next().is_some_and(first) && text.bytes().skip(1).all(rest)
}

checked_string!(
    /// An absolute path without `.`, `..`, doubled or trailing slashes, at most 4,095 bytes.
    AbsolutePath,
    "an absolute path without '.', '..', '//' or a trailing '/'",
    r"^(/[^/\x00-\x1f]+)+$",
    |text| {
        text.len() < 4096
            && one_line(text)
            && text.strip_prefix('/').is_some_and(|rest| {
                rest.split('/').all(|part| !part.is_empty() && part.len() <= 255 && part != "." && part != "..")
            })
    }
);

checked_string!(
    /// Where a link points: any path of 1 to 4,095 bytes in one line.
    LinkTarget,
    "a path of 1 to 4095 bytes in one line",
    r"^[^\x00-\x1f]+$",
    |text| !text.is_empty() && text.len() < 4096 && one_line(text)
);

checked_string!(
    /// The name of an account or group, as `useradd` takes it.
    AccountName,
    "an account or group name: 1 to 32 of a-z, 0-9, _ and -, beginning with a letter or _",
    "^[a-z_][a-z0-9_-]{0,31}$",
    |text| word(text, 32, |b| b.is_ascii_lowercase() || b == b'_', |b| b.is_ascii_lowercase()
        || b.is_ascii_digit()
        || b == b'_'
        || b == b'-')
);

checked_string!(
    /// A group of people, as Muster's own record calls it.
    PeopleGroup,
    "a group of people: 1 to 63 of a-z, 0-9, ., _ and -, beginning with a letter or digit",
    "^[a-z0-9][a-z0-9._-]{0,62}$",
    |text| word(text, 63, |b| b.is_ascii_lowercase() || b.is_ascii_digit(), |b| b.is_ascii_lowercase()
        || b.is_ascii_digit()
        || b"._-".contains(&b))
);

checked_string!(
    /// A person's full name, as it stands in the GECOS field: no colon, comma or equals sign; and nothing by which a shell
    /// would run what stands in double quotes, as templates may put a name there.
    FullName,
    "a name of at most 128 characters in one line, without ':', ',', '=', '\"', '$', '`' and '\\'",
    "^[^:,=\"$`\\\\\\x00-\\x1f]{0,128}$",
    |text| text.chars().count() <= 128 && one_line(text) && !text.contains([':', ',', '=', '"', '$', '`', '\\'])
);

checked_string!(
    /// A name that becomes part of a file name, such as that of a repository or a sudo rule.
    SnippetName,
    "a name: 1 to 63 of a-z, 0-9, _ and -, beginning with a letter or digit",
    "^[a-z0-9][a-z0-9_-]{0,62}$",
    |text| word(text, 63, |b| b.is_ascii_lowercase() || b.is_ascii_digit(), |b| b.is_ascii_lowercase()
        || b.is_ascii_digit()
        || b == b'_'
        || b == b'-')
);

checked_string!(
    /// A systemd unit name without or with suffix; without one, `.service` is meant.
    UnitName,
    "a unit name: at most 255 of letters, digits, and :_.\\@-, not beginning with - or .",
    r"^[A-Za-z0-9:_\\@][A-Za-z0-9:_.\\@-]{0,254}$",
    |text| word(text, 255, |b| b.is_ascii_alphanumeric() || b":_\\@".contains(&b), |b| b.is_ascii_alphanumeric()
        || b":_.\\@-".contains(&b))
);

checked_string!(
    /// One line of an `authorized_keys` file without options: type, base64, and an optional comment.
    SshPublicKey,
    "an SSH public key in one line: type, base64 and an optional comment, without options",
    r"^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-ssh-ed25519@openssh.com|sk-ecdsa-sha2-nistp256@openssh.com) [A-Za-z0-9+/]+={0,2}( [^\x00-\x1f]*)?$",
    |text| {
        const TYPES: [&str; 7] = [
            "ssh-ed25519",
            "ssh-rsa",
            "ecdsa-sha2-nistp256",
            "ecdsa-sha2-nistp384",
            "ecdsa-sha2-nistp521",
            "sk-ssh-ed25519@openssh.com",
            "sk-ecdsa-sha2-nistp256@openssh.com",
        ];
        let mut parts = text.splitn(3, ' ');
        text.len() <= 8192
            && one_line(text)
            && parts.next().is_some_and(|t| TYPES.contains(&t))
            && parts.next().is_some_and(|blob| {
                let padding = blob.len() - blob.trim_end_matches('=').len();
                blob.len() > 16 && padding <= 2 && blob.trim_end_matches('=').bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/')
            })
    }
);

checked_string!(
    /// Who a sudo rule is for: an account, or `%` and a group.
    SudoWho,
    "an account name, or % and a group name",
    "^%?[a-z_][a-z0-9_-]{0,31}$",
    |text| AccountName::parse(text.strip_prefix('%').unwrap_or(text)).is_ok()
);

checked_string!(
    /// A command of a sudo rule: an absolute path and fixed arguments in one line.
    ///
    /// The characters that mean something to sudoers (`,` `:` `=` `\` `!` `#` `"`, wildcards, and the `^` that begins
    /// a regular expression) are refused rather than quoted: a rule that nobody misreads is worth more than one that
    /// can say everything. The same goes for a path that ends with `/`, which would allow all that is in it.
    SudoCommand,
    "ALL, or the absolute path of a program and arguments in one line, without the characters , : = \\ ! # \" ^ * ? [ ]",
    r##"^(ALL|/[^,:=\\!#"^*?\[\]\x00-\x1f]+)$"##,
    |text| {
        text == "ALL"
            || (text.len() <= 1024
                && one_line(text)
                && AbsolutePath::parse(text.split(' ').next().unwrap_or_default()).is_ok()
                && !text.contains([',', ':', '=', '\\', '!', '#', '"', '^', '*', '?', '[', ']'])
                && !text.contains("..")
                && !text.contains("  ")
                && !text.ends_with(' '))
    }
);

checked_string!(
    /// A line of a text file, or the beginning of one: no control characters but tabs.
    ///
    /// What reads like a digest is refused, because that is how a line which is not managed is spoken of.
    LineText,
    "one line of 1 to 1024 bytes, without control characters but tabs",
    r"^[^\x00-\x08\x0a-\x1f]+$",
    |text| (1..=1024).contains(&text.len())
        && one_line(&text.replace('\t', " "))
        && text.parse::<crate::id::Digest>().is_err()
);

/// Whether a text is labels of letters, digits and `-` between dots (RFC 1123, 2.1), and no address.
fn host_name(text: &str, max: usize) -> bool {
    let label = |label: &str| {
        label.len() <= 63
            && !label.ends_with('-')
            && word(label, 63, |b| b.is_ascii_alphanumeric(), |b| b.is_ascii_alphanumeric() || b == b'-')
    };
    text.len() <= max && text.split('.').all(label) && text.parse::<std::net::Ipv4Addr>().is_err()
}

checked_string!(
    /// What a machine may call itself: as long a name as the kernel holds.
    HostName,
    "a host name: at most 64 bytes, labels of letters, digits and - between dots, none of them beginning or ending with -",
    "^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?([.][A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$",
    |text| host_name(text, 64)
);

checked_string!(
    /// A name in `/etc/hosts`, alone or with a domain.
    DomainName,
    "a name: at most 253 bytes, labels of letters, digits and - between dots, none of them beginning or ending with -",
    "^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?([.][A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$",
    |text| host_name(text, 253)
);

checked_string!(
    /// An IPv4 or IPv6 address, without a zone.
    IpAddress,
    "an IPv4 or IPv6 address, without a zone or a prefix length",
    "^[0-9A-Fa-f:.]+$",
    |text| text.parse::<std::net::IpAddr>().is_ok()
);

checked_string!(
    /// The path of a setting in dconf(7): directories and a key, at most 1,024 bytes.
    DconfKey,
    "a key of dconf, such as /org/gnome/desktop/screensaver/lock-enabled",
    "^(/[A-Za-z0-9._-]+){2,}$",
    |text| text.len() <= 1024 && text.strip_prefix('/').is_some_and(|rest| {
        let part = |part: &str| word(part, 255, |_| true, |_| true) && part.bytes().all(|b| {
            b.is_ascii_alphanumeric() || b"._-".contains(&b)
        });
        rest.contains('/') && rest.split('/').all(|name| part(name) && name != "." && name != "..")
    })
);

impl DconfKey {
    /// The directory, without slashes around it, and the name of the key in it.
    pub fn parts(&self) -> (&str, &str) {
        self.0.trim_start_matches('/').rsplit_once('/').unwrap_or(("", &self.0))
    }
}

checked_string!(
    /// The value of a setting in dconf(7), as `GVariant` text; dconf itself judges it on the device.
    DconfValue,
    "a value as GVariant text, such as true, \"'a text'\" or \"uint32 5\", of 1 to 4096 bytes in one line",
    r"^[^\x00-\x1f]{1,4096}$",
    |text| !text.is_empty() && text.len() <= 4096 && one_line(text)
);

checked_string!(
    /// The name of a kernel module, at most 55 bytes, as the kernel itself keeps it.
    ModuleName,
    "a module name: 1 to 55 of letters, digits, _ and -, beginning with a letter, a digit or _",
    "^[A-Za-z0-9_][A-Za-z0-9_-]{0,54}$",
    |text| word(text, 55, |b| b.is_ascii_alphanumeric() || b == b'_', |b| b.is_ascii_alphanumeric()
        || b == b'_'
        || b == b'-')
);

checked_string!(
    /// A key of the kernel's settings, with dots between its parts and `/` for a dot inside one.
    ///
    /// No part is empty or begins with what is neither a letter, a digit nor `_`, so that none of them is `.` or `..` once
    /// dots and slashes have changed places; the first has no `/`, by which sysctl.d(5) would read all of them the other
    /// way round.
    SysctlName,
    "a key of the kernel such as net.ipv4.ip_forward: at most 200 of letters, digits and _-:@/, in two parts or more between dots, with / for a dot inside a part",
    "^[a-z][a-z0-9_]*([.][A-Za-z0-9_][A-Za-z0-9_:@/-]*)+$",
    |text| {
        let mut parts = text.split('.');
        text.len() <= 200
            && parts.next().is_some_and(|part| word(part, 200, |b| b.is_ascii_lowercase(), |b| b.is_ascii_lowercase()
                || b.is_ascii_digit()
                || b == b'_'))
            && text.contains('.')
            && parts.all(|part| word(part, 200, |b| b.is_ascii_alphanumeric() || b == b'_', |b| b.is_ascii_alphanumeric()
                || b"_:@/-".contains(&b)))
    }
);

checked_string!(
    /// A program or an argument of it: any text of at most 4,096 bytes in one line. No shell reads it.
    Argument,
    "an argument of at most 4096 bytes in one line",
    r"^[^\x00-\x1f]*$",
    |text| text.len() <= 4096 && one_line(text)
);

checked_string!(
    /// What is mounted: a device, `UUID=...`, a directory, `server:/export`, `//server/share`, or a word such as `tmpfs`.
    MountSource,
    "what is mounted, at most 1024 bytes without blanks, quotes and \\, not beginning with -",
    r#"^[^\x00-\x20"'\\-][^\x00-\x20"'\\]*$"#,
    |text| !text.is_empty() && text.len() <= 1024 && !text.starts_with('-') && unquoted(text)
);

checked_string!(
    /// The type of a file system, as mount(8) takes it.
    FileSystemType,
    "the type of a file system: 1 to 32 of a-z, 0-9, ., _ and -, beginning with a letter or digit",
    "^[a-z0-9][a-z0-9._-]{0,31}$",
    |text| word(text, 32, |b| b.is_ascii_lowercase() || b.is_ascii_digit(), |b| b.is_ascii_lowercase()
        || b.is_ascii_digit()
        || b"._-".contains(&b))
);

checked_string!(
    /// One option of a mount, such as `ro` or `uid=1000`.
    MountOption,
    "one option of a mount: at most 256 bytes without blanks, commas, quotes and \\, not beginning with -",
    r#"^[^\x00-\x20"'\\,-][^\x00-\x20"'\\,]*$"#,
    |text| !text.is_empty() && text.len() <= 256 && !text.starts_with('-') && !text.contains(',') && unquoted(text)
);

/// Whether nothing in a text is a blank, a quote or a backslash, so that it needs no quotes in a unit of systemd's.
pub(super) fn unquoted(text: &str) -> bool {
    one_line(text) && !text.contains(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '\\'))
}

/// The value of a setting, of the kernel or of a service: one line of at most 1,024 bytes, or a whole number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct SettingValue(String);

impl SettingValue {
    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Checks `text`; the error says what was expected.
    pub fn parse(text: &str) -> Result<Self, InvalidValue> {
        const EXPECTED: InvalidValue =
            InvalidValue("a value: a whole number, or one line of at most 1024 bytes");
        if text.len() <= 1024 && one_line(text) { Ok(Self(text.to_owned())) } else { Err(EXPECTED) }
    }
}

impl<'de> Deserialize<'de> for SettingValue {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrNumber;
        impl serde::de::Visitor<'_> for TextOrNumber {
            type Value = SettingValue;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value: a whole number, or one line of at most 1024 bytes")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<SettingValue, E> {
                SettingValue::parse(text).map_err(E::custom)
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<SettingValue, E> {
                Ok(SettingValue(number.to_string()))
            }

            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<SettingValue, E> {
                Ok(SettingValue(number.to_string()))
            }
        }
        deserializer.deserialize_any(TextOrNumber)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for SettingValue {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SettingValue".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"anyOf": [
            {"type": "string", "pattern": r"^[^\x00-\x1f]*$", "maxLength": 1024}, {"type": "integer"}
        ]})
    }
}

/// Whether the resource should be there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Existence {
    /// It should be there.
    #[default]
    Present,
    /// It should not be there.
    Absent,
}

impl Existence {
    /// True for the default, which documents leave out.
    pub fn is_present(&self) -> bool {
        *self == Self::Present
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Digest;

    #[test]
    fn hostile_names_are_refused() {
        for path in ["", "/", "etc/motd", "/etc/../shadow", "/etc//motd", "/etc/", "/a\nb", "/a\0b", "/a/./b"]
        {
            assert!(AbsolutePath::parse(path).is_err(), "{path:?}");
        }
        for name in ["", "-r", "root:x", "a\nb", "../x", "A", &"a".repeat(33), "a b", "a\0"] {
            assert!(AccountName::parse(name).is_err(), "{name:?}");
        }
        for command in [
            "/bin/x\nroot ALL=(ALL) NOPASSWD: ALL",
            "/bin/x, /bin/sh",
            "/bin/../sh",
            "bin/x",
            "/bin/x *",
            "/x !y",
        ] {
            assert!(SudoCommand::parse(command).is_err(), "{command:?}");
        }
        for name in ["-o", "a", "git;id", "git ", "git\n", "--purge"] {
            assert!(PackageName::parse(name).is_err(), "{name:?}");
        }
        for name in ["NetworkManager", "python3_other", "libstdc++", "libx_"] {
            assert!(PackageName::parse(name).is_ok(), "{name:?}");
        }
        for version in ["1.0^git1", ">= 1.2~rc1_2-3.fc40"] {
            assert!(VersionConstraint::parse(version).is_ok(), "{version:?}");
        }
        for url in
            ["https://a.example", "https://a.example:8443/x/y-1.2.tar.gz?a=b&c=%20", "https://10.0.0.1/x"]
        {
            assert_eq!(HttpsUrl::parse(url).unwrap().as_str(), url);
        }
        assert_eq!(HttpsUrl::parse("https://a.example:8443?x/y").unwrap().host(), "a.example:8443");
        for url in [
            "https://",
            "http://a.example/x",
            "file:///etc/shadow",
            "https://ada:secret@a.example/x",
            "https://a.example@b.example/x",
            "https://a.example:0/x",
            "https://a.example:99999/x",
            "https://a.example:+443/x",
            "https://-a/x",
            "https:///x",
            "https://[::1]/x",
            "https://a.example/x#y",
            "https://a.example/x y",
            "https://a.example/x\r\nHost: b",
            "https://a.example\\@b/x",
        ] {
            assert!(HttpsUrl::parse(url).is_err(), "{url:?}");
        }
        for url in ["https://", "ftp://x", "https://x y", "https://x\nSigned-By: /tmp/k", "http://[x]"] {
            assert!(RepositoryUrl::parse(url).is_err(), "{url:?}");
        }
        for unit in ["-x", "../x", "a/b", "a b", "", ".x"] {
            assert!(UnitName::parse(unit).is_err(), "{unit:?}");
        }
        for name in [
            "",
            "-x",
            "x-",
            "a..b",
            ".a",
            "a.",
            "a b",
            "a_b",
            "a\nb",
            "a\0",
            "../a",
            "10.0.0.1",
            &"a".repeat(65),
        ] {
            assert!(HostName::parse(name).is_err(), "{name:?}");
        }
        for line in ["", "a\nb", "a\rb", "a\0", "\u{2028}", &Digest::of(b"").to_string(), &"a".repeat(10_000)]
        {
            assert!(LineText::parse(line).is_err(), "{line:?}");
        }
        assert!(LineText::parse("\tPort 22 # as before").is_ok());
        for address in
            ["", "10.0.0", "10.0.0.01", "10.0.0.1/8", "fe80::1%eth0", "10.0.0.1 x", "::1\n::2", "::1\0", "-1"]
        {
            assert!(IpAddress::parse(address).is_err(), "{address:?}");
        }
        assert!(DomainName::parse(&format!("{}.example", "a".repeat(63))).is_ok());
        for name in ["a b", "a#b", "a\n10.0.0.1 b", "_x", &"a".repeat(64), &"a.".repeat(5_000)] {
            assert!(DomainName::parse(name).is_err(), "{name:?}");
        }
        for name in
            ["", "-r", "usb storage", "usb.ko", "../usb", "usb\ninstall x /bin/sh", "usb\0", &"u".repeat(56)]
        {
            assert!(ModuleName::parse(name).is_err(), "{name:?}");
        }
        for name in [
            "",
            "net",
            "net.",
            ".net.x",
            "net..x",
            "net.ipv4.*",
            "net.ipv4/x.y/../z",
            "net./.x",
            "net.//.x",
            "net/ipv4/ip_forward",
            "../etc.x",
            "-net.x",
            "net.x = 1",
            "net.x\nkernel.x",
            "net.x\0",
            &format!("net.{}", "x".repeat(10_000)),
        ] {
            assert!(SysctlName::parse(name).is_err(), "{name:?}");
        }
        for zone in [
            "",
            "/etc/shadow",
            "../shadow",
            "Europe/../x",
            "Europe//Berlin",
            "Europe/",
            "a\nb",
            ".x",
            "a.tab",
        ] {
            assert!(TimeZone::parse(zone).is_err(), "{zone:?}");
        }
        for server in ["", "-x", "a b", "a\nNTP=b", "10.0.0.1:123", "fe80::1%eth0", "a\0"] {
            assert!(TimeServer::parse(server).is_err(), "{server:?}");
        }
        for locale in ["", "../x", "de_DE UTF-8", "de\nLANG=x", "-x", "de/DE", "\"de\"", &"d".repeat(65)] {
            assert!(LocaleName::parse(locale).is_err(), "{locale:?}");
        }
        for category in
            ["LC_ALL=C", "LANG=C", "LC_TIME", "LC_TIME=", "LC_TIME=a b", "PATH=/x", "LC_TIME=C\nPATH=/x"]
        {
            assert!(LocaleCategory::parse(category).is_err(), "{category:?}");
        }
        for event in ["", "-x", "a\nOnBootSec=1", "daily; x", "$(x)", "%h", "\"daily\""] {
            assert!(CalendarEvent::parse(event).is_err(), "{event:?}");
        }
        for span in ["", "0s", "1", "h", "1w", "-1h", "1.5h", "1000000s", "1h 1m"] {
            assert!(Span::parse(span).is_err(), "{span:?}");
        }
        for source in ["", "-o", "a b", "a\nType=x", "a\\", "\"a\"", "a\0", &"a".repeat(10_000)] {
            assert!(MountSource::parse(source).is_err(), "{source:?}");
        }
        for option in ["", "-o", "ro,suid", "a b", "a\nb", "a\\", "a=\"b\""] {
            assert!(MountOption::parse(option).is_err(), "{option:?}");
        }
        for value in ["1\nkernel.core_pattern = |/bin/x", "1\0", &"1".repeat(10_000)] {
            assert!(SettingValue::parse(value).is_err(), "{value:?}");
        }
        for key in [
            "command=\"id\" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA",
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA\nssh-rsa AAAA",
        ] {
            assert!(SshPublicKey::parse(key).is_err(), "{key:?}");
        }
    }

    #[test]
    fn a_length_of_time_is_read_in_seconds() {
        let seconds = |text: &str| Span::parse(text).unwrap().seconds();
        assert_eq!(["90s", "30m", "2h", "7d"].map(seconds), [90, 1_800, 7_200, 604_800]);
    }

    #[test]
    fn a_mode_without_quotes_is_refused_with_the_right_way_to_write_it() {
        let error = serde_json::from_str::<Mode>("420").unwrap_err().to_string();
        assert!(error.contains("mode: \"0644\""), "{error}");
        assert_eq!(Mode::parse("2775").unwrap().to_string(), "2775");
        assert!(Mode::parse("0888").is_err());
    }
}
