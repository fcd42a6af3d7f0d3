//! A key with its certificates in one PEM file, and what can be read from a certificate.

use std::path::Path;

use muster_proto::{Digest, Timestamp};
use rcgen::KeyPair;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::template::Name;
use super::{Error, file};

/// A key and the chain that certifies it, leaf first.
pub(crate) struct Bundle {
    key: KeyPair,
    chain: Vec<CertificateDer<'static>>,
}

/// What Muster reads from a certificate.
#[derive(Debug)]
pub(crate) struct Facts {
    /// URI names.
    pub(crate) uris: Vec<String>,
    /// Server names and addresses.
    pub(crate) names: Vec<Name>,
    /// How many names of any kind.
    pub(crate) name_count: usize,
    /// Hex digits, lower case.
    pub(crate) serial_number: String,
    /// Digest of the public key (DER, `SubjectPublicKeyInfo`).
    pub(crate) key: Digest,
    /// When it begins to be valid.
    pub(crate) not_before: Timestamp,
    /// When it ends.
    pub(crate) not_after: Timestamp,
}

impl Bundle {
    pub(super) fn new(key: KeyPair, chain: Vec<CertificateDer<'static>>) -> Self {
        Self { key, chain }
    }

    /// Reads a bundle that [`Self::write`] wrote.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let text = file::read(path)?;
        let damaged = |reason: String| Error::Damaged { path: path.to_owned(), reason };
        let key = KeyPair::from_pem(&text).map_err(|error| damaged(format!("its key: {error}")))?;
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
        let chain = chain.map_err(|error| damaged(format!("its certificates: {error}")))?;
        if chain.is_empty() {
            return Err(damaged("it holds no certificate".to_owned()));
        }
        Ok(Self { key, chain })
    }

    /// Writes the bundle, replacing an older one.
    pub(crate) fn write(&self, path: &Path) -> Result<(), Error> {
        let mut text = self.key.serialize_pem();
        for certificate in &self.chain {
            text.push_str(&to_pem(certificate));
        }
        file::replace(path, text.as_bytes())
    }

    /// The certificate of the key.
    pub(crate) fn leaf(&self) -> &CertificateDer<'static> {
        self.chain.first().expect("a bundle is never made without a certificate")
    }

    /// Certificates, leaf first.
    pub(crate) fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// The key in the form TLS takes it.
    pub(crate) fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(self.key.serialize_der().into())
    }

    pub(super) fn into_key(self) -> KeyPair {
        self.key
    }
}

/// Reads the one certificate in a PEM file.
pub(super) fn certificate(path: &Path) -> Result<CertificateDer<'static>, Error> {
    let text = file::read(path)?;
    CertificateDer::from_pem_slice(text.as_bytes())
        .map_err(|error| Error::Damaged { path: path.to_owned(), reason: error.to_string() })
}

/// Reads a certificate; it is not verified.
pub(crate) fn facts(der: &[u8]) -> Result<Facts, String> {
    let (rest, certificate) = X509Certificate::from_der(der).map_err(|error| error.to_string())?;
    if !rest.is_empty() {
        return Err("bytes follow the certificate".to_owned());
    }
    let names = certificate.subject_alternative_name().map_err(|error| error.to_string())?;
    let names = names.map(|extension| &extension.value.general_names[..]).unwrap_or_default();
    let time = |time: x509_parser::time::ASN1Time| {
        Timestamp::from_micros(time.timestamp().saturating_mul(1_000_000)).unwrap_or(Timestamp::MAX)
    };
    Ok(Facts {
        uris: names.iter().filter_map(uri).collect(),
        names: names.iter().filter_map(Name::of).collect(),
        name_count: names.len(),
        serial_number: serial_text(certificate.tbs_certificate.raw_serial()),
        key: Digest::of(certificate.public_key().raw),
        not_before: time(certificate.validity().not_before),
        not_after: time(certificate.validity().not_after),
    })
}

/// A serial number as hex digits, without leading zero bytes: DER adds one to keep it positive and drops all others.
pub(super) fn serial_text(bytes: &[u8]) -> String {
    let first = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    data_encoding::HEXLOWER.encode(&bytes[first..])
}

fn uri(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::URI(uri) => Some((*uri).to_owned()),
        _ => None,
    }
}

fn to_pem(der: &[u8]) -> String {
    let mut text = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for line in data_encoding::BASE64.encode(der).as_bytes().chunks(64) {
        text.push_str(std::str::from_utf8(line).expect("base64 is ASCII"));
        text.push('\n');
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}
