//! What devices report: events by number, each once, and sections of state, of which the latest wins.

use muster_policy::keep::Amount;
use muster_proto::{DeviceId, Timestamp};

use crate::{StoreError, Tx};

/// An event as stored.
pub struct EventRow {
    /// The ledger it was numbered by.
    pub epoch: String,
    /// Its number there.
    pub sequence: u64,
    /// When, by the device's clock.
    pub at: Timestamp,
    /// When it was recorded.
    pub recorded: Timestamp,
    /// JSON `report::Event`, without secrets.
    pub document: String,
}

/// Records an event; false when it was recorded before.
pub fn record(tx: &mut Tx<'_>, device: DeviceId, event: &EventRow) -> Result<bool, StoreError> {
    let recorded = tx.execute(
        "INSERT INTO event (device, epoch, sequence, at, recorded, document) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (device, epoch, sequence) DO NOTHING",
        &[
            device.into(),
            (&event.epoch).into(),
            event.sequence.into(),
            event.at.into(),
            event.recorded.into(),
            (&event.document).into(),
        ],
    )?;
    Ok(recorded == 1)
}

/// Events before this place, the newest first.
pub fn history(
    tx: &mut Tx<'_>,
    device: DeviceId,
    before: (Timestamp, u64),
    limit: u32,
) -> Result<Vec<EventRow>, StoreError> {
    tx.query(
        "SELECT epoch, sequence, at, recorded, document FROM event
         WHERE device = $1 AND (recorded < $2 OR (recorded = $2 AND sequence < $3))
         ORDER BY recorded DESC, sequence DESC LIMIT $4",
        &[device.into(), before.0.into(), before.1.into(), limit.into()],
        |row| {
            Ok(EventRow {
                epoch: row.get(0)?,
                sequence: row.get(1)?,
                at: row.get(2)?,
                recorded: row.get(3)?,
                document: row.get(4)?,
            })
        },
    )
}

/// How many events of a device are recorded.
pub fn count(tx: &mut Tx<'_>, device: DeviceId) -> Result<u64, StoreError> {
    let found =
        tx.query_one("SELECT COUNT(*) FROM event WHERE device = $1", &[device.into()], |row| row.get(0))?;
    Ok(found.unwrap_or(0))
}

/// Up to which event everything of this epoch is here.
pub fn acknowledged(tx: &mut Tx<'_>, device: DeviceId, epoch: &str) -> Result<u64, StoreError> {
    let found = tx.query_one(
        "SELECT acknowledged FROM epoch WHERE device = $1 AND epoch = $2",
        &[device.into(), epoch.into()],
        |row| row.get(0),
    )?;
    Ok(found.unwrap_or(0))
}

/// Whether this event is recorded.
pub fn is_recorded(
    tx: &mut Tx<'_>,
    device: DeviceId,
    epoch: &str,
    sequence: u64,
) -> Result<bool, StoreError> {
    let found: Option<i64> = tx.query_one(
        "SELECT 1 FROM event WHERE device = $1 AND epoch = $2 AND sequence = $3",
        &[device.into(), epoch.into(), sequence.into()],
        |row| row.get(0),
    )?;
    Ok(found.is_some())
}

/// Takes up an epoch, unless it is known. Of a device's epochs the newest `most` stay: an event of one that went counts
/// as new when it is sent once more and is not kept itself any longer.
pub fn open_epoch(
    tx: &mut Tx<'_>,
    device: DeviceId,
    epoch: &str,
    most: u32,
    at: Timestamp,
) -> Result<(), StoreError> {
    let opened = tx.execute(
        "INSERT INTO epoch (device, epoch, acknowledged, opened) VALUES ($1, $2, 0, $3)
         ON CONFLICT (device, epoch) DO NOTHING",
        &[device.into(), epoch.into(), at.into()],
    )?;
    if opened > 0 {
        tx.execute(
            "DELETE FROM epoch WHERE device = $1 AND epoch NOT IN
                 (SELECT epoch FROM epoch WHERE device = $1 ORDER BY opened DESC, epoch DESC LIMIT $2)",
            &[device.into(), most.into()],
        )?;
    }
    Ok(())
}

/// Writes down up to which event everything of an epoch that is known is here.
pub fn acknowledge(tx: &mut Tx<'_>, device: DeviceId, epoch: &str, sequence: u64) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE epoch SET acknowledged = $1 WHERE device = $2 AND epoch = $3",
        &[sequence.into(), device.into(), epoch.into()],
    )?;
    Ok(())
}

/// How many epochs of a device are known.
pub fn epochs(tx: &mut Tx<'_>, device: DeviceId) -> Result<u64, StoreError> {
    let found =
        tx.query_one("SELECT COUNT(*) FROM epoch WHERE device = $1", &[device.into()], |row| row.get(0))?;
    Ok(found.unwrap_or(0))
}

/// Puts a section in place of the last one of this name; false when it says the same.
pub fn put_section(
    tx: &mut Tx<'_>,
    device: DeviceId,
    name: &str,
    document: &str,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let written = tx.execute(
        "INSERT INTO section (device, name, document, reported) VALUES ($1, $2, $3, $4)
         ON CONFLICT (device, name) DO UPDATE SET document = excluded.document, reported = excluded.reported
             WHERE section.document <> excluded.document",
        &[device.into(), name.into(), document.into(), at.into()],
    )?;
    Ok(written == 1)
}

/// How many sections of a device there are, and how large they are together.
pub fn sections(tx: &mut Tx<'_>, device: DeviceId) -> Result<Amount, StoreError> {
    let found = tx.query_one(
        "SELECT COUNT(*), COALESCE(SUM(OCTET_LENGTH(document)), 0) FROM section WHERE device = $1",
        &[device.into()],
        |row| Ok(Amount { entries: row.get(0)?, bytes: row.get(1)? }),
    )?;
    Ok(found.unwrap_or_default())
}

/// A section as last reported.
pub fn section(
    tx: &mut Tx<'_>,
    device: DeviceId,
    name: &str,
) -> Result<Option<(String, Timestamp)>, StoreError> {
    tx.query_one(
        "SELECT document, reported FROM section WHERE device = $1 AND name = $2",
        &[device.into(), name.into()],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// What the section says of each device that has told of a clock other than the server's and is in, by name.
pub fn clocks_that_differ(tx: &mut Tx<'_>) -> Result<Vec<(String, String)>, StoreError> {
    // The words stand here as they do in the index, which has those few alone.
    tx.query(
        "SELECT d.name, s.document FROM section s JOIN device d ON d.id = s.device
         WHERE s.name = 'clock' AND s.document <> 'null' AND d.state IN ('enrolled', 'ready') ORDER BY d.name",
        &[],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// A section of every device that has reported it and is not out, as last reported.
pub fn section_of_all(tx: &mut Tx<'_>, name: &str) -> Result<Vec<String>, StoreError> {
    tx.query(
        "SELECT s.document FROM section s JOIN device d ON d.id = s.device
         WHERE s.name = $1 AND d.state IN ('enrolled', 'ready', 'held') ORDER BY s.device",
        &[name.into()],
        |row| row.get(0),
    )
}
