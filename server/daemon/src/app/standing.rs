//! Whether a certificate is still good: asked on every call and by a timer for links that stay up.

use muster_proto::DeviceId;
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
    /// How the certificate with this serial number (lower-case hex) of this device stands.
    pub(crate) async fn standing(
        &self,
        device: DeviceId,
        serial_number: String,
    ) -> Result<Standing, StoreError> {
        todo!()
    }
}
