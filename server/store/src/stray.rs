//! Who came by a certificate that is not taken: an old one after a newer, or one that ended too long ago.

use muster_proto::rest::{LateReturnView, OldCertificateView};
use muster_proto::{DeviceId, Timestamp};

use crate::{Change, StoreError, Tx};

/// A certificate was shown after a newer one of the device had been used. Only the last time is kept.
pub fn note_old_certificate(
    tx: &mut Tx<'_>,
    device: DeviceId,
    view: &OldCertificateView,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO old_certificate (device, serial_number, address, at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (device) DO UPDATE SET serial_number = excluded.serial_number, address = excluded.address,
             at = excluded.at",
        &[device.into(), (&view.certificate).into(), (&view.address).into(), view.at.into()],
    )?;
    tx.tell(Change::Device(device));
    Ok(())
}

/// The last time that a certificate was shown after a newer one had been used.
pub fn old_certificate(tx: &mut Tx<'_>, device: DeviceId) -> Result<Option<OldCertificateView>, StoreError> {
    tx.query_one(
        "SELECT serial_number, address, at FROM old_certificate WHERE device = $1",
        &[device.into()],
        |row| Ok(OldCertificateView { certificate: row.get(0)?, address: row.get(1)?, at: row.get(2)? }),
    )
}

/// A device asked to return later than it may. Only the last time is kept.
pub fn note_late_return(tx: &mut Tx<'_>, device: DeviceId, view: &LateReturnView) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO late_return (device, ended, address, at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (device) DO UPDATE SET ended = excluded.ended, address = excluded.address, at = excluded.at",
        &[device.into(), view.ended.into(), (&view.address).into(), view.at.into()],
    )?;
    tx.tell(Change::Device(device));
    Ok(())
}

/// The last time that the device asked to return later than it may.
pub fn late_return(tx: &mut Tx<'_>, device: DeviceId) -> Result<Option<LateReturnView>, StoreError> {
    tx.query_one("SELECT ended, address, at FROM late_return WHERE device = $1", &[device.into()], |row| {
        Ok(LateReturnView { ended: row.get(0)?, address: row.get(1)?, at: row.get(2)? })
    })
}

/// Devices that wait to be let back, the latest to ask first; not those that may come back by now.
pub fn late_returns(tx: &mut Tx<'_>, now: Timestamp, limit: u32) -> Result<Vec<DeviceId>, StoreError> {
    tx.query(
        "SELECT r.device FROM late_return r JOIN device d ON d.id = r.device
         WHERE d.state NOT IN ('lost', 'revoked')
             AND NOT EXISTS (SELECT 1 FROM reenrollment e WHERE e.device = r.device AND e.until > $1)
         ORDER BY r.at DESC, r.device LIMIT $2",
        &[now.into(), limit.into()],
        |row| row.get(0),
    )
}

/// Forgets both, of one device and for all time: it has come back or enrolled again.
pub fn forget(tx: &mut Tx<'_>, device: DeviceId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM old_certificate WHERE device = $1", &[device.into()])?;
    tx.execute("DELETE FROM late_return WHERE device = $1", &[device.into()])?;
    Ok(())
}
