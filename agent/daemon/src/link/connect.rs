//! Makes a connection: TCP, TLS 1.3, HTTP/2, and gRPC clients over it.
//!
//! Nothing of this is pooled, buffered or re-made behind the back: one connection, whose end is seen at once. Windows and
//! buffers are small, because a device has one connection and an agent should not be noticed.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use muster_proto::returning::{EXPORTED, LABEL};
use muster_proto::wire;
use muster_proto::wire::device_client::DeviceClient;
use muster_proto::wire::enrollment_client::EnrollmentClient;
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use rustls::version::TLS13;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tonic::body::Body;

use super::Trouble;
use super::verify::PinnedRoot;
use crate::identity::time::CertificateTime;
use crate::identity::{Enrolled, Trust};

/// For each of: resolving, TCP, TLS.
const PATIENCE: Duration = Duration::from_secs(15);

/// For one address of a name that has others: of a network whose IPv6 leads nowhere the first one never answers.
const PER_ADDRESS: Duration = Duration::from_secs(5);

/// The kernel gives a connection up when what was sent stays unconfirmed for so many seconds.
const UNCONFIRMED: u32 = 60;

/// Silence after which the kernel asks the server's kernel whether it is there, and how soon it asks again. With two questions
/// unanswered, [`UNCONFIRMED`] has passed and the connection ends. Unlike for a ping of HTTP/2, no process wakes for it on either side.
const ASK_AFTER: Duration = Duration::from_secs(45);
const ASK_AGAIN: Duration = Duration::from_secs(10);

const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 128 * 1024;
const MAX_HEADERS: u32 = 8 * 1024;

/// Where to connect, and as whom.
pub(crate) struct Target {
    server: String,
    host: String,
    port: u16,
    name: ServerName<'static>,
    tls: Arc<ClientConfig>,
    time: CertificateTime,
}

impl Target {
    /// The server that a join file names, met without a certificate.
    pub(crate) fn as_stranger(trust: &Trust, time: &CertificateTime) -> Result<Self, Trouble> {
        Self::new(trust, time, None)
    }

    /// The server of an enrolled device.
    pub(crate) fn as_device(enrolled: &Enrolled, time: &CertificateTime) -> Result<Self, Trouble> {
        Self::new(&enrolled.trust, time, Some(enrolled))
    }

    fn new(trust: &Trust, time: &CertificateTime, enrolled: Option<&Enrolled>) -> Result<Self, Trouble> {
        let unusable = |error| Trouble::Identity(Box::new(error));
        let server = trust.server.clone();
        let (host, port) = server.rsplit_once(':').unwrap_or((&server, ""));
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = port.parse().map_err(|_| Trouble::Protocol("the server's address has no port"))?;
        let name = ServerName::try_from(host.clone()).map_err(|_| {
            Trouble::Protocol("the server's address has no name that a certificate could carry")
        })?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier =
            PinnedRoot { roots: trust.trust.clone(), time: time.clone(), provider: Arc::clone(&provider) };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .map_err(unusable)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut tls = match enrolled {
            None => builder.with_no_client_auth(),
            Some(enrolled) => builder
                .with_client_auth_cert(enrolled.chain_to_show(), enrolled.private_key())
                .map_err(unusable)?,
        };
        tls.alpn_protocols = vec![b"h2".to_vec()];
        tls.resumption = Resumption::disabled();
        Ok(Self { server, host, port, name, tls: Arc::new(tls), time: time.clone() })
    }

    /// Connects.
    pub(super) async fn connect(&self) -> Result<Connection, Trouble> {
        let slow = |_| Trouble::Slow { server: self.server.clone() };
        let tcp = timeout(PATIENCE, self.reach()).await.map_err(slow)??;
        prepare(&tcp).map_err(|source| Trouble::Reach { server: self.server.clone(), source })?;
        let tls = TlsConnector::from(Arc::clone(&self.tls)).connect(self.name.clone(), tcp);
        let tls = timeout(PATIENCE, tls)
            .await
            .map_err(slow)?
            .map_err(|source| Trouble::of_tls(self.server.clone(), source, self.time.now()))?;
        let exported = tls
            .get_ref()
            .1
            .export_keying_material([0; EXPORTED], LABEL, None)
            .map_err(|error| Trouble::Identity(Box::new(error)))?;
        let (send, driver) = Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(CONNECTION_WINDOW as usize)
            .max_header_list_size(MAX_HEADERS)
            .handshake(TokioIo::new(tls))
            .await
            .map_err(|error| Trouble::Call(error.to_string()))?;
        // How it ended is told by the calls on it.
        let driver = tokio::spawn(async move { driver.await.ok() }).abort_handle();
        let origin = http::Uri::builder()
            .scheme("https")
            .authority(self.server.as_str())
            .path_and_query("/")
            .build()
            .map_err(|_| Trouble::Protocol("the server's address can't be a URI"))?;
        Ok(Connection { send, origin, exported, _driver: Arc::new(EndOnDrop(driver)) })
    }

