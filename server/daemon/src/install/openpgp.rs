//! The little of OpenPGP (RFC 4880 and its EdDSA extension, RFC 9580 section 5.2.3 on version 4) that a package
//! repository needs: a version 4 Ed25519 key as a certificate, and text signed in the clear.
//!
//! It only writes, and only what our own key signs; nothing foreign is ever parsed here.

use aws_lc_rs::digest::{self, SHA1_FOR_LEGACY_USE_ONLY, SHA512};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use muster_proto::Timestamp;

/// Packet tags.
const SIGNATURE: u8 = 2;
const PUBLIC_KEY: u8 = 6;
const USER_ID: u8 = 13;

/// Kinds of signatures.
const OF_TEXT: u8 = 0x01;
const OF_USER_ID: u8 = 0x13;

/// EdDSA and SHA-512, by their numbers in packets.
const EDDSA: u8 = 22;
const HASH: u8 = 10;
/// The curve of Ed25519, with its length before it.
const CURVE: [u8; 10] = [9, 0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01];

/// Subpackets of signatures.
const MADE: u8 = 2;
const ISSUER: u8 = 16;
const KEY_FLAGS: u8 = 27;
const ISSUER_FINGERPRINT: u8 = 33;
/// The key may certify itself and sign.
const MAY_SIGN: u8 = 0x03;

/// A signing key and when it was made, which is part of its fingerprint.
pub(super) struct Key {
    pair: Ed25519KeyPair,
    made: u32,
}

impl Key {
    pub(super) fn new(pair: Ed25519KeyPair, made: Timestamp) -> Self {
        Self { pair, made: seconds(made) }
    }

    /// The key's certificate for `user`, armored, as apt's `Signed-By` takes it.
    pub(super) fn certificate(&self, user: &str) -> String {
        let body = self.body();
        let mut signed = self.hashed_body();
        signed.push(0xb4);
        signed.extend(length(user.len(), 4));
        signed.extend(user.as_bytes());
        let flags = subpacket(KEY_FLAGS, &[MAY_SIGN]);
        let mut packets = packet(PUBLIC_KEY, &body);
        packets.extend(packet(USER_ID, user.as_bytes()));
        packets.extend(packet(SIGNATURE, &self.sign(OF_USER_ID, self.made, &flags, &signed)));
        armor("PUBLIC KEY BLOCK", &packets)
    }

    /// The text with a signature below it, both readable. Its lines must not end in white space.
    pub(super) fn sign_in_the_clear(&self, text: &str, now: Timestamp) -> String {
        let text = text.trim_end_matches('\n');
        let canonical = text.replace('\n', "\r\n");
        let signature = packet(SIGNATURE, &self.sign(OF_TEXT, seconds(now), &[], canonical.as_bytes()));
        let escaped: String = text
            .lines()
            .map(|line| format!("{}{line}\n", if line.starts_with('-') { "- " } else { "" }))
            .collect();
        format!(
            "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n{escaped}{}",
            armor("SIGNATURE", &signature)
        )
    }

    /// The public key packet's content.
    fn body(&self) -> Vec<u8> {
        let mut point = vec![0x40];
        point.extend(self.pair.public_key().as_ref());
        let mut body = vec![4];
        body.extend(self.made.to_be_bytes());
        body.push(EDDSA);
        body.extend(CURVE);
        body.extend(integer(&point));
        body
    }

    /// The content as fingerprints and certifications hash it.
    fn hashed_body(&self) -> Vec<u8> {
        let body = self.body();
        let mut hashed = vec![0x99];
        hashed.extend(length(body.len(), 2));
        hashed.extend(body);
        hashed
    }

    /// Version 4 names keys by SHA-1. Nothing rests on it here: the whole key is what is given to devices.
    fn fingerprint(&self) -> Vec<u8> {
        digest::digest(&SHA1_FOR_LEGACY_USE_ONLY, &self.hashed_body()).as_ref().to_vec()
    }

    /// A signature packet's content over `data`.
    fn sign(&self, kind: u8, made: u32, more: &[u8], data: &[u8]) -> Vec<u8> {
        let fingerprint = self.fingerprint();
        let mut subpackets = subpacket(MADE, &made.to_be_bytes());
        subpackets.extend(subpacket(ISSUER_FINGERPRINT, &[&[4], &fingerprint[..]].concat()));
        subpackets.extend(more);
        let mut signature = vec![4, kind, EDDSA, HASH];
        signature.extend(length(subpackets.len(), 2));
        signature.extend(subpackets);
        let trailer = [&[4, 0xff], &length(signature.len(), 4)[..]].concat();
        let hash = digest::digest(&SHA512, &[data, &signature, &trailer].concat());
        let issuer = subpacket(ISSUER, &fingerprint[12..]);
        signature.extend(length(issuer.len(), 2));
        signature.extend(issuer);
        signature.extend(&hash.as_ref()[..2]);
        let signed = self.pair.sign(hash.as_ref());
        let (r, s) = signed.as_ref().split_at(32);
        signature.extend(integer(r));
        signature.extend(integer(s));
        signature
    }
}

