//! People, and every uid that was ever given to one.

use muster_proto::Timestamp;
use muster_proto::rest::PersonView;

use crate::{Row, StoreError, Tx};

/// The first uid given to people: above what distributions give to accounts made by hand.
const FIRST_UID: u32 = 20_000;

fn read(row: &Row<'_>) -> Result<PersonView, StoreError> {
    let keys: String = row.get(3)?;
    Ok(PersonView {
        username: row.get(0)?,
        full_name: row.get(1)?,
        uid: row.get(2)?,
        ssh_keys: serde_json::from_str(&keys)
            .map_err(|_| StoreError::Column { column: 3, expected: "a JSON list" })?,
    })
}

/// The person of this name.
pub fn get(tx: &mut Tx<'_>, username: &str) -> Result<Option<PersonView>, StoreError> {
    tx.query_one(
        "SELECT username, full_name, uid, ssh_keys FROM person WHERE username = $1",
        &[username.into()],
        read,
    )
}

/// All of them by name.
pub fn list(tx: &mut Tx<'_>) -> Result<Vec<PersonView>, StoreError> {
    tx.query("SELECT username, full_name, uid, ssh_keys FROM person ORDER BY username", &[], read)
}

/// Who was ever given this uid.
pub fn holder_of(tx: &mut Tx<'_>, uid: u32) -> Result<Option<String>, StoreError> {
    tx.query_one("SELECT username FROM spent_uid WHERE uid = $1", &[uid.into()], |row| row.get(0))
}

/// A uid that nobody ever had: one above the highest given out.
pub fn next_uid(tx: &mut Tx<'_>) -> Result<u32, StoreError> {
    let highest: Option<u32> = tx
        .query_one("SELECT MAX(uid) FROM spent_uid WHERE uid >= $1", &[FIRST_UID.into()], |row| row.get(0))?
        .flatten();
    Ok(highest.map_or(FIRST_UID, |uid| uid + 1))
}

/// Passes over as many uids, of which some may have been given out in a record that is lost.
pub fn skip_uids(tx: &mut Tx<'_>, count: u32) -> Result<(), StoreError> {
    let last = next_uid(tx)? + count - 1;
    tx.execute("INSERT INTO spent_uid (uid, username) VALUES ($1, '(restore)')", &[last.into()])?;
    Ok(())
}

/// Adds a person with this uid, which from now on nobody else gets.
pub fn insert(tx: &mut Tx<'_>, person: &PersonView, uid: u32, at: Timestamp) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO spent_uid (uid, username) VALUES ($1, $2) ON CONFLICT (uid) DO NOTHING",
        &[uid.into(), (&person.username).into()],
    )?;
    tx.execute(
        "INSERT INTO person (username, full_name, uid, ssh_keys, created) VALUES ($1, $2, $3, $4, $5)",
        &[
            (&person.username).into(),
            person.full_name.as_deref().into(),
            uid.into(),
            (&serde_json::json!(person.ssh_keys).to_string()).into(),
            at.into(),
        ],
    )?;
    Ok(())
}
