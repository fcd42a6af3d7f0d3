//! Waivers: made, listed and ended, and the failures that they cover kept true.

use std::collections::BTreeMap;

use muster_policy::rights::{AdminRight, ViewRight};
use muster_policy::waiver::{self as policy, InvalidWaiver, Waiver};
use muster_proto::rest::{NewWaiver, WaivedCheck, WaiverView};
use muster_proto::{DeviceId, Timestamp};
use muster_store::waiver::WaiverRow;
use muster_store::{StoreError, Tx, waiver};
use serde_json::json;

use super::assign::{read_target, target, target_view};
use super::audit::{self, Act};
use super::{App, AppError, detail, recompile, secret};

impl From<InvalidWaiver> for AppError {
    fn from(error: InvalidWaiver) -> Self {
        Self::Invalid(error.to_string())
    }
}

/// Which waivers are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// Those in force.
    InForce,
    /// All that ever were.
    All,
}

impl App {
    /// Waivers: those in force, the next to end first, or all that ever were, the newest first.
    pub(crate) async fn list_waivers(
        &self,
        _right: &ViewRight,
        which: Which,
    ) -> Result<Vec<WaiverView>, AppError> {
        self.store()
            .read(move |tx| {
                let rows = match which {
                    Which::InForce => waiver::in_force(tx)?,
                    Which::All => waiver::list(tx)?,
                };
                rows.into_iter().map(|row| view(tx, row)).collect()
            })
            .await
    }

    /// Accepts the failure of a check; devices that it covers are judged anew.
    pub(crate) async fn waive(&self, right: &AdminRight, new: NewWaiver) -> Result<WaiverView, AppError> {
        let (at, actor) = (self.now(), right.actor().to_owned());
        policy::check(&new.check)?;
        let until = policy::end(new.until, new.seconds, at)?;
        let reason = policy::reason(&new.reason)?;
        let owner = policy::owner(new.owner.as_deref().unwrap_or(&actor), &actor)?;
        self.store()
            .write(move |tx| {
                if !detail::check_exists(tx, &new.check)? {
                    return Err(AppError::not_found("check", &new.check));
                }
                let (target_kind, target) = read_target(tx, &new.target)?;
                let same = |row: &&WaiverRow| {
                    row.check == new.check && row.target_kind == target_kind && row.target == target
                };
                if let Some(there) = waiver::in_force(tx)?.iter().find(same) {
                    return Err(AppError::Taken(format!(
                        "{} waives it there already until {}: end it first (muster waiver end {0})",
                        there.id,
                        there.until.whole_seconds()
                    )));
                }
                let row = WaiverRow {
                    id: secret::id("wa-"),
                    check: new.check.clone(),
                    target_kind,
                    target,
                    owner,
                    reason,
                    created_by: actor.clone(),
                    created: at,
                    until,
                    ended: None,
                    ended_by: None,
                };
                waiver::insert(tx, &row)?;
                judge_failing(tx, &row.check, at)?;
                let view = view(tx, row)?;
                audit::write(
                    tx,
                    Act { at, actor: &actor, action: "waiver.create" },
                    &view.id,
                    describe(&view),
                )?;
                Ok(view)
            })
            .await
    }

    /// Ends a waiver before its time; what it covered fails again.
    pub(crate) async fn end_waiver(&self, right: &AdminRight, id: String) -> Result<WaiverView, AppError> {
        let (at, actor) = (self.now(), right.actor().to_owned());
        self.store()
            .write(move |tx| {
                let row = waiver::get(tx, &id)?.ok_or_else(|| AppError::not_found("waiver", &id))?;
                if let Some(ended) = row.ended {
                    return Err(AppError::Invalid(format!(
                        "{id} ended already, at {}",
                        ended.whole_seconds()
                    )));
                }
                end(tx, &row, Act { at, actor: &actor, action: "waiver.end" })
            })
            .await
    }

    /// Ends the waivers whose time is over. To be called every [`super::pause::LOOK`].
    pub(crate) async fn end_waivers(&self) -> Result<(), AppError> {
        let at = self.now();
        if self.store().read(move |tx| over(tx, at)).await?.is_empty() {
            return Ok(());
        }
        self.store()
            .write(move |tx| {
                for row in over(tx, at)? {
                    end(tx, &row, Act { at, actor: "server", action: "waiver.end" })?;
                }
                Ok(())
            })
            .await
    }
}

