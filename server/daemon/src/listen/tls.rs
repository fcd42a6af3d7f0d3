//! How connections are secured.
//!
//! Sessions are never resumed: a ticket would carry a device's certificate past the verifier, and the cost of full
//! handshakes is small. 0-RTT stays off, as rustls leaves it.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::{NoServerSessionStorage, ResolvesServerCert};
use rustls::version::{TLS12, TLS13};

use super::verifier::DeviceCertificates;
use crate::ca::Authority;

/// TLS for devices: 1.3 only, HTTP/2 only; a certificate is asked for and may be missing.
pub(crate) fn device_tls(
    authority: &Authority,
    certificate: Arc<dyn ResolvesServerCert>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = DeviceCertificates::new(authority, &provider)?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_cert_resolver(certificate);
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(without_resumption(config)))
}

/// TLS for browsers and the command line: 1.2 and 1.3, HTTP/1.1 and HTTP/2, no certificates of clients.
pub(crate) fn admin_tls(
    certificate: Arc<dyn ResolvesServerCert>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(certificate);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(without_resumption(config)))
}

fn without_resumption(mut config: ServerConfig) -> ServerConfig {
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config
}
