//! After a restore: time went on since the backup, and the record is made safe for what happened meanwhile.

use muster_policy::restore::{self, Gap, NotTaken, Unrecorded};
use muster_policy::rights::AdminRight;
use muster_proto::rest::DeviceState;
use muster_proto::{DeviceId, Digest, Timestamp};
use muster_store::certificate::CertificateRow;
use muster_store::returning::{self, ReturningRow};
use muster_store::{StoreError, Tx};
use serde_json::json;

use super::audit::{self, Act};
use super::{App, AppError, recompile};

/// Under which name the time of the last restore is kept.
const RESTORED: &str = "restored";
/// Uids that are passed over: people who were added since the backup have some of them, and files of theirs are on devices.
const SKIPPED_UIDS: u32 = 1_000;
/// The target of what concerns the server itself.
const SERVER: &str = "server";

/// What the admin who restores has decided.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Choices {
    /// What becomes of enrollment and API tokens.
    pub(crate) tokens: Tokens,
    /// Whether devices that were certified since the backup may come back by themselves.
    pub(crate) newcomers: Newcomers,
}

/// What becomes of tokens: since the backup some may have been used up or taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tokens {
    /// All of them end.
    End,
    /// They are as they were.
    Keep,
}

/// Certificates that were issued since the backup and are in no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Newcomers {
    /// One of each enrolled device is taken up.
    TakeUp,
    /// They are refused.
    Refuse,
}

/// What was done to the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Restored {
    /// Devices whose state got a generation above all earlier ones.
    pub(crate) lifted: usize,
    /// Enrolled devices that are waited for.
    pub(crate) awaited: u64,
    /// Enrollment tokens that ended.
    pub(crate) tokens: u64,
    /// API tokens that ended.
    pub(crate) api_tokens: u64,
    /// Sessions that ended.
    pub(crate) sessions: u64,
}

/// A certificate that chains to our root, with what is needed to record it.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    /// The device that it names.
    pub(crate) device: DeviceId,
    /// Its serial number, lower-case hex.
    pub(crate) serial_number: String,
    /// Digest of its public key.
    pub(crate) key: Digest,
    /// When it begins to be valid.
    pub(crate) not_before: Timestamp,
    /// When it was issued.
    pub(crate) issued: Timestamp,
    /// When it ends.
    pub(crate) not_after: Timestamp,
    /// Seconds that a device's certificate lives at most.
    pub(crate) longest_life: i64,
    /// DER, its own first, the root last.
    pub(crate) chain: Vec<Vec<u8>>,
}

/// What becomes of an unrecorded certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TakenUp {
    /// It is recorded from now on.
    Yes,
    /// No certificate of this device is waited for.
    NotAwaited,
    /// One is, but not this one.
    No(NotTaken),
}

/// When the record was last put back from a backup.
pub(crate) fn last(tx: &mut Tx<'_>) -> Result<Option<Timestamp>, StoreError> {
    let kept = muster_store::meta::get(tx, RESTORED)?;
    Ok(kept.and_then(|kept| kept.parse().ok()))
}

impl App {
    /// Writes down that a backup was made and goes by this digest of its manifest.
    pub(crate) async fn note_backup(&self, right: &AdminRight, manifest: Digest) -> Result<(), StoreError> {
        let (at, actor) = (self.now(), right.actor().to_owned());
        self.store()
            .write(move |tx| {
                let act = Act { at, actor: &actor, action: "server.backup" };
                audit::write(tx, act, SERVER, json!({"manifest": manifest}))
            })
            .await
    }

