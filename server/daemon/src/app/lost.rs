//! A device that is lost: its last order, given before anything else, and the receipt on which it is put out.

use muster_policy::lost::{self, Order};
use muster_policy::rights::AdminRight;
use muster_proto::last_order::{self, LastOrder, Receipt};
use muster_proto::rest::{DeviceState, Holdings, LostView, ReportLost};
use muster_proto::{DeviceId, Timestamp};
use muster_store::lost::LostRow;
use muster_store::{StoreError, Tx};
use serde_json::json;

use super::audit::{self, Act};
use super::{App, AppError, device, secret};

mod holdings;

/// The longest reason, in characters.
const REASON: usize = 500;

/// How taking a report back is audited, and how many of a device are looked at.
const TAKE_BACK: &str = "device.found";
const TAKEN_BACK: u32 = 100;

/// What becomes of a device's receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It is recorded, and the device is put out.
    Recorded,
    /// The order was taken back meanwhile: the device goes on as before.
    TakenBack,
}

impl App {
    /// Reports a device lost. Its last order is given at once over a link that is up, else at its next contact.
    pub(crate) async fn report_lost(
        &self,
        right: &AdminRight,
        called: String,
        request: ReportLost,
    ) -> Result<DeviceId, AppError> {
        let (at, actor) = (self.now(), right.actor().to_owned());
        let reason = reason(request.reason)?;
        self.store()
            .write(move |tx| {
                let device = device::find(tx, &called)?;
                lost::may_order(device.state, order_of(tx, device.id)?)
                    .map_err(|why| AppError::Invalid(format!("{} {why}", device.name)))?;
                let holdings = holdings::of(tx, &device)?;
                let row = LostRow {
                    id: secret::secret("lost-"),
                    reported_by: actor.clone(),
                    since: at,
                    reason,
                    holdings: written(&holdings, device.id)?,
                    given: None,
                    received: None,
                    receipt: None,
                };
                muster_store::lost::insert(tx, device.id, &row)?;
                let act = Act { at, actor: &actor, action: "device.lost" };
                audit::write(tx, act, &device.id.to_string(), json!({"reason": row.reason}))?;
                Ok(device.id)
            })
            .await
    }

    /// Takes a report back, as long as the device has not said that it is done.
    pub(crate) async fn take_back_lost(
        &self,
        right: &AdminRight,
        called: String,
    ) -> Result<DeviceId, AppError> {
        let (at, actor) = (self.now(), right.actor().to_owned());
        self.store()
            .write(move |tx| {
                let device = device::find(tx, &called)?;
                lost::may_take_back(order_of(tx, device.id)?)
                    .map_err(|why| AppError::Invalid(format!("{} {why}", device.name)))?;
                let order = muster_store::lost::get(tx, device.id)?.map(|row| row.id);
                muster_store::lost::forget(tx, device.id)?;
                let act = Act { at, actor: &actor, action: TAKE_BACK };
                audit::write(tx, act, &device.id.to_string(), json!({"order": order}))?;
                Ok(device.id)
            })
            .await
    }

    /// The order that waits for this device's receipt, as the bytes that it is given. That it was given is durable before
    /// it is.
    pub(crate) async fn last_order(&self, device: DeviceId) -> Result<Option<Vec<u8>>, AppError> {
        let waits = self.store().read(move |tx| muster_store::lost::get(tx, device)).await?;
        let Some(row) = waits.filter(|row| row.received.is_none()) else { return Ok(None) };
        if row.given.is_none() {
            let at = self.now();
            self.store().write(move |tx| note_given(tx, device, at)).await?;
        }
        let last_order = LastOrder { id: row.id, device, ordered: row.since };
        let bytes = serde_json::to_vec(&last_order::Order { last_order });
        bytes.map(Some).map_err(|error| AppError::Defect(format!("the last order of {device}: {error}")))
    }

    /// Whether exactly this receipt is recorded of the device.
    pub(crate) async fn has_receipt(&self, device: DeviceId, receipt: &Receipt) -> Result<bool, AppError> {
        let row = self.store().read(move |tx| muster_store::lost::get(tx, device)).await?;
        Ok(row.is_some_and(|row| row.id == receipt.order && row.received.is_some()))
    }

