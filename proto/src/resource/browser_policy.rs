//! `browser_policy`: what a browser is told by who manages the machine.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::InvalidResource;
use crate::condition::Condition;
use crate::id::Digest;

/// More than the policies of any company take.
const LARGEST: usize = 256 * 1024;

/// Policies of a browser, under the names that its maker gives them: each user's browser takes them when it starts, and
/// shows that it is managed. Values are passed on as they are, and what the browser does not know it ignores. A browser has
/// one set of them; where several profiles give some, that of the highest precedence counts.
///
/// ```yaml
/// - browser_policy:
///     browser: firefox
///     policies:
///       DisableTelemetry: true
///       PasswordManagerEnabled: false
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BrowserPolicy {
    /// Which browser; it need not be installed yet.
    pub browser: Browser,
    /// The policies with their values, such as `PasswordManagerEnabled: false`; at most 256 KiB.
    pub policies: Map<String, Value>,
}

/// A browser that reads policies from a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Browser {
    /// Google Chrome, by `/etc/opt/chrome/policies/managed/muster.json`.
    Chrome,
    /// Chromium, by `/etc/chromium/policies/managed/muster.json`.
    Chromium,
    /// Microsoft Edge, by `/etc/opt/edge/policies/managed/muster.json`.
    Edge,
    /// Firefox, by `/etc/firefox/policies/policies.json`, which is the only file it reads.
    Firefox,
}

impl Browser {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Chrome, Self::Chromium, Self::Edge, Self::Firefox];

    /// As it is written in a profile.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chrome => "chrome",
            Self::Chromium => "chromium",
            Self::Edge => "edge",
            Self::Firefox => "firefox",
        }
    }

    /// The file that it reads.
    pub fn file(self) -> &'static str {
        match self {
            Self::Chrome => "/etc/opt/chrome/policies/managed/muster.json",
            Self::Chromium => "/etc/chromium/policies/managed/muster.json",
            Self::Edge => "/etc/opt/edge/policies/managed/muster.json",
            Self::Firefox => "/etc/firefox/policies/policies.json",
        }
    }
}

impl BrowserPolicy {
    /// The file as the browser reads it.
    pub fn rendered(&self) -> String {
        let policies = Value::Object(self.policies.clone());
        let whole = match self.browser {
            Browser::Firefox => serde_json::json!({ "policies": policies }),
            Browser::Chrome | Browser::Chromium | Browser::Edge => policies,
        };
        format!("{whole:#}\n")
    }

    /// The digest of the file.
    pub fn desired(&self) -> Condition {
        Condition::present([("file", Digest::of(self.rendered().as_bytes()).to_string().into())])
    }

    pub(super) fn validate(&self) -> Result<(), InvalidResource> {
        if self.rendered().len() > LARGEST {
            return Err(InvalidResource::new("/browser_policy/policies", "larger than 256 KiB"));
        }
        Ok(())
    }
}
