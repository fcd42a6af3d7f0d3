//! The kernels that followed as a device, and the two machines that were found to use one identity.

use muster_proto::rest::{MachineView, TwinView};
use muster_proto::{DeviceId, Timestamp};

use crate::{Change, Row, StoreError, Tx};

/// Boots that are remembered of a device. Of one machine only the newest can come back.
const REMEMBERED: u64 = 16;

fn read(row: &Row<'_>) -> Result<MachineView, StoreError> {
    Ok(MachineView {
        boot: row.get(0)?,
        address: row.get(1)?,
        first_seen: row.get(2)?,
        last_seen: row.get(3)?,
    })
}

/// The boots of a device, the one that was seen first last.
pub fn of_device(tx: &mut Tx<'_>, device: DeviceId) -> Result<Vec<MachineView>, StoreError> {
    tx.query(
        "SELECT boot, address, first_seen, last_seen FROM boot WHERE device = $1 ORDER BY number DESC",
        &[device.into()],
        read,
    )
}

/// The boot that was seen first last.
pub fn newest(tx: &mut Tx<'_>, device: DeviceId) -> Result<Option<String>, StoreError> {
    tx.query_one(
        "SELECT boot FROM boot WHERE device = $1 ORDER BY number DESC LIMIT 1",
        &[device.into()],
        |row| row.get(0),
    )
}

/// A new boot follows; links of those before it are woken, to end.
pub fn begin(
    tx: &mut Tx<'_>,
    device: DeviceId,
    boot: &str,
    address: &str,
    at: Timestamp,
) -> Result<(), StoreError> {
    let newest: Option<u64> = tx.query_one(
        "SELECT COALESCE(MAX(number), 0) FROM boot WHERE device = $1",
        &[device.into()],
        |row| row.get(0),
    )?;
    let number = newest.unwrap_or(0) + 1;
    tx.execute(
        "INSERT INTO boot (device, boot, number, address, first_seen, last_seen) VALUES ($1, $2, $3, $4, $5, $5)",
        &[device.into(), boot.into(), number.into(), address.into(), at.into()],
    )?;
    tx.execute(
        "DELETE FROM boot WHERE device = $1 AND number <= $2",
        &[device.into(), number.saturating_sub(REMEMBERED).into()],
    )?;
    tx.tell(Change::States([device].into()));
    Ok(())
}

/// A boot that was here before calls again.
pub fn again(
    tx: &mut Tx<'_>,
    device: DeviceId,
    boot: &str,
    address: &str,
    at: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE boot SET address = $1, last_seen = $2 WHERE device = $3 AND boot = $4",
        &[address.into(), at.into(), device.into(), boot.into()],
    )?;
    Ok(())
}

/// Writes down the two machines that use an identity.
pub fn put_twins(tx: &mut Tx<'_>, device: DeviceId, twins: &TwinView) -> Result<(), StoreError> {
    let machines = serde_json::json!(twins.machines).to_string();
    tx.execute(
        "INSERT INTO twin (device, since, machines) VALUES ($1, $2, $3) ON CONFLICT (device) DO NOTHING",
        &[device.into(), twins.since.into(), (&machines).into()],
    )?;
    Ok(())
}

/// The two machines that use a device's identity.
pub fn twins(tx: &mut Tx<'_>, device: DeviceId) -> Result<Option<TwinView>, StoreError> {
    tx.query_one("SELECT since, machines FROM twin WHERE device = $1", &[device.into()], |row| {
        let machines: String = row.get(1)?;
        let machines = serde_json::from_str(&machines)
            .map_err(|_| StoreError::Column { column: 1, expected: "a JSON list of two machines" })?;
        Ok(TwinView { since: row.get(0)?, machines })
    })
}

/// Forgets boots and twins: another key is the device from now on.
pub fn forget(tx: &mut Tx<'_>, device: DeviceId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM boot WHERE device = $1", &[device.into()])?;
    tx.execute("DELETE FROM twin WHERE device = $1", &[device.into()])?;
    Ok(())
}
