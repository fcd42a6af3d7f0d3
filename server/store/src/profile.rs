//! Profiles and their immutable revisions.

use muster_proto::{Digest, RevisionNumber, Timestamp};

use crate::{Change, Row, StoreError, Tx};

/// A profile as stored.
pub struct ProfileRow {
    /// Its name.
    pub name: String,
    /// What it is for, as its newest revision says.
    pub description: String,
    /// Its newest revision.
    pub newest: RevisionNumber,
}

/// A revision as stored.
pub struct RevisionRow {
    /// The profile.
    pub profile: String,
    /// Its number.
    pub number: RevisionNumber,
    /// The document.
    pub digest: Digest,
    /// The text as its author wrote it.
    pub source: String,
    /// Who saved it.
    pub saved_by: String,
    /// When.
    pub saved: Timestamp,
}

fn read_profile(row: &Row<'_>) -> Result<ProfileRow, StoreError> {
    Ok(ProfileRow { name: row.get(0)?, description: row.get(1)?, newest: row.get(2)? })
}

fn read_revision(row: &Row<'_>) -> Result<RevisionRow, StoreError> {
    Ok(RevisionRow {
        profile: row.get(0)?,
        number: row.get(1)?,
        digest: row.get(2)?,
        source: row.get(3)?,
        saved_by: row.get(4)?,
        saved: row.get(5)?,
    })
}

const REVISION: &str = "profile, number, digest, source, saved_by, saved";

/// The profile of this name.
pub fn get(tx: &mut Tx<'_>, name: &str) -> Result<Option<ProfileRow>, StoreError> {
    tx.query_one(
        "SELECT name, description, newest FROM profile WHERE name = $1",
        &[name.into()],
        read_profile,
    )
}

/// All of them by name.
pub fn list(tx: &mut Tx<'_>) -> Result<Vec<ProfileRow>, StoreError> {
    tx.query("SELECT name, description, newest FROM profile ORDER BY name", &[], read_profile)
}

/// One revision.
pub fn revision(
    tx: &mut Tx<'_>,
    profile: &str,
    number: RevisionNumber,
) -> Result<Option<RevisionRow>, StoreError> {
    tx.query_one(
        &format!("SELECT {REVISION} FROM revision WHERE profile = $1 AND number = $2"),
        &[profile.into(), number.into()],
        read_revision,
    )
}

/// The newest revisions of a profile, the newest first.
pub fn revisions(tx: &mut Tx<'_>, profile: &str, limit: u32) -> Result<Vec<RevisionRow>, StoreError> {
    tx.query(
        &format!("SELECT {REVISION} FROM revision WHERE profile = $1 ORDER BY number DESC LIMIT $2"),
        &[profile.into(), limit.into()],
        read_revision,
    )
}

/// Adds a revision with its document and makes it the profile's newest.
pub fn insert_revision(
    tx: &mut Tx<'_>,
    revision: &RevisionRow,
    description: &str,
    document: &[u8],
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO document (digest, bytes) VALUES ($1, $2) ON CONFLICT (digest) DO NOTHING",
        &[revision.digest.into(), document.into()],
    )?;
    tx.execute(
        "INSERT INTO profile (name, description, newest, created) VALUES ($1, $2, $3, $4)
         ON CONFLICT (name) DO UPDATE SET description = excluded.description, newest = excluded.newest",
        &[(&revision.profile).into(), description.into(), revision.number.into(), revision.saved.into()],
    )?;
    tx.execute(
        "INSERT INTO revision (profile, number, digest, source, saved_by, saved) VALUES ($1, $2, $3, $4, $5, $6)",
        &[
            (&revision.profile).into(),
            revision.number.into(),
            revision.digest.into(),
            (&revision.source).into(),
            (&revision.saved_by).into(),
            revision.saved.into(),
        ],
    )?;
    tx.tell(Change::Profile(revision.profile.clone()));
    Ok(())
}

/// The bytes of a document.
pub fn document(tx: &mut Tx<'_>, digest: Digest) -> Result<Option<Vec<u8>>, StoreError> {
    tx.query_one("SELECT bytes FROM document WHERE digest = $1", &[digest.into()], |row| row.get(0))
}
