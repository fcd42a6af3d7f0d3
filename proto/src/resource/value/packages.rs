//! Values that say which software, and where it is to be had.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{InvalidValue, word};

checked_string!(
    /// A Debian package name (Debian Policy 5.6.7).
    PackageName,
    "a package name: 2 to 128 of letters, digits, +, -, _ and ., beginning with a letter or digit, not ending with -",
    "^[A-Za-z0-9][A-Za-z0-9+._-]{0,126}[A-Za-z0-9+._]$",
    // To apt-get install, `telnet-` means: remove telnet.
    |text| text.len() >= 2
        && !text.ends_with('-')
        && word(text, 128, |b| b.is_ascii_alphanumeric(), |b| b.is_ascii_alphanumeric() || b"+-._".contains(&b))
);

checked_string!(
    /// The address of a file: https, a host by its name or IPv4 address, with a port if need be, and no user.
    HttpsUrl,
    "an address that begins with https:// and a host, without spaces, brackets and #, and without a user or a password: who reads the \
     profile would have them, so put such a file on the server",
    r"^https://[A-Za-z0-9][A-Za-z0-9.-]{0,252}(:[0-9]{1,5})?([/?][A-Za-z0-9._~:/?@!$&()*+,;=%-]*)?$",
    |text| {
        let Some(rest) = text.strip_prefix("https://") else { return false };
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (host, port) = authority.split_once(':').unwrap_or((authority, "443"));
        text.len() <= 2048
            && word(host, 253, |b| b.is_ascii_alphanumeric(), |b| b.is_ascii_alphanumeric() || b".-".contains(&b))
            && port.bytes().all(|b| b.is_ascii_digit())
            && port.parse::<u16>().is_ok_and(|port| port > 0)
            && path.bytes().all(|b| b.is_ascii_alphanumeric() || b"._~:/?@!$&()*+,;=%-".contains(&b))
    }
);

impl HttpsUrl {
    /// The host, with a port where one is named: of an address what may be told everywhere.
    pub fn host(&self) -> &str {
        let rest = self.0.strip_prefix("https://").unwrap_or_default();
        &rest[..rest.find(['/', '?']).unwrap_or(rest.len())]
    }
}

checked_string!(
    /// The address of a package repository: http, https or file, in one line without spaces.
    RepositoryUrl,
    "a URL that begins with https://, http:// or file:/, without spaces, quotes or brackets",
    r"^(https?://|file:/)[A-Za-z0-9._~:/?#@!$&()*+,;=%-]+$",
    |text| text.len() <= 2048
        && ["https://", "http://", "file:/"].iter().any(|scheme| text.len() > scheme.len() && text.starts_with(scheme))
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._~:/?#@!$&()*+,;=%-".contains(&b))
);

checked_string!(
    /// A suite or component of a package repository.
    SuiteName,
    "a suite or component: 1 to 128 of letters, digits, and ._/+-, beginning with a letter or digit",
    "^[A-Za-z0-9][A-Za-z0-9._/+-]{0,127}$",
    |text| word(text, 128, |b| b.is_ascii_alphanumeric(), |b| b.is_ascii_alphanumeric() || b"._/+-".contains(&b))
);

checked_string!(
    /// A version constraint on a package: `4.3-1` for exactly that, or an operator (`>=`, `<=`, `>`, `<`, `=`), a space and a version.
    VersionConstraint,
    "a version, or one of >= <= > < = followed by a space and a version",
    "^((>=|<=|>|<|=) )?[0-9A-Za-z][0-9A-Za-z.+:~^_-]{0,127}$",
    |text| {
        let version = [">= ", "<= ", "> ", "< ", "= "].iter().find_map(|op| text.strip_prefix(op)).unwrap_or(text);
        word(version, 128, |b| b.is_ascii_alphanumeric(), |b| b.is_ascii_alphanumeric() || b".+:~^_-".contains(&b))
    }
);
