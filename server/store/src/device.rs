//! Devices: the record of each, from its registration on.

use muster_proto::rest::{Compliance, DeviceState};
use muster_proto::{DeviceId, Generation, Timestamp};

use crate::{Change, Row, StoreError, Tx};

mod list;

pub use list::{Filter, Sort, Window, counts, left_out, list, stages, total};

/// A device as stored.
#[derive(Clone, Debug)]
pub struct DeviceRow {
    /// Its id.
    pub id: DeviceId,
    /// Its registered serial.
    pub serial: String,
    /// Its name.
    pub name: String,
    /// Username of its owner.
    pub owner: Option<String>,
    /// Where it is in its life.
    pub state: DeviceState,
    /// JSON `Facts`, `{}` before the first report.
    pub facts: String,
    /// The system's name, for lists.
    pub os: String,
    /// JSON list of the resource kinds its agent knows; empty before its first call.
    pub kinds: String,
    /// The newest rules of composition that its agent has; 0 before its first call.
    pub composition: u32,
    /// How it complies, staleness apart.
    pub compliance: Compliance,
    /// Resources and checks that are not as they should be.
    pub failing: u32,
    /// Newest desired state.
    pub generation_wanted: Generation,
    /// Newest state that converged whole.
    pub generation_applied: Generation,
    /// When it was registered.
    pub registered: Timestamp,
    /// When it enrolled.
    pub enrolled: Option<Timestamp>,
    /// When it first converged whole.
    pub ready: Option<Timestamp>,
    /// Last contact, as far as it was written down.
    pub last_seen: Option<Timestamp>,
    /// Seconds without contact after which it is stale.
    pub stale_after: i64,
    /// When it becomes stale if nothing is heard.
    pub stale_at: Timestamp,
}

/// The devices that are in no count of how the fleet stands, though they have reported: of a held one nobody knows which machine
/// did, and what a lost or revoked one reported is proof of how it was.
pub(crate) const LEFT_OUT: &str = "(SELECT id FROM device WHERE state IN ('held', 'lost', 'revoked'))";

/// A device to be added.
pub struct NewDevice<'a> {
    /// Its id.
    pub id: DeviceId,
    /// Its serial.
    pub serial: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Username of its owner.
    pub owner: Option<&'a str>,
    /// Where it begins.
    pub state: DeviceState,
    /// Seconds without contact after which it is stale.
    pub stale_after: i64,
}

const COLUMNS: &str =
    "id, serial, name, owner, state, facts, os, kinds, compliance, failing, generation_wanted,
    generation_applied, registered, enrolled, ready, last_seen, stale_after, stale_at, composition";

/// Where what is selected behind them stands.
const COLUMN_COUNT: usize = 19;

fn read(row: &Row<'_>) -> Result<DeviceRow, StoreError> {
    Ok(DeviceRow {
        id: row.get(0)?,
        serial: row.get(1)?,
        name: row.get(2)?,
        owner: row.get(3)?,
        state: row.get(4)?,
        facts: row.get(5)?,
        os: row.get(6)?,
        kinds: row.get(7)?,
        compliance: row.get(8)?,
        failing: row.get(9)?,
        generation_wanted: row.get(10)?,
        generation_applied: row.get(11)?,
        registered: row.get(12)?,
        enrolled: row.get(13)?,
        ready: row.get(14)?,
        last_seen: row.get(15)?,
        stale_after: row.get(16)?,
        stale_at: row.get(17)?,
        composition: row.get(18)?,
    })
}

/// Adds a device.
pub fn insert(tx: &mut Tx<'_>, device: &NewDevice<'_>, at: Timestamp) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO device
             (id, serial, name, owner, state, facts, os, kinds, compliance, failing, generation_wanted,
              generation_applied, registered, stale_after, stale_at)
         VALUES ($1, $2, $3, $4, $5, '{}', '', '[]', 'unmanaged', 0, 0, 0, $6, $7, $8)",
        &[
            device.id.into(),
            device.serial.into(),
            device.name.into(),
            device.owner.into(),
            device.state.into(),
            at.into(),
            device.stale_after.into(),
            Timestamp::MAX.into(),
        ],
    )?;
    tx.tell(Change::Device(device.id));
    Ok(())
}

