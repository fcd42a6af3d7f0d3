//! One device in depth: why it is not compliant, its resources, checks, history and tables.

use std::cmp::Reverse;

use muster_policy::rights::ViewRight;
use muster_proto::cost::Cost;
use muster_proto::report::{Outcome, Pause};
use muster_proto::rest::{
    CheckView, DeviceDetail, DeviceState, HistoryEntry, Page, PendingClaims, ResourceView, TableView,
};
use muster_proto::told::Told;
use muster_proto::{DeviceId, Timestamp};
use muster_store::device::DeviceRow;
use muster_store::outcome::OutcomeRow;
use muster_store::report::EventRow;
use muster_store::{StoreError, Tx};
use serde_json::{Map, Value};

use super::{App, AppError, device, hold, lost, page, removal, waiver};

mod away;
mod bad_days;
mod cause;
pub(super) mod rules;

pub(super) use away::refused;
pub(super) use rules::Rules;

impl App {
    /// A device with what keeps it from being compliant.
    pub(crate) async fn show_device(
        &self,
        _right: &ViewRight,
        called: String,
    ) -> Result<DeviceDetail, AppError> {
        let (now, presence) = (self.now(), self.presence().clone());
        self.store()
            .read(move |tx| {
                let row = device::find(tx, &called)?;
                let view = device::view(tx, row.clone(), &presence, now)?;
                let assignments = cause::assignments(tx, row.id)?;
                let paused = hold::of_device(tx, &row, now)?;
                let removals = removal::of_device(tx, row.id)?;
                let mut causes = cause::of(tx, &row, &view, &assignments)?;
                causes.extend(cause::of_holds(&row, paused.as_ref(), &removals));
                causes.splice(0..0, bad_days::causes(tx, &row, now)?);
                Ok(DeviceDetail {
                    causes,
                    paused,
                    removals: removals.into_iter().map(|removal| removal.id).collect(),
                    reenroll_until: muster_store::reenrollment::until(tx, row.id)?
                        .filter(|until| *until > now),
                    facts: serde_json::from_str(&row.facts).unwrap_or_default(),
                    certificate_not_after: muster_store::certificate::newest_end(tx, row.id)?,
                    assignments,
                    paused_there: paused_there(tx, row.id)?,
                    passwords: muster_store::password::accounts(tx, row.id)?,
                    waived: waiver::of_device(tx, row.id)?,
                    pending: pending(tx, &row)?,
                    lost: lost::view(tx, row.id)?,
                    twins: muster_store::boot::twins(tx, row.id)?,
                    old_certificate: muster_store::stray::old_certificate(tx, row.id)?,
                    cost: cost(tx, row.id)?,
                    late_return: muster_store::stray::late_return(tx, row.id)?,
                    device: view,
                })
            })
            .await
    }

    /// What became of each of its resources.
    pub(crate) async fn device_resources(
        &self,
        _right: &ViewRight,
        called: String,
    ) -> Result<Vec<ResourceView>, AppError> {
        self.store()
            .read(move |tx| {
                let device = device::find(tx, &called)?;
                muster_store::outcome::of_device(tx, device.id)?.iter().map(resource_view).collect()
            })
            .await
    }

    /// The results of its checks.
    pub(crate) async fn device_checks(
        &self,
        _right: &ViewRight,
        called: String,
    ) -> Result<Vec<CheckView>, AppError> {
        self.store()
            .read(move |tx| {
                let device = device::find(tx, &called)?;
                check_views(tx, &device)
            })
            .await
    }

    /// What happened on it, the newest first.
    pub(crate) async fn device_history(
        &self,
        _right: &ViewRight,
        called: String,
        cursor: Option<String>,
        limit: u32,
    ) -> Result<Page<HistoryEntry>, AppError> {
        let before: Option<(i64, u64)> = cursor.as_deref().map(page::read).transpose()?;
        let before = before.map_or((Timestamp::MAX, u64::MAX), |(at, sequence)| {
            (Timestamp::from_micros(at).unwrap_or(Timestamp::MAX), sequence)
        });
        let limit = page::limit(limit);
        self.store()
            .read(move |tx| {
                let device = device::find(tx, &called)?;
                let total = muster_store::report::count(tx, device.id)?;
                let rows = muster_store::report::history(tx, device.id, before, limit + 1)?;
                let page = page::cut(rows, limit, total, |row| (row.recorded.micros(), row.sequence));
                let mut items: Vec<HistoryEntry> = page.items.into_iter().map(history_entry).collect();
                // What is told in one, or came over a link that was down, is recorded after what happened later.
                items.sort_by_key(|entry| Reverse(entry.at));
                Ok(Page { items, next: page.next, total })
            })
            .await
    }

    /// A table as it was last reported.
    pub(crate) async fn device_table(
        &self,
        _right: &ViewRight,
        called: String,
        table: String,
    ) -> Result<TableView, AppError> {
        self.store()
            .read(move |tx| {
                let device = device::find(tx, &called)?;
                let section = muster_store::report::section(tx, device.id, &format!("table:{table}"))?;
                let Some((document, reported)) = section else {
                    return Ok(TableView {
                        name: table,
                        reported: None,
                        columns: Vec::new(),
                        rows: Vec::new(),
                    });
                };
                let document = serde_json::from_str(&document)
                    .map_err(|error| AppError::Defect(format!("table {table}: {error}")))?;
                let (columns, rows) = table_of(document);
                Ok(TableView { name: table, reported: Some(reported), columns, rows })
            })
            .await
    }
}

