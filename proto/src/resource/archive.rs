//! `archive`: a tree of files, unpacked from an artifact that the server keeps.

use serde::{Deserialize, Serialize};

use super::InvalidResource;
use super::value::{AbsolutePath, AccountName, HttpsUrl};
use crate::condition::Condition;
use crate::id::Digest;

/// The attribute with the digest of the artifact whose tree is there; [`NOTHING`] where there is an empty directory.
pub const ARTIFACT: &str = "artifact";

/// What stands in place of an artifact's digest where none was unpacked.
pub const NOTHING: &str = "none";

/// The most directories that `strip` takes away.
pub const MOST_STRIPPED: u8 = 16;

/// A tree of files, unpacked from an artifact: a tar archive, plain or with gzip, that was put on the server by `muster artifact put`
/// and is named by its digest, or that is to be had at a URL. The device fetches it, over its own link to the server, and checks the digest before anything is unpacked. What is
/// at the path is the archive's alone and is put there whole, at once: what others add, change or remove below it is put right by unpacking
/// it anew. Only an empty directory or a tree that Muster unpacked is ever replaced, and only where nobody but root can
/// change the directories on the way; else it is Blocked. Everything belongs to one owner and group; setuid and setgid bits are
/// dropped. With the end of the resource the tree goes, if nobody changed it, and an empty directory that was there comes back.
///
/// ```yaml
/// - archive:
///     path: /opt/site
///     artifact: sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
///     strip: 1
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Archive {
    /// The directory that the tree becomes. The one above has to be there.
    pub path: AbsolutePath,
    /// Which artifact, by its digest, such as `sha256:` and 64 hex digits; `muster artifact put` prints it.
    #[cfg_attr(feature = "schema", schemars(with = "String", regex(pattern = "^sha256:[0-9a-f]{64}$")))]
    pub artifact: Digest,
    /// Where the artifact is to be had when it is not to come from the server: an address that begins with `https://`, of a server that
    /// the device trusts by its own system's store and that speaks TLS 1.3. The device calls it as root, follows five redirects at most,
    /// and takes nothing but what the digest says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<HttpsUrl>,
    /// How many leading directories are taken off each name in the archive, 16 at most, as by `tar --strip-components`; what has no
    /// more than these is left out.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[cfg_attr(feature = "schema", schemars(range(max = 16)))]
    pub strip: u8,
    /// Whose all of it is; root's when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<AccountName>,
    /// The group of all of it; root when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<AccountName>,
}

fn is_zero(strip: &u8) -> bool {
    *strip == 0
}

impl Archive {
    /// The owning account.
    pub fn owner(&self) -> &str {
        self.owner.as_ref().map_or("root", AccountName::as_str)
    }

    /// The owning group.
    pub fn group(&self) -> &str {
        self.group.as_ref().map_or("root", AccountName::as_str)
    }

    /// Present, with the artifact, how it is unpacked, and whose it is.
    pub fn desired(&self) -> Condition {
        Condition::present([
            (ARTIFACT, self.artifact.to_string().into()),
            ("strip", self.strip.into()),
            ("owner", self.owner().into()),
            ("group", self.group().into()),
        ])
    }

    pub(super) fn validate(&self) -> Result<(), InvalidResource> {
        if self.strip > MOST_STRIPPED {
            return Err(InvalidResource::new("/archive/strip", "at most 16 directories are taken off"));
        }
        Ok(())
    }
}