    /// Makes a record safe that was put back from a backup of this time: generations go on above all that were given out
    /// since, and what could be used a second time ends. Before it, nothing must be served.
    pub(crate) async fn make_safe(
        &self,
        right: &AdminRight,
        backed_up: Timestamp,
        choices: Choices,
    ) -> Result<Restored, AppError> {
        let (now, actor) = (self.now(), right.actor().to_owned());
        let gap = Gap { backed_up, restored: now };
        self.store()
            .write(move |tx| {
                let floor = restore::floor(muster_store::state::newest_generation(tx)?, now);
                let lifted = recompile::lift_all(tx, floor, now)?;
                let (tokens, api_tokens) = end_tokens(tx, choices.tokens, now)?;
                let sessions = muster_store::session::clear(tx)?;
                muster_store::admin::clear_setup_links(tx)?;
                // What was used since the backup would be open again.
                muster_store::admin::clear_links(tx)?;
                muster_store::totp::clear_recovery_codes(tx)?;
                muster_store::reenrollment::end_all(tx)?;
                muster_store::person::skip_uids(tx, &muster_policy::people::UIDS, SKIPPED_UIDS)?;
                let awaited = wait_for_devices(tx, choices.newcomers, gap)?;
                muster_store::meta::put(tx, RESTORED, &now.to_string())?;
                let detail = json!({
                    "backup": backed_up, "generation": floor, "devices": lifted, "awaited": awaited,
                    "tokens_ended": tokens, "api_tokens_ended": api_tokens, "sessions_ended": sessions,
                });
                audit::write(tx, Act { at: now, actor: &actor, action: "server.restore" }, SERVER, detail)?;
                Ok(Restored { lifted, awaited, tokens, api_tokens, sessions })
            })
            .await
    }

    /// Takes up the certificate of a device that is waited for since a restore, once.
    pub(crate) async fn take_up(&self, shown: Shown) -> Result<TakenUp, StoreError> {
        let device = shown.device;
        // Who is not waited for costs no write.
        if self.store().read(move |tx| returning::get(tx, device)).await?.is_none() {
            return Ok(TakenUp::NotAwaited);
        }
        let now = self.now();
        self.store().write(move |tx| take_up(tx, &shown, now)).await
    }

    /// A device has come by a recorded certificate: no other is taken up for it any longer.
    pub(super) async fn is_back(&self, device: DeviceId) -> Result<(), StoreError> {
        let at = self.now();
        self.store()
            .write(move |tx| {
                if returning::is_back(tx, device)? {
                    let act = Act { at, actor: &format!("device:{device}"), action: "device.return" };
                    audit::write(tx, act, &device.to_string(), json!({}))?;
                }
                Ok(())
            })
            .await
    }
}

fn end_tokens(tx: &mut Tx<'_>, tokens: Tokens, now: Timestamp) -> Result<(u64, u64), StoreError> {
    match tokens {
        Tokens::Keep => Ok((0, 0)),
        Tokens::End => Ok((muster_store::token::revoke_live(tx, now)?, muster_store::api_token::clear(tx)?)),
    }
}

fn wait_for_devices(tx: &mut Tx<'_>, newcomers: Newcomers, gap: Gap) -> Result<u64, StoreError> {
    let Gap { backed_up, restored } = gap;
    match newcomers {
        Newcomers::Refuse => returning::wait_for_none(tx).map(|_| 0),
        Newcomers::TakeUp => returning::wait_for_all(tx, &ReturningRow { backed_up, restored }),
    }
}

fn take_up(tx: &mut Tx<'_>, shown: &Shown, now: Timestamp) -> Result<TakenUp, StoreError> {
    let device = shown.device;
    let Some(ReturningRow { backed_up, restored }) = returning::get(tx, device)? else {
        return Ok(TakenUp::NotAwaited);
    };
    let state = muster_store::device::get(tx, device)?.map_or(DeviceState::Revoked, |row| row.state);
    let Shown { issued, not_after, longest_life, .. } = *shown;
    let unrecorded = Unrecorded { state, issued, not_after, longest_life };
    if let Err(reason) = restore::take_up(Gap { backed_up, restored }, unrecorded, now) {
        return Ok(TakenUp::No(reason));
    }
    let certificate = CertificateRow {
        serial_number: shown.serial_number.clone(),
        device,
        key_digest: shown.key,
        not_before: shown.not_before,
        not_after,
        chain: shown.chain.clone(),
    };
    muster_store::certificate::insert(tx, &certificate, now)?;
    returning::is_back(tx, device)?;
    let act = Act { at: now, actor: &format!("device:{device}"), action: "device.certificate.adopt" };
    let detail = json!({"certificate": shown.serial_number, "issued": issued, "not_after": not_after});
    audit::write(tx, act, &device.to_string(), detail)?;
    Ok(TakenUp::Yes)
}
