//! The one name in a device's certificate: `spiffe://<trust-domain>/device/<id>`.

use std::fmt;
use std::str::FromStr;

use crate::id::DeviceId;

/// The name under which an organization's devices are known, such as `corp.example`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustDomain(String);

/// The text is not a trust domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a trust domain: use 1 to 255 of a-z, 0-9, dot, hyphen and underscore, such as corp.example")]
pub struct InvalidTrustDomain;

/// The URI is not the name of a device in this trust domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a device in this trust domain")]
pub struct NotADevice;

impl TrustDomain {
    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The URI of the trust domain, which its authorities carry.
    pub fn uri(&self) -> String {
        format!("spiffe://{}", self.0)
    }

    /// The URI that names `device`.
    pub fn device_uri(&self, device: DeviceId) -> String {
        format!("spiffe://{}/device/{device}", self.0)
    }

    /// Which device of this trust domain a URI names; every other form of the same name is refused.
    pub fn device_in(&self, uri: &str) -> Result<DeviceId, NotADevice> {
        let path = uri.strip_prefix("spiffe://").and_then(|rest| rest.strip_prefix(self.as_str()));
        let id = path.and_then(|path| path.strip_prefix("/device/")).ok_or(NotADevice)?;
        id.parse().map_err(|_| NotADevice)
    }
}

impl FromStr for TrustDomain {
    type Err = InvalidTrustDomain;

    fn from_str(text: &str) -> Result<Self, InvalidTrustDomain> {
        let ok = (1..=255).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b));
        if ok { Ok(Self(text.to_owned())) } else { Err(InvalidTrustDomain) }
    }
}

impl fmt::Display for TrustDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "6c8e7f0a-0d0c-4b0a-9d5e-0a1b2c3d4e5f";

    #[test]
    fn a_device_is_found_in_its_own_name_only() {
        let domain: TrustDomain = "corp.example".parse().unwrap();
        let device: DeviceId = ID.parse().unwrap();
        assert_eq!(domain.device_in(&domain.device_uri(device)), Ok(device));
        for other in [
            format!("spiffe://corp.example.evil/device/{ID}"),
            format!("spiffe://other.example/device/{ID}"),
            format!("spiffe://corp.example/device/{ID}/"),
            format!("spiffe://corp.example//device/{ID}"),
            format!("spiffe://corp.example/device/{}", ID.to_uppercase()),
            format!("https://corp.example/device/{ID}"),
            "spiffe://corp.example".to_owned(),
        ] {
            assert_eq!(domain.device_in(&other), Err(NotADevice), "{other}");
        }
    }

    #[test]
    fn a_trust_domain_with_a_slash_or_upper_case_is_refused() {
        for text in ["", "Corp.example", "corp/example", "corp example", "spiffe://corp"] {
            assert_eq!(text.parse::<TrustDomain>(), Err(InvalidTrustDomain), "{text}");
        }
    }
}
