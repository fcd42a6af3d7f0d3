//! Reads what a count of checks needs: devices, checks, their results, and what was waived.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use muster_policy::comply;
use muster_policy::controls::{Covered, Found, Record};
use muster_proto::check::{Check, Severity};
use muster_proto::profile::Profile;
use muster_proto::rest::{Compliance, DeviceStanding};
use muster_proto::{DeviceId, Digest, Timestamp};
use muster_store::control::{self, ResultRow};
use muster_store::device::{Sort, Window};
use muster_store::{StoreError, Tx};

use super::filter;
use crate::app::presence::Presence;
use crate::app::{AppError, detail};

/// The most results that are counted at once: each takes some hundred bytes, and the answer a row.
const MAX_RESULTS: u32 = 1_000_000;
/// Devices that are read at once.
const PAGE: u32 = 1_000;

/// A device, as far as counting goes.
pub(super) struct Counted {
    pub(super) labels: BTreeSet<String>,
    pub(super) stands: DeviceStanding,
}

/// What is said of a check, by the newest revision that any device reports on or is asked by.
#[derive(Clone, Debug)]
pub(super) struct Meta {
    pub(super) title: String,
    pub(super) severity: Severity,
    pub(super) controls: Vec<String>,
    pub(super) profile: String,
    pub(super) revision: u32,
}

/// Everything, with devices by number and checks by id.
pub(super) struct Gathered {
    pub(super) devices: Vec<Counted>,
    pub(super) checks: BTreeMap<String, Meta>,
    pub(super) record: Record,
}

/// Reads it. Devices that are only registered, pending or revoked are not counted.
pub(super) fn read(
    tx: &mut Tx<'_>,
    presence: &Presence,
    label: Option<String>,
    since: Timestamp,
    now: Timestamp,
) -> Result<Gathered, AppError> {
    let mut gathered = Gathered { devices: Vec::new(), checks: BTreeMap::new(), record: Record::default() };
    let numbers = devices(tx, &mut gathered, presence, label, now)?;
    let rows = control::results(tx, since, MAX_RESULTS)?;
    if rows.len() >= MAX_RESULTS as usize {
        return Err(AppError::Invalid(format!(
            "more than {MAX_RESULTS} results: ask for fewer days, or by label"
        )));
    }
    let rows: Vec<_> = rows.into_iter().filter_map(|row| Some((*numbers.get(&row.device)?, row))).collect();
    describe(tx, &mut gathered.checks, rows.iter().map(|(_, row)| row))?;
    expect(tx, &mut gathered, &numbers, &rows)?;
    for cover in control::covers(tx, since)? {
        if let Some(device) = numbers.get(&cover.device) {
            let covered = Covered { from: cover.from, to: cover.to, waiver: cover.waiver };
            gathered.record.covered.entry((*device, cover.check)).or_default().push(covered);
        }
    }
    gathered.record.found = rows
        .into_iter()
        .map(|(device, row)| Found {
            device,
            check: row.check,
            from: row.from,
            to: row.to,
            verdict: row.verdict,
        })
        .collect();
    Ok(gathered)
}

fn devices(
    tx: &mut Tx<'_>,
    gathered: &mut Gathered,
    presence: &Presence,
    label: Option<String>,
    now: Timestamp,
) -> Result<BTreeMap<DeviceId, usize>, StoreError> {
    let filter = filter(label);
    let mut numbers = BTreeMap::new();
    let mut window = Window { sort: Sort::Name, after: None, limit: PAGE };
    loop {
        let page = muster_store::device::list(tx, &filter, &window, now)?;
        let Some((number, last)) = page.last() else { return Ok(numbers) };
        window.after = Some((*number, last.name.clone()));
        for (_, row) in page {
            let number = gathered.devices.len();
            let heard = presence.unwritten(row.id);
            let stale_at =
                heard.map_or(row.stale_at, |at| row.stale_at.max(at.plus_seconds(row.stale_after)));
            let compliance = comply::standing(row.compliance, row.state, stale_at, now);
            if compliance == Compliance::Stale {
                gathered.record.stale.insert(number);
            }
            numbers.insert(row.id, number);
            let waived = muster_store::waiver::count(tx, row.id)?;
            let stands = DeviceStanding { device: row.name, compliance, failing: row.failing, waived };
            let labels = muster_store::label::of_device(tx, row.id)?;
            gathered.devices.push(Counted { labels, stands });
        }
    }
}

/// What the revisions that devices report on say of their checks; the newest revision's word holds.
fn describe<'a>(
    tx: &mut Tx<'_>,
    checks: &mut BTreeMap<String, Meta>,
    rows: impl Iterator<Item = &'a ResultRow>,
) -> Result<(), StoreError> {
    let mut rules = detail::Rules::default();
    for row in rows {
        if checks.get(&row.check).is_some_and(|known| known.revision >= row.revision) {
            continue;
        }
        let check = rules.check(tx, &row.profile, row.revision, &row.check)?;
        checks.insert(row.check.clone(), meta(check, &row.check, &row.profile, row.revision));
    }
    Ok(())
}

/// The check may be of a revision that was never saved here: then its id says what there is to say.
fn meta(check: Option<Check>, id: &str, profile: &str, revision: u32) -> Meta {
    let (profile, revision) = (profile.to_owned(), revision);
    match check {
        Some(check) => {
            Meta { title: check.title, severity: check.severity, controls: check.controls, profile, revision }
        }
        None => Meta {
            title: id.to_owned(),
            severity: Severity::default(),
            controls: Vec::new(),
            profile,
            revision,
        },
    }
}

/// Notes which checks devices are asked that they have no result of.
fn expect(
    tx: &mut Tx<'_>,
    gathered: &mut Gathered,
    numbers: &BTreeMap<DeviceId, usize>,
    rows: &[(usize, ResultRow)],
) -> Result<(), StoreError> {
    let present: BTreeSet<(usize, &str)> = rows
        .iter()
        .filter(|(_, row)| row.to.is_none())
        .map(|(device, row)| (*device, row.check.as_str()))
        .collect();
    let mut asked: BTreeMap<Digest, Vec<String>> = BTreeMap::new();
    for (device, digest) in control::documents(tx)? {
        let Some(device) = numbers.get(&device) else { continue };
        let ids = match asked.entry(digest) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(ask(tx, &mut gathered.checks, digest)?),
        };
        for check in ids.iter() {
            if !present.contains(&(*device, check.as_str())) {
                gathered.record.missing.insert((*device, check.clone()));
            }
        }
    }
    Ok(())
}

/// The ids of the checks in a document; those that nobody reported on yet are described by it.
fn ask(
    tx: &mut Tx<'_>,
    checks: &mut BTreeMap<String, Meta>,
    digest: Digest,
) -> Result<Vec<String>, StoreError> {
    let document = muster_store::profile::document(tx, digest)?.unwrap_or_default();
    let Ok((profile, _)) = Profile::read(&document) else { return Ok(Vec::new()) };
    if profile.checks.is_empty() {
        return Ok(Vec::new());
    }
    let revision = control::revision_of(tx, digest)?.map_or(0, |(_, number)| number);
    let mut ids = Vec::new();
    for check in profile.checks {
        let id = check.id.to_string();
        let described = checks.contains_key(&id);
        if !described {
            checks.insert(id.clone(), meta(Some(check), &id, profile.name.as_str(), revision));
        }
        ids.push(id);
    }
    Ok(ids)
}
