//! Serves devices: HTTP/2 over TLS 1.3, each connection knowing whose it is and when it must end.
//!
//! hyper is used directly: tonic's server can't end one connection, and a revoked device must be cut off.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use muster_proto::Timestamp;
use muster_proto::returning::{EXPORTED, LABEL};
use muster_proto::spiffe::TrustDomain;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::crowd::Crowd;
use super::gate::{Gate, HANDSHAKE_TIME, Place};
use super::peer::{self, Peer};
use super::share::Limit;
use crate::grpc::Doors;

/// The kernel gives a connection up when what was sent stays unconfirmed for so many seconds.
const UNCONFIRMED: u32 = 60;

/// Silence after which the kernel asks a device's whether it is there, and how soon it asks again. With two questions unanswered,
/// [`UNCONFIRMED`] has passed and the connection ends: the dead ones are found without a process that wakes for it.
const ASK_AFTER: Duration = Duration::from_secs(45);
const ASK_AGAIN: Duration = Duration::from_secs(10);

/// How often a connection is looked at: whether its certificate ended, whether anything happens on it.
const LOOK: Duration = Duration::from_secs(60);

/// Without a certificate there is one call to make.
const STRANGER: Duration = Duration::from_secs(30);

/// For calls under way when the server stops.
const FAREWELL: Duration = Duration::from_secs(5);

const MAX_HEADERS: u32 = 8 * 1024;

/// How much of a connection there may be at once.
#[derive(Clone, Copy)]
struct Size {
    streams: u32,
    stream_window: u32,
    connection_window: u32,
}

/// A device follows and makes one call at a time. A report of some hundred kilobytes passes in a few round trips, and a
/// device can make the server hold no more than this unread.
const OF_DEVICE: Size = Size { streams: 16, stream_window: 64 * 1024, connection_window: 256 * 1024 };

/// A stranger makes one small call. HTTP/2 knows no smaller window of a connection.
const OF_STRANGER: Size = Size { streams: 2, stream_window: 32 * 1024, connection_window: 65_535 };

/// Connections without a certificate; whoever enrolls is done with it after one call.
const STRANGERS_PER_ADDRESS: Limit = Limit { at_once: 32, waiting: 512, patience: Duration::from_secs(10) };

/// How devices are served.
#[derive(Clone)]
struct Serving {
    tls: TlsAcceptor,
    trust_domain: Arc<TrustDomain>,
    doors: Doors,
    crowd: Crowd,
    clock: fn() -> Timestamp,
    stopping: watch::Receiver<()>,
    gate: Gate,
}

/// Serves devices until `shutdown`, then lets the calls under way end.
pub(crate) async fn serve_devices(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    trust_domain: TrustDomain,
    doors: Doors,
    clock: fn() -> Timestamp,
    shutdown: impl Future<Output = ()>,
) {
    let (stop, stopping) = watch::channel(());
    let (tls, trust_domain, crowd) = (tls.into(), Arc::new(trust_domain), Crowd::default());
    let gate = Gate::new(STRANGERS_PER_ADDRESS);
    let serving = Serving { tls, trust_domain, doors, crowd, clock, stopping, gate: gate.clone() };
    let accepting = async {
        loop {
            let place = gate.room().await;
            let (tcp, address) = super::accept(&listener).await;
            tokio::spawn(serving.clone().admit(tcp, address, place));
        }
    };
    tokio::select! {
        () = accepting => {}
        () = shutdown => {}
    }
    drop(serving);
    super::drain(stop, FAREWELL).await;
}

impl Serving {
    async fn admit(self, tcp: TcpStream, address: SocketAddr, place: Place) {
        let Some(handshake) = self.gate.begin(&tcp, address.ip()).await else { return };
        let tls = timeout(HANDSHAKE_TIME, self.shake_hands(tcp, address)).await;
        drop(handshake);
        let Ok(Some((tls, peer))) = tls else { return };
        let _stranger = match peer.device {
            Some(_) => None,
            None => match self.gate.keep(address.ip()).await {
                Some(share) => Some(share),
                None => return,
            },
        };
        self.serve(tls, peer, place).await;
    }

