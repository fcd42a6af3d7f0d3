//! Certificates of devices. The certificates above them are kept once, as they are the same for all.

use muster_proto::rest::DeviceState;
use muster_proto::{DeviceId, Digest, Timestamp};

use crate::{StoreError, Tx};

/// A certificate as stored.
pub struct CertificateRow {
    /// Serial number in lower-case hex.
    pub serial_number: String,
    /// Whose.
    pub device: DeviceId,
    /// Digest of its public key.
    pub key_digest: Digest,
    /// Beginning of its validity.
    pub not_before: Timestamp,
    /// End of its validity.
    pub not_after: Timestamp,
    /// DER, the device's own first, the root last.
    pub chain: Vec<Vec<u8>>,
}

/// How a certificate and its device stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StandingRow {
    /// Where the device is in its life.
    pub state: DeviceState,
    /// Digest of the public key that it was issued for.
    pub key: Digest,
    /// Whether this certificate was revoked by itself.
    pub revoked: bool,
    /// End of its validity.
    pub not_after: Timestamp,
    /// Whether it has been shown before.
    pub used: bool,
    /// Whether a newer certificate of the device has been shown.
    pub replaced: bool,
    /// Whether a last order waits for the device's receipt.
    pub ordered: bool,
}

/// Adds a certificate.
pub fn insert(tx: &mut Tx<'_>, certificate: &CertificateRow, at: Timestamp) -> Result<(), StoreError> {
    let (own, issuers) =
        certificate.chain.split_first().map_or((&[][..], &[][..]), |(own, rest)| (own, rest));
    let issuers = join(issuers);
    let digest = Digest::of(&issuers);
    tx.execute(
        "INSERT INTO issuer_chain (digest, certificates) VALUES ($1, $2) ON CONFLICT (digest) DO NOTHING",
        &[digest.into(), (&issuers).into()],
    )?;
    tx.execute(
        "INSERT INTO certificate
             (serial_number, device, key_digest, not_before, not_after, der, issuer_chain, issued)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        &[
            (&certificate.serial_number).into(),
            certificate.device.into(),
            certificate.key_digest.into(),
            certificate.not_before.into(),
            certificate.not_after.into(),
            own.into(),
            digest.into(),
            at.into(),
        ],
    )?;
    Ok(())
}

/// The chain of a certificate, the device's own first.
pub fn chain(tx: &mut Tx<'_>, serial_number: &str) -> Result<Option<Vec<Vec<u8>>>, StoreError> {
    tx.query_one(
        "SELECT c.der, i.certificates FROM certificate c JOIN issuer_chain i ON i.digest = c.issuer_chain
         WHERE c.serial_number = $1",
        &[serial_number.into()],
        |row| {
            let mut chain = vec![row.get(0)?];
            chain.extend(split(&row.get::<Vec<u8>>(1)?));
            Ok(chain)
        },
    )
}

/// The certificates above the newest one that any device was issued, the root last; `None` while there is none.
pub fn newest_issuers(tx: &mut Tx<'_>) -> Result<Option<Vec<Vec<u8>>>, StoreError> {
    tx.query_one(
        "SELECT i.certificates FROM certificate c JOIN issuer_chain i ON i.digest = c.issuer_chain
         ORDER BY c.issued DESC, c.serial_number LIMIT 1",
        &[],
        |row| Ok(split(&row.get::<Vec<u8>>(0)?)),
    )
}

/// How the certificate and device stand; `None` when this server never issued it to that device.
pub fn standing(
    tx: &mut Tx<'_>,
    device: DeviceId,
    serial_number: &str,
) -> Result<Option<StandingRow>, StoreError> {
    tx.query_one(
        "SELECT d.state, c.key_digest, CASE WHEN c.revoked IS NULL THEN 0 ELSE 1 END, c.not_after,
             CASE WHEN c.used IS NULL THEN 0 ELSE 1 END, CASE WHEN c.replaced IS NULL THEN 0 ELSE 1 END,
             CASE WHEN l.device IS NULL OR l.received IS NOT NULL THEN 0 ELSE 1 END
         FROM certificate c JOIN device d ON d.id = c.device LEFT JOIN lost l ON l.device = c.device
         WHERE c.serial_number = $1 AND c.device = $2",
        &[serial_number.into(), device.into()],
        |row| {
            Ok(StandingRow {
                state: row.get(0)?,
                key: row.get(1)?,
                revoked: row.get(2)?,
                not_after: row.get(3)?,
                used: row.get(4)?,
                replaced: row.get(5)?,
                ordered: row.get(6)?,
            })
        },
    )
}

