//! API tokens, by the digest of their secret: those of programs, and those that keep a command line logged in.

use muster_proto::rest::{ApiToken, Role};
use muster_proto::{Digest, Timestamp};

use crate::{Row, StoreError, Tx};

/// A login may do what its admin may do now, whatever that was when it was made.
const SELECT: &str =
    "SELECT t.id, t.name, t.role, t.created, t.expires, t.created_by, t.scopes, t.last_used, t.login,
    a.role FROM api_token t LEFT JOIN admin a ON a.name = t.login";

fn read(row: &Row<'_>) -> Result<ApiToken, StoreError> {
    let scopes: String = row.get(6)?;
    let own: Role = row.get(2)?;
    let of_admin: Option<Role> = row.get(9)?;
    Ok(ApiToken {
        id: row.get(0)?,
        name: row.get(1)?,
        role: of_admin.unwrap_or(own),
        created: row.get(3)?,
        expires: row.get(4)?,
        created_by: row.get(5)?,
        scopes: serde_json::from_str(&scopes)
            .map_err(|_| StoreError::Column { column: 6, expected: "a JSON list of scopes" })?,
        last_used: row.get(7)?,
        login: row.get(8)?,
    })
}

/// Adds a token.
pub fn insert(tx: &mut Tx<'_>, token: &ApiToken, secret: Digest) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO api_token (id, secret_digest, name, role, created_by, created, expires, scopes, login)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        &[
            (&token.id).into(),
            secret.into(),
            (&token.name).into(),
            token.role.into(),
            (&token.created_by).into(),
            token.created.into(),
            token.expires.into(),
            (&serde_json::json!(token.scopes).to_string()).into(),
            token.login.as_deref().into(),
        ],
    )?;
    Ok(())
}

/// Notes for which admin a program acts, such as `token:api-1 "ci"` for `kim`; kept when its token is gone.
pub fn note_program(tx: &mut Tx<'_>, actor: &str, admin: &str) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO program (actor, admin) VALUES ($1, $2) ON CONFLICT (actor) DO NOTHING",
        &[actor.into(), admin.into()],
    )?;
    Ok(())
}

/// For which admin a program acts.
pub fn admin_of_program(tx: &mut Tx<'_>, actor: &str) -> Result<Option<String>, StoreError> {
    tx.query_one("SELECT admin FROM program WHERE actor = $1", &[actor.into()], |row| row.get(0))
}

/// All programs that act for an admin.
pub fn programs_of(tx: &mut Tx<'_>, admin: &str) -> Result<Vec<String>, StoreError> {
    tx.query("SELECT actor FROM program WHERE admin = $1 ORDER BY actor", &[admin.into()], |row| row.get(0))
}

/// The token with this secret, if it has not ended.
pub fn get(tx: &mut Tx<'_>, secret: Digest, now: Timestamp) -> Result<Option<ApiToken>, StoreError> {
    tx.query_one(
        &format!("{SELECT} WHERE t.secret_digest = $1 AND t.expires > $2"),
        &[secret.into(), now.into()],
        read,
    )
}

/// All of them, the newest first.
pub fn list(tx: &mut Tx<'_>) -> Result<Vec<ApiToken>, StoreError> {
    tx.query(&format!("{SELECT} ORDER BY t.created DESC, t.id"), &[], read)
}

/// Keeps when a token was used last.
pub fn used(tx: &mut Tx<'_>, id: &str, at: Timestamp) -> Result<(), StoreError> {
    tx.execute("UPDATE api_token SET last_used = $1 WHERE id = $2", &[at.into(), id.into()])?;
    Ok(())
}

/// Takes a token away; true when there was one.
pub fn remove(tx: &mut Tx<'_>, id: &str) -> Result<bool, StoreError> {
    Ok(tx.execute("DELETE FROM api_token WHERE id = $1", &[id.into()])? == 1)
}

/// Logs the command lines of an admin out, but the one of this token; gives how many.
pub fn remove_logins(tx: &mut Tx<'_>, admin: &str, but: &str) -> Result<u64, StoreError> {
    tx.execute("DELETE FROM api_token WHERE login = $1 AND id <> $2", &[admin.into(), but.into()])
}

/// The tokens of programs that somebody made, such as `admin:kim`, those that have ended included.
pub fn made_by(tx: &mut Tx<'_>, actor: &str) -> Result<Vec<ApiToken>, StoreError> {
    tx.query(&format!("{SELECT} WHERE t.created_by = $1 AND t.login IS NULL"), &[actor.into()], read)
}

/// Takes the tokens of programs away that somebody made with a role; gives how many.
pub fn remove_made_by(tx: &mut Tx<'_>, actor: &str, role: Role) -> Result<u64, StoreError> {
    tx.execute(
        "DELETE FROM api_token WHERE created_by = $1 AND role = $2 AND login IS NULL",
        &[actor.into(), role.into()],
    )
}

/// Takes all tokens away; gives how many.
pub fn clear(tx: &mut Tx<'_>) -> Result<u64, StoreError> {
    tx.execute("DELETE FROM api_token", &[])
}