    async fn reach(&self) -> Result<TcpStream, Trouble> {
        let addresses = tokio::net::lookup_host((self.host.as_str(), self.port))
            .await
            .map_err(|source| Trouble::Resolve { server: self.server.clone(), source })?;
        let reached = first_of(addresses).await;
        reached.map_err(|source| Trouble::Reach { server: self.server.clone(), source })
    }
}

/// Connects to the first of a name's addresses that answers.
pub(super) async fn first_of(addresses: impl Iterator<Item = SocketAddr>) -> std::io::Result<TcpStream> {
    let mut addresses = addresses.peekable();
    let mut last = std::io::Error::other("its name has no address");
    while let Some(address) = addresses.next() {
        let connected = match addresses.peek() {
            Some(_) => timeout(PER_ADDRESS, TcpStream::connect(address)).await,
            None => Ok(TcpStream::connect(address).await),
        };
        match connected.unwrap_or_else(|late| Err(late.into())) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

pub(super) fn prepare(tcp: &TcpStream) -> std::io::Result<()> {
    use rustix::net::sockopt;
    tcp.set_nodelay(true)?;
    sockopt::set_socket_keepalive(tcp, true)?;
    sockopt::set_tcp_keepidle(tcp, ASK_AFTER)?;
    sockopt::set_tcp_keepintvl(tcp, ASK_AGAIN)?;
    Ok(sockopt::set_tcp_user_timeout(tcp, UNCONFIRMED * 1_000)?)
}

/// An HTTP/2 connection. It ends when the last clone is dropped.
#[derive(Clone)]
pub(super) struct Connection {
    send: SendRequest<Body>,
    origin: http::Uri,
    exported: [u8; EXPORTED],
    _driver: Arc<EndOnDrop>,
}

/// Ends what goes on beside a connection.
pub(super) struct EndOnDrop(pub(super) AbortHandle);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Connection {
    /// Keying material that only the two ends of this connection have.
    pub(super) fn exported(&self) -> &[u8; EXPORTED] {
        &self.exported
    }

    pub(super) fn enrollment(&self) -> EnrollmentClient<Self> {
        EnrollmentClient::with_origin(self.clone(), self.origin.clone())
            .max_decoding_message_size(wire::MAX_MESSAGE)
            .max_encoding_message_size(wire::MAX_MESSAGE)
    }

    /// Asks for what is at `path`, from its byte `begin` on.
    pub(super) async fn get(
        &self,
        path: &str,
        begin: u64,
    ) -> Result<http::Response<Incoming>, Box<dyn std::error::Error + Send + Sync>> {
        let mut origin = self.origin.clone().into_parts();
        origin.path_and_query = Some(path.parse()?);
        let mut request = http::Request::get(http::Uri::from_parts(origin)?);
        if begin > 0 {
            request = request.header(http::header::RANGE, format!("bytes={begin}-"));
        }
        let mut send = self.send.clone();
        send.ready().await?;
        Ok(send.send_request(request.body(Body::empty())?).await?)
    }

    pub(super) fn device(&self) -> DeviceClient<Self> {
        DeviceClient::with_origin(self.clone(), self.origin.clone())
            .max_decoding_message_size(wire::MAX_MESSAGE)
            .max_encoding_message_size(wire::MAX_MESSAGE)
    }
}

impl tower::Service<http::Request<Body>> for Connection {
    type Response = http::Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.send.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(self.send.send_request(request))
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    #[tokio::test]
    async fn an_address_that_never_answers_does_not_keep_the_next_one_from_being_tried() {
        let deaf = TcpSocket::new_v4().unwrap();
        deaf.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let deaf = deaf.listen(0).unwrap();
        let silent = deaf.local_addr().unwrap();
        // Once nobody takes what waits there, the kernel says nothing to who else comes.
        let mut waiting = vec![];
        while let Ok(Ok(stream)) = timeout(Duration::from_millis(300), TcpStream::connect(silent)).await {
            waiting.push(stream);
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let answers = listener.local_addr().unwrap();
        let reached = timeout(PATIENCE, first_of([silent, answers].into_iter())).await;
        assert_eq!(reached.expect("in time").unwrap().peer_addr().unwrap(), answers);
    }
}
