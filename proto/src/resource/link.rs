//! `link`: a symbolic link.

use serde::{Deserialize, Serialize};

use super::InvalidResource;
use super::value::{AbsolutePath, Existence, LinkTarget};
use crate::condition::Condition;

/// A symbolic link. What it points to need not be there. With the end of the resource it points where it did before, or goes; one that
/// someone changed since is left, and the device says so.
///
/// ```yaml
/// - link: { path: /srv/current, target: /srv/releases/42 }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// Where the link is.
    pub path: AbsolutePath,
    /// Where it points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<LinkTarget>,
    /// Whether it should be there.
    #[serde(default, skip_serializing_if = "Existence::is_present")]
    pub state: Existence,
}

impl Link {
    /// Present, with its target.
    pub fn desired(&self) -> Condition {
        match self.state {
            Existence::Absent => Condition::Absent,
            Existence::Present => {
                Condition::present([("target", self.target.as_ref().map(LinkTarget::as_str).into())])
            }
        }
    }

    pub(super) fn validate(&self) -> Result<(), InvalidResource> {
        match (self.state, &self.target) {
            (Existence::Present, None) => Err(InvalidResource::new("/link", "give the target")),
            (Existence::Absent, Some(_)) => {
                Err(InvalidResource::new("/link/target", "a link that should be absent has no target"))
            }
            (Existence::Present, Some(_)) | (Existence::Absent, None) => Ok(()),
        }
    }
}
