//! Admins, and the one-time links by which they choose a password.

use muster_proto::rest::{AdminView, Role};
use muster_proto::{Digest, Timestamp};

use crate::{Row, StoreError, Tx};

/// An admin as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminRow {
    /// Login name.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Argon2id in PHC form; `None` until they have chosen a password.
    pub password_hash: Option<String>,
}

fn read(row: &Row<'_>) -> Result<AdminRow, StoreError> {
    let hash: String = row.get(2)?;
    Ok(AdminRow {
        name: row.get(0)?,
        role: row.get(1)?,
        password_hash: Some(hash).filter(|hash| !hash.is_empty()),
    })
}

/// The admin of this name.
pub fn get(tx: &mut Tx<'_>, name: &str) -> Result<Option<AdminRow>, StoreError> {
    tx.query_one("SELECT name, role, password_hash FROM admin WHERE name = $1", &[name.into()], read)
}

/// All of them, by name.
pub fn all(tx: &mut Tx<'_>) -> Result<Vec<AdminRow>, StoreError> {
    tx.query("SELECT name, role, password_hash FROM admin ORDER BY name", &[], read)
}

/// All of them as they are shown, by name.
pub fn list(tx: &mut Tx<'_>, now: Timestamp) -> Result<Vec<AdminView>, StoreError> {
    tx.query(
        "SELECT a.name, a.role, a.password_hash, t.confirmed, a.created, a.last_login,
             (SELECT COUNT(*) FROM session s WHERE s.admin = a.name AND s.expires > $1)
                 + (SELECT COUNT(*) FROM api_token l WHERE l.login = a.name AND l.expires > $1),
             (SELECT COUNT(*) FROM api_token p
                 WHERE p.login IS NULL AND p.created_by = 'admin:' || a.name AND p.expires > $1)
         FROM admin a LEFT JOIN totp t ON t.admin = a.name ORDER BY a.name",
        &[now.into()],
        |row| {
            let hash: String = row.get(2)?;
            let confirmed: Option<Timestamp> = row.get(3)?;
            Ok(AdminView {
                name: row.get(0)?,
                role: row.get(1)?,
                active: !hash.is_empty(),
                totp: confirmed.is_some(),
                created: row.get(4)?,
                last_login: row.get(5)?,
                logins: row.get(6)?,
                api_tokens: row.get(7)?,
            })
        },
    )
}

/// How many there are.
pub fn count(tx: &mut Tx<'_>) -> Result<u64, StoreError> {
    let found = tx.query_one("SELECT COUNT(*) FROM admin", &[], |row| row.get(0))?;
    Ok(found.unwrap_or(0))
}

/// Adds an admin.
pub fn insert(tx: &mut Tx<'_>, admin: &AdminRow, at: Timestamp) -> Result<(), StoreError> {
    let hash = admin.password_hash.as_deref().unwrap_or_default();
    tx.execute(
        "INSERT INTO admin (name, role, password_hash, created) VALUES ($1, $2, $3, $4)",
        &[(&admin.name).into(), admin.role.into(), hash.into(), at.into()],
    )?;
    Ok(())
}

/// Changes what an admin may do.
pub fn set_role(tx: &mut Tx<'_>, name: &str, role: Role) -> Result<(), StoreError> {
    tx.execute("UPDATE admin SET role = $1 WHERE name = $2", &[role.into(), name.into()])?;
    Ok(())
}

/// Keeps the hash of an admin's password; an empty one lets nobody in.
pub fn set_password(tx: &mut Tx<'_>, name: &str, hash: &str) -> Result<(), StoreError> {
    tx.execute("UPDATE admin SET password_hash = $1 WHERE name = $2", &[hash.into(), name.into()])?;
    Ok(())
}

/// Keeps when an admin logged in last.
pub fn logged_in(tx: &mut Tx<'_>, name: &str, at: Timestamp) -> Result<(), StoreError> {
    tx.execute("UPDATE admin SET last_login = $1 WHERE name = $2", &[at.into(), name.into()])?;
    Ok(())
}

/// Takes an admin away, with all that is theirs alone.
pub fn remove(tx: &mut Tx<'_>, name: &str) -> Result<(), StoreError> {
    tx.execute("DELETE FROM admin WHERE name = $1", &[name.into()])?;
    Ok(())
}

/// Keeps the digest of the secret of the first admin's link.
pub fn insert_setup_link(
    tx: &mut Tx<'_>,
    secret: Digest,
    at: Timestamp,
    expires: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO setup_link (secret_digest, created, expires) VALUES ($1, $2, $3)",
        &[secret.into(), at.into(), expires.into()],
    )?;
    Ok(())
}

/// Takes the link away; true when it was there and had not ended.
pub fn use_setup_link(tx: &mut Tx<'_>, secret: Digest, now: Timestamp) -> Result<bool, StoreError> {
    let used = tx.execute(
        "DELETE FROM setup_link WHERE secret_digest = $1 AND expires > $2",
        &[secret.into(), now.into()],
    )?;
    Ok(used == 1)
}

/// Takes the links of all admins away.
pub fn clear_links(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    tx.execute("DELETE FROM admin_link", &[])?;
    Ok(())
}

/// Takes all links of the first admin away.
pub fn clear_setup_links(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    tx.execute("DELETE FROM setup_link", &[])?;
    Ok(())
}

/// Whether there is a link of the first admin with this secret that has not ended.
pub fn has_setup_link(tx: &mut Tx<'_>, secret: Digest, now: Timestamp) -> Result<bool, StoreError> {
    let found: Option<i64> = tx.query_one(
        "SELECT 1 FROM setup_link WHERE secret_digest = $1 AND expires > $2",
        &[secret.into(), now.into()],
        |row| row.get(0),
    )?;
    Ok(found.is_some())
}

/// Keeps the digest of the secret of an admin's link, in place of an earlier one.
pub fn put_link(
    tx: &mut Tx<'_>,
    name: &str,
    secret: Digest,
    at: Timestamp,
    expires: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO admin_link (admin, secret_digest, created, expires) VALUES ($1, $2, $3, $4)
         ON CONFLICT (admin) DO UPDATE SET secret_digest = excluded.secret_digest,
             created = excluded.created, expires = excluded.expires",
        &[name.into(), secret.into(), at.into(), expires.into()],
    )?;
    Ok(())
}

/// Whose link has this secret and has not ended.
pub fn of_link(tx: &mut Tx<'_>, secret: Digest, now: Timestamp) -> Result<Option<String>, StoreError> {
    tx.query_one(
        "SELECT admin FROM admin_link WHERE secret_digest = $1 AND expires > $2",
        &[secret.into(), now.into()],
        |row| row.get(0),
    )
}

/// Takes an admin's link away.
pub fn remove_link(tx: &mut Tx<'_>, name: &str) -> Result<(), StoreError> {
    tx.execute("DELETE FROM admin_link WHERE admin = $1", &[name.into()])?;
    Ok(())
}
