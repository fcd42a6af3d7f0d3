//! Which key a token let in, and which keys wait for an admin.

use muster_proto::{DeviceId, Digest, Timestamp};

use crate::{Row, StoreError, Tx};

/// A key that a token let in.
pub struct EnrollmentRow {
    /// As which device.
    pub device: DeviceId,
    /// With which certificate.
    pub certificate: String,
}

/// A key that waits for an admin.
pub struct PendingRow {
    /// The token it came with.
    pub token: String,
    /// Digest of the public key.
    pub key: Digest,
    /// The record that stands for it.
    pub device: DeviceId,
    /// What it shows on its console.
    pub code: String,
    /// JSON `EnrollmentClaims`.
    pub claims: String,
    /// Where it called from.
    pub address: String,
    /// When it first asked.
    pub since: Timestamp,
    /// Whether an admin has let it in.
    pub approved: bool,
}

/// The enrollment of this key by this token.
pub fn get(tx: &mut Tx<'_>, token: &str, key: Digest) -> Result<Option<EnrollmentRow>, StoreError> {
    tx.query_one(
        "SELECT device, certificate FROM enrollment WHERE token = $1 AND key_digest = $2",
        &[token.into(), key.into()],
        |row| Ok(EnrollmentRow { device: row.get(0)?, certificate: row.get(1)? }),
    )
}

/// Adds an enrollment.
pub fn insert(
    tx: &mut Tx<'_>,
    token: &str,
    key: Digest,
    enrollment: &EnrollmentRow,
    at: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO enrollment (token, key_digest, device, certificate, at) VALUES ($1, $2, $3, $4, $5)",
        &[token.into(), key.into(), enrollment.device.into(), (&enrollment.certificate).into(), at.into()],
    )?;
    Ok(())
}

/// Forgets which keys were let in as this device.
pub fn forget(tx: &mut Tx<'_>, device: DeviceId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM enrollment WHERE device = $1", &[device.into()])?;
    Ok(())
}

const PENDING: &str = "token, key_digest, device, code, claims, address, since, approved";

fn read(row: &Row<'_>) -> Result<PendingRow, StoreError> {
    Ok(PendingRow {
        token: row.get(0)?,
        key: row.get(1)?,
        device: row.get(2)?,
        code: row.get(3)?,
        claims: row.get(4)?,
        address: row.get(5)?,
        since: row.get(6)?,
        approved: row.get(7)?,
    })
}

/// Whether this key waits with this token.
pub fn pending(tx: &mut Tx<'_>, token: &str, key: Digest) -> Result<Option<PendingRow>, StoreError> {
    tx.query_one(
        &format!("SELECT {PENDING} FROM pending WHERE token = $1 AND key_digest = $2"),
        &[token.into(), key.into()],
        read,
    )
}

/// The keys that wait for this device's record, the oldest first.
pub fn pending_of_device(tx: &mut Tx<'_>, device: DeviceId) -> Result<Vec<PendingRow>, StoreError> {
    tx.query(
        &format!("SELECT {PENDING} FROM pending WHERE device = $1 AND approved = 0 ORDER BY since, code"),
        &[device.into()],
        read,
    )
}

/// All keys that wait, the oldest first.
pub fn all_pending(tx: &mut Tx<'_>, limit: u32) -> Result<Vec<PendingRow>, StoreError> {
    tx.query(
        &format!("SELECT {PENDING} FROM pending WHERE approved = 0 ORDER BY since, code LIMIT $1"),
        &[limit.into()],
        read,
    )
}

/// Whether a code is taken.
pub fn code_is_taken(tx: &mut Tx<'_>, code: &str) -> Result<bool, StoreError> {
    let found: Option<i64> =
        tx.query_one("SELECT 1 FROM pending WHERE code = $1", &[code.into()], |row| row.get(0))?;
    Ok(found.is_some())
}

/// Adds a key that waits.
pub fn insert_pending(tx: &mut Tx<'_>, pending: &PendingRow) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO pending (token, key_digest, device, code, claims, address, since, approved)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        &[
            (&pending.token).into(),
            pending.key.into(),
            pending.device.into(),
            (&pending.code).into(),
            (&pending.claims).into(),
            (&pending.address).into(),
            pending.since.into(),
            pending.approved.into(),
        ],
    )?;
    Ok(())
}

/// Whether an admin has let in a key as this device that has not come since.
pub fn is_promised(tx: &mut Tx<'_>, device: DeviceId) -> Result<bool, StoreError> {
    let found: Option<i64> = tx.query_one(
        "SELECT 1 FROM pending WHERE device = $1 AND approved = 1 LIMIT 1",
        &[device.into()],
        |row| row.get(0),
    )?;
    Ok(found.is_some())
}

/// Lets the key that shows this code in.
pub fn approve(tx: &mut Tx<'_>, device: DeviceId, code: &str) -> Result<bool, StoreError> {
    let approved = tx.execute(
        "UPDATE pending SET approved = 1 WHERE device = $1 AND code = $2 AND approved = 0",
        &[device.into(), code.into()],
    )?;
    Ok(approved == 1)
}

/// Forgets all keys that wait for this device's record.
pub fn clear_pending(tx: &mut Tx<'_>, device: DeviceId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM pending WHERE device = $1", &[device.into()])?;
    Ok(())
}
