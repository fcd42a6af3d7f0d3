//! Files that are to be had from another place than the server: by HTTPS, from whoever this system trusts.
//!
//! A profile says the address, and the digest says what is to come from it. So whoever answers can keep a device waiting, and nothing
//! else; no credential of the device is shown there.

use std::sync::Arc;

use http::{HeaderValue, Uri, header};
use hyper::body::Incoming;
use hyper::client::conn::http1::Builder;
use hyper_util::rt::TokioIo;
use muster_proto::resource::value::HttpsUrl;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::lookup_host;
use tokio_rustls::TlsConnector;
use tonic::body::Body;

use super::connect::{EndOnDrop, first_of, prepare};

/// Where systems keep the certificates that they trust, one behind the other.
const BUNDLES: [&str; 2] = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];

/// How often an address may lead to another one.
const MOST_REDIRECTS: usize = 5;

/// The most of an answer that is held before its body, in bytes.
const LARGEST_HEAD: usize = 64 * 1024;

/// Why nothing came, in words.
pub(super) type Error = Box<dyn std::error::Error + Send + Sync>;

/// What came, and what has to live as long as the rest is still to come.
pub(super) type Answer = (http::Response<Incoming>, Option<EndOnDrop>);

/// Asks for what is at `url`, from its byte `begin` on, and follows where it leads.
pub(super) async fn get(url: &HttpsUrl, begin: u64) -> Result<Answer, Error> {
    let tls = tokio::task::spawn_blocking(trusting_as_this_system).await??;
    let mut url = url.clone();
    for _ in 0..=MOST_REDIRECTS {
        let (response, driver) = ask(&tls, &url, begin).await?;
        let leads_to =
            response.headers().get(header::LOCATION).filter(|_| response.status().is_redirection());
        match leads_to {
            Some(location) => url = redirected(&url, location)?,
            None => return Ok((response, Some(driver))),
        }
    }
    Err(format!("it leads from one address to the next, more than {MOST_REDIRECTS} times").into())
}

/// Trusts whom the programs of this system trust.
fn trusting_as_this_system() -> Result<TlsConnector, Error> {
    let bundle = BUNDLES.iter().find_map(|path| std::fs::read(path).ok());
    let bundle = bundle.ok_or_else(|| {
        format!("this system trusts nobody: {} is not there. Install the package ca-certificates", BUNDLES[0])
    })?;
    let mut anchors = RootCertStore::empty();
    anchors.add_parsable_certificates(CertificateDer::pem_slice_iter(&bundle).flatten());
    let mut tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS13])?
        .with_root_certificates(anchors)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(tls)))
}

async fn ask(
    tls: &TlsConnector,
    url: &HttpsUrl,
    begin: u64,
) -> Result<(http::Response<Incoming>, EndOnDrop), Error> {
    let uri: Uri = url.as_str().parse()?;
    let host = uri.host().unwrap_or_default();
    let tcp = first_of(lookup_host((host, uri.port_u16().unwrap_or(443))).await?).await?;
    prepare(&tcp)?;
    let stream = tls.connect(ServerName::try_from(host.to_owned())?, tcp).await?;
    let (mut send, driver) =
        Builder::new().max_buf_size(LARGEST_HEAD).handshake(TokioIo::new(stream)).await?;
    let driver = EndOnDrop(tokio::spawn(async move { driver.await.ok() }).abort_handle());
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let mut request = http::Request::get(target)
        .header(header::HOST, url.host())
        .header(header::USER_AGENT, concat!("muster-agent/", env!("CARGO_PKG_VERSION")));
    if begin > 0 {
        request = request.header(header::RANGE, format!("bytes={begin}-"));
    }
    Ok((send.send_request(request.body(Body::empty())?).await?, driver))
}

/// Where an address leads: to another one of the same kind, or another file of the same host.
fn redirected(from: &HttpsUrl, location: &HeaderValue) -> Result<HttpsUrl, Error> {
    let location = location.to_str()?.split('#').next().unwrap_or_default();
    let is_file = location.starts_with('/') && !location.starts_with("//");
    let full = if is_file { format!("https://{}{location}", from.host()) } else { location.to_owned() };
    HttpsUrl::parse(&full).map_err(|_| "it leads to what is no address that begins with https://".into())
}

#[cfg(test)]
mod tests {
    use rcgen::{ExtendedKeyUsagePurpose, KeyPair, SanType};
    use rustls::ServerConfig;
    use rustls::pki_types::PrivateKeyDer;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;
    use crate::identity::tests::{MONTH, Organization};

    /// What comes of asking a server that shows certificates for these names, and answers with these bytes whatever is asked.
    async fn asked(names: Vec<String>, answer: Vec<u8>) -> Result<http::Response<Incoming>, Error> {
        let organization = Organization::new();
        let key = KeyPair::generate().unwrap();
        let names = names.into_iter().map(|name| SanType::DnsName(name.try_into().unwrap())).collect();
        let leaf = organization.certify(&key, names, ExtendedKeyUsagePurpose::ServerAuth, MONTH);
        let provider = Arc::new(aws_lc_rs::default_provider());
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![leaf], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}/x", listener.local_addr().unwrap().port());
        let serve = tokio::spawn(async move {
            let (tcp, _) = listener.accept().await.unwrap();
            let mut tls = TlsAcceptor::from(Arc::new(server)).accept(tcp).await.ok()?;
            tls.read(&mut [0; 4096]).await.ok().filter(|asked| *asked > 0)?;
            tls.write_all(&answer).await.ok()?;
            tls.shutdown().await.ok()
        });
        let mut anchors = RootCertStore::empty();
        anchors.add(CertificateDer::from(organization.root.to_vec())).unwrap();
        let client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .with_root_certificates(anchors)
            .with_no_client_auth();
        let asked = ask(&TlsConnector::from(Arc::new(client)), &HttpsUrl::parse(&url).unwrap(), 0).await;
        serve.abort();
        asked.map(|(response, _)| response)
    }

    #[tokio::test]
    async fn a_head_that_does_not_end_is_no_answer() {
        let head = |lines: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{lines}\r\n").into_bytes();
        let localhost = || vec!["localhost".to_owned()];
        assert_eq!(asked(localhost(), head("")).await.unwrap().status(), 200);
        for hostile in [
            head(&"X: y\r\n".repeat(1_000)),
            head(&format!("X: {}\r\n", "y".repeat(4 * LARGEST_HEAD))),
            [&b"HTTP/1.1 100 Continue\r\n\r\n".repeat(10_000)[..], b"garbage\r\n\r\n"].concat(),
            b"\x16\x03\x01 not http at all".to_vec(),
        ] {
            let shown = hostile[..hostile.len().min(80)].escape_ascii().to_string();
            assert!(asked(localhost(), hostile).await.is_err(), "{shown}");
        }
        assert!(asked(vec!["other.example".to_owned()], head("")).await.is_err());
    }

    #[test]
    fn an_address_leads_to_another_of_https_or_nowhere() {
        let from = HttpsUrl::parse("https://a.example:8443/x/y?z").unwrap();
        let to = |location: &str| redirected(&from, &HeaderValue::from_str(location).unwrap()).ok();
        let is = |url: &str| HttpsUrl::parse(url).ok();
        assert_eq!(to("https://b.example/z"), is("https://b.example/z"));
        assert_eq!(to("/z?w#part"), is("https://a.example:8443/z?w"));
        for wrong in ["http://b.example/z", "//b.example/z", "file:///etc/shadow", "z", "", "https://a@b/z"] {
            assert_eq!(to(wrong), None, "{wrong}");
        }
    }
}
