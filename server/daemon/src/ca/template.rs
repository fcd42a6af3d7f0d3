//! What each certificate contains. Nothing in them comes from a request but the key.

use std::net::IpAddr;

use muster_proto::spiffe::TrustDomain;
use muster_proto::{DeviceId, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyUsagePurpose, SanType, SerialNumber,
};
use rustls::pki_types::DnsName;
use time::OffsetDateTime;
use x509_parser::prelude::GeneralName;

use super::{Error, pem};

const DAY: i64 = 24 * 60 * 60;

/// The root outlives the hardware that pins it; it is replaced by pinning two for a while.
const ROOT_DAYS: i64 = 3650;

/// Whoever copies the issuing key can be any server or device until its certificate ends, so it ends within a
/// year. It is renewed after eight months, by itself where the root's key is at hand; where that key is kept away,
/// four months remain to fetch it.
const ISSUING_DAYS: i64 = 365;

const DEVICE_DAYS: i64 = 30;

/// Seconds that a device's certificate lives at most after it was issued.
pub(crate) const DEVICE_LIFE: i64 = DEVICE_DAYS * DAY;

const LISTENER_DAYS: i64 = 30;

/// Clocks of devices may run behind the server's by this much.
const BACKDATE: i64 = 60 * 60;

/// When a certificate was issued that begins to be valid then.
pub(crate) fn issued_at(not_before: Timestamp) -> Timestamp {
    not_before.plus_seconds(BACKDATE)
}

/// A name or address that clients reach a listener by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    /// A DNS name.
    Dns(String),
    /// An IP address.
    Ip(IpAddr),
}

/// A certificate to be signed, with what is remembered of it.
pub(super) struct Made {
    pub(super) params: CertificateParams,
    pub(super) serial_number: String,
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
}

impl std::str::FromStr for Name {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if let Ok(address) = text.parse() {
            return Ok(Self::Ip(address));
        }
        match DnsName::try_from(text) {
            Ok(name) => Ok(Self::Dns(name.as_ref().to_ascii_lowercase())),
            Err(_) => Err(Error::Name(text.to_owned())),
        }
    }
}

impl Name {
    pub(super) fn of(name: &GeneralName<'_>) -> Option<Self> {
        match name {
            GeneralName::DNSName(name) => Some(Self::Dns((*name).to_owned())),
            GeneralName::IPAddress(bytes) => {
                let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
                v4.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from)).ok().map(Self::Ip)
            }
            _ => None,
        }
    }

    fn san(&self) -> Result<SanType, Error> {
        match self {
            Self::Ip(address) => Ok(SanType::IpAddress(*address)),
            Self::Dns(name) => {
                name.as_str().try_into().map(SanType::DnsName).map_err(|_| Error::Name(name.clone()))
            }
        }
    }
}

/// The root: signs issuing authorities and nothing else.
pub(super) fn root(trust_domain: &TrustDomain, now: Timestamp) -> Result<CertificateParams, Error> {
    let mut params = authority(trust_domain, "Muster root", now, ROOT_DAYS)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
    Ok(params)
}

/// The issuing authority: signs devices and listeners, no further authority.
pub(super) fn issuing(trust_domain: &TrustDomain, now: Timestamp) -> Result<CertificateParams, Error> {
    let mut params = authority(trust_domain, "Muster issuing", now, ISSUING_DAYS)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// A device: one URI and the right to be a TLS client.
pub(super) fn device(
    trust_domain: &TrustDomain,
    device: DeviceId,
    now: Timestamp,
    issuer_ends: Timestamp,
) -> Result<Made, Error> {
    let mut made = leaf(now, DEVICE_DAYS, issuer_ends)?;
    made.params.subject_alt_names = vec![uri(trust_domain.device_uri(device))];
    made.params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    Ok(made)
}

/// A listener: the names it is reached by and the right to be a TLS server.
pub(super) fn listener(names: &[Name], now: Timestamp, issuer_ends: Timestamp) -> Result<Made, Error> {
    let mut made = leaf(now, LISTENER_DAYS, issuer_ends)?;
    made.params.subject_alt_names = names.iter().map(Name::san).collect::<Result<_, _>>()?;
    made.params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(made)
}

fn authority(
    trust_domain: &TrustDomain,
    title: &str,
    now: Timestamp,
    days: i64,
) -> Result<CertificateParams, Error> {
    let (mut params, serial) = base(now.plus_seconds(-BACKDATE), now.plus_seconds(days * DAY))?;
    // Root and issuing authorities of several generations must differ in name, or a verifier may pick the wrong one.
    let short: String = serial.chars().take(8).collect();
    params.distinguished_name.push(DnType::OrganizationName, trust_domain.as_str());
    params.distinguished_name.push(DnType::CommonName, format!("{title} {short}"));
    params.subject_alt_names = vec![uri(trust_domain.uri())];
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

fn leaf(now: Timestamp, days: i64, issuer_ends: Timestamp) -> Result<Made, Error> {
    if now >= issuer_ends {
        return Err(Error::Ended(issuer_ends));
    }
    let whole_second = |time: Timestamp| Timestamp::default().plus_seconds(time.seconds());
    let not_before = whole_second(now.plus_seconds(-BACKDATE));
    let not_after = whole_second(now.plus_seconds(days * DAY).min(issuer_ends));
    let (mut params, serial_number) = base(not_before, not_after)?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    Ok(Made { params, serial_number, not_before, not_after })
}

/// An empty subject, 128 random bits as serial number, and the time it is valid.
fn base(not_before: Timestamp, not_after: Timestamp) -> Result<(CertificateParams, String), Error> {
    let mut serial = [0; 16];
    aws_lc_rs::rand::fill(&mut serial).map_err(|_| Error::Random)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.not_before = moment(not_before);
    params.not_after = moment(not_after);
    Ok((params, pem::serial_text(&serial)))
}

fn uri(text: String) -> SanType {
    SanType::URI(text.try_into().expect("a trust domain and a device id are ASCII"))
}

fn moment(time: Timestamp) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(time.seconds()).expect("a Timestamp is between 1970 and 9999")
}
