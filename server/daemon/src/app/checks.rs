//! Checks and controls over all devices: who asks, what devices find, and how that was before.

use std::collections::{BTreeMap, BTreeSet};

use muster_policy::history;
use muster_policy::rights::ViewRight;
use muster_proto::Timestamp;
use muster_proto::check::{Check, CheckResult};
use muster_proto::rest::{
    CheckDetail, CheckInterval, CheckSummary, CheckedDevice, ControlDetail, Page, VerdictCounts, VerdictDay,
    Waived,
};
use muster_store::check::Interval;
use muster_store::check::fleet::{self, Checked, Filter, Window};
use muster_store::waiver::WaiverRow;
use muster_store::{StoreError, Tx};

use super::compliance::{date, pinned};
use super::detail::rules::Rules;
use super::{App, AppError, device, page};

/// Days of history on a check's page.
const DAYS: u32 = 30;
const DAY_SECONDS: i64 = 86_400;
/// Intervals shown of one check on one device; one that flaps has more, and the newest say so.
const INTERVALS: u32 = 200;

/// A check with everything that is known of it over all devices.
#[derive(Default)]
struct Asked {
    /// As the newest revision that asks it puts it, with that revision's number.
    check: Option<(u32, Check)>,
    /// The revisions that ask it.
    profiles: BTreeSet<(String, u32)>,
    counts: VerdictCounts,
    /// Of the failures, those that are covered.
    waived: u64,
}

impl App {
    /// All checks that are assigned or that results are still of, by name.
    pub(crate) async fn list_checks(&self, _right: &ViewRight) -> Result<Vec<CheckSummary>, AppError> {
        self.store()
            .read(|tx| Ok(asked(tx, None)?.into_iter().map(|(id, each)| each.summary(id)).collect()))
            .await
    }

    /// A check with its question and thirty days.
    pub(crate) async fn show_check(&self, _right: &ViewRight, id: String) -> Result<CheckDetail, AppError> {
        let now = self.now();
        self.store()
            .read(move |tx| {
                let known = asked(tx, Some(&id))?
                    .remove(&id)
                    .ok_or_else(|| AppError::not_found("check", id.as_str()))?;
                let days = days(tx, &id, now)?;
                let check = known.check.as_ref().map(|(_, check)| check);
                Ok(CheckDetail {
                    sql: check.map(|check| check.sql().to_owned()),
                    remediation: check.and_then(|check| check.remediation.clone()),
                    check: known.summary(id),
                    days,
                })
            })
            .await
    }

    /// A control with the checks that give evidence for it.
    pub(crate) async fn show_control(
        &self,
        _right: &ViewRight,
        id: String,
    ) -> Result<ControlDetail, AppError> {
        self.store()
            .read(move |tx| {
                let checks = of_control(tx, &id)?;
                let names = checks.iter().map(|check| check.id.clone()).collect();
                Ok(ControlDetail { devices: fleet::worst(tx, names)?, id, checks })
            })
            .await
    }

    /// One page of what devices find, the worst first: for the checks of the filter, or else for those of a control.
    pub(crate) async fn check_devices(
        &self,
        _right: &ViewRight,
        control: Option<String>,
        mut filter: Filter,
        cursor: Option<String>,
        limit: u32,
    ) -> Result<Page<CheckedDevice>, AppError> {
        let (after, limit) = (cursor.as_deref().map(page::read).transpose()?, page::limit(limit));
        self.store()
            .read(move |tx| {
                if let Some(control) = control {
                    filter.checks = of_control(tx, &control)?.into_iter().map(|check| check.id).collect();
                }
                let total = fleet::total(tx, &filter)?;
                let rows = fleet::list(tx, &filter, &Window { after, limit: limit + 1 })?;
                let page = page::cut(rows, limit, total, |row| {
                    (row.badness, row.device.clone(), row.interval.check.clone())
                });
                let mut waivers = BTreeMap::new();
                let items = page.items.into_iter().map(|row| checked_view(tx, &mut waivers, row));
                Ok(Page { items: items.collect::<Result<_, _>>()?, next: page.next, total })
            })
            .await
    }

    /// The results that a check had on a device in the last thirty days, the newest first.
    pub(crate) async fn check_intervals(
        &self,
        _right: &ViewRight,
        called: String,
        check: String,
    ) -> Result<Vec<CheckInterval>, AppError> {
        let since = self.now().plus_seconds(-i64::from(DAYS) * DAY_SECONDS);
        self.store()
            .read(move |tx| {
                let device = device::find(tx, &called)?;
                let intervals = fleet::since(tx, device.id, &check, since, INTERVALS)?;
                intervals.into_iter().map(interval_view).collect()
            })
            .await
    }
}

