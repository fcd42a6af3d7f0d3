//! Facts about the server itself, by name.

use crate::{StoreError, Tx};

/// The value under `name`.
pub fn get(tx: &mut Tx<'_>, name: &str) -> Result<Option<String>, StoreError> {
    tx.query_one("SELECT value FROM meta WHERE name = $1", &[name.into()], |row| row.get(0))
}

/// Puts a value under `name`.
pub fn put(tx: &mut Tx<'_>, name: &str, value: &str) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        &[name.into(), value.into()],
    )?;
    Ok(())
}
