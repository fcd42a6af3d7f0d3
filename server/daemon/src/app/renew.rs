//! A new certificate for a device that has one.

use muster_proto::rest::DeviceState;
use muster_proto::{DeviceId, Digest, Timestamp};
use muster_store::Tx;
use muster_store::certificate::StandingRow;
use serde_json::json;

use super::audit::{self, Act};
use super::enroll::{EnrollError, keep_certificate};
use super::{App, AppError, secret};
use crate::ca::Issued;

impl App {
    /// Issues a new certificate to a device that shows one in good standing, named by its serial number; the same key
    /// asking again soon gets the same one. Gives DER, leaf first, root last.
    pub(crate) async fn renew<E>(
        &self,
        device: DeviceId,
        shown: String,
        key: Digest,
        issue: impl FnOnce(DeviceId) -> Result<Issued, E> + Send + 'static,
    ) -> Result<Vec<Vec<u8>>, EnrollError>
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        let now = self.now();
        let answer = self
            .store()
            .write(move |tx| -> Result<_, EnrollError> {
                let actor = format!("device:{device}");
                // Asked here as well as at the door: between the two another key may have taken the device's place, and
                // the old one must not get a certificate after that.
                let standing = muster_store::certificate::standing(tx, device, &shown)?;
                let good = |row: &StandingRow| !row.revoked && !row.replaced && !row.ordered;
                let state = standing.filter(good).map(|row| row.state);
                if !matches!(state, Some(DeviceState::Enrolled | DeviceState::Ready)) {
                    let reference = secret::id("ref-");
                    let act = Act { at: now, actor: &actor, action: "certificate.refuse" };
                    audit::write(
                        tx,
                        act,
                        &reference,
                        json!({"device": device, "reason": "not in good standing"}),
                    )?;
                    return Ok(Err(reference));
                }
                if let Some(chain) = young_certificate(tx, device, key, now)? {
                    return Ok(Ok(chain));
                }
                let issued = issue(device).map_err(|error| EnrollError::Issue(Box::new(error)))?;
                keep_certificate(tx, device, key, &issued, now)?;
                let act = Act { at: now, actor: &actor, action: "certificate.renew" };
                let detail = json!({"certificate": issued.serial_number, "not_after": issued.not_after});
                audit::write(tx, act, &device.to_string(), detail)?;
                Ok(Ok(issued.chain))
            })
            .await?;
        answer.map_err(|reference| EnrollError::Refused { reference })
    }
}

/// The certificate that this key got less than a third of its life ago: the answer was lost on the way.
pub(super) fn young_certificate(
    tx: &mut Tx<'_>,
    device: DeviceId,
    key: Digest,
    now: Timestamp,
) -> Result<Option<Vec<Vec<u8>>>, EnrollError> {
    let Some((serial_number, from, to)) = muster_store::certificate::newest_for_key(tx, device, key)? else {
        return Ok(None);
    };
    let third = from.plus_seconds((to.seconds() - from.seconds()) / 3);
    if now >= third {
        return Ok(None);
    }
    let chain = muster_store::certificate::chain(tx, &serial_number)?;
    chain.map(Some).ok_or_else(|| AppError::Defect(format!("certificate {serial_number} is missing")).into())
}
