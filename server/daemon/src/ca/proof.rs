//! Proof that somebody holds the key of a certificate.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

/// Whether the key of this certificate signed the message: ECDSA P-256 with SHA-256, as agents' keys are. Nothing else of
/// the certificate is looked at.
pub(crate) fn signed_by(certificate: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return false };
    let key = certificate.public_key().subject_public_key.data.as_ref();
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key).verify(message, signature).is_ok()
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, SigningKey};

    use super::*;

    #[test]
    fn only_the_key_of_the_certificate_signs_for_it_and_only_this_message() {
        let (key, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let certificate = CertificateParams::default().self_signed(&key).unwrap();
        let signature = key.sign(b"message").unwrap();
        assert!(signed_by(certificate.der(), b"message", &signature));
        assert!(!signed_by(certificate.der(), b"another", &signature));
        assert!(!signed_by(certificate.der(), b"message", &other.sign(b"message").unwrap()));
        assert!(!signed_by(b"no certificate", b"message", &signature));
        assert!(!signed_by(certificate.der(), b"message", b""));
    }
}
