//! The two listeners: TLS of our own under gRPC for devices, and under REST and pages for admins.
//!
//! In the order of a connection: [`gate`] lets it in ([`silent`] when
//! it speaks, [`share`] when its address has not too many), [`tls`] says how it is secured, [`certificate`] what the server shows,
//! [`verifier`] which certificates of devices it takes, [`peer`] who is calling, [`crowd`] how often at once, [`devices`] and [`admins`] serve it.

mod admins;
mod certificate;
mod crowd;
mod devices;
mod gate;
pub(crate) mod peer;
mod share;
mod silent;
#[cfg(test)]
mod tests;
mod tls;
mod verifier;

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub(crate) use admins::serve_admins;
pub(crate) use certificate::{ServedCertificate, Source};
pub(crate) use devices::serve_devices;
pub(crate) use peer::Peer;
pub(crate) use share::site;
pub(crate) use tls::{admin_tls, device_tls};

/// Accepts the next connection. Failures pass: a connection that is gone already, or no file descriptor left.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Tells connections to end and waits until they have, for a while.
async fn drain(stop: watch::Sender<()>, patience: Duration) {
    // Without connections there is nobody to tell.
    stop.send(()).ok();
    if tokio::time::timeout(patience, stop.closed()).await.is_err() {
        tracing::warn!("connections were cut that did not end in time");
    }
}