    async fn shake_hands(&self, tcp: TcpStream, address: SocketAddr) -> Option<(TlsStream<TcpStream>, Peer)> {
        if let Err(error) = prepare(&tcp) {
            tracing::debug!(%address, %error, "a connection ended before it began");
            return None;
        }
        let tls = match self.tls.accept(tcp).await {
            Ok(tls) => tls,
            Err(error) => {
                tracing::debug!(%address, %error, "a TLS handshake failed");
                return None;
            }
        };
        let chain = tls.get_ref().1.peer_certificates();
        let device = match chain.map(|chain| peer::device_of(chain, &self.trust_domain)).transpose() {
            Ok(device) => device,
            Err(error) => {
                // The verifier read the same certificate the same way.
                tracing::error!(%address, error, "a verified certificate can't be read");
                return None;
            }
        };
        let exported = match device {
            Some(_) => None,
            None => export(tls.get_ref().1),
        };
        Some((tls, Peer::new(address, device, exported)))
    }

    async fn serve(mut self, tls: TlsStream<TcpStream>, peer: Peer, _place: Place) {
        let _counted = peer.device.as_ref().map(|device| self.crowd.join(device.id, &peer));
        let service = {
            let (peer, doors) = (peer.clone(), self.doors.clone());
            service_fn(move |mut request: http::Request<hyper::body::Incoming>| {
                peer.stir();
                request.extensions_mut().insert(peer.clone());
                doors.call(request)
            })
        };
        let size = if peer.device.is_some() { OF_DEVICE } else { OF_STRANGER };
        let connection = Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(size.streams)
            .max_header_list_size(MAX_HEADERS)
            .initial_stream_window_size(size.stream_window)
            .initial_connection_window_size(size.connection_window)
            .max_send_buf_size(size.connection_window as usize)
            .serve_connection(TokioIo::new(tls), service);
        let mut connection = pin!(connection);
        let must_end = self.must_end(&peer);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = must_end => {
                connection.as_mut().graceful_shutdown();
                timeout(FAREWELL, connection).await.unwrap_or(Ok(()))
            }
        };
        if let Err(error) = ended {
            tracing::debug!(address = %peer.address, %error, "a connection broke");
        }
    }

    /// Waits for a reason to end the connection.
    async fn must_end(&mut self, peer: &Peer) {
        let Some(device) = &peer.device else {
            tokio::select! {
                () = tokio::time::sleep(STRANGER) => return,
                _ = self.stopping.changed() => return,
            }
        };
        loop {
            let left = device.not_after.seconds() - (self.clock)().seconds();
            let Ok(left @ 1..) = u64::try_from(left) else { return };
            let before = peer.moves();
            tokio::select! {
                () = tokio::time::sleep(LOOK.min(Duration::from_secs(left))) => {
                    if !self.doors.is_following(device.id) && peer.moves() == before {
                        return;
                    }
                }
                () = peer.is_cut() => return,
                _ = self.stopping.changed() => return,
            }
        }
    }
}

/// Keying material for a device that comes back; without it, none does over this connection.
fn export(connection: &rustls::ServerConnection) -> Option<[u8; EXPORTED]> {
    connection.export_keying_material([0; EXPORTED], LABEL, None).ok()
}

fn prepare(tcp: &TcpStream) -> std::io::Result<()> {
    use rustix::net::sockopt;
    tcp.set_nodelay(true)?;
    sockopt::set_socket_keepalive(tcp, true)?;
    sockopt::set_tcp_keepidle(tcp, ASK_AFTER)?;
    sockopt::set_tcp_keepintvl(tcp, ASK_AGAIN)?;
    Ok(sockopt::set_tcp_user_timeout(tcp, UNCONFIRMED * 1_000)?)
}
