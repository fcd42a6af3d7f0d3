//! Checks what a device sends to have its key certified. Only the key is ever taken from it.

use rcgen::SubjectPublicKeyInfo;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::cri_attributes::ParsedCriAttribute;
use x509_parser::oid_registry::{
    OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_PKCS9_EXTENSION_REQUEST, OID_SIG_ED25519,
};
use x509_parser::prelude::FromDer;
use x509_parser::x509::SubjectPublicKeyInfo as RequestedKey;

use muster_proto::Digest;

/// A request for a P-384 key with nothing else in it has about 250 bytes.
const MAX_REQUEST: usize = 4096;

/// A public key whose owner showed to hold the private key.
#[derive(Debug)]
pub(crate) struct ProvenKey {
    key: SubjectPublicKeyInfo,
    digest: Digest,
}

/// Why a certificate request is not served. For the audit; a stranger never sees it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RefusedRequest {
    /// Longer than any that is in order.
    #[error("the certificate request has {0} bytes; at most {MAX_REQUEST} are read")]
    TooLong(usize),
    /// Not PKCS #10 in DER.
    #[error("the certificate request can't be read: {0}")]
    Unreadable(String),
    /// Proof of possession failed.
    #[error("the certificate request is not signed with the key it names")]
    Signature,
    /// A key of a kind that is not taken.
    #[error("the certificate request has a key that is not P-256, P-384 or Ed25519")]
    Key,
    /// It wants a name.
    #[error("the certificate request asks for the subject name {0:?}; it may ask for nothing but its key")]
    Subject(String),
    /// It wants extensions, such as other names or the rights of an authority.
    #[error("the certificate request asks for extensions ({0}); it may ask for nothing but its key")]
    Extensions(String),
    /// It has another attribute.
    #[error("the certificate request has the attribute {0}; it may ask for nothing but its key")]
    Attribute(String),
}

impl ProvenKey {
    /// Reads a PKCS #10 request and verifies that its sender holds the key.
    pub(crate) fn of(csr: &[u8]) -> Result<Self, RefusedRequest> {
        if csr.len() > MAX_REQUEST {
            return Err(RefusedRequest::TooLong(csr.len()));
        }
        let (rest, request) = X509CertificationRequest::from_der(csr)
            .map_err(|error| RefusedRequest::Unreadable(error.to_string()))?;
        if !rest.is_empty() {
            return Err(RefusedRequest::Unreadable("bytes follow it".to_owned()));
        }
        let info = &request.certification_request_info;
        check_kind(&info.subject_pki)?;
        request.verify_signature().map_err(|_| RefusedRequest::Signature)?;
        check_asks_for_nothing(&request)?;
        let der = info.subject_pki.raw;
        let key = SubjectPublicKeyInfo::from_der(der).map_err(|_| RefusedRequest::Key)?;
        Ok(Self { key, digest: Digest::of(der) })
    }

    /// The key.
    pub(super) fn public_key(&self) -> &SubjectPublicKeyInfo {
        &self.key
    }

    /// SHA-256 of the key (its `SubjectPublicKeyInfo`), by which the same device is known when it asks again.
    pub(crate) fn digest(&self) -> Digest {
        self.digest
    }
}

fn check_kind(key: &RequestedKey<'_>) -> Result<(), RefusedRequest> {
    let algorithm = &key.algorithm;
    if algorithm.algorithm == OID_SIG_ED25519 {
        return Ok(());
    }
    let curve = algorithm.parameters.as_ref().and_then(|parameters| parameters.as_oid().ok());
    let known = curve.is_some_and(|curve| curve == OID_EC_P256 || curve == OID_NIST_EC_P384);
    if algorithm.algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY && known { Ok(()) } else { Err(RefusedRequest::Key) }
}

fn check_asks_for_nothing(request: &X509CertificationRequest<'_>) -> Result<(), RefusedRequest> {
    let info = &request.certification_request_info;
    if info.subject.iter().next().is_some() {
        return Err(RefusedRequest::Subject(info.subject.to_string()));
    }
    for attribute in info.iter_attributes() {
        let ParsedCriAttribute::ExtensionRequest(wanted) = attribute.parsed_attribute() else {
            return Err(RefusedRequest::Attribute(attribute.oid.to_id_string()));
        };
        // Some libraries always send the attribute, empty when there is nothing to ask for.
        if !wanted.extensions.is_empty() || attribute.oid != OID_PKCS9_EXTENSION_REQUEST {
            let names: Vec<_> =
                wanted.extensions.iter().map(|extension| extension.oid.to_id_string()).collect();
            return Err(RefusedRequest::Extensions(names.join(", ")));
        }
    }
    Ok(())
}
