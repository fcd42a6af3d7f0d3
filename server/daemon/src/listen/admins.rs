//! Serves admins: HTTP/1.1 and HTTP/2 over TLS, one router for REST, events and pages.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use super::gate::{Gate, HANDSHAKE_TIME, Place};

/// For the head of a request on HTTP/1.1.
const HEAD: Duration = Duration::from_secs(15);

const MAX_HEADERS: u32 = 32 * 1024;

const MAX_STREAMS: u32 = 128;

/// A dead browser is noticed within this, though its stream of events has nothing to say.
const PING: Duration = Duration::from_secs(30);

/// For requests under way when the server stops.
const FAREWELL: Duration = Duration::from_secs(5);

/// Serves `router` until `shutdown`. Handlers find the caller's address as `ConnectInfo<SocketAddr>`.
pub(crate) async fn serve_admins(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    router: Router,
    shutdown: impl Future<Output = ()>,
) {
    let acceptor = TlsAcceptor::from(tls);
    let (stop, stopping) = watch::channel(());
    let gate = Gate::new();
    let accepting = async {
        loop {
            let (place, permit) = gate.room().await;
            let (tcp, address) = super::accept(&listener).await;
            if let Some(handshake) = gate.begin(address.ip(), permit) {
                let (acceptor, router, stopping) = (acceptor.clone(), router.clone(), stopping.clone());
                tokio::spawn(async move {
                    let tls = timeout(HANDSHAKE_TIME, acceptor.accept(tcp)).await;
                    drop(handshake);
                    if let Ok(Ok(tls)) = tls {
                        serve(tls, address, router, stopping, place).await;
                    }
                });
            }
        }
    };
    tokio::select! {
        () = accepting => {}
        () = shutdown => {}
    }
    drop(stopping);
    super::drain(stop, FAREWELL).await;
}

async fn serve(
    tls: tokio_rustls::server::TlsStream<TcpStream>,
    address: SocketAddr,
    router: Router,
    mut stopping: watch::Receiver<()>,
    _place: Place,
) {
    let service = service_fn(move |mut request: http::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(ConnectInfo(address));
        router.clone().oneshot(request)
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEADERS)
        .keep_alive_interval(PING);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(tls), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        _ = stopping.changed() => {
            connection.as_mut().graceful_shutdown();
            timeout(FAREWELL, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%address, error, "a connection broke");
    }
}
