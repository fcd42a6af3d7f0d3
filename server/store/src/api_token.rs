//! API tokens, by the digest of their secret.

use muster_proto::rest::ApiToken;
use muster_proto::{Digest, Timestamp};

use crate::{Row, StoreError, Tx};

fn read(row: &Row<'_>) -> Result<ApiToken, StoreError> {
    Ok(ApiToken {
        id: row.get(0)?,
        name: row.get(1)?,
        role: row.get(2)?,
        created: row.get(3)?,
        expires: row.get(4)?,
    })
}

/// Adds a token.
pub fn insert(tx: &mut Tx<'_>, token: &ApiToken, secret: Digest, created_by: &str) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO api_token (id, secret_digest, name, role, created_by, created, expires)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        &[
            (&token.id).into(),
            secret.into(),
            (&token.name).into(),
            token.role.into(),
            created_by.into(),
            token.created.into(),
            token.expires.into(),
        ],
    )?;
    Ok(())
}

/// The token with this secret, if it has not ended.
pub fn get(tx: &mut Tx<'_>, secret: Digest, now: Timestamp) -> Result<Option<ApiToken>, StoreError> {
    tx.query_one(
        "SELECT id, name, role, created, expires FROM api_token WHERE secret_digest = $1 AND expires > $2",
        &[secret.into(), now.into()],
        read,
    )
}

/// All of them, the newest first.
pub fn list(tx: &mut Tx<'_>) -> Result<Vec<ApiToken>, StoreError> {
    tx.query("SELECT id, name, role, created, expires FROM api_token ORDER BY created DESC, id", &[], read)
}

/// Takes a token away; true when there was one.
pub fn remove(tx: &mut Tx<'_>, id: &str) -> Result<bool, StoreError> {
    Ok(tx.execute("DELETE FROM api_token WHERE id = $1", &[id.into()])? == 1)
}

/// Takes all tokens away; gives how many.
pub fn clear(tx: &mut Tx<'_>) -> Result<u64, StoreError> {
    tx.execute("DELETE FROM api_token", &[])
}
