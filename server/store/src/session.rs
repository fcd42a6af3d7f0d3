//! Sessions of admins in a browser, by the digest of their secret.

use muster_proto::rest::Role;
use muster_proto::{Digest, Timestamp};

use crate::{StoreError, Tx};

/// A session as stored, with the role its admin has now.
pub struct SessionRow {
    /// The admin.
    pub admin: String,
    /// What they may do.
    pub role: Role,
    /// What changes must carry beside the cookie.
    pub csrf: String,
    /// When it ends.
    pub expires: Timestamp,
}

/// Adds a session.
pub fn insert(
    tx: &mut Tx<'_>,
    secret: Digest,
    session: &SessionRow,
    at: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO session (secret_digest, admin, csrf, created, expires) VALUES ($1, $2, $3, $4, $5)",
        &[secret.into(), (&session.admin).into(), (&session.csrf).into(), at.into(), session.expires.into()],
    )?;
    Ok(())
}

/// The session with this secret, if it has not ended.
pub fn get(tx: &mut Tx<'_>, secret: Digest, now: Timestamp) -> Result<Option<SessionRow>, StoreError> {
    tx.query_one(
        "SELECT s.admin, a.role, s.csrf, s.expires FROM session s JOIN admin a ON a.name = s.admin
         WHERE s.secret_digest = $1 AND s.expires > $2",
        &[secret.into(), now.into()],
        |row| {
            Ok(SessionRow { admin: row.get(0)?, role: row.get(1)?, csrf: row.get(2)?, expires: row.get(3)? })
        },
    )
}

/// Ends a session; true when there was one.
pub fn remove(tx: &mut Tx<'_>, secret: Digest) -> Result<bool, StoreError> {
    Ok(tx.execute("DELETE FROM session WHERE secret_digest = $1", &[secret.into()])? == 1)
}

/// Ends the sessions of an admin but the one with this secret; gives how many.
pub fn remove_of(tx: &mut Tx<'_>, admin: &str, but: Option<Digest>) -> Result<u64, StoreError> {
    match but {
        Some(but) => tx.execute(
            "DELETE FROM session WHERE admin = $1 AND secret_digest <> $2",
            &[admin.into(), but.into()],
        ),
        None => tx.execute("DELETE FROM session WHERE admin = $1", &[admin.into()]),
    }
}

/// Forgets sessions that have ended.
pub fn remove_expired(tx: &mut Tx<'_>, now: Timestamp) -> Result<u64, StoreError> {
    tx.execute("DELETE FROM session WHERE expires <= $1", &[now.into()])
}

/// Ends all sessions; gives how many.
pub fn clear(tx: &mut Tx<'_>) -> Result<u64, StoreError> {
    tx.execute("DELETE FROM session", &[])
}
