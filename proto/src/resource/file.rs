//! `file`: a regular file with literal bytes or a filled-in template.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::InvalidResource;
use super::value::{AbsolutePath, AccountName, Existence, Mode};
use crate::condition::Condition;
use crate::id::Digest;
use crate::template::{Names, TemplateError};

/// A regular file. One that is not there is made with 0644 and root unless the profile says otherwise. Where no content is given, what
/// is in one stays, and one that is not there is made empty. With the end of the resource one that Muster made goes, and one that was
/// there is as it was; what someone changed since is left, and the device says so. A lease that ends takes the file back whatever it
/// holds by then.
///
/// ```yaml
/// - file:
///     path: /etc/motd
///     template: |
///       {{ device.name }} belongs to Corp.
/// - file: { path: /etc/cron.d/legacy, state: absent }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Where.
    pub path: AbsolutePath,
    /// Its bytes, as text; nothing is filled in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Its bytes in base64, for what is not text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_base64: Option<String>,
    /// Text in which `{{ param.* }}`, `{{ device.* }}` and `{{ person.* }}` are replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// The owning account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<AccountName>,
    /// The owning group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<AccountName>,
    /// Permission bits, in quotes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// Whether it should be there.
    #[serde(default, skip_serializing_if = "Existence::is_present")]
    pub state: Existence,
}

impl File {
    /// The bytes it should have; `None` when the profile does not say, or only by an unfilled template.
    pub fn bytes(&self) -> Option<Cow<'_, [u8]>> {
        match (&self.content, &self.content_base64) {
            (Some(text), _) => Some(Cow::Borrowed(text.as_bytes())),
            (None, Some(base64)) => data_encoding::BASE64.decode(base64.as_bytes()).ok().map(Cow::Owned),
            (None, None) => None,
        }
    }

    /// Fills the template in.
    pub fn bind(&self, names: &Names) -> Result<Self, TemplateError> {
        let mut bound = self.clone();
        if let Some(template) = bound.template.take() {
            bound.content = Some(names.fill(&template)?);
        }
        Ok(bound)
    }

    /// Whether it decides all of what is there.
    pub(crate) fn is_said_whole(&self) -> bool {
        let contents = [&self.content, &self.content_base64, &self.template];
        self.state == Existence::Absent || contents.iter().any(|content| content.is_some())
    }

    /// Present, with the digest of its bytes and the owner, group and mode that are given.
    pub fn desired(&self) -> Condition {
        match self.state {
            Existence::Absent => Condition::Absent,
            Existence::Present => Condition::present([
                ("content", self.bytes().map_or(Value::Null, |b| Digest::of(&b).to_string().into())),
                ("owner", self.owner.as_ref().map(AccountName::as_str).into()),
                ("group", self.group.as_ref().map(AccountName::as_str).into()),
                ("mode", self.mode.map(|m| m.to_string()).into()),
            ]),
        }
    }

    pub(super) fn validate(&self) -> Result<(), InvalidResource> {
        let given =
            [&self.content, &self.content_base64, &self.template].iter().filter(|c| c.is_some()).count();
        if given > 1 {
            return Err(InvalidResource::new(
                "/file",
                "give only one of content, content_base64 and template",
            ));
        }
        if given > 0 && self.state == Existence::Absent {
            return Err(InvalidResource::new("/file", "a file that should be absent has no content"));
        }
        if let Some(base64) = &self.content_base64 {
            data_encoding::BASE64
                .decode(base64.as_bytes())
                .map_err(|e| InvalidResource::new("/file/content_base64", format!("not base64: {e}")))?;
        }
        if self.bytes().is_some_and(|bytes| private_key(&bytes))
            || self.template.as_ref().is_some_and(|t| private_key(t.as_bytes()))
        {
            return Err(InvalidResource::new(
                "/file",
                "this holds a private key, which everyone who may read profiles could read: make the key on the device",
            ));
        }
        if let Some(template) = &self.template {
            crate::template::check(template)
                .map_err(|e| InvalidResource::new("/file/template", e.to_string()))?;
        }
        Ok(())
    }
}

/// Whether a text holds a private key in one of the armors that PEM, OpenSSH and `OpenPGP` put around it.
fn private_key(bytes: &[u8]) -> bool {
    bytes.split(|b| *b == b'\n').any(|line| {
        let line = line.trim_ascii();
        line.starts_with(b"-----BEGIN ")
            && (line.ends_with(b"PRIVATE KEY-----") || line.ends_with(b"PRIVATE KEY BLOCK-----"))
    })
}
