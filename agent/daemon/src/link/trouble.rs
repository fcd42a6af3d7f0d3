//! What can go wrong between a device and its server, each in one line that an admin can act on.

use std::error::Error as _;

use muster_proto::Timestamp;
use rustls::CertificateError;
use tonic::{Code, Status};

/// Why there is no connection, or no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// The name could not be resolved.
    #[error("the name of the server {server} can't be resolved: check DNS")]
    Resolve {
        /// Host and port.
        server: String,
        /// Why not.
        source: std::io::Error,
    },
    /// No TCP connection.
    #[error("the server {server} can't be reached: check the network and that muster-server runs")]
    Reach {
        /// Host and port.
        server: String,
        /// Why not.
        source: std::io::Error,
    },
    /// It took too long.
    #[error("the server {server} did not answer in time")]
    Slow {
        /// Host and port.
        server: String,
    },
    /// TLS failed: not the right server, or one that does not take this device's certificate.
    #[error("no trusted connection to {server}")]
    Tls {
        /// Host and port.
        server: String,
        /// Why not.
        source: std::io::Error,
    },
    /// By this device's clock the server's certificate is not valid now.
    #[error(
        "the certificate of {server} is not valid at {now}, which is the time here: set this device's clock; if that is \
         right, look at the server's with muster-server doctor"
    )]
    Clock {
        /// Host and port.
        server: String,
        /// The time by which it was judged.
        now: Timestamp,
        /// In what way.
        source: std::io::Error,
    },
    /// This device's own certificate ended.
    #[error(
        "this device's certificate ended at {at} and the server does not take it back: {why}; an admin finds the reason \
         with muster audit, and lets it back with muster device allow-reenroll"
    )]
    Ended {
        /// When.
        at: Timestamp,
        /// The server's words, with the reference to its audit.
        why: String,
    },
    /// The server says no. Its reason is in its audit, under the reference.
    #[error("the server refused: {0}; an admin finds the reason with muster audit")]
    Refused(String),
    /// A call failed otherwise.
    #[error("the server could not answer: {0}")]
    Call(String),
    /// Nothing came for longer than the server promises.
    #[error("the server fell silent")]
    Silent,
    /// The connection ended.
    #[error("the connection ended")]
    Closed,
    /// The server sent what it must not send.
    #[error("the server broke the protocol: {0}")]
    Protocol(&'static str),
    /// The identity can't be used or kept.
    #[error("the identity can't be used")]
    Identity(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Trouble {
    /// Whether the server decided, rather than anything failed.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused(_))
    }

    /// Whether it is one that only a person can end, and so is worth remembering for who looks.
    pub(crate) fn is_for_people(&self) -> bool {
        self.is_refusal() || matches!(self, Self::Clock { .. })
    }

    /// TLS that failed, told by whether it is a matter of time.
    pub(super) fn of_tls(server: String, source: std::io::Error, now: Timestamp) -> Self {
        let cause = source.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
        let timed = match cause {
            Some(rustls::Error::InvalidCertificate(error)) => matches!(
                error,
                CertificateError::Expired
                    | CertificateError::ExpiredContext { .. }
                    | CertificateError::NotValidYet
                    | CertificateError::NotValidYetContext { .. }
            ),
            _ => false,
        };
        if timed { Self::Clock { server, now, source } } else { Self::Tls { server, source } }
    }

    /// This and its causes in one line.
    pub(crate) fn whole(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        text
    }
}

impl From<Status> for Trouble {
    fn from(status: Status) -> Self {
        let message = shown(status.message());
        match status.code() {
            Code::PermissionDenied | Code::Unauthenticated => Self::Refused(message),
            code => Self::Call(format!("{code}: {}", with_causes(&status, message))),
        }
    }
}

/// The causes of a status tell of the connection, such as an alert about the device's certificate.
fn with_causes(status: &Status, mut text: String) -> String {
    let mut cause = status.source();
    while let Some(error) = cause {
        let more = shown(&error.to_string());
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

/// A server's text as it may be put in a log.
fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect()
}