/// Seconds since 1970 as packets hold them, until the year 2106.
fn seconds(time: Timestamp) -> u32 {
    u32::try_from(time.seconds()).unwrap_or(u32::MAX)
}

/// A length in its last `bytes` bytes.
fn length(length: usize, bytes: usize) -> Vec<u8> {
    let whole = length.to_be_bytes();
    whole[whole.len() - bytes..].to_vec()
}

fn packet(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![0xc0 | tag, 0xff];
    packet.extend(length(body.len(), 4));
    packet.extend(body);
    packet
}

/// All of ours are shorter than the 192 bytes that a one-byte length holds.
fn subpacket(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut subpacket = length(body.len() + 1, 1);
    subpacket.push(kind);
    subpacket.extend(body);
    subpacket
}

/// A number with its length in bits before it, without leading zeros.
fn integer(bytes: &[u8]) -> Vec<u8> {
    let bytes = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
    let zeros = bytes.first().map_or(0, |byte| byte.leading_zeros() as usize);
    let mut integer = length(bytes.len() * 8 - zeros, 2);
    integer.extend(bytes);
    integer
}

fn armor(kind: &str, packets: &[u8]) -> String {
    let text = data_encoding::BASE64.encode(packets);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    let checksum = data_encoding::BASE64.encode(&crc24(packets).to_be_bytes()[1..]);
    format!("-----BEGIN PGP {kind}-----\n\n{}\n={checksum}\n-----END PGP {kind}-----\n", lines.join("\n"))
}

/// The checksum of RFC 4880, section 6.1.
fn crc24(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x00b7_04ce, |crc, byte| {
        let crc = crc ^ (u32::from(*byte) << 16);
        (0..8).fold(crc, |crc, _| {
            let crc = crc << 1;
            if crc & 0x0100_0000 == 0 { crc } else { crc ^ 0x0186_4cfb }
        })
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::process::Command;

    use super::*;

    fn key() -> Key {
        Key::new(Ed25519KeyPair::generate().unwrap(), "2026-11-01T00:00:00Z".parse().unwrap())
    }

    fn now() -> Timestamp {
        "2026-11-20T12:00:00Z".parse().unwrap()
    }

    /// What apt itself calls; `None` where it is not installed.
    fn gpgv(folder: &Path, certificate: &str, signed: &str) -> Option<bool> {
        let (ring, file) = (folder.join("key.gpg"), folder.join("InRelease"));
        let body: String = certificate.lines().skip(2).take_while(|line| !line.starts_with('=')).collect();
        fs::write(&ring, data_encoding::BASE64.decode(body.as_bytes()).unwrap()).unwrap();
        fs::write(&file, signed).unwrap();
        let verified = Command::new("gpgv").arg("--keyring").arg(&ring).arg(&file).output().ok()?;
        Some(verified.status.success())
    }

    #[test]
    fn gpgv_takes_what_the_key_signed_and_nothing_that_was_changed() {
        let folder = tempfile::tempdir().unwrap();
        // The numbers of a signature have a leading zero in one of 128, so that both shapes come up.
        for _ in 0..8 {
            let (key, another) = (key(), key().certificate("another"));
            let certificate = key.certificate("Muster packages of muster.corp.example");
            let signed = key.sign_in_the_clear("Origin: Muster\n- a dash\nSHA256:\n abc\n", now());
            let Some(verified) = gpgv(folder.path(), &certificate, &signed) else { return };
            assert!(verified, "{certificate}{signed}");
            assert_eq!(gpgv(folder.path(), &certificate, &signed.replace("abc", "abd")), Some(false));
            assert_eq!(gpgv(folder.path(), &another, &signed), Some(false));
        }
    }

    #[test]
    fn numbers_lose_leading_zeros_and_say_their_bits() {
        assert_eq!(integer(&[0, 0, 1, 0xff]), [0, 9, 1, 0xff]);
        assert_eq!(integer(&[0x40]), [0, 7, 0x40]);
        assert_eq!(integer(&[0]), [0, 0]);
    }

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        assert_eq!(crc24(b""), 0x00b7_04ce);
        assert_eq!(crc24(b"123456789"), 0x0021_cf02);
    }
}