    /// Records what a device did on its last order, and puts it out: both or neither.
    pub(crate) async fn take_receipt(&self, device: DeviceId, receipt: Receipt) -> Result<Taken, AppError> {
        let (at, restored) = (self.now(), self.restored().is_some());
        self.store()
            .write(move |tx| {
                if restored {
                    adopt(tx, device, &receipt, at)?;
                }
                let row = muster_store::lost::get(tx, device)?;
                if row.is_none_or(|row| row.id != receipt.order || row.received.is_some()) {
                    return Ok(Taken::TakenBack);
                }
                let text = serde_json::to_string(&receipt)
                    .map_err(|error| AppError::Defect(format!("the receipt of {device}: {error}")))?;
                muster_store::lost::receive(tx, device, &text, at)?;
                let certificates = device::put_out(tx, device, DeviceState::Lost, at)?;
                let act = Act { at, actor: &format!("device:{device}"), action: "device.lost.receipt" };
                let detail = json!({
                    "locked": receipt.locked, "faults": receipt.faults, "done": receipt.done,
                    "certificates": certificates,
                });
                audit::write(tx, act, &device.to_string(), detail)?;
                Ok(Taken::Recorded)
            })
            .await
    }
}

/// A record that was put back from a backup may lack the report. Then the device's word for its order counts, unless the
/// audit says that it was taken back: to give a lost device free again by mistake would be worse.
fn adopt(tx: &mut Tx<'_>, device: DeviceId, receipt: &Receipt, at: Timestamp) -> Result<(), AppError> {
    let taken_back = muster_store::audit::on(tx, TAKE_BACK, &device.to_string(), TAKEN_BACK)?;
    let known =
        taken_back.iter().any(|entry| entry.detail.get("order").is_some_and(|id| *id == receipt.order));
    if known || muster_store::lost::get(tx, device)?.is_some() {
        return Ok(());
    }
    let row = muster_store::device::get(tx, device)?;
    let row = row.ok_or_else(|| AppError::not_found("device", device.to_string()))?;
    let lost = LostRow {
        id: receipt.order.clone(),
        reported_by: "server".to_owned(),
        since: at,
        reason: Some("by an order from before the record was put back from a backup".to_owned()),
        holdings: written(&holdings::of(tx, &row)?, device)?,
        given: None,
        received: None,
        receipt: None,
    };
    muster_store::lost::insert(tx, device, &lost)?;
    let act = Act { at, actor: "server", action: "device.lost" };
    Ok(audit::write(tx, act, &device.to_string(), json!({"reason": lost.reason}))?)
}

fn written(holdings: &Holdings, device: DeviceId) -> Result<String, AppError> {
    serde_json::to_string(holdings)
        .map_err(|error| AppError::Defect(format!("holdings of {device}: {error}")))
}

fn note_given(tx: &mut Tx<'_>, device: DeviceId, at: Timestamp) -> Result<(), StoreError> {
    if muster_store::lost::give(tx, device, at)? {
        let act = Act { at, actor: "server", action: "device.lost.give" };
        audit::write(tx, act, &device.to_string(), json!({}))?;
    }
    Ok(())
}

fn order_of(tx: &mut Tx<'_>, device: DeviceId) -> Result<Order, StoreError> {
    Ok(match muster_store::lost::get(tx, device)? {
        None => Order::None,
        Some(LostRow { received: None, .. }) => Order::Waits,
        Some(LostRow { received: Some(at), .. }) => Order::Received(at),
    })
}

fn reason(reason: Option<String>) -> Result<Option<String>, AppError> {
    let reason = reason.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    match &reason {
        Some(text) if text.chars().count() > REASON => {
            Err(AppError::Invalid(format!("reason: expected at most {REASON} characters")))
        }
        Some(text) if text.chars().any(char::is_control) => {
            Err(AppError::Invalid("reason: expected one line".to_owned()))
        }
        _ => Ok(reason),
    }
}

/// What is known of a device's loss, as it is shown.
pub(super) fn view(tx: &mut Tx<'_>, device: DeviceId) -> Result<Option<LostView>, AppError> {
    let Some(row) = muster_store::lost::get(tx, device)? else { return Ok(None) };
    let defect =
        |what: &str, error: serde_json::Error| AppError::Defect(format!("{what} of {device}: {error}"));
    let LostRow { reported_by: by, since, reason, given, received, .. } = row;
    let receipt = row.receipt.as_deref().map(serde_json::from_str).transpose();
    Ok(Some(LostView {
        since,
        by,
        reason,
        given,
        received,
        receipt: receipt.map_err(|error| defect("the receipt", error))?,
        held: serde_json::from_str(&row.holdings).map_err(|error| defect("the holdings", error))?,
    }))
}