/// Removes a device with all that is recorded of it but the audit. Its links end.
pub fn remove(tx: &mut Tx<'_>, id: DeviceId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM device WHERE id = $1", &[id.into()])?;
    tx.tell(Change::Device(id));
    tx.tell(Change::Revoked(id));
    Ok(())
}

/// The device with this id.
pub fn get(tx: &mut Tx<'_>, id: DeviceId) -> Result<Option<DeviceRow>, StoreError> {
    tx.query_one(&format!("SELECT {COLUMNS} FROM device WHERE id = $1"), &[id.into()], read)
}

/// The device with this serial.
pub fn by_serial(tx: &mut Tx<'_>, serial: &str) -> Result<Option<DeviceRow>, StoreError> {
    tx.query_one(&format!("SELECT {COLUMNS} FROM device WHERE serial = $1"), &[serial.into()], read)
}

/// The device with this name.
pub fn by_name(tx: &mut Tx<'_>, name: &str) -> Result<Option<DeviceRow>, StoreError> {
    tx.query_one(&format!("SELECT {COLUMNS} FROM device WHERE name = $1"), &[name.into()], read)
}

/// The device that an admin calls by id, name or serial, looked up in this order.
pub fn find(tx: &mut Tx<'_>, called: &str) -> Result<Option<DeviceRow>, StoreError> {
    if let Ok(id) = called.parse()
        && let Some(found) = get(tx, id)?
    {
        return Ok(Some(found));
    }
    match by_name(tx, called)? {
        Some(found) => Ok(Some(found)),
        None => by_serial(tx, called),
    }
}

/// The ids of all devices but the lost and the revoked.
pub fn all_ids(tx: &mut Tx<'_>) -> Result<Vec<DeviceId>, StoreError> {
    tx.query("SELECT id FROM device WHERE state NOT IN ('lost', 'revoked') ORDER BY id", &[], |row| {
        row.get(0)
    })
}

/// The ids of devices with this label but the lost and the revoked.
pub fn ids_with_label(tx: &mut Tx<'_>, label: &str) -> Result<Vec<DeviceId>, StoreError> {
    tx.query(
        "SELECT d.id FROM device_label l JOIN device d ON d.id = l.device
         WHERE l.label = $1 AND d.state NOT IN ('lost', 'revoked') ORDER BY d.id",
        &[label.into()],
        |row| row.get(0),
    )
}

/// The ids of devices of this owner.
pub fn ids_of_owner(tx: &mut Tx<'_>, owner: &str) -> Result<Vec<DeviceId>, StoreError> {
    tx.query(
        "SELECT id FROM device WHERE owner = $1 AND state NOT IN ('lost', 'revoked') ORDER BY id",
        &[owner.into()],
        |row| row.get(0),
    )
}

/// Writes down a device's name and owner.
pub fn set_record(tx: &mut Tx<'_>, id: DeviceId, name: &str, owner: Option<&str>) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE device SET name = $1, owner = $2 WHERE id = $3",
        &[name.into(), owner.into(), id.into()],
    )?;
    tx.tell(Change::Device(id));
    Ok(())
}

/// Writes down where a device is in its life.
pub fn set_state(tx: &mut Tx<'_>, id: DeviceId, state: DeviceState) -> Result<(), StoreError> {
    tx.execute("UPDATE device SET state = $1 WHERE id = $2", &[state.into(), id.into()])?;
    tx.tell(Change::Device(id));
    if state.is_out() || state == DeviceState::Held {
        tx.tell(Change::Revoked(id));
    }
    Ok(())
}

/// Writes down that a device has enrolled: this counts as contact.
pub fn set_enrolled(tx: &mut Tx<'_>, id: DeviceId, at: Timestamp) -> Result<(), StoreError> {
    tx.execute("UPDATE device SET state = 'enrolled', enrolled = $1 WHERE id = $2", &[at.into(), id.into()])?;
    set_seen(tx, id, at)?;
    tx.tell(Change::Device(id));
    Ok(())
}

