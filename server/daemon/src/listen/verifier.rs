//! Which certificates of devices are taken: those of our root that name one device of our trust domain.
//!
//! No certificate at all is fine here, because a machine that enrolls has none; what it may call is the doors' decision.
//! Whether a certificate was revoked is asked of the store at each call, not here.

use std::sync::Arc;

use muster_proto::spiffe::TrustDomain;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme,
};

use super::peer;
use crate::ca::Authority;

#[derive(Debug)]
pub(super) struct DeviceCertificates {
    chain: Arc<dyn ClientCertVerifier>,
    trust_domain: TrustDomain,
}

impl DeviceCertificates {
    pub(super) fn new(authority: &Authority, provider: &Arc<CryptoProvider>) -> Result<Self, Error> {
        let mut roots = RootCertStore::empty();
        roots.add(authority.root().clone())?;
        let chain = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
            .allow_unauthenticated()
            .build()
            .map_err(|error| Error::General(error.to_string()))?;
        Ok(Self { chain, trust_domain: authority.trust_domain().clone() })
    }
}

impl ClientCertVerifier for DeviceCertificates {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    /// None: a stranger needs not learn whose devices these are, and devices have one certificate to choose from.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.chain.verify_client_cert(end_entity, intermediates, now)?;
        peer::name_in(end_entity, &self.trust_domain)
            .map_err(|_| Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}
