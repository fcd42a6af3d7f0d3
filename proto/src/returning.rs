//! How a device comes back whose certificate ended while it was off: what it signs, and for which connection.
//!
//! The signature covers keying material that only the two ends of one TLS connection have (RFC 5705, RFC 8446 7.5), so it
//! is worth nothing on any other connection: not to who recorded it, and not to a server that passes it on. With it stand
//! the certificate whose key signs and the request for the next one, so that neither can be exchanged.

use crate::id::Digest;

/// The label by which both ends export the keying material. Its context is empty: what it is for is in [`message`].
pub const LABEL: &[u8] = b"EXPORTER-Muster-Return-1";

/// Bytes that are exported.
pub const EXPORTED: usize = 32;

/// What begins every signed message, so that no other use of the key ever signs one.
const PURPOSE: &[u8] = b"muster return 1\0";

/// What the device signs with the key of its ended certificate.
pub fn message(exported: &[u8; EXPORTED], certificate: &[u8], csr: &[u8]) -> Vec<u8> {
    let mut message = PURPOSE.to_vec();
    message.extend_from_slice(exported);
    for part in [certificate, csr] {
        // Of one length each, so that nothing moves from one part to the other.
        message.extend_from_slice(Digest::of(part).to_string().as_bytes());
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_connection_certificate_or_request_is_another_message() {
        let (here, there) = ([1; EXPORTED], [2; EXPORTED]);
        let own = message(&here, b"certificate", b"request");
        assert_eq!(own, message(&here, b"certificate", b"request"));
        for other in [
            message(&there, b"certificate", b"request"),
            message(&here, b"certificat", b"erequest"),
            message(&here, b"certificate", b"another"),
            message(&here, b"another", b"request"),
        ] {
            assert_ne!(own, other);
        }
    }
}
