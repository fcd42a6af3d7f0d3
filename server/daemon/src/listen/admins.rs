//! Serves admins: HTTP/1.1 and HTTP/2 over TLS, one router for REST, events and pages.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use rustix::net::sockopt;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use super::gate::{Gate, HANDSHAKE_TIME};
use super::share::Limit;

/// For the head of a request on HTTP/1.1.
const HEAD: Duration = Duration::from_secs(15);

const MAX_HEADERS: u32 = 32 * 1024;

const MAX_STREAMS: u32 = 64;

/// The most that is held of an answer which its reader does not take, for each stream.
const SEND_BUFFER: usize = 64 * 1024;

/// The most of a request's head that is read on HTTP/1.1.
const HEAD_BUFFER: usize = 64 * 1024;

/// Sent bytes that are not confirmed for this many seconds end the connection: who reads nothing keeps nothing.
const UNCONFIRMED: u32 = 60;

/// Connections of one address: a browser or a command has one or two.
const PER_ADDRESS: Limit = Limit { at_once: 64, waiting: 256, patience: Duration::from_secs(10) };

/// A dead browser is noticed within this, though its stream of events has nothing to say.
const PING: Duration = Duration::from_secs(30);

/// How long a connection may be without a request.
#[derive(Clone, Copy)]
struct Patience {
    /// Before the first.
    first: Duration,
    /// Between two.
    next: Duration,
    /// For what was under way then, such as a stream of events, which a browser asks for again.
    last: Duration,
}

/// Browsers connect ahead of a click and keep connections for the next; neither needs long, and a stranger may not keep
/// what it does not use. The last is as long as a session.
const PATIENCE: Patience = Patience {
    first: Duration::from_secs(15),
    next: Duration::from_secs(5 * 60),
    last: Duration::from_secs(12 * 60 * 60),
};

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
    let gate = Gate::new(PER_ADDRESS);
    let accepting = async {
        loop {
            let place = gate.room().await;
            let (tcp, address) = super::accept(&listener).await;
            let (gate, acceptor) = (gate.clone(), acceptor.clone());
            let (router, stopping) = (router.clone(), stopping.clone());
            tokio::spawn(async move {
                sockopt::set_tcp_user_timeout(&tcp, UNCONFIRMED * 1_000).ok()?;
                let handshake = gate.begin(&tcp, address.ip()).await?;
                let tls = timeout(HANDSHAKE_TIME, acceptor.accept(tcp)).await;
                drop(handshake);
                let tls = tls.ok()?.ok()?;
                let share = gate.keep(address.ip()).await?;
                serve(tls, address, router, stopping, PATIENCE).await;
                drop((place, share));
                Some(())
            });
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
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    address: SocketAddr,
    router: Router,
    mut stopping: watch::Receiver<()>,
    patience: Patience,
) {
    let requests = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&requests);
    let service = service_fn(move |mut request: http::Request<hyper::body::Incoming>| {
        counted.fetch_add(1, Ordering::Relaxed);
        request.extensions_mut().insert(ConnectInfo(address));
        router.clone().oneshot(request)
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(HEAD_BUFFER);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEADERS)
        .max_send_buf_size(SEND_BUFFER)
        .keep_alive_interval(PING);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        _ = stopping.changed() => {
            connection.as_mut().graceful_shutdown();
            timeout(FAREWELL, connection).await.unwrap_or(Ok(()))
        }
        () = is_unused(&requests, patience) => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = timeout(patience.last, connection.as_mut()) => ended.unwrap_or(Ok(())),
                _ = stopping.changed() => timeout(FAREWELL, connection).await.unwrap_or(Ok(())),
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%address, error, "a connection broke");
    }
}

/// Waits until nothing was asked for in good time.
async fn is_unused(requests: &AtomicU64, patience: Patience) {
    let (mut before, mut wait) = (0, patience.first);
    loop {
        tokio::time::sleep(wait).await;
        let now = requests.load(Ordering::Relaxed);
        if now == before {
            return;
        }
        (before, wait) = (now, patience.next);
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::routing::get;
    use futures_util::stream::unfold;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    use super::*;

    const SHORT: Patience = Patience {
        first: Duration::from_millis(100),
        next: Duration::from_millis(100),
        last: Duration::from_secs(60),
    };
    const SOON: Duration = Duration::from_secs(10);

    /// The other end of a connection that is served, and what keeps the server from stopping.
    fn connect() -> (DuplexStream, watch::Sender<()>) {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let (stop, stopping) = watch::channel(());
        let ticks = || async {
            let tick = Duration::from_millis(50);
            Body::from_stream(unfold((), move |()| async move {
                tokio::time::sleep(tick).await;
                Some((Ok::<_, std::io::Error>("tick;"), ()))
            }))
        };
        let router = Router::new().route("/events", get(ticks)).route("/page", get(|| async { "page" }));
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        tokio::spawn(serve(theirs, address, router, stopping, SHORT));
        (ours, stop)
    }

    async fn read_to_end(mut stream: DuplexStream) -> String {
        let mut text = String::new();
        timeout(SOON, stream.read_to_string(&mut text)).await.expect("it ends").unwrap();
        text
    }

    #[tokio::test]
    async fn a_stranger_who_asks_for_nothing_is_not_kept() {
        let (silent, _stop) = connect();
        assert_eq!(read_to_end(silent).await, "");
        let (idle, _stop) = connect();
        let (_send, driver) =
            hyper::client::conn::http2::handshake::<_, _, String>(TokioExecutor::new(), TokioIo::new(idle))
                .await
                .unwrap();
        timeout(SOON, driver).await.expect("it ends").unwrap();
    }

    #[tokio::test]
    async fn a_connection_that_is_used_no_more_ends() {
        let (mut client, _stop) = connect();
        client.write_all(b"GET /page HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        assert!(read_to_end(client).await.ends_with("page"));
    }

    #[tokio::test]
    async fn a_stream_of_events_outlives_the_patience() {
        let (mut client, _stop) = connect();
        client.write_all(b"GET /events HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let (mut text, mut buffer) = (String::new(), [0; 1024]);
        while text.matches("tick;").count() < 20 {
            let read = timeout(SOON, client.read(&mut buffer)).await.expect("it goes on").unwrap();
            assert!(read > 0, "it was cut after {text}");
            text.push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
    }
}
