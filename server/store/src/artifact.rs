//! Artifacts: what is known of files that profiles name, and which documents name which. Their bytes are not in here.

use std::collections::BTreeSet;

use muster_proto::{DeviceId, Digest, Timestamp};

use crate::{Row, StoreError, Tx};

/// An artifact as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArtifactRow {
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// What it is called among people; not unique.
    pub name: String,
    /// Its bytes.
    pub size: u64,
    /// Who began to put it there.
    pub put_by: String,
    /// When.
    pub begun: Timestamp,
    /// When all of it was there and was right; none while it is on its way.
    pub stored: Option<Timestamp>,
}

const SELECT: &str = "SELECT digest, name, size, put_by, begun, stored FROM artifact";

fn read(row: &Row<'_>) -> Result<ArtifactRow, StoreError> {
    Ok(ArtifactRow {
        digest: row.get(0)?,
        name: row.get(1)?,
        size: row.get(2)?,
        put_by: row.get(3)?,
        begun: row.get(4)?,
        stored: row.get(5)?,
    })
}

/// The artifact with this digest.
pub fn get(tx: &mut Tx<'_>, digest: Digest) -> Result<Option<ArtifactRow>, StoreError> {
    tx.query_one(&format!("{SELECT} WHERE digest = $1"), &[digest.into()], read)
}

/// All of them by name. Admins put them there one by one: hundreds, not millions.
pub fn list(tx: &mut Tx<'_>) -> Result<Vec<ArtifactRow>, StoreError> {
    tx.query(&format!("{SELECT} ORDER BY name, digest"), &[], read)
}

/// Those of this name.
pub fn of_name(tx: &mut Tx<'_>, name: &str) -> Result<Vec<ArtifactRow>, StoreError> {
    tx.query(&format!("{SELECT} WHERE name = $1 ORDER BY digest"), &[name.into()], read)
}

/// Those whose digest is between these two texts, the second excluded.
pub fn between(tx: &mut Tx<'_>, from: &str, to: &str) -> Result<Vec<ArtifactRow>, StoreError> {
    tx.query(
        &format!("{SELECT} WHERE digest >= $1 AND digest < $2 ORDER BY digest"),
        &[from.into(), to.into()],
        read,
    )
}

/// Adds one that is on its way.
pub fn insert(tx: &mut Tx<'_>, artifact: &ArtifactRow) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO artifact (digest, name, size, put_by, begun, stored) VALUES ($1, $2, $3, $4, $5, $6)",
        &[
            artifact.digest.into(),
            (&artifact.name).into(),
            artifact.size.into(),
            (&artifact.put_by).into(),
            artifact.begun.into(),
            artifact.stored.into(),
        ],
    )?;
    Ok(())
}

/// Writes down that all of it is there and right; says whether it is known.
pub fn set_stored(tx: &mut Tx<'_>, digest: Digest, at: Timestamp) -> Result<bool, StoreError> {
    let changed =
        tx.execute("UPDATE artifact SET stored = $1 WHERE digest = $2", &[at.into(), digest.into()])?;
    Ok(changed > 0)
}

/// Takes it out of the record.
pub fn remove(tx: &mut Tx<'_>, digest: Digest) -> Result<(), StoreError> {
    tx.execute("DELETE FROM artifact WHERE digest = $1", &[digest.into()])?;
    Ok(())
}

/// Writes down which artifacts a document names.
pub fn put_uses(tx: &mut Tx<'_>, document: Digest, artifacts: &BTreeSet<Digest>) -> Result<(), StoreError> {
    for artifact in artifacts {
        tx.execute(
            "INSERT INTO document_artifact (digest, artifact) VALUES ($1, $2)
             ON CONFLICT (digest, artifact) DO NOTHING",
            &[document.into(), (*artifact).into()],
        )?;
    }
    Ok(())
}

/// The artifacts that a document names and that were never stored whole, or were deleted.
pub fn lacking(tx: &mut Tx<'_>, document: Digest) -> Result<Vec<Digest>, StoreError> {
    tx.query(
        "SELECT u.artifact FROM document_artifact u WHERE u.digest = $1 AND NOT EXISTS
             (SELECT 1 FROM artifact a WHERE a.digest = u.artifact AND a.stored IS NOT NULL)
         ORDER BY u.artifact",
        &[document.into()],
        |row| row.get(0),
    )
}

/// The revisions that need an artifact, as `base@3`: the newest of their profile, those that are assigned or in an open
/// rollout, and those that a device's state has.
pub fn named_by(tx: &mut Tx<'_>, artifact: Digest) -> Result<Vec<String>, StoreError> {
    tx.query(
        "SELECT r.profile, r.number FROM document_artifact u
         JOIN revision r ON r.digest = u.digest JOIN profile p ON p.name = r.profile
         WHERE u.artifact = $1 AND (r.number = p.newest
             OR EXISTS (SELECT 1 FROM assignment a WHERE a.profile = r.profile AND a.revision = r.number)
             OR EXISTS (SELECT 1 FROM rollout o WHERE o.profile = r.profile AND o.revision = r.number
                 AND o.state IN ('running', 'stopped'))
             OR EXISTS (SELECT 1 FROM state_document s WHERE s.digest = r.digest))
         ORDER BY r.profile, r.number",
        &[artifact.into()],
        |row| Ok(format!("{}@{}", row.get::<String>(0)?, row.get::<u32>(1)?)),
    )
}

/// Whether a document of the device's state names a stored artifact.
pub fn is_for(tx: &mut Tx<'_>, device: DeviceId, artifact: Digest) -> Result<bool, StoreError> {
    let found: Option<i64> = tx.query_one(
        "SELECT 1 FROM state_document s JOIN document_artifact u ON u.digest = s.digest
         JOIN artifact a ON a.digest = u.artifact
         WHERE s.device = $1 AND u.artifact = $2 AND a.stored IS NOT NULL LIMIT 1",
        &[device.into(), artifact.into()],
        |row| row.get(0),
    )?;
    Ok(found.is_some())
}