/// A certificate is shown: those of its device that were issued before it are replaced by it, if it is shown for the first
/// time. Gives how many.
pub fn begin_use(
    tx: &mut Tx<'_>,
    device: DeviceId,
    serial_number: &str,
    at: Timestamp,
) -> Result<u64, StoreError> {
    let first = tx.execute(
        "UPDATE certificate SET used = $1 WHERE serial_number = $2 AND device = $3 AND used IS NULL",
        &[at.into(), serial_number.into(), device.into()],
    )?;
    if first == 0 {
        return Ok(0);
    }
    tx.execute(
        "UPDATE certificate SET replaced = $1 WHERE device = $2 AND replaced IS NULL AND serial_number <> $3
             AND issued < (SELECT n.issued FROM certificate n WHERE n.serial_number = $3)",
        &[at.into(), device.into(), serial_number.into()],
    )
}

/// How many certificates a device got after this one, and has not shown.
pub fn unused_after(tx: &mut Tx<'_>, device: DeviceId, serial_number: &str) -> Result<u64, StoreError> {
    let unused = tx.query_one(
        "SELECT COUNT(*) FROM certificate WHERE device = $1 AND used IS NULL AND revoked IS NULL
             AND issued > (SELECT n.issued FROM certificate n WHERE n.serial_number = $2)",
        &[device.into(), serial_number.into()],
        |row| row.get(0),
    )?;
    Ok(unused.unwrap_or(0))
}

/// The newest certificate of a device for this key.
pub fn newest_for_key(
    tx: &mut Tx<'_>,
    device: DeviceId,
    key: Digest,
) -> Result<Option<(String, Timestamp, Timestamp)>, StoreError> {
    tx.query_one(
        "SELECT serial_number, not_before, not_after FROM certificate
         WHERE device = $1 AND key_digest = $2 AND revoked IS NULL ORDER BY not_after DESC LIMIT 1",
        &[device.into(), key.into()],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )
}

/// When the device's newest certificate ends.
pub fn newest_end(tx: &mut Tx<'_>, device: DeviceId) -> Result<Option<Timestamp>, StoreError> {
    let end = tx.query_one(
        "SELECT MAX(not_after) FROM certificate WHERE device = $1 AND revoked IS NULL",
        &[device.into()],
        |row| row.get(0),
    )?;
    Ok(end.flatten())
}

/// Revokes all certificates of a device; gives how many.
pub fn revoke_all(tx: &mut Tx<'_>, device: DeviceId, at: Timestamp) -> Result<u64, StoreError> {
    tx.execute(
        "UPDATE certificate SET revoked = $1 WHERE device = $2 AND revoked IS NULL",
        &[at.into(), device.into()],
    )
}

/// Serial numbers that are revoked and would still be valid.
pub fn revoked(tx: &mut Tx<'_>, now: Timestamp) -> Result<Vec<String>, StoreError> {
    tx.query(
        "SELECT serial_number FROM certificate WHERE revoked IS NOT NULL AND not_after > $1 ORDER BY serial_number",
        &[now.into()],
        |row| row.get(0),
    )
}

/// Each certificate after its length in four bytes.
fn join(certificates: &[Vec<u8>]) -> Vec<u8> {
    let mut joined = Vec::new();
    for certificate in certificates {
        let length = u32::try_from(certificate.len()).expect("a certificate is far smaller than 4 GiB");
        joined.extend_from_slice(&length.to_be_bytes());
        joined.extend_from_slice(certificate);
    }
    joined
}

fn split(mut joined: &[u8]) -> Vec<Vec<u8>> {
    let mut certificates = Vec::new();
    while let Some((length, rest)) = joined.split_first_chunk::<4>() {
        let length = u32::from_be_bytes(*length) as usize;
        let Some((certificate, rest)) = rest.split_at_checked(length) else { break };
        certificates.push(certificate.to_vec());
        joined = rest;
    }
    certificates
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_is_read_as_it_was_written() {
        let chain = vec![vec![1, 2, 3], vec![], vec![9; 700]];
        assert_eq!(split(&join(&chain)), chain);
    }
}
