//! Devices as records: list, change, approve, revoke.

use std::collections::BTreeSet;

use muster_policy::rights::{AdminRight, ViewRight};
use muster_policy::{admit, comply, name};
use muster_proto::rest::{Approve, Device, DevicePatch, DeviceState, Page};
use muster_proto::{DeviceId, Timestamp};
use muster_store::device::{DeviceRow, Filter, Sort, Window};
use muster_store::{StoreError, Tx};
use serde_json::{Map, json};

use super::audit::{self, Act};
use super::presence::Presence;
use super::{App, AppError, enroll, page, person, recompile, reenroll};

impl App {
    /// One page of devices. `cursor` is `next` of the page before.
    pub(crate) async fn list_devices(
        &self,
        _right: &ViewRight,
        filter: Filter,
        sort: Sort,
        cursor: Option<String>,
        limit: u32,
    ) -> Result<Page<Device>, AppError> {
        let after: Option<(i64, String)> = cursor.as_deref().map(page::read).transpose()?;
        let (now, limit, presence) = (self.now(), page::limit(limit), self.presence().clone());
        self.store()
            .read(move |tx| {
                let total = muster_store::device::total(tx, &filter, now)?;
                let window = Window { sort, after, limit: limit + 1 };
                let rows = muster_store::device::list(tx, &filter, &window, now)?;
                let page = page::cut(rows, limit, total, |(number, row)| (*number, row.name.clone()));
                let items = page
                    .items
                    .into_iter()
                    .map(|(_, row)| view(tx, row, &presence, now))
                    .collect::<Result<_, _>>()?;
                Ok(Page { items, next: page.next, total })
            })
            .await
    }

    /// Changes a device's record; what hangs on it is compiled anew. `called` is its id, name or serial.
    pub(crate) async fn change_device(
        &self,
        right: &AdminRight,
        called: String,
        patch: DevicePatch,
    ) -> Result<Device, AppError> {
        let (at, actor, presence) = (self.now(), right.actor().to_owned(), self.presence().clone());
        self.store()
            .write(move |tx| {
                let device = find(tx, &called)?;
                let changed = change(tx, &device, &patch)?;
                if !changed.is_empty() {
                    recompile::devices(tx, &[device.id], at)?;
                    let act = Act { at, actor: &actor, action: "device.change" };
                    audit::write(tx, act, &device.id.to_string(), changed.into())?;
                }
                fresh(tx, &device, &presence, at)
            })
            .await
    }

    /// Lets a waiting machine in, by the code on its console.
    pub(crate) async fn approve_device(
        &self,
        right: &AdminRight,
        called: String,
        request: Approve,
    ) -> Result<Device, AppError> {
        let (at, actor, presence) = (self.now(), right.actor().to_owned(), self.presence().clone());
        self.store()
            .write(move |tx| {
                let device = find(tx, &called)?;
                let code = admit::typed_code(&request.code);
                let known = enroll::registered(tx, &device)?;
                if !admit::may_be_approved(&known, at)
                    || !muster_store::enrollment::approve(tx, device.id, &code)?
                {
                    return Err(AppError::Invalid(format!(
                        "no machine with code {code} waits as {}: compare it with the code on the machine's console",
                        device.name
                    )));
                }
                let patch = DevicePatch { name: request.name.clone(), owner: None, labels: None };
                let mut detail = change(tx, &device, &patch)?;
                // One that is to take the place of another key leaves that its place until it comes.
                if device.state == DeviceState::Pending {
                    muster_store::claimed::end(tx, device.id)?;
                    muster_store::device::set_state(tx, device.id, DeviceState::Registered)?;
                }
                recompile::devices(tx, &[device.id], at)?;
                detail.insert("code".to_owned(), code.into());
                let act = Act { at, actor: &actor, action: "device.approve" };
                audit::write(tx, act, &device.id.to_string(), detail.into())?;
                fresh(tx, &device, &presence, at)
            })
            .await
    }

    /// Stops accepting a device's certificates.
    pub(crate) async fn revoke_device(&self, right: &AdminRight, called: String) -> Result<Device, AppError> {
        let (at, actor, presence) = (self.now(), right.actor().to_owned(), self.presence().clone());
        self.store()
            .write(move |tx| {
                let device = find(tx, &called)?;
                if device.state == DeviceState::Lost {
                    return Err(AppError::Invalid(format!(
                        "{} is lost, and its certificates were revoked with its receipt: there is nothing left to revoke. \
                         muster device delete {0} forgets it",
                        device.name
                    )));
                }
                if device.state != DeviceState::Revoked {
                    let certificates = put_out(tx, device.id, DeviceState::Revoked, at)?;
                    // An order that was not carried out has nobody to hear it any more.
                    muster_store::lost::forget(tx, device.id)?;
                    let act = Act { at, actor: &actor, action: "device.revoke" };
                    audit::write(tx, act, &device.id.to_string(), json!({"certificates": certificates}))?;
                }
                fresh(tx, &device, &presence, at)
            })
            .await
    }
}

