//! Enrollment tokens, by the digest of their secret.

use muster_proto::rest::Token;
use muster_proto::{Digest, Timestamp};

use crate::{Row, StoreError, Tx};

const COLUMNS: &str = "id, labels, uses_left, uses, created, created_by, expires, serial, unknown, revoked";

fn read(row: &Row<'_>) -> Result<Token, StoreError> {
    let labels: String = row.get(1)?;
    Ok(Token {
        id: row.get(0)?,
        labels: serde_json::from_str(&labels)
            .map_err(|_| StoreError::Column { column: 1, expected: "a JSON list" })?,
        uses_left: row.get(2)?,
        uses: row.get(3)?,
        created: row.get(4)?,
        created_by: row.get(5)?,
        expires: row.get(6)?,
        serial: row.get(7)?,
        unknown: row.get(8)?,
        revoked: row.get(9)?,
    })
}

/// Adds a token.
pub fn insert(tx: &mut Tx<'_>, token: &Token, secret: Digest) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO token
             (id, secret_digest, labels, uses, uses_left, serial, unknown, created_by, created, expires, revoked)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        &[
            (&token.id).into(),
            secret.into(),
            (&serde_json::json!(token.labels).to_string()).into(),
            token.uses.into(),
            token.uses_left.into(),
            token.serial.as_deref().into(),
            token.unknown.into(),
            (&token.created_by).into(),
            token.created.into(),
            token.expires.into(),
            token.revoked.into(),
        ],
    )?;
    Ok(())
}

/// The token with this secret, whatever has become of it.
pub fn by_secret(tx: &mut Tx<'_>, secret: Digest) -> Result<Option<Token>, StoreError> {
    tx.query_one(&format!("SELECT {COLUMNS} FROM token WHERE secret_digest = $1"), &[secret.into()], read)
}

/// The token with this id.
pub fn get(tx: &mut Tx<'_>, id: &str) -> Result<Option<Token>, StoreError> {
    tx.query_one(&format!("SELECT {COLUMNS} FROM token WHERE id = $1"), &[id.into()], read)
}

/// All of them, the newest first.
pub fn list(tx: &mut Tx<'_>) -> Result<Vec<Token>, StoreError> {
    tx.query(&format!("SELECT {COLUMNS} FROM token ORDER BY created DESC, id"), &[], read)
}

/// Takes one use away; false when none was left.
pub fn spend(tx: &mut Tx<'_>, id: &str) -> Result<bool, StoreError> {
    let spent = tx.execute(
        "UPDATE token SET uses_left = uses_left - 1 WHERE id = $1 AND uses_left > 0",
        &[id.into()],
    )?;
    Ok(spent == 1)
}

/// Makes a token useless.
pub fn revoke(tx: &mut Tx<'_>, id: &str) -> Result<(), StoreError> {
    tx.execute("UPDATE token SET revoked = 1 WHERE id = $1", &[id.into()])?;
    Ok(())
}

/// Makes every token useless that could still be used at `now`; gives how many.
pub fn revoke_live(tx: &mut Tx<'_>, now: Timestamp) -> Result<u64, StoreError> {
    tx.execute("UPDATE token SET revoked = 1 WHERE expires > $1 AND revoked = 0", &[now.into()])
}

/// The same for those that somebody made, such as `admin:kim`. One that is used up counts too: machines may wait by it.
pub fn revoke_made_by(tx: &mut Tx<'_>, actor: &str, now: Timestamp) -> Result<u64, StoreError> {
    tx.execute(
        "UPDATE token SET revoked = 1 WHERE created_by = $1 AND expires > $2 AND revoked = 0",
        &[actor.into(), now.into()],
    )
}

/// Whether a token that is bound to this serial can still be used, at `now`.
pub fn is_live_for(tx: &mut Tx<'_>, serial: &str, now: Timestamp) -> Result<bool, StoreError> {
    let found: Option<i64> = tx.query_one(
        "SELECT 1 FROM token WHERE serial = $1 AND expires > $2 AND uses_left > 0 AND revoked = 0 LIMIT 1",
        &[serial.into(), now.into()],
        |row| row.get(0),
    )?;
    Ok(found.is_some())
}

/// Tokens that can still be used, at `now`.
pub fn live(tx: &mut Tx<'_>, now: Timestamp) -> Result<u64, StoreError> {
    let found = tx.query_one(
        "SELECT COUNT(*) FROM token WHERE expires > $1 AND uses_left > 0 AND revoked = 0",
        &[now.into()],
        |row| row.get(0),
    )?;
    Ok(found.unwrap_or(0))
}
