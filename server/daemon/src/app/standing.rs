//! Whether a certificate is still good: asked on every call and by a timer for links that stay up.

use muster_proto::rest::DeviceState;
use muster_proto::{DeviceId, Digest};
use muster_store::StoreError;

use super::App;

/// How a certificate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is good.
    Good,
    /// It or its device was revoked.
    Revoked,
    /// Its time is over.
    Expired,
    /// This server never issued it to this device.
    Unknown,
}

impl App {
    /// How the certificate with this serial number (lower-case hex) and this key of this device stands. Whoever has a
    /// copy of the issuing key can repeat a serial number, but not what was recorded with it.
    pub(crate) async fn standing(
        &self,
        device: DeviceId,
        serial_number: String,
        key: Digest,
    ) -> Result<Standing, StoreError> {
        let now = self.now();
        let row = self
            .store()
            .read(move |tx| muster_store::certificate::standing(tx, device, &serial_number))
            .await?;
        Ok(match row {
            None => Standing::Unknown,
            Some(row) if row.key != key => Standing::Unknown,
            Some(row) if row.revoked => Standing::Revoked,
            Some(row) if !matches!(row.state, DeviceState::Enrolled | DeviceState::Ready) => {
                Standing::Revoked
            }
            Some(row) if row.not_after <= now => Standing::Expired,
            Some(_) => Standing::Good,
        })
    }
}
