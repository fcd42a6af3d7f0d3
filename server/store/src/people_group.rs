//! Groups of people, who is in them, and which documents give their members accounts.

use std::collections::BTreeSet;

use muster_proto::rest::GroupView;
use muster_proto::{DeviceId, Digest, Timestamp};

use crate::{Row, StoreError, Tx};

fn read(row: &Row<'_>) -> Result<GroupView, StoreError> {
    Ok(GroupView {
        name: row.get(0)?,
        id: row.get(1)?,
        description: row.get(2)?,
        created: row.get(3)?,
        devices: row.get(4)?,
        members: Vec::new(),
    })
}

/// With how many devices have a state that gives accounts to its members.
const SELECT: &str = "SELECT name, id, description, created, (
        SELECT COUNT(DISTINCT s.device) FROM document_group g JOIN state_document s ON s.digest = g.digest
        WHERE g.people_group = name
    ) FROM people_group";

/// The group of this name.
pub fn get(tx: &mut Tx<'_>, name: &str) -> Result<Option<GroupView>, StoreError> {
    let found = tx.query_one(&format!("{SELECT} WHERE name = $1"), &[name.into()], read)?;
    found.map(|group| with_members(tx, group)).transpose()
}

/// All of them by name.
pub fn list(tx: &mut Tx<'_>) -> Result<Vec<GroupView>, StoreError> {
    let groups = tx.query(&format!("{SELECT} ORDER BY name"), &[], read)?;
    groups.into_iter().map(|group| with_members(tx, group)).collect()
}

fn with_members(tx: &mut Tx<'_>, group: GroupView) -> Result<GroupView, StoreError> {
    let members = tx.query(
        "SELECT person FROM people_group_member WHERE people_group = $1 ORDER BY person",
        &[(&group.name).into()],
        |row| row.get(0),
    )?;
    Ok(GroupView { members, ..group })
}

/// Whether there is a group of this name.
pub fn exists(tx: &mut Tx<'_>, name: &str) -> Result<bool, StoreError> {
    let found: Option<i64> =
        tx.query_one("SELECT 1 FROM people_group WHERE name = $1", &[name.into()], |row| row.get(0))?;
    Ok(found.is_some())
}

/// The groups that a person is in, by name.
pub fn of_person(tx: &mut Tx<'_>, username: &str) -> Result<Vec<String>, StoreError> {
    tx.query(
        "SELECT people_group FROM people_group_member WHERE person = $1 ORDER BY people_group",
        &[username.into()],
        |row| row.get(0),
    )
}

/// Adds a group with nobody in it.
pub fn insert(tx: &mut Tx<'_>, group: &GroupView) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO people_group (name, id, description, created) VALUES ($1, $2, $3, $4)",
        &[(&group.name).into(), (&group.id).into(), (&group.description).into(), group.created.into()],
    )?;
    Ok(())
}

/// Removes a group; its members stay who they are.
pub fn remove(tx: &mut Tx<'_>, name: &str) -> Result<(), StoreError> {
    tx.execute("DELETE FROM people_group WHERE name = $1", &[name.into()])?;
    Ok(())
}

/// Puts a person into a group; says whether they were not in it.
pub fn add_member(tx: &mut Tx<'_>, name: &str, username: &str, at: Timestamp) -> Result<bool, StoreError> {
    let added = tx.execute(
        "INSERT INTO people_group_member (people_group, person, since) VALUES ($1, $2, $3)
         ON CONFLICT (people_group, person) DO NOTHING",
        &[name.into(), username.into(), at.into()],
    )?;
    Ok(added > 0)
}

/// Takes a person out of a group; says whether they were in it.
pub fn remove_member(tx: &mut Tx<'_>, name: &str, username: &str) -> Result<bool, StoreError> {
    let sql = "DELETE FROM people_group_member WHERE people_group = $1 AND person = $2";
    Ok(tx.execute(sql, &[name.into(), username.into()])? > 0)
}

/// Writes down which groups' members a document gives accounts to.
pub fn put_uses(tx: &mut Tx<'_>, document: Digest, groups: &BTreeSet<String>) -> Result<(), StoreError> {
    for group in groups {
        tx.execute(
            "INSERT INTO document_group (digest, people_group) VALUES ($1, $2)
             ON CONFLICT (digest, people_group) DO NOTHING",
            &[document.into(), group.into()],
        )?;
    }
    Ok(())
}

/// The groups whose members a document gives accounts to.
pub fn used_by(tx: &mut Tx<'_>, document: Digest) -> Result<Vec<String>, StoreError> {
    tx.query(
        "SELECT people_group FROM document_group WHERE digest = $1 ORDER BY people_group",
        &[document.into()],
        |row| row.get(0),
    )
}

/// The devices whose state gives accounts to the members of a group.
pub fn devices(tx: &mut Tx<'_>, name: &str) -> Result<Vec<DeviceId>, StoreError> {
    tx.query(
        "SELECT DISTINCT s.device FROM document_group g JOIN state_document s ON s.digest = g.digest
         WHERE g.people_group = $1 ORDER BY s.device",
        &[name.into()],
        |row| row.get(0),
    )
}

/// The assigned revisions that give accounts to the members of a group, as `base@3`.
pub fn assigned_by(tx: &mut Tx<'_>, name: &str) -> Result<Vec<String>, StoreError> {
    tx.query(
        "SELECT DISTINCT a.profile, a.revision FROM document_group g
         JOIN revision r ON r.digest = g.digest
         JOIN assignment a ON a.profile = r.profile AND a.revision = r.number
         WHERE g.people_group = $1 ORDER BY a.profile, a.revision",
        &[name.into()],
        |row| Ok(format!("{}@{}", row.get::<String>(0)?, row.get::<u32>(1)?)),
    )
}
