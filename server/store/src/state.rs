//! The desired state of each device, as the exact bytes it was made as.

use std::collections::BTreeSet;

use muster_proto::{DeviceId, Digest, Generation, Timestamp};

use crate::{StoreError, Tx};

/// A desired state as stored.
pub struct StateRow {
    /// Its generation.
    pub generation: Generation,
    /// JSON `DesiredState`.
    pub bytes: Vec<u8>,
}

/// The desired state of a device; `None` when nothing was ever assigned to it.
pub fn get(tx: &mut Tx<'_>, device: DeviceId) -> Result<Option<StateRow>, StoreError> {
    tx.query_one("SELECT generation, bytes FROM state WHERE device = $1", &[device.into()], |row| {
        Ok(StateRow { generation: row.get(0)?, bytes: row.get(1)? })
    })
}

/// Puts a newer state in place of a device's last one. Telling is left to the caller, who does it once for many.
pub fn put(
    tx: &mut Tx<'_>,
    device: DeviceId,
    generation: Generation,
    bytes: &[u8],
    documents: &BTreeSet<Digest>,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO state (device, generation, digest, bytes) VALUES ($1, $2, $3, $4)
         ON CONFLICT (device) DO UPDATE SET generation = excluded.generation, digest = excluded.digest,
             bytes = excluded.bytes",
        &[device.into(), generation.into(), Digest::of(bytes).into(), bytes.into()],
    )?;
    tx.execute(
        "UPDATE device SET generation_wanted = $1 WHERE id = $2",
        &[generation.into(), device.into()],
    )?;
    tx.execute("DELETE FROM state_document WHERE device = $1", &[device.into()])?;
    for digest in documents {
        tx.execute(
            "INSERT INTO state_document (device, digest) VALUES ($1, $2)",
            &[device.into(), (*digest).into()],
        )?;
    }
    Ok(())
}

/// The highest generation that any device was given; 0 when none was.
pub fn newest_generation(tx: &mut Tx<'_>) -> Result<Generation, StoreError> {
    let found = tx.query_one("SELECT COALESCE(MAX(generation), 0) FROM state", &[], |row| row.get(0))?;
    Ok(found.unwrap_or_default())
}

/// A document's bytes, if the device's current state names it.
pub fn document(tx: &mut Tx<'_>, device: DeviceId, digest: Digest) -> Result<Option<Vec<u8>>, StoreError> {
    tx.query_one(
        "SELECT d.bytes FROM state_document s JOIN document d ON d.digest = s.digest
         WHERE s.device = $1 AND s.digest = $2",
        &[device.into(), digest.into()],
        |row| row.get(0),
    )
}

/// Whether the device's state asks for anything.
pub fn asks_for_anything(tx: &mut Tx<'_>, device: DeviceId) -> Result<bool, StoreError> {
    let found: Option<i64> =
        tx.query_one("SELECT 1 FROM state_document WHERE device = $1 LIMIT 1", &[device.into()], |row| {
            row.get(0)
        })?;
    Ok(found.is_some())
}

/// The documents that a device's state names.
pub fn documents(tx: &mut Tx<'_>, device: DeviceId) -> Result<Vec<Vec<u8>>, StoreError> {
    tx.query(
        "SELECT d.bytes FROM state_document s JOIN document d ON d.digest = s.digest WHERE s.device = $1",
        &[device.into()],
        |row| row.get(0),
    )
}

/// How many devices have any revision of a profile in their state, and how many of those are compliant at `now`.
pub fn devices_of_profile(tx: &mut Tx<'_>, profile: &str, now: Timestamp) -> Result<(u64, u64), StoreError> {
    let found = tx.query_one(
        "SELECT COUNT(*), COALESCE(SUM(CASE WHEN d.compliance = 'compliant' AND d.stale_at >= $1 THEN 1 ELSE 0 END), 0)
         FROM device d WHERE d.state IN ('enrolled', 'ready') AND d.id IN
             (SELECT s.device FROM revision r JOIN state_document s ON s.digest = r.digest WHERE r.profile = $2)",
        &[now.into(), profile.into()],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    Ok(found.unwrap_or_default())
}