/// Ends all that a device may do, and leaves its record. Gives how many certificates were revoked.
pub(super) fn put_out(
    tx: &mut Tx<'_>,
    device: DeviceId,
    state: DeviceState,
    at: Timestamp,
) -> Result<u64, AppError> {
    let certificates = muster_store::certificate::revoke_all(tx, device, at)?;
    muster_store::enrollment::clear_pending(tx, device)?;
    muster_store::reenrollment::end(tx, device)?;
    muster_store::held::clear(tx, device)?;
    muster_store::removal::leave(tx, device)?;
    // Nothing more will be heard of it: what it last found stays as proof, and is no longer so.
    reenroll::end_checks(tx, device, at)?;
    muster_store::device::set_state(tx, device, state)?;
    recompile::judge(tx, device, at)?;
    Ok(certificates)
}

/// The device that an admin calls by id, name or serial.
pub(super) fn find(tx: &mut Tx<'_>, called: &str) -> Result<DeviceRow, AppError> {
    muster_store::device::find(tx, called)?.ok_or_else(|| AppError::not_found("device", called))
}

/// Changes what the patch names; gives what that was, for the audit.
fn change(
    tx: &mut Tx<'_>,
    device: &DeviceRow,
    patch: &DevicePatch,
) -> Result<Map<String, serde_json::Value>, AppError> {
    let mut changed = Map::new();
    let name = match &patch.name {
        Some(name) if *name != device.name => {
            name::device(name).map_err(|error| AppError::Invalid(format!("name: {error}")))?;
            if muster_store::device::by_name(tx, name)?.is_some() {
                return Err(AppError::Taken(format!("another device is called {name}")));
            }
            changed.insert("name".to_owned(), json!({"from": device.name, "to": name}));
            name
        }
        _ => &device.name,
    };
    let owner = match &patch.owner {
        Some(owner) => Some(owner.as_str()).filter(|owner| !owner.is_empty()),
        None => device.owner.as_deref(),
    };
    if owner != device.owner.as_deref() {
        if let Some(owner) = owner {
            person::find_active(tx, owner)?;
        }
        changed.insert("owner".to_owned(), json!({"from": device.owner, "to": owner}));
    }
    muster_store::device::set_record(tx, device.id, name, owner)?;
    if let Some(labels) = &patch.labels {
        let before = muster_store::label::of_device(tx, device.id)?;
        let after = labels_of(labels)?;
        if before != after {
            recompile::relabel(tx, device.id, &after)?;
            changed.insert("labels".to_owned(), json!({"from": before, "to": after}));
        }
    }
    Ok(changed)
}

/// Checks labels.
pub(super) fn labels_of(labels: &[String]) -> Result<BTreeSet<String>, AppError> {
    let check = |label: &String| name::label(label).map(str::to_owned);
    let checked: Result<_, _> = labels.iter().map(check).collect();
    checked.map_err(|error| AppError::Invalid(format!("labels: {error}")))
}

/// The device as it is after a change.
pub(super) fn fresh(
    tx: &mut Tx<'_>,
    device: &DeviceRow,
    presence: &Presence,
    now: Timestamp,
) -> Result<Device, AppError> {
    let row = muster_store::device::get(tx, device.id)?
        .ok_or_else(|| AppError::not_found("device", device.id.to_string()))?;
    Ok(view(tx, row, presence, now)?)
}

/// A device as lists show it.
pub(super) fn view(
    tx: &mut Tx<'_>,
    row: DeviceRow,
    presence: &Presence,
    now: Timestamp,
) -> Result<Device, StoreError> {
    let labels = muster_store::label::of_device(tx, row.id)?.into_iter().collect();
    let heard = presence.unwritten(row.id);
    let stale_at = heard.map_or(row.stale_at, |at| row.stale_at.max(at.plus_seconds(row.stale_after)));
    let waiting_since = match row.state {
        DeviceState::Pending => {
            muster_store::enrollment::pending_of_device(tx, row.id)?.first().map(|pending| pending.since)
        }
        _ => None,
    };
    Ok(Device {
        id: row.id.to_string(),
        name: row.name,
        serial: row.serial,
        owner: row.owner,
        labels,
        state: row.state,
        compliance: comply::standing(row.compliance, row.state, stale_at, now),
        failing: row.failing,
        waived: muster_store::waiver::count(tx, row.id)?,
        os: row.os,
        generation_wanted: row.generation_wanted.0,
        generation_applied: row.generation_applied.0,
        held: muster_store::held::changes(tx, row.id)?.is_some(),
        connected: presence.is_connected(row.id),
        last_seen: row.last_seen.max(heard),
        registered: row.registered,
        waiting_since,
        enrolled: row.enrolled,
        ready: row.ready,
    })
}
