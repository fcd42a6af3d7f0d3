//! Lets one new key become a device that enrolled before, as after a reinstallation: its record stays.

use muster_policy::keep::Kind;
use muster_policy::rights::AdminRight;
use muster_proto::rest::{AllowReenroll, Device, DeviceState};
use muster_proto::text::shell_word;
use muster_proto::{DeviceId, Timestamp};
use muster_store::{Change, StoreError, Tx};
use serde_json::json;

use super::audit::{self, Act};
use super::{App, AppError, device, keep, recompile};

/// How long it is allowed when nobody says: a day.
const USUAL: u64 = 86_400;
/// The longest that it can be allowed: thirty days. A serial that stands open is a risk.
const LONGEST: u64 = 30 * 86_400;

impl App {
    /// Lets one new key become the device. Nothing changes until that key comes; what was allowed before is replaced.
    pub(crate) async fn allow_reenroll(
        &self,
        right: &AdminRight,
        called: String,
        request: AllowReenroll,
    ) -> Result<Device, AppError> {
        let (at, actor, presence) = (self.now(), right.actor().to_owned(), self.presence().clone());
        let until = end(request.seconds.unwrap_or(USUAL), at)?;
        self.store()
            .write(move |tx| {
                let device = device::find(tx, &called)?;
                if matches!(device.state, DeviceState::Registered | DeviceState::Pending) {
                    return Err(AppError::Invalid(format!(
                        "{} has not enrolled yet, so any token for it lets it in: muster token create --serial {}",
                        device.name,
                        shell_word(&device.serial)
                    )));
                }
                // Who was let wait or was approved under an earlier word is not meant by this one.
                muster_store::enrollment::clear_pending(tx, device.id)?;
                muster_store::reenrollment::allow(tx, device.id, &actor, until)?;
                let act = Act { at, actor: &actor, action: "device.allow_reenroll" };
                audit::write(tx, act, &device.id.to_string(), json!({"until": until}))?;
                device::fresh(tx, &device, &presence, at)
            })
            .await
    }
}

fn end(seconds: u64, now: Timestamp) -> Result<Timestamp, AppError> {
    if (1..=LONGEST).contains(&seconds) {
        return Ok(now.plus_seconds(seconds.cast_signed()));
    }
    Err(AppError::Invalid("for: expected a time of a second to thirty days".to_owned()))
}

/// Ends what another key was as this device: its certificates, its links, and what it last said. Gives how many
/// certificates that were. Keeps the record: owner, labels, assignments and history.
pub(super) fn make_room(tx: &mut Tx<'_>, device: DeviceId, at: Timestamp) -> Result<u64, StoreError> {
    muster_store::reenrollment::end(tx, device)?;
    // What the lost key was certified since a backup is not taken up any longer either.
    muster_store::returning::is_back(tx, device)?;
    let certificates = muster_store::certificate::revoke_all(tx, device, at)?;
    // With the enrollment its key's claim to the old answer goes as well.
    muster_store::enrollment::forget(tx, device)?;
    muster_store::password::forget(tx, device)?;
    muster_store::lost::forget(tx, device)?;
    muster_store::boot::forget(tx, device)?;
    muster_store::stray::forget(tx, device)?;
    say_no_more(tx, device, at)?;
    muster_store::device::begin_anew(tx, device)?;
    recompile::judge(tx, device, at)?;
    tx.tell(Change::Revoked(device));
    Ok(certificates)
}

/// What a device last said is no longer so, as nothing more will be heard of it.
fn say_no_more(tx: &mut Tx<'_>, device: DeviceId, at: Timestamp) -> Result<(), StoreError> {
    muster_store::outcome::clear(tx, device)?;
    end_checks(tx, device, at)
}

/// Ends the results of its checks; what was found stays as proof.
pub(super) fn end_checks(tx: &mut Tx<'_>, device: DeviceId, at: Timestamp) -> Result<(), StoreError> {
    let ended = muster_store::check::end_all(tx, device, at)?;
    keep::added(tx, device, Kind::EndedCheck, ended)
}