/// The pause that the owner began on the device, as it last said.
pub(super) fn paused_there(tx: &mut Tx<'_>, device: DeviceId) -> Result<Option<Pause>, StoreError> {
    let section = muster_store::report::section(tx, device, Pause::SECTION)?;
    Ok(section.and_then(|(document, _)| serde_json::from_str(&document).unwrap_or_default()))
}

/// What its agent spends, as it last said; nothing of an agent that does not say.
fn cost(tx: &mut Tx<'_>, device: DeviceId) -> Result<Cost, StoreError> {
    let section = muster_store::report::section(tx, device, Cost::SECTION)?;
    Ok(section.and_then(|(document, _)| serde_json::from_str(&document).ok()).unwrap_or_default())
}

fn pending(tx: &mut Tx<'_>, device: &DeviceRow) -> Result<Option<PendingClaims>, StoreError> {
    let oldest = muster_store::enrollment::pending_of_device(tx, device.id)?.into_iter().next();
    Ok(oldest.map(|row| {
        let claims: muster_proto::enrollment::EnrollmentClaims =
            serde_json::from_str(&row.claims).unwrap_or_default();
        PendingClaims {
            code: row.code,
            serial: claims.serial,
            hostname: claims.hostname,
            model: claims.model,
            address: row.address,
            since: row.since,
        }
    }))
}

fn resource_view(row: &OutcomeRow) -> Result<ResourceView, AppError> {
    let outcome: Outcome = serde_json::from_str(&row.document)
        .map_err(|error| AppError::Defect(format!("outcome of {}: {error}", row.resource)))?;
    Ok(ResourceView {
        resource: row.resource.clone(),
        outcome: outcome.outcome,
        since: row.since,
        profile: outcome.profile,
        revision: outcome.revision,
        assignment: outcome.assignment,
        mode: outcome.mode,
        differences: outcome.differences,
        reason: outcome.reason,
        note: outcome.note,
        overrides: outcome.overrides,
    })
}

fn check_views(tx: &mut Tx<'_>, device: &DeviceRow) -> Result<Vec<CheckView>, AppError> {
    let results = match device.state {
        DeviceState::Lost | DeviceState::Revoked => muster_store::check::last(tx, device.id)?,
        _ => muster_store::check::now(tx, device.id)?,
    };
    let waived = waiver::of_device(tx, device.id)?;
    let mut rules = Rules::default();
    let mut views = Vec::new();
    for interval in results {
        let result: muster_proto::check::CheckResult = serde_json::from_str(&interval.document)
            .map_err(|error| AppError::Defect(format!("result of {}: {error}", interval.check)))?;
        let check = rules.check(tx, &result.profile, result.revision, &result.id)?;
        views.push(CheckView {
            title: check.as_ref().map_or_else(|| result.id.clone(), |check| check.title.clone()),
            severity: check.as_ref().map(|check| check.severity).unwrap_or_default(),
            controls: check.as_ref().map(|check| check.controls.clone()).unwrap_or_default(),
            remediation: check.and_then(|check| check.remediation),
            waiver: waived
                .iter()
                .find(|waived| waived.check == result.id)
                .map(|waived| waived.waiver.clone()),
            id: result.id,
            verdict: result.verdict,
            since: interval.from,
            profile: result.profile,
            revision: result.revision,
            evidence: result.evidence,
            reason: result.reason,
        });
    }
    Ok(views)
}

/// Whether there is a check of this id: in a newest revision, or as a device once reported it.
pub(super) fn check_exists(tx: &mut Tx<'_>, id: &str) -> Result<bool, StoreError> {
    if muster_store::check::was_ever(tx, id)? {
        return Ok(true);
    }
    let mut rules = Rules::default();
    for profile in muster_store::profile::list(tx)? {
        if rules.check(tx, &profile.name, profile.newest.0, id)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn history_entry(row: EventRow) -> HistoryEntry {
    let document: Value = serde_json::from_str(&row.document).unwrap_or_default();
    let Told { event, text, resource, differences } = Told::of(&document);
    HistoryEntry { at: row.at, recorded: row.recorded, event, text, resource, differences }
}

/// A table's columns and rows, whether it came as `{columns, rows}` or as a list of objects.
pub(super) fn table_of(document: Value) -> (Vec<String>, Vec<Vec<Value>>) {
    if let Some(error) = document["error"].as_str() {
        return (vec!["error".to_owned()], vec![vec![error.into()]]);
    }
    let columns: Option<Vec<String>> = serde_json::from_value(document["columns"].clone()).ok();
    let objects = |rows: &Value| serde_json::from_value::<Vec<Map<String, Value>>>(rows.clone()).ok();
    let rows = if document.is_array() { &document } else { &document["rows"] };
    if let Some(objects) = objects(rows) {
        let columns = columns
            .unwrap_or_else(|| objects.first().map(|row| row.keys().cloned().collect()).unwrap_or_default());
        let rows = objects
            .into_iter()
            .map(|mut row| columns.iter().map(|column| row.remove(column).unwrap_or_default()).collect())
            .collect();
        return (columns, rows);
    }
    (columns.unwrap_or_default(), serde_json::from_value(rows.clone()).unwrap_or_default())
}
