//! First-login passwords, sealed, until an admin has seen them.

use muster_proto::{DeviceId, Timestamp};

use crate::{StoreError, Tx};

/// Keeps a sealed password in place of an earlier one of the account.
pub fn put(
    tx: &mut Tx<'_>,
    device: DeviceId,
    account: &str,
    sealed: &[u8],
    at: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO first_login_password (device, account, sealed, received) VALUES ($1, $2, $3, $4)
         ON CONFLICT (device, account) DO UPDATE SET sealed = excluded.sealed, received = excluded.received",
        &[device.into(), account.into(), sealed.into(), at.into()],
    )?;
    Ok(())
}

/// The accounts of a device whose password waits.
pub fn accounts(tx: &mut Tx<'_>, device: DeviceId) -> Result<Vec<String>, StoreError> {
    tx.query(
        "SELECT account FROM first_login_password WHERE device = $1 ORDER BY account",
        &[device.into()],
        |row| row.get(0),
    )
}

/// Takes the sealed password out: it can be had once.
pub fn take(tx: &mut Tx<'_>, device: DeviceId, account: &str) -> Result<Option<Vec<u8>>, StoreError> {
    tx.query_one(
        "DELETE FROM first_login_password WHERE device = $1 AND account = $2 RETURNING sealed",
        &[device.into(), account.into()],
        |row| row.get(0),
    )
}

/// Forgets the passwords of a device that is installed anew: they open nothing any more.
pub fn forget(tx: &mut Tx<'_>, device: DeviceId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM first_login_password WHERE device = $1", &[device.into()])?;
    Ok(())
}
