//! The removal guard: what an import takes from many devices waits for an admin's word.

use std::collections::BTreeSet;

use muster_policy::guard;
use muster_policy::import::Plan;
use muster_policy::rights::{AdminRight, ViewRight};
use muster_policy::{assign, import};
use muster_proto::rest::{Removal, Resumed};
use muster_proto::{DeviceId, Timestamp};
use muster_store::removal::{RemovalRow, Touched};
use muster_store::{StoreError, Tx};
use serde_json::json;

use super::assign::NAMES;
use super::audit::{self, Act};
use super::{App, AppError, recompile, secret};

impl App {
    /// Removals that wait, the oldest first.
    pub(crate) async fn list_removals(&self, _right: &ViewRight) -> Result<Vec<Removal>, AppError> {
        self.store()
            .read(|tx| {
                let mut views = Vec::new();
                for row in muster_store::removal::list(tx)? {
                    let touched = muster_store::removal::touched(tx, &row.id)?;
                    views.push(view(tx, row, &touched)?);
                }
                Ok(views)
            })
            .await
    }

    /// Lets a removal happen: its devices get their states at once.
    pub(crate) async fn confirm_removal(&self, right: &AdminRight, id: String) -> Result<Resumed, AppError> {
        let (at, actor) = (self.now(), right.actor().to_owned());
        self.store()
            .write(move |tx| {
                decide(tx, &id, Act { at, actor: &actor, action: "removal.confirm" }, |_, _| Ok(()))
            })
            .await
    }

    /// Takes a removal back: its devices get the labels again that were taken from them.
    pub(crate) async fn drop_removal(&self, right: &AdminRight, id: String) -> Result<Resumed, AppError> {
        let (at, actor) = (self.now(), right.actor().to_owned());
        self.store()
            .write(move |tx| decide(tx, &id, Act { at, actor: &actor, action: "removal.drop" }, give_back))
            .await
    }
}

fn decide(
    tx: &mut Tx<'_>,
    id: &str,
    act: Act<'_>,
    undo: impl FnOnce(&mut Tx<'_>, &[Touched]) -> Result<(), StoreError>,
) -> Result<Resumed, AppError> {
    let row = muster_store::removal::get(tx, id)?.ok_or_else(|| {
        AppError::Invalid(format!("no removal {id} waits: muster removal list shows those that do"))
    })?;
    let touched = muster_store::removal::touched(tx, id)?;
    let view = view(tx, row, &touched)?;
    muster_store::removal::remove(tx, id)?;
    undo(tx, &touched)?;
    let ids: Vec<_> = touched.iter().map(|device| device.device).collect();
    let devices = recompile::devices(tx, &ids, act.at)? as u64;
    let mut still_held = 0;
    for id in ids {
        still_held += u64::from(muster_store::held::changes(tx, id)?.is_some());
    }
    let detail = json!({"cause": view.cause, "profiles": view.profiles, "labels": view.labels,
        "devices": view.devices});
    audit::write(tx, act, id, detail)?;
    Ok(Resumed { devices, still_held })
}

fn give_back(tx: &mut Tx<'_>, touched: &[Touched]) -> Result<(), StoreError> {
    for device in touched {
        let mut labels = muster_store::label::of_device(tx, device.device)?;
        labels.extend(device.labels.iter().cloned());
        recompile::relabel(tx, device.device, &labels)?;
    }
    Ok(())
}

/// The devices that profiles leave when their labels become those of the plan, which is not carried out yet.
pub(super) fn by_import(tx: &mut Tx<'_>, plan: &Plan) -> Result<Vec<Touched>, AppError> {
    let assignments = recompile::assignments(tx)?;
    let mut touched = Vec::new();
    for record in &plan.changed {
        let Some(device) = muster_store::device::by_serial(tx, &record.serial)? else { continue };
        let before = muster_store::label::of_device(tx, device.id)?;
        let holding = |labels: &BTreeSet<String>| assign::holding(&assignments, device.id, labels);
        let leaving = guard::leaving(&holding(&before), &holding(&record.labels));
        if !leaving.is_empty() {
            touched.push(Touched {
                device: device.id,
                labels: import::taken(&before, &record.labels),
                profiles: leaving.iter().map(ToString::to_string).collect(),
            });
        }
    }
    Ok(if guard::waits(touched.len()) { touched } else { Vec::new() })
}

/// Makes these devices keep their state until it is decided. To be called before they are compiled anew.
pub(super) fn guard(tx: &mut Tx<'_>, touched: &[Touched], act: Act<'_>) -> Result<Option<Removal>, AppError> {
    if touched.is_empty() {
        return Ok(None);
    }
    let row = row(secret::id("rm-"), act.actor, act.at);
    muster_store::removal::insert(tx, &row, touched)?;
    let view = view(tx, row, touched)?;
    let detail = json!({"cause": view.cause, "profiles": view.profiles, "labels": view.labels,
        "devices": view.devices});
    audit::write(tx, Act { action: "removal.wait", ..act }, &view.id, detail)?;
    Ok(Some(view))
}

/// What would have to be confirmed; nothing is made of it.
pub(super) fn foreseen(
    tx: &mut Tx<'_>,
    touched: &[Touched],
    actor: &str,
    at: Timestamp,
) -> Result<Option<Removal>, AppError> {
    if touched.is_empty() {
        return Ok(None);
    }
    view(tx, row(String::new(), actor, at), touched).map(Some)
}

/// The removals that a device waits for.
pub(super) fn of_device(tx: &mut Tx<'_>, device: DeviceId) -> Result<Vec<RemovalRow>, StoreError> {
    muster_store::removal::of_device(tx, device)
}

fn row(id: String, actor: &str, at: Timestamp) -> RemovalRow {
    RemovalRow { id, cause: "an import took labels away".to_owned(), asked_by: actor.to_owned(), at }
}

fn view(tx: &mut Tx<'_>, row: RemovalRow, touched: &[Touched]) -> Result<Removal, AppError> {
    let mut names = Vec::new();
    for device in touched.iter().take(NAMES) {
        names.extend(muster_store::device::get(tx, device.device)?.map(|device| device.name));
    }
    let all = |of: fn(&Touched) -> &BTreeSet<String>| -> Vec<String> {
        touched.iter().flat_map(of).collect::<BTreeSet<_>>().into_iter().cloned().collect()
    };
    Ok(Removal {
        id: row.id,
        cause: row.cause,
        by: row.asked_by,
        at: row.at,
        profiles: all(|device| &device.profiles),
        labels: all(|device| &device.labels),
        devices: touched.len() as u64,
        names,
    })
}
