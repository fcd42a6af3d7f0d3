//! Admins and the one-time links by which the first of them is made.

use muster_proto::rest::Role;
use muster_proto::{Digest, Timestamp};

use crate::{Row, StoreError, Tx};

/// An admin as stored.
pub struct AdminRow {
    /// Login name.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Argon2id in PHC form.
    pub password_hash: String,
}

fn read(row: &Row<'_>) -> Result<AdminRow, StoreError> {
    Ok(AdminRow { name: row.get(0)?, role: row.get(1)?, password_hash: row.get(2)? })
}

/// The admin of this name.
pub fn get(tx: &mut Tx<'_>, name: &str) -> Result<Option<AdminRow>, StoreError> {
    tx.query_one("SELECT name, role, password_hash FROM admin WHERE name = $1", &[name.into()], read)
}

/// How many there are.
pub fn count(tx: &mut Tx<'_>) -> Result<u64, StoreError> {
    let found = tx.query_one("SELECT COUNT(*) FROM admin", &[], |row| row.get(0))?;
    Ok(found.unwrap_or(0))
}

/// Adds an admin.
pub fn insert(tx: &mut Tx<'_>, admin: &AdminRow, at: Timestamp) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO admin (name, role, password_hash, created) VALUES ($1, $2, $3, $4)",
        &[(&admin.name).into(), admin.role.into(), (&admin.password_hash).into(), at.into()],
    )?;
    Ok(())
}

/// Keeps the digest of a setup link's secret.
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

/// Takes all setup links away.
pub fn clear_setup_links(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    tx.execute("DELETE FROM setup_link", &[])?;
    Ok(())
}

/// Whether there is a link with this secret that has not ended.
pub fn has_setup_link(tx: &mut Tx<'_>, secret: Digest, now: Timestamp) -> Result<bool, StoreError> {
    let found: Option<i64> = tx.query_one(
        "SELECT 1 FROM setup_link WHERE secret_digest = $1 AND expires > $2",
        &[secret.into(), now.into()],
        |row| row.get(0),
    )?;
    Ok(found.is_some())
}
