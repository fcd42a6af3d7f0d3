//! A device whose certificate ended while it was off comes back with a new key.

use muster_policy::returning::{self, Asking, Certificate, Leave, Refusal};
use muster_proto::rest::LateReturnView;
use muster_proto::{DeviceId, Digest, Timestamp};
use muster_store::{StoreError, Tx, stray};
use serde_json::json;

use super::audit::{self, Act};
use super::enroll::{EnrollError, keep_certificate};
use super::renew::young_certificate;
use super::{App, secret};
use crate::ca::Issued;

/// A device that asks to come back. Its signature was verified: it holds the key of the certificate that it shows.
pub(crate) struct Request {
    /// The device that the certificate names.
    pub(crate) device: DeviceId,
    /// The certificate's serial number, lower-case hex.
    pub(crate) serial_number: String,
    /// The certificate, DER, exactly as it was shown.
    pub(crate) certificate: Vec<u8>,
    /// Digest of the key that is to be certified.
    pub(crate) key: Digest,
    /// Where it calls from.
    pub(crate) address: String,
}

/// Why it does not come back, for the audit.
#[derive(Debug, thiserror::Error)]
enum NotBack {
    #[error("this server's record has no such certificate of this device")]
    Unrecorded,
    #[error(transparent)]
    Policy(#[from] Refusal),
}

impl App {
    /// Whether the record has this very certificate of this device, whatever has become of it. It lets nobody in.
    pub(crate) async fn knows_certificate(
        &self,
        device: DeviceId,
        serial_number: String,
        certificate: Vec<u8>,
    ) -> Result<bool, StoreError> {
        self.store()
            .read(move |tx| {
                let standing = muster_store::certificate::standing(tx, device, &serial_number)?;
                let chain = muster_store::certificate::chain(tx, &serial_number)?.unwrap_or_default();
                Ok(standing.is_some() && chain.first() == Some(&certificate))
            })
            .await
    }

    /// Issues a certificate to a device that comes back; the same key asking again gets the same one. Gives DER, leaf
    /// first, root last.
    pub(crate) async fn come_back<E>(
        &self,
        request: Request,
        issue: impl FnOnce(DeviceId) -> Result<Issued, E> + Send + 'static,
    ) -> Result<Vec<Vec<u8>>, EnrollError>
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        let (now, window) = (self.now(), self.return_window());
        let answer = self
            .store()
            .write(move |tx| -> Result<_, EnrollError> {
                let Request { device, key, .. } = request;
                let decided = decide(tx, &request, window, now)?;
                // An answer that was lost on the way is given again, also when it used an admin's word up.
                let given = matches!(
                    decided,
                    Ok(_) | Err(NotBack::Policy(Refusal::TooLate { .. } | Refusal::TooMany))
                );
                if given && let Some(chain) = young_certificate(tx, device, key, now)? {
                    return Ok(Ok(chain));
                }
                let leave = match decided {
                    Ok(leave) => leave,
                    Err(why) => return Ok(Err(refuse(tx, &request, &why, now)?)),
                };
                let issued = issue(device).map_err(|error| EnrollError::Issue(Box::new(error)))?;
                keep_certificate(tx, device, key, &issued, now)?;
                if leave == Leave::AdminsWord {
                    muster_store::reenrollment::end(tx, device)?;
                    muster_store::enrollment::clear_pending(tx, device)?;
                }
                stray::forget(tx, device)?;
                let act = Act { at: now, actor: &format!("device:{device}"), action: "certificate.return" };
                let detail = json!({
                    "by": request.serial_number, "certificate": issued.serial_number,
                    "not_after": issued.not_after, "address": request.address,
                    "allowed_by_admin": leave == Leave::AdminsWord,
                });
                audit::write(tx, act, &device.to_string(), detail)?;
                Ok(Ok(issued.chain))
            })
            .await?;
        answer.map_err(|reference| EnrollError::Refused { reference })
    }
}

fn decide(
    tx: &mut Tx<'_>,
    request: &Request,
    window: i64,
    now: Timestamp,
) -> Result<Result<Leave, NotBack>, StoreError> {
    let Request { device, serial_number, certificate, .. } = request;
    let standing = muster_store::certificate::standing(tx, *device, serial_number)?;
    let chain = muster_store::certificate::chain(tx, serial_number)?.unwrap_or_default();
    let Some(row) = standing.filter(|_| chain.first() == Some(certificate)) else {
        return Ok(Err(NotBack::Unrecorded));
    };
    let certificate = Certificate { not_after: row.not_after, revoked: row.revoked, replaced: row.replaced };
    let reenroll_until = muster_store::reenrollment::until(tx, *device)?;
    let unused = muster_store::certificate::unused_after(tx, *device, serial_number)?;
    let asking = Asking { now, state: row.state, certificate, window, reenroll_until, unused };
    Ok(returning::may_return(&asking).map_err(NotBack::from))
}

fn refuse(tx: &mut Tx<'_>, request: &Request, why: &NotBack, at: Timestamp) -> Result<String, StoreError> {
    let Request { device, serial_number, address, .. } = request;
    if let NotBack::Policy(Refusal::TooLate { ended }) = why {
        let view = LateReturnView { ended: *ended, address: address.clone(), at };
        stray::note_late_return(tx, *device, &view)?;
    }
    let reference = secret::id("ref-");
    let act = Act { at, actor: "stranger", action: "return.refuse" };
    let detail = json!({
        "device": device, "certificate": serial_number, "address": address, "reason": why.to_string(),
    });
    audit::write(tx, act, &reference, detail)?;
    Ok(reference)
}
