//! Who is at the other end of a connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use muster_proto::returning::EXPORTED;
use muster_proto::spiffe::TrustDomain;
use muster_proto::{DeviceId, Digest, Timestamp};
use rustls::pki_types::CertificateDer;
use tokio::sync::Notify;

use crate::ca::{self, Facts};

/// The other end of a connection to the listener for devices.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// Where it calls from.
    pub(crate) address: SocketAddr,
    /// What its verified certificate says; `None` when it showed none.
    pub(crate) device: Option<DeviceCertificate>,
    /// Keying material of this connection (see [`muster_proto::returning`]), where no certificate was shown.
    pub(crate) exported: Option<[u8; EXPORTED]>,
    closing: Arc<Notify>,
    /// Grows with what is asked for over the connection, and with what is sent of long answers.
    moves: Arc<AtomicU64>,
}

/// What a device's certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeviceCertificate {
    /// Which device.
    pub(crate) id: DeviceId,
    /// The certificate's serial number, lower-case hex.
    pub(crate) serial_number: Arc<str>,
    /// When the certificate begins to be valid.
    pub(crate) not_before: Timestamp,
    /// When the certificate ends.
    pub(crate) not_after: Timestamp,
    /// Digest of its public key.
    pub(crate) key: Digest,
    /// DER, as it was shown: its own first, without the root.
    pub(crate) chain: Arc<[CertificateDer<'static>]>,
}

impl Peer {
    pub(super) fn new(
        address: SocketAddr,
        device: Option<DeviceCertificate>,
        exported: Option<[u8; EXPORTED]>,
    ) -> Self {
        Self { address, device, exported, closing: Arc::new(Notify::new()), moves: Arc::default() }
    }

    /// Ends the connection once the answers under way are sent.
    pub(crate) fn cut(&self) {
        self.closing.notify_one();
    }

    /// Notes that the connection is in use.
    pub(crate) fn stir(&self) {
        self.moves.fetch_add(1, Ordering::Relaxed);
    }

    /// Another number than before when it was in use since.
    pub(super) fn moves(&self) -> u64 {
        self.moves.load(Ordering::Relaxed)
    }

    /// Whether this is the same connection.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.closing, &other.closing)
    }

    pub(super) async fn is_cut(&self) {
        self.closing.notified().await;
    }
}

/// Reads the chain of a device's certificate, its own first.
pub(super) fn device_of(
    chain: &[CertificateDer<'static>],
    trust_domain: &TrustDomain,
) -> Result<DeviceCertificate, String> {
    let leaf = chain.first().ok_or("it is empty")?;
    let (id, facts) = name_in(leaf, trust_domain)?;
    let Facts { not_before, not_after, key, serial_number, .. } = facts;
    let serial_number = serial_number.into();
    Ok(DeviceCertificate { id, serial_number, not_before, not_after, key, chain: chain.into() })
}

/// Reads a device's certificate strictly: its one name is the URI of a device of this trust domain.
pub(crate) fn name_in(der: &[u8], trust_domain: &TrustDomain) -> Result<(DeviceId, Facts), String> {
    let facts = ca::facts(der)?;
    let [uri] = &facts.uris[..] else { return Err("it has not exactly one URI".to_owned()) };
    if facts.name_count != 1 {
        return Err("it has other names than one URI".to_owned());
    }
    let id = trust_domain.device_in(uri).map_err(|error| error.to_string())?;
    Ok((id, facts))
}
