//! Random ids, secrets and codes. Secrets are 256 bits; only their digest is stored.

use muster_proto::{DeviceId, Digest};

/// Random bytes from the operating system's generator.
pub(super) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// A secret of 256 bits, with a prefix by which scanners and people know what it is.
pub(super) fn secret(prefix: &str) -> String {
    format!("{prefix}{}", data_encoding::BASE64URL_NOPAD.encode(&random::<32>()))
}

/// A short id for a record, such as `tok-3f2a9c1b04de`.
pub(super) fn id(prefix: &str) -> String {
    format!("{prefix}{}", data_encoding::HEXLOWER.encode(&random::<6>()))
}

/// What is stored of a secret. A plain hash is enough, as nobody can guess 256 bits.
pub(super) fn digest(secret: &str) -> Digest {
    Digest::of(secret.as_bytes())
}

/// A code that people read off a console: six characters that are not mistaken for each other, as `7KQ-M2D`.
pub(super) fn code() -> String {
    const ALPHABET: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
    let bytes = random::<6>();
    let letters = bytes.map(|byte| char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]));
    let (front, back) = letters.split_at(3);
    format!("{}-{}", front.iter().collect::<String>(), back.iter().collect::<String>())
}

/// An id for a new device.
pub(super) fn device_id() -> DeviceId {
    DeviceId(uuid::Builder::from_random_bytes(random()).into_uuid())
}
