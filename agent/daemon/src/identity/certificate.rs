//! Reads the certificate that the server gave this device.

use muster_proto::spiffe::TrustDomain;
use muster_proto::{DeviceId, Timestamp};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};
use x509_parser::time::ASN1Time;

use super::DeviceKey;

/// Why a certificate is not this device's.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotForUs {
    /// There is none.
    #[error("no certificate came")]
    Empty,
    /// It is no certificate.
    #[error("it can't be read: {0}")]
    Unreadable(String),
    /// It certifies another key.
    #[error("it is for another key")]
    Key,
    /// It names no device, or more than one thing.
    #[error("it does not name exactly one device of the trust domain")]
    Name,
    /// The trust domain of the join file is malformed.
    #[error("the trust domain is malformed")]
    TrustDomain,
}

/// What the device needs to know of its certificate.
pub(super) struct Facts {
    pub(super) device: DeviceId,
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
}

/// Checks that a certificate is for `key` and names one device of the trust domain.
pub(super) fn check(der: &[u8], key: &DeviceKey, trust_domain: &TrustDomain) -> Result<Facts, NotForUs> {
    let unreadable = |error: String| NotForUs::Unreadable(error);
    let (_, certificate) = X509Certificate::from_der(der).map_err(|error| unreadable(error.to_string()))?;
    if certificate.public_key().raw != key.public_key() {
        return Err(NotForUs::Key);
    }
    let names = certificate.subject_alternative_name().map_err(|error| unreadable(error.to_string()))?;
    let device = match names.map(|extension| &extension.value.general_names[..]) {
        Some([GeneralName::URI(uri)]) => trust_domain.device_in(uri).map_err(|_| NotForUs::Name)?,
        _ => return Err(NotForUs::Name),
    };
    let validity = certificate.validity();
    Ok(Facts { device, not_before: time(validity.not_before), not_after: time(validity.not_after) })
}

/// Reads the certificates in PEM text.
pub(super) fn from_pem(text: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    CertificateDer::pem_slice_iter(text.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())
}

/// Adds certificates to PEM text.
pub(super) fn append_pem(text: &mut String, chain: &[CertificateDer<'_>]) {
    for der in chain {
        text.push_str("-----BEGIN CERTIFICATE-----\n");
        for line in data_encoding::BASE64.encode(der).as_bytes().chunks(64) {
            text.push_str(std::str::from_utf8(line).expect("base64 is ASCII"));
            text.push('\n');
        }
        text.push_str("-----END CERTIFICATE-----\n");
    }
}

fn time(time: ASN1Time) -> Timestamp {
    Timestamp::from_micros(time.timestamp().saturating_mul(1_000_000)).unwrap_or(Timestamp::MAX)
}
