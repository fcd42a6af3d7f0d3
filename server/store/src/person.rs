//! People, and every uid that was ever given to one.

use std::ops::RangeInclusive;

use muster_proto::rest::PersonView;

use crate::{Row, StoreError, Tx, meta};

const COLUMNS: &str = "id, username, full_name, uid, ssh_keys, active, created, departed";

fn read(row: &Row<'_>) -> Result<PersonView, StoreError> {
    let keys: String = row.get(4)?;
    Ok(PersonView {
        id: row.get(0)?,
        username: row.get(1)?,
        full_name: row.get(2)?,
        uid: row.get(3)?,
        ssh_keys: serde_json::from_str(&keys)
            .map_err(|_| StoreError::Column { column: 4, expected: "a JSON list" })?,
        active: row.get(5)?,
        groups: Vec::new(),
        created: row.get(6)?,
        left: row.get(7)?,
    })
}

fn with_groups(tx: &mut Tx<'_>, person: PersonView) -> Result<PersonView, StoreError> {
    let groups = crate::people_group::of_person(tx, &person.username)?;
    Ok(PersonView { groups, ..person })
}

/// The person of this name, whether or not they are still here.
pub fn get(tx: &mut Tx<'_>, username: &str) -> Result<Option<PersonView>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM person WHERE username = $1");
    let found = tx.query_one(&sql, &[username.into()], read)?;
    found.map(|person| with_groups(tx, person)).transpose()
}

/// All of them by name, those who left too.
pub fn list(tx: &mut Tx<'_>) -> Result<Vec<PersonView>, StoreError> {
    let people = tx.query(&format!("SELECT {COLUMNS} FROM person ORDER BY username"), &[], read)?;
    people.into_iter().map(|person| with_groups(tx, person)).collect()
}

/// Who of a group is still here, by name.
pub fn active_members(tx: &mut Tx<'_>, group: &str) -> Result<Vec<PersonView>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM person JOIN people_group_member m ON m.person = username
         WHERE m.people_group = $1 AND active = 1 ORDER BY username"
    );
    tx.query(&sql, &[group.into()], read)
}

/// Who was ever given this uid.
pub fn holder_of(tx: &mut Tx<'_>, uid: u32) -> Result<Option<String>, StoreError> {
    tx.query_one("SELECT username FROM spent_uid WHERE uid = $1", &[uid.into()], |row| row.get(0))
}

/// Under which name the next uid that may be free is kept.
const NEXT: &str = "next_uid";

/// The next uid of the range that nobody ever had; `None` when all were given out. What was chosen by hand is passed over,
/// and uses up nothing else.
pub fn next_uid(tx: &mut Tx<'_>, range: &RangeInclusive<u32>) -> Result<Option<u32>, StoreError> {
    let mut uid = counted(tx, range)?;
    while holder_of(tx, uid)?.is_some() {
        uid += 1;
    }
    Ok(Some(uid).filter(|uid| range.contains(uid)))
}

fn counted(tx: &mut Tx<'_>, range: &RangeInclusive<u32>) -> Result<u32, StoreError> {
    if let Some(next) = meta::get(tx, NEXT)?.and_then(|text| text.parse().ok()) {
        return Ok(next);
    }
    // A record from before it was counted.
    let highest: Option<u32> = tx
        .query_one("SELECT MAX(uid) FROM spent_uid WHERE uid >= $1", &[(*range.start()).into()], |row| {
            row.get(0)
        })?
        .flatten();
    Ok(highest.map_or(*range.start(), |uid| uid + 1))
}

/// Passes over as many uids, of which some may have been given out in a record that is lost.
pub fn skip_uids(tx: &mut Tx<'_>, range: &RangeInclusive<u32>, count: u32) -> Result<(), StoreError> {
    let next = counted(tx, range)?.saturating_add(count);
    meta::put(tx, NEXT, &next.to_string())
}

/// Counts on past a uid that was given out.
pub fn count_past(tx: &mut Tx<'_>, uid: u32) -> Result<(), StoreError> {
    meta::put(tx, NEXT, &(uid + 1).to_string())
}

/// Adds a person with their uid, which from now on nobody else gets.
pub fn insert(tx: &mut Tx<'_>, person: &PersonView) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO spent_uid (uid, username) VALUES ($1, $2)",
        &[person.uid.into(), (&person.username).into()],
    )?;
    tx.execute(
        "INSERT INTO person (id, username, full_name, uid, ssh_keys, active, created)
         VALUES ($1, $2, $3, $4, $5, 1, $6)",
        &[
            (&person.id).into(),
            (&person.username).into(),
            person.full_name.as_deref().into(),
            person.uid.into(),
            (&serde_json::json!(person.ssh_keys).to_string()).into(),
            person.created.into(),
        ],
    )?;
    Ok(())
}

/// Writes down what may change of a person: name, keys, and whether they are here.
pub fn update(tx: &mut Tx<'_>, person: &PersonView) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE person SET full_name = $1, ssh_keys = $2, active = $3, departed = $4 WHERE username = $5",
        &[
            person.full_name.as_deref().into(),
            (&serde_json::json!(person.ssh_keys).to_string()).into(),
            person.active.into(),
            person.left.into(),
            (&person.username).into(),
        ],
    )?;
    Ok(())
}
