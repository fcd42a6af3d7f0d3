//! Whether a certificate is still good: asked on every call and by a timer for links that stay up.

use muster_proto::rest::{DeviceState, OldCertificateView};
use muster_proto::{DeviceId, Digest, Timestamp};
use muster_store::certificate::StandingRow;
use muster_store::{StoreError, Tx};
use serde_json::json;

use super::App;
use super::audit::{self, Act};

/// How a certificate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is good.
    Good,
    /// It is good for its device's last order and the receipt, and for nothing else.
    Ordered,
    /// It or its device was revoked.
    Revoked,
    /// Its device was lost, and has said that its last order is carried out.
    Lost,
    /// Two machines use its device's identity.
    Held,
    /// A newer certificate of its device has been used.
    Replaced,
    /// Its time is over.
    Expired,
    /// This server never issued it to this device.
    Unknown,
}

impl App {
    /// How the certificate with this serial number (lower-case hex) and this key of this device stands. Whoever has a
    /// copy of the issuing key can repeat a serial number, but not what was recorded with it. One that is good and is
    /// shown for the first time ends those that came before it.
    pub(crate) async fn standing(
        &self,
        device: DeviceId,
        serial_number: String,
        key: Digest,
    ) -> Result<Standing, StoreError> {
        let now = self.now();
        let shown = serial_number.clone();
        let row =
            self.store().read(move |tx| muster_store::certificate::standing(tx, device, &shown)).await?;
        let standing = judge(row.as_ref(), key, now);
        let first = row.is_some_and(|row| !row.used);
        if first && matches!(standing, Standing::Good | Standing::Ordered) {
            self.store().write(move |tx| begin_use(tx, device, &serial_number, now)).await?;
        }
        Ok(standing)
    }

    /// Writes down that a certificate was shown after a newer one had been used; gives the reference to the audit.
    pub(crate) async fn note_old_certificate(
        &self,
        device: DeviceId,
        certificate: String,
        address: String,
    ) -> Result<String, StoreError> {
        let at = self.now();
        self.store()
            .write(move |tx| {
                let reference = super::secret::id("ref-");
                let act = Act { at, actor: "stranger", action: "device.call" };
                let reason = format!(
                    "device {device}, certificate {certificate}: a newer certificate of the device has been used since"
                );
                audit::write(tx, act, &reference, json!({"address": address, "reason": reason}))?;
                let view = OldCertificateView { certificate, address, at };
                muster_store::stray::note_old_certificate(tx, device, &view)?;
                Ok(reference)
            })
            .await
    }
}

fn judge(row: Option<&StandingRow>, key: Digest, now: Timestamp) -> Standing {
    let Some(row) = row.filter(|row| row.key == key) else { return Standing::Unknown };
    match row.state {
        DeviceState::Lost => Standing::Lost,
        _ if row.revoked => Standing::Revoked,
        DeviceState::Held => Standing::Held,
        DeviceState::Registered | DeviceState::Pending | DeviceState::Revoked => Standing::Revoked,
        DeviceState::Enrolled | DeviceState::Ready if row.replaced => Standing::Replaced,
        DeviceState::Enrolled | DeviceState::Ready if row.not_after <= now => Standing::Expired,
        DeviceState::Enrolled | DeviceState::Ready if row.ordered => Standing::Ordered,
        DeviceState::Enrolled | DeviceState::Ready => Standing::Good,
    }
}

fn begin_use(
    tx: &mut Tx<'_>,
    device: DeviceId,
    serial_number: &str,
    at: Timestamp,
) -> Result<(), StoreError> {
    let replaced = muster_store::certificate::begin_use(tx, device, serial_number, at)?;
    if replaced > 0 {
        let act = Act { at, actor: &format!("device:{device}"), action: "certificate.replace" };
        let detail = json!({"certificate": serial_number, "replaced": replaced});
        audit::write(tx, act, &device.to_string(), detail)?;
    }
    Ok(())
}
