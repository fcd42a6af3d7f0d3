//! Whether a server is the one this device was told to trust.
//!
//! The server sends its chain with the root. The root must be one whose digest the join file named; the certificate must
//! lead to that root, carry the name the device connected to, and be valid at the time the device knows of. A clock that is
//! proven to be behind knows nothing of certificates made since: that the root vouches for one is then taken for proof that
//! its time has begun.

use std::sync::Arc;
use std::time::Duration;

use muster_proto::Digest;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use crate::identity::time::CertificateTime;

/// Trusts roots by their digest.
#[derive(Debug)]
pub(super) struct PinnedRoot {
    pub(super) roots: Vec<Digest>,
    pub(super) time: CertificateTime,
    pub(super) provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for PinnedRoot {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _system_clock: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some((root, between)) = intermediates.split_last() else {
            return Err(Error::General("the server did not send its root certificate".to_owned()));
        };
        let digest = Digest::of(root);
        if !self.roots.contains(&digest) {
            return Err(Error::General(format!(
                "its root certificate {digest} is not one this device trusts"
            )));
        }
        let mut anchors = RootCertStore::empty();
        anchors.add(root.clone().into_owned())?;
        let certificate = ParsedCertificate::try_from(end_entity)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        let mut at = self.now()?;
        let mut judged = Ok(());
        // The server's certificate and those between it and the root may each begin later than the clock says.
        for _ in 0..=between.len() + 1 {
            judged =
                verify_server_cert_signed_by_trust_anchor(&certificate, &anchors, between, at, algorithms);
            match judged {
                Err(Error::InvalidCertificate(CertificateError::NotValidYetContext {
                    not_before, ..
                })) if self.time.clock_is_behind() => {
                    at = not_before;
                }
                _ => break,
            }
        }
        judged?;
        verify_server_name(&certificate, server_name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl PinnedRoot {
    fn now(&self) -> Result<UnixTime, Error> {
        let seconds = u64::try_from(self.time.now().seconds())
            .map_err(|_| Error::InvalidCertificate(CertificateError::NotValidYet))?;
        Ok(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}
