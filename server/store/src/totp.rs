//! Secrets for codes, sealed, and the recovery codes that stand in for them.

use muster_proto::{Digest, Timestamp};

use crate::{StoreError, Tx};

/// An admin's secret as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TotpRow {
    /// Sealed with the server's sealing key.
    pub sealed: Vec<u8>,
    /// Since when it counts.
    pub confirmed: Option<Timestamp>,
    /// The newest step of which a code was taken.
    pub step: u64,
    /// Wrong codes since the last right one.
    pub failures: u32,
    /// When the last of them was given.
    pub failed: Timestamp,
}

/// The secret of an admin.
pub fn get(tx: &mut Tx<'_>, admin: &str) -> Result<Option<TotpRow>, StoreError> {
    tx.query_one(
        "SELECT sealed, confirmed, step, failures, failed FROM totp WHERE admin = $1",
        &[admin.into()],
        |row| {
            Ok(TotpRow {
                sealed: row.get(0)?,
                confirmed: row.get(1)?,
                step: row.get(2)?,
                failures: row.get(3)?,
                failed: row.get(4)?,
            })
        },
    )
}

/// Keeps an admin's secret as it is now.
pub fn put(tx: &mut Tx<'_>, admin: &str, totp: &TotpRow) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO totp (admin, sealed, confirmed, step, failures, failed) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (admin) DO UPDATE SET sealed = excluded.sealed, confirmed = excluded.confirmed,
             step = excluded.step, failures = excluded.failures, failed = excluded.failed",
        &[
            admin.into(),
            (&totp.sealed).into(),
            totp.confirmed.into(),
            totp.step.into(),
            totp.failures.into(),
            totp.failed.into(),
        ],
    )?;
    Ok(())
}

/// Takes an admin's secret and recovery codes away; true when there was one.
pub fn remove(tx: &mut Tx<'_>, admin: &str) -> Result<bool, StoreError> {
    tx.execute("DELETE FROM recovery_code WHERE admin = $1", &[admin.into()])?;
    Ok(tx.execute("DELETE FROM totp WHERE admin = $1", &[admin.into()])? == 1)
}

/// Keeps the digests of an admin's recovery codes, in place of earlier ones.
pub fn put_recovery_codes(tx: &mut Tx<'_>, admin: &str, codes: &[Digest]) -> Result<(), StoreError> {
    tx.execute("DELETE FROM recovery_code WHERE admin = $1", &[admin.into()])?;
    for code in codes {
        tx.execute(
            "INSERT INTO recovery_code (admin, code_digest) VALUES ($1, $2)",
            &[admin.into(), (*code).into()],
        )?;
    }
    Ok(())
}

/// Takes the recovery codes of all admins away.
pub fn clear_recovery_codes(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    tx.execute("DELETE FROM recovery_code", &[])?;
    Ok(())
}

/// Takes a recovery code away; true when the admin had it.
pub fn use_recovery_code(tx: &mut Tx<'_>, admin: &str, code: Digest) -> Result<bool, StoreError> {
    let used = tx.execute(
        "DELETE FROM recovery_code WHERE admin = $1 AND code_digest = $2",
        &[admin.into(), code.into()],
    )?;
    Ok(used == 1)
}

/// How many recovery codes an admin has left.
pub fn recovery_codes(tx: &mut Tx<'_>, admin: &str) -> Result<u32, StoreError> {
    let found =
        tx.query_one("SELECT COUNT(*) FROM recovery_code WHERE admin = $1", &[admin.into()], |row| {
            row.get(0)
        })?;
    Ok(found.unwrap_or(0))
}