fn over(tx: &mut Tx<'_>, now: Timestamp) -> Result<Vec<WaiverRow>, StoreError> {
    let mut rows = waiver::in_force(tx)?;
    rows.retain(|row| row.until <= now);
    Ok(rows)
}

/// Ends a waiver; what it covered fails again.
pub(super) fn end(tx: &mut Tx<'_>, row: &WaiverRow, act: Act<'_>) -> Result<WaiverView, AppError> {
    let covered = waiver::covered(tx, &row.id)?;
    waiver::end(tx, &row.id, act.actor, act.at)?;
    judge_failing(tx, &row.check, act.at)?;
    let row = waiver::get(tx, &row.id)?.ok_or_else(|| AppError::not_found("waiver", &row.id))?;
    let view = view(tx, row)?;
    let detail = json!({"check": view.check, "target": view.target, "until": view.until, "devices": covered});
    audit::write(tx, act, &view.id, detail)?;
    Ok(view)
}

fn describe(view: &WaiverView) -> serde_json::Value {
    json!({
        "check": view.check, "target": view.target, "owner": view.owner, "reason": view.reason,
        "until": view.until, "devices": view.devices,
    })
}

fn judge_failing(tx: &mut Tx<'_>, check: &str, at: Timestamp) -> Result<(), AppError> {
    for device in waiver::failing(tx, check)? {
        recompile::judge(tx, device, at)?;
    }
    Ok(())
}

/// Brings what is covered on a device up to date with what fails and what is waived; gives how many failures are covered.
pub(super) fn cover(tx: &mut Tx<'_>, device: DeviceId, at: Timestamp) -> Result<u32, StoreError> {
    let waivers = waiver::of_failing(tx, device)?;
    let covers = waiver::covers(tx, device)?;
    if waivers.is_empty() && covers.is_empty() {
        return Ok(0);
    }
    let labels = muster_store::label::of_device(tx, device)?;
    let known: Vec<Waiver> = waivers.iter().filter_map(in_policy).collect();
    let mut wanted: BTreeMap<&str, &str> = BTreeMap::new();
    for row in &waivers {
        if let Some(covering) = policy::covering(&known, &row.check, device, &labels) {
            wanted.insert(&row.check, &covering.id);
        }
    }
    for cover in &covers {
        if wanted.get(cover.check.as_str()) != Some(&cover.waiver.as_str()) {
            waiver::end_cover(tx, device, &cover.check, at)?;
        }
    }
    for (check, id) in &wanted {
        if !covers.iter().any(|cover| cover.check == *check && cover.waiver == *id) {
            waiver::begin_cover(tx, device, check, id, at)?;
        }
    }
    Ok(u32::try_from(wanted.len()).unwrap_or(u32::MAX))
}

/// A stored waiver as the policy takes it. One that can't be read covers nothing.
fn in_policy(row: &WaiverRow) -> Option<Waiver> {
    let target = target(&row.target_kind, &row.target)?;
    Some(Waiver { id: row.id.clone(), check: row.check.clone(), target, until: row.until })
}

/// The failures of a device that are covered now, each with its waiver.
pub(super) fn of_device(tx: &mut Tx<'_>, device: DeviceId) -> Result<Vec<WaivedCheck>, AppError> {
    let mut waived = Vec::new();
    for cover in waiver::covers(tx, device)? {
        if let Some(row) = waiver::get(tx, &cover.waiver)? {
            waived.push(WaivedCheck { check: cover.check, since: cover.from, waiver: view(tx, row)? });
        }
    }
    Ok(waived)
}

/// A waiver as it is shown.
pub(super) fn view(tx: &mut Tx<'_>, row: WaiverRow) -> Result<WaiverView, AppError> {
    let defect = || AppError::Defect(format!("waiver {} of {} {:?}", row.id, row.target_kind, row.target));
    let (target, _) = target_view(tx, &target(&row.target_kind, &row.target).ok_or_else(defect)?)?;
    Ok(WaiverView {
        devices: waiver::covered(tx, &row.id)?,
        id: row.id,
        check: row.check,
        target,
        owner: row.owner,
        reason: row.reason,
        created_by: row.created_by,
        created: row.created,
        until: row.until,
        ended: row.ended,
        ended_by: row.ended_by,
    })
}