impl Asked {
    fn summary(self, id: String) -> CheckSummary {
        let (title, severity, controls) = match self.check {
            Some((_, check)) => (check.title, check.severity, check.controls),
            // A device may report on a check that was never saved here.
            None => (id.clone(), muster_proto::check::Severity::default(), Vec::new()),
        };
        let profiles = self.profiles.iter().filter_map(|(profile, revision)| pinned(profile, *revision));
        CheckSummary {
            profiles: profiles.collect(),
            counts: self.counts,
            waived: self.waived,
            id,
            title,
            severity,
            controls,
        }
    }

    fn asked_by(&mut self, profile: &str, revision: u32, check: Option<&Check>) {
        self.profiles.insert((profile.to_owned(), revision));
        let newest = self.check.as_ref().map_or(0, |(newest, _)| *newest);
        if let Some(check) = check.filter(|_| revision >= newest) {
            self.check = Some((revision, check.clone()));
        }
    }
}

/// Every check with who asks it and what devices find. When one is named, its numbers alone are counted.
fn asked(tx: &mut Tx<'_>, named: Option<&str>) -> Result<BTreeMap<String, Asked>, StoreError> {
    let (mut rules, mut asked) = (Rules::default(), BTreeMap::<String, Asked>::new());
    for found in fleet::found(tx, named)? {
        let check = rules.check(tx, &found.profile, found.revision, &found.check)?;
        let known = asked.entry(found.check).or_default();
        known.asked_by(&found.profile, found.revision, check.as_ref());
        *history::of(&mut known.counts, found.verdict) += found.devices;
    }
    for (check, failures) in muster_store::waiver::covered_by_check(tx, named)? {
        if let Some(known) = asked.get_mut(&check) {
            known.waived = failures;
        }
    }
    for assignment in muster_store::assignment::list(tx)? {
        for check in rules.of(tx, &assignment.profile, assignment.revision.0)? {
            let known = asked.entry(check.id.to_string()).or_default();
            known.asked_by(&assignment.profile, assignment.revision.0, Some(check));
        }
    }
    Ok(asked)
}

fn of_control(tx: &mut Tx<'_>, id: &str) -> Result<Vec<CheckSummary>, AppError> {
    let checks = asked(tx, None)?.into_iter().map(|(check, each)| each.summary(check));
    let checks: Vec<_> = checks.filter(|check| check.controls.iter().any(|control| control == id)).collect();
    if checks.is_empty() { Err(AppError::not_found("control", id)) } else { Ok(checks) }
}

/// A result as it is shown; `waivers` are those that other rows had.
fn checked_view(
    tx: &mut Tx<'_>,
    waivers: &mut BTreeMap<String, WaiverRow>,
    row: Checked,
) -> Result<CheckedDevice, AppError> {
    let result = result_of(&row.interval)?;
    let waived = match row.cover {
        Some((id, since)) => Some(waived(tx, waivers, id, since)?),
        None => None,
    };
    Ok(CheckedDevice {
        device: row.device,
        check: row.interval.check,
        verdict: row.interval.verdict,
        since: row.interval.from,
        profile: format!("{}@{}", result.profile, result.revision),
        evidence: result.evidence,
        reason: result.reason,
        waived,
    })
}

fn waived(
    tx: &mut Tx<'_>,
    waivers: &mut BTreeMap<String, WaiverRow>,
    id: String,
    since: Timestamp,
) -> Result<Waived, AppError> {
    if !waivers.contains_key(&id) {
        let row = muster_store::waiver::get(tx, &id)?
            .ok_or_else(|| AppError::Defect(format!("waiver {id} is missing")))?;
        waivers.insert(id.clone(), row);
    }
    let row = &waivers[&id];
    Ok(Waived { waiver: id, owner: row.owner.clone(), reason: row.reason.clone(), since, until: row.until })
}

fn interval_view(interval: Interval) -> Result<CheckInterval, AppError> {
    let result = result_of(&interval)?;
    Ok(CheckInterval {
        verdict: interval.verdict,
        from: interval.from,
        to: interval.to,
        evidence: result.evidence,
        reason: result.reason,
    })
}

fn result_of(interval: &Interval) -> Result<CheckResult, AppError> {
    serde_json::from_str(&interval.document)
        .map_err(|error| AppError::Defect(format!("result of {}: {error}", interval.check)))
}

fn days(tx: &mut Tx<'_>, check: &str, now: Timestamp) -> Result<Vec<VerdictDay>, StoreError> {
    let today = now.seconds().div_euclid(DAY_SECONDS);
    let since = now.plus_seconds(-i64::from(DAYS) * DAY_SECONDS);
    let days = history::days(&fleet::spans(tx, check, since)?, today, DAYS);
    let dated =
        |(day, counts)| VerdictDay { date: date(now.plus_seconds((day - today) * DAY_SECONDS)), counts };
    Ok(days.into_iter().map(dated).collect())
}
