//! TLS to one server, known by the fingerprint of its root certificate as ssh knows hosts. Names and validity are
//! checked as ever: the pin only says which root is believed.

use std::iter;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use muster_proto::Digest;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;

use crate::failure::Failure;

/// How long a server may take to show its certificate.
const PATIENCE: Duration = Duration::from_secs(15);

/// A TLS configuration that believes only the certificate with this fingerprint and what it signed.
pub(crate) fn client_config(pin: Digest) -> ClientConfig {
    config(Arc::new(Pinned { pin, provider: provider() }))
}

/// Asks the server for its certificates, sending nothing else, and gives their fingerprints. The last one is its root's, or that
/// of the certificate itself when there is only one.
pub(crate) async fn fingerprints(host: &str, port: u16) -> Result<Vec<Digest>, Failure> {
    let unreachable = |error: std::io::Error| {
        Failure::new(format!("can't reach {host} port {port}"))
            .because(error)
            .next("check the address, and that muster-server runs and listens for admins there")
    };
    let seen = Arc::new(OnceLock::new());
    let look = Arc::new(Look { seen: Arc::clone(&seen), provider: provider() });
    let name = ServerName::try_from(host.to_owned())
        .map_err(|error| Failure::new(format!("{host} is not a host name or address")).because(error))?;
    let handshake = async {
        let tcp = TcpStream::connect((host, port)).await.map_err(unreachable)?;
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config(look)));
        Ok::<_, Failure>(connector.connect(name, tcp).await.err())
    };
    let refused = tokio::time::timeout(PATIENCE, handshake)
        .await
        .map_err(|_| Failure::new(format!("{host} port {port} does not answer")))??;
    seen.get().cloned().ok_or_else(|| {
        let failure = Failure::new(format!("{host} port {port} does not speak TLS"));
        match refused {
            Some(error) => failure.because(error),
            None => failure,
        }
    })
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn config(verifier: Arc<dyn ServerCertVerifier>) -> ClientConfig {
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("the provider has suites for the default versions")
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth()
}

/// Believes one fingerprint.
#[derive(Debug)]
struct Pinned {
    pin: Digest,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if Digest::of(leaf) == self.pin {
            // A server with one self-signed certificate: there is no chain to follow, only the name.
            rustls::client::verify_server_name(&ParsedCertificate::try_from(leaf)?, name)?;
            return Ok(ServerCertVerified::assertion());
        }
        let root = chain.iter().find(|certificate| Digest::of(certificate) == self.pin);
        let root = root.ok_or(Error::InvalidCertificate(CertificateError::UnknownIssuer))?;
        let mut roots = RootCertStore::empty();
        roots.add(root.clone())?;
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&self.provider))
            .build()
            .map_err(|error| Error::General(error.to_string()))?
            .verify_server_cert(leaf, chain, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Notes the fingerprint and then refuses, so that the handshake ends before anything is sent.
#[derive(Debug)]
struct Look {
    seen: Arc<OnceLock<Vec<Digest>>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Look {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.seen.get_or_init(|| iter::once(leaf).chain(chain).map(|shown| Digest::of(shown)).collect());
        Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
