//! The device's private key (ECDSA P-256). It never leaves the device.

use rcgen::{
    CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData, SigningKey,
};
use rustls::pki_types::PrivateKeyDer;
use zeroize::Zeroizing;

/// A private key.
pub(crate) struct DeviceKey(KeyPair);

impl DeviceKey {
    /// Makes a key.
    pub(crate) fn make() -> Result<Self, rcgen::Error> {
        KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map(Self)
    }

    /// Reads a key from PEM text; certificates that follow it are passed over.
    pub(super) fn from_pem(text: &str) -> Result<Self, rcgen::Error> {
        KeyPair::from_pem(text).map(Self)
    }

    pub(super) fn to_pem(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.serialize_pem())
    }

    /// A request to certify this key: PKCS #10, signed with it, asking for nothing else.
    pub(crate) fn request(&self) -> Result<Vec<u8>, rcgen::Error> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        Ok(params.serialize_request(&self.0)?.der().to_vec())
    }

    /// The public key as DER (`SubjectPublicKeyInfo`).
    pub(crate) fn public_key(&self) -> Vec<u8> {
        self.0.subject_public_key_info()
    }

    /// Signs a message: ECDSA P-256 with SHA-256, ASN.1.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.0.sign(message)
    }

    pub(super) fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(self.0.serialize_der().into())
    }
}

impl std::fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DeviceKey")
    }
}

impl Drop for DeviceKey {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.0);
    }
}
