//! The audit: one row for each change or refusal, each holding the hash of the one before it.

use muster_proto::rest::AuditEntry;
use muster_proto::{Digest, Timestamp};
use serde_json::{Map, Value};

use crate::{Change, Row, StoreError, Tx};

mod search;

pub use search::{Filter, Target, found, search};

/// What stands before the first row.
const BEGINNING: &str = "";

/// What is to be audited.
pub struct Entry<'a> {
    /// When.
    pub at: Timestamp,
    /// Who, such as `admin:kim`.
    pub actor: &'a str,
    /// What, such as `assignment.create`.
    pub action: &'a str,
    /// On what.
    pub target: &'a str,
    /// Further words; never a secret.
    pub detail: Map<String, Value>,
}

/// Where the chain does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The first row that does not follow from the one before it.
    pub id: u64,
}

/// Adds an entry to the chain; gives its number.
pub fn append(tx: &mut Tx<'_>, entry: &Entry<'_>) -> Result<u64, StoreError> {
    let last: Option<(u64, String)> =
        tx.query_one("SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1", &[], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    let (id, previous) = last.map_or((1, BEGINNING.to_owned()), |(id, hash)| (id + 1, hash));
    let detail = Value::Object(entry.detail.clone()).to_string();
    let hash = hash(&previous, id, entry.at, [entry.actor, entry.action, entry.target, &detail]);
    tx.execute(
        "INSERT INTO audit (id, at, actor, action, target, detail, previous, hash)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        &[
            id.into(),
            entry.at.into(),
            entry.actor.into(),
            entry.action.into(),
            entry.target.into(),
            (&detail).into(),
            (&previous).into(),
            hash.into(),
        ],
    )?;
    let [actor, action, on] = [entry.actor, entry.action, entry.target].map(str::to_owned);
    // What a full disk took back must not stand in the journal as if it had been.
    tx.afterwards(move || tracing::info!(target: "audit", id, actor, action, on, %detail));
    tx.tell(Change::Audit);
    Ok(id)
}

/// Entries before `before`, the newest first.
pub fn list(tx: &mut Tx<'_>, before: Option<u64>, limit: u32) -> Result<Vec<AuditEntry>, StoreError> {
    search(tx, &Filter::default(), before, limit)
}

/// The newest entry of this action on this target.
pub fn latest(tx: &mut Tx<'_>, action: &str, target: &str) -> Result<Option<AuditEntry>, StoreError> {
    tx.query_one(
        "SELECT id, at, actor, action, target, detail FROM audit WHERE target = $1 AND action = $2
         ORDER BY id DESC LIMIT 1",
        &[target.into(), action.into()],
        read,
    )
}

/// When somebody who is known did something last: an admin, a program with a token, the server, or a device that renewed
/// its certificate. What strangers and devices were refused does not count, nor what a device says of itself.
pub fn newest_of_known(tx: &mut Tx<'_>) -> Result<Option<Timestamp>, StoreError> {
    tx.query_one(
        "SELECT at FROM audit
         WHERE actor = 'server' OR actor LIKE 'admin:%' OR actor LIKE 'token:%' OR actor LIKE 'root:%'
             OR action = 'certificate.renew'
         ORDER BY id DESC LIMIT 1",
        &[],
        |row| row.get(0),
    )
}

/// The newest entries of this action on this target, the newest first.
pub fn on(tx: &mut Tx<'_>, action: &str, target: &str, limit: u32) -> Result<Vec<AuditEntry>, StoreError> {
    tx.query(
        "SELECT id, at, actor, action, target, detail FROM audit WHERE target = $1 AND action = $2
         ORDER BY id DESC LIMIT $3",
        &[target.into(), action.into(), limit.into()],
        read,
    )
}

/// What had this name or serial when it was last deleted: who looks for it later has but its name.
pub fn deleted(tx: &mut Tx<'_>, name: &str) -> Result<Option<String>, StoreError> {
    let [named, numbered] = ["name", "serial"].map(|key| search::part_of_json(key, name));
    tx.query_one(
        r"SELECT target FROM audit WHERE action = 'device.delete' AND (detail LIKE $1 ESCAPE '\' OR detail LIKE $2 ESCAPE '\')
          ORDER BY id DESC LIMIT 1",
        &[(&named).into(), (&numbered).into()],
        |row| row.get(0),
    )
}

/// Follows the whole chain.
pub fn verify(tx: &mut Tx<'_>) -> Result<Result<u64, Broken>, StoreError> {
    let mut expected = (1, BEGINNING.to_owned());
    let rows = tx.query(
        "SELECT id, at, actor, action, target, detail, previous, hash FROM audit ORDER BY id",
        &[],
        |row| {
            let texts: [String; 4] = [row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?];
            Ok((row.get::<u64>(0)?, row.get(1)?, texts, row.get::<String>(6)?, row.get::<String>(7)?))
        },
    )?;
    for (id, at, texts, previous, stored) in rows {
        let [actor, action, target, detail] = &texts;
        let hash = hash(&previous, id, at, [actor, action, target, detail]).to_string();
        if (id, &previous) != (expected.0, &expected.1) || hash != stored {
            return Ok(Err(Broken { id }));
        }
        expected = (id + 1, stored);
    }
    Ok(Ok(expected.0 - 1))
}

fn read(row: &Row<'_>) -> Result<AuditEntry, StoreError> {
    let detail: String = row.get(5)?;
    Ok(AuditEntry {
        id: row.get(0)?,
        at: row.get(1)?,
        actor: row.get(2)?,
        action: row.get(3)?,
        target: row.get(4)?,
        detail: serde_json::from_str(&detail)
            .map_err(|_| StoreError::Column { column: 5, expected: "a JSON object" })?,
        names: Default::default(),
    })
}

/// Over a JSON array, so that no two different rows have the same bytes.
fn hash(previous: &str, id: u64, at: Timestamp, texts: [&str; 4]) -> Digest {
    Digest::of(serde_json::json!([previous, id, at.micros(), texts]).to_string().as_bytes())
}