/// Writes down that nothing is applied on a device any more, as it is installed anew.
pub fn begin_anew(tx: &mut Tx<'_>, id: DeviceId) -> Result<(), StoreError> {
    let sql =
        "UPDATE device SET generation_applied = 0, ready = NULL, kinds = '[]', composition = 0 WHERE id = $1";
    tx.execute(sql, &[id.into()])?;
    Ok(())
}

/// Writes down that a device has converged whole for the first time.
pub fn set_ready(tx: &mut Tx<'_>, id: DeviceId, at: Timestamp) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE device SET state = 'ready', ready = $1 WHERE id = $2 AND state = 'enrolled'",
        &[at.into(), id.into()],
    )?;
    tx.tell(Change::Device(id));
    Ok(())
}

/// Writes down contact; never back in time.
pub fn set_seen(tx: &mut Tx<'_>, id: DeviceId, at: Timestamp) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE device SET last_seen = $1, stale_at = $1 + stale_after * 1000000
         WHERE id = $2 AND COALESCE(last_seen, 0) <= $1",
        &[at.into(), id.into()],
    )?;
    Ok(())
}

/// Writes down after how many seconds without contact a device is stale.
pub fn set_promise(tx: &mut Tx<'_>, id: DeviceId, stale_after: i64) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE device SET stale_after = $1,
             stale_at = CASE WHEN last_seen IS NULL THEN stale_at ELSE last_seen + $1 * 1000000 END
         WHERE id = $2 AND stale_after <> $1",
        &[stale_after.into(), id.into()],
    )?;
    Ok(())
}

/// Writes down what a device says of itself.
pub fn set_facts(tx: &mut Tx<'_>, id: DeviceId, facts: &str, os: &str) -> Result<(), StoreError> {
    tx.execute("UPDATE device SET facts = $1, os = $2 WHERE id = $3", &[facts.into(), os.into(), id.into()])?;
    tx.tell(Change::Device(id));
    Ok(())
}

/// Writes down which kinds of resource and which rules of composition a device's agent knows.
pub fn set_known(tx: &mut Tx<'_>, id: DeviceId, kinds: &str, composition: u32) -> Result<(), StoreError> {
    let sql = "UPDATE device SET kinds = $1, composition = $2 WHERE id = $3";
    tx.execute(sql, &[kinds.into(), composition.into(), id.into()])?;
    Ok(())
}

/// Writes down how a device complies, staleness apart.
pub fn set_compliance(
    tx: &mut Tx<'_>,
    id: DeviceId,
    compliance: Compliance,
    failing: u32,
) -> Result<(), StoreError> {
    let changed = tx.execute(
        "UPDATE device SET compliance = $1, failing = $2 WHERE id = $3 AND (compliance <> $1 OR failing <> $2)",
        &[compliance.into(), failing.into(), id.into()],
    )?;
    if changed > 0 {
        tx.tell(Change::Device(id));
    }
    Ok(())
}

/// Writes down the newest generation that converged whole; never back.
pub fn set_applied(tx: &mut Tx<'_>, id: DeviceId, generation: Generation) -> Result<(), StoreError> {
    let changed = tx.execute(
        "UPDATE device SET generation_applied = $1 WHERE id = $2 AND generation_applied < $1",
        &[generation.into(), id.into()],
    )?;
    if changed > 0 {
        tx.tell(Change::Device(id));
    }
    Ok(())
}

/// How many devices a target reaches: all but the lost and the revoked, those with a label, or one.
pub fn count_with_label(tx: &mut Tx<'_>, label: Option<&str>) -> Result<u64, StoreError> {
    let count = |row: &Row<'_>| row.get(0);
    let found = match label {
        None => {
            tx.query_one("SELECT COUNT(*) FROM device WHERE state NOT IN ('lost', 'revoked')", &[], count)?
        }
        Some(label) => tx.query_one(
            "SELECT COUNT(*) FROM device_label l JOIN device d ON d.id = l.device
             WHERE l.label = $1 AND d.state NOT IN ('lost', 'revoked')",
            &[label.into()],
            count,
        )?,
    };
    Ok(found.unwrap_or(0))
}
