//! What became of each resource on each device, in the last cycle that was reported.

use muster_proto::report::{Outcome, OutcomeKind};
use muster_proto::{DeviceId, Timestamp};

use crate::device::LEFT_OUT;
use crate::value::Param;
use crate::{StoreError, Tx};

mod list;

pub use list::{Filter, Listed, list, total};

/// An outcome as stored.
pub struct OutcomeRow {
    /// Which resource.
    pub resource: String,
    /// What became of it.
    pub outcome: OutcomeKind,
    /// Since when that is so.
    pub since: Timestamp,
    /// JSON `report::Outcome`.
    pub document: String,
}

/// Resources with the same trouble.
pub struct Trouble {
    /// Which resource.
    pub resource: String,
    /// What became of it.
    pub outcome: OutcomeKind,
    /// The profile.
    pub profile: String,
    /// Its revision.
    pub revision: u32,
    /// On how many devices.
    pub devices: u64,
}

/// The outcomes of a device by resource.
pub fn of_device(tx: &mut Tx<'_>, device: DeviceId) -> Result<Vec<OutcomeRow>, StoreError> {
    tx.query(
        "SELECT resource, outcome, since, document FROM outcome WHERE device = $1 ORDER BY resource",
        &[device.into()],
        |row| {
            Ok(OutcomeRow {
                resource: row.get(0)?,
                outcome: row.get(1)?,
                since: row.get(2)?,
                document: row.get(3)?,
            })
        },
    )
}

/// Puts an outcome in place of the resource's last one.
pub fn put(
    tx: &mut Tx<'_>,
    device: DeviceId,
    outcome: &Outcome,
    since: Timestamp,
    document: &str,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO outcome (device, resource, outcome, profile, revision, since, document)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (device, resource) DO UPDATE SET outcome = excluded.outcome, profile = excluded.profile,
             revision = excluded.revision, since = excluded.since, document = excluded.document",
        &[
            device.into(),
            outcome.resource.as_str().into(),
            outcome.outcome.into(),
            (&outcome.profile).into(),
            outcome.revision.into(),
            since.into(),
            document.into(),
        ],
    )?;
    Ok(())
}

/// Forgets a resource that is no longer claimed.
pub fn remove(tx: &mut Tx<'_>, device: DeviceId, resource: &str) -> Result<(), StoreError> {
    tx.execute("DELETE FROM outcome WHERE device = $1 AND resource = $2", &[device.into(), resource.into()])?;
    Ok(())
}

/// Forgets all resources of a device.
pub fn clear(tx: &mut Tx<'_>, device: DeviceId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM outcome WHERE device = $1", &[device.into()])?;
    Ok(())
}

/// How many outcomes of each kind a device has.
pub fn tally(tx: &mut Tx<'_>, device: DeviceId) -> Result<Vec<(OutcomeKind, u32)>, StoreError> {
    tx.query(
        "SELECT outcome, COUNT(*) FROM outcome WHERE device = $1 GROUP BY outcome ORDER BY outcome",
        &[device.into()],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// How many outcomes of each kind a profile has over all devices that count. Counting all and then those of
/// the few that are left out reads the index alone; asking of each outcome whose it is does not.
pub fn tally_of_profile(tx: &mut Tx<'_>, profile: &str) -> Result<Vec<(String, u64)>, StoreError> {
    let count = |row: &crate::Row<'_>| Ok((row.get::<String>(0)?, row.get::<u64>(1)?));
    let mut all = tx.query(
        "SELECT outcome, COUNT(*) FROM outcome WHERE profile = $1 GROUP BY outcome ORDER BY outcome",
        &[profile.into()],
        count,
    )?;
    let left_out = tx.query(
        "SELECT o.outcome, COUNT(*) FROM device d CROSS JOIN outcome o
         WHERE d.state IN ('held', 'lost', 'revoked') AND o.device = d.id AND o.profile = $1 GROUP BY o.outcome",
        &[profile.into()],
        count,
    )?;
    for (outcome, number) in &mut all {
        let gone = left_out.iter().find(|(other, _)| other == outcome).map_or(0, |(_, gone)| *gone);
        *number -= gone;
    }
    all.retain(|(_, number)| *number > 0);
    Ok(all)
}

/// Troubles, those of most devices first.
pub fn troubles(tx: &mut Tx<'_>, limit: u32) -> Result<Vec<Trouble>, StoreError> {
    tx.query(
        &format!(
            "SELECT resource, outcome, profile, revision, COUNT(*) AS devices FROM outcome
             WHERE outcome IN ('drifted', 'failed', 'blocked', 'unsupported') AND device NOT IN {LEFT_OUT}
             GROUP BY outcome, profile, revision, resource ORDER BY devices DESC, resource LIMIT $1"
        ),
        &[limit.into()],
        |row| {
            Ok(Trouble {
                resource: row.get(0)?,
                outcome: row.get(1)?,
                profile: row.get(2)?,
                revision: row.get(3)?,
                devices: row.get(4)?,
            })
        },
    )
}

/// Names of some devices with a trouble, and what one of them says of it.
pub fn examples(tx: &mut Tx<'_>, trouble: &Trouble, limit: u32) -> Result<Vec<(String, String)>, StoreError> {
    let outcome: Param<'_> = trouble.outcome.into();
    tx.query(
        "SELECT d.name, o.document FROM outcome o JOIN device d ON d.id = o.device
         WHERE o.outcome IN ('drifted', 'failed', 'blocked', 'unsupported') AND o.outcome = $1 AND o.profile = $2
             AND o.revision = $3 AND o.resource = $4 AND d.state NOT IN ('held', 'lost', 'revoked') LIMIT $5",
        &[
            outcome,
            (&trouble.profile).into(),
            trouble.revision.into(),
            (&trouble.resource).into(),
            limit.into(),
        ],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}
