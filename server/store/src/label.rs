//! Labels of devices.

use std::collections::BTreeSet;

use muster_proto::DeviceId;

use crate::{StoreError, Tx};

/// The labels of a device.
pub fn of_device(tx: &mut Tx<'_>, device: DeviceId) -> Result<BTreeSet<String>, StoreError> {
    let labels = tx.query(
        "SELECT label FROM device_label WHERE device = $1 ORDER BY label",
        &[device.into()],
        |row| row.get(0),
    )?;
    Ok(labels.into_iter().collect())
}

/// Adds a label; nothing happens when the device has it.
pub fn add(tx: &mut Tx<'_>, device: DeviceId, label: &str) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO device_label (device, label) VALUES ($1, $2) ON CONFLICT (device, label) DO NOTHING",
        &[device.into(), label.into()],
    )?;
    Ok(())
}

/// Makes these all the labels of a device.
pub fn replace(tx: &mut Tx<'_>, device: DeviceId, labels: &BTreeSet<String>) -> Result<(), StoreError> {
    tx.execute("DELETE FROM device_label WHERE device = $1", &[device.into()])?;
    for label in labels {
        add(tx, device, label)?;
    }
    Ok(())
}
