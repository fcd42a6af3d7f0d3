//! What checks found, counted by device, profile, check, control or label, and the report that proves it.

use std::collections::{BTreeMap, BTreeSet};

use muster_policy::comply;
use muster_policy::controls::{self, Now, worst};
use muster_policy::rights::ViewRight;
use muster_proto::Timestamp;
use muster_proto::rest::{
    By, CheckReport, CheckReportRow, ControlReport, ControlsReport, StandingCounts, StandingsBy, StandingsRow,
};
use muster_store::Tx;
use muster_store::device::Filter;

use super::{App, AppError, waiver};

mod gather;

use gather::{Gathered, Meta};

/// The most days of history.
pub(crate) const MAX_DAYS: u32 = 366;
/// The name of the row for what has no control or label.
const NONE: &str = "-";

/// What is to be in a report.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope {
    /// Only this control.
    pub(crate) control: Option<String>,
    /// Only devices with this label.
    pub(crate) label: Option<String>,
    /// Days of history, today included.
    pub(crate) days: u32,
}

impl App {
    /// What checks found, a row for each of what it is counted by.
    pub(crate) async fn standings_by(
        &self,
        right: &ViewRight,
        by: By,
        label: Option<String>,
        days: u32,
    ) -> Result<StandingsBy, AppError> {
        let (now, presence) = (self.now(), self.presence().clone());
        let since = controls::begin(now, days);
        let turn = self.0.searches.turn_to_count(right.actor()).await?;
        self.store()
            .read(move |tx| {
                let _turn = turn;
                let gathered = gather::read(tx, &presence, label, since, now)?;
                gathered.refuse_too_many(by, days)?;
                Ok(StandingsBy { by, made: now, rows: gathered.rows(by, now, days) })
            })
            .await
    }

    /// The report of a scope, as it is now.
    pub(crate) async fn controls_report(
        &self,
        right: &ViewRight,
        scope: Scope,
    ) -> Result<ControlsReport, AppError> {
        let (now, presence, made_by) = (self.now(), self.presence().clone(), right.actor().to_owned());
        let turn = self.0.searches.turn_to_count(right.actor()).await?;
        self.store()
            .read(move |tx| {
                let _turn = turn;
                let since = controls::begin(now, scope.days);
                let gathered = gather::read(tx, &presence, scope.label.clone(), since, now)?;
                if let Some(control) = &scope.control
                    && !gathered.controls().contains(control)
                {
                    return Err(AppError::not_found("control", control));
                }
                report(tx, &gathered, scope, made_by, now)
            })
            .await
    }
}

fn report(
    tx: &mut Tx<'_>,
    gathered: &Gathered,
    scope: Scope,
    made_by: String,
    now: Timestamp,
) -> Result<ControlsReport, AppError> {
    let devices: Vec<_> = gathered.devices.iter().map(|device| device.stands.clone()).collect();
    let counts = comply::counts(devices.iter().map(|device| (device.compliance, device.waived)));
    let left_out = muster_store::device::left_out(tx, scope.label.as_deref(), now)?;
    let controls = gathered.reports(scope.control.as_deref(), now, scope.days);
    let rows = controls.iter().flat_map(|control| &control.checks).flat_map(|check| &check.rows);
    let named: BTreeSet<_> = rows.filter_map(|row| row.waiver.clone()).collect();
    let mut waivers = Vec::new();
    for row in muster_store::waiver::in_force(tx)? {
        if named.contains(&row.id) {
            waivers.push(waiver::view(tx, row)?);
        }
    }
    Ok(ControlsReport {
        made: now,
        made_by,
        control: scope.control,
        label: scope.label,
        days: scope.days,
        sentence: comply::sentence(&counts, &left_out),
        counts,
        left_out,
        devices,
        controls,
        waivers,
    })
}

/// The most days of all rows together in one answer, some 40 bytes each.
const MAX_CELLS: usize = 500_000;

impl Gathered {
    fn refuse_too_many(&self, by: By, days: u32) -> Result<(), AppError> {
        let rows = match by {
            By::Device => self.devices.len(),
            // Of profiles, controls and labels there are about as many or fewer.
            By::Check | By::Profile | By::Control | By::Label => self.checks.len(),
        };
        let most = MAX_CELLS / rows.max(1);
        if days as usize <= most.max(1) {
            return Ok(());
        }
        Err(AppError::Invalid(format!(
            "{rows} rows of {days} days are too much at once: ask for at most {most} days"
        )))
    }

    fn rows(&self, by: By, now: Timestamp, days: u32) -> Vec<StandingsRow> {
        let numbers: BTreeMap<&str, usize> = self.checks.keys().map(String::as_str).zip(0..).collect();
        let group = |device: usize, check: &str| -> Vec<(String, usize)> {
            let meta = &self.checks[check];
            match by {
                By::Device => vec![(self.devices[device].stands.device.clone(), numbers[check])],
                By::Profile => vec![(meta.profile.clone(), device)],
                By::Check => vec![(check.to_owned(), device)],
                By::Control => each(&meta.controls, device),
                By::Label => each(&self.devices[device].labels, device),
            }
        };
        let present = self.record.now();
        let counts = worst(present.iter().map(|now| (now.device, now.check, now.standing)), group);
        let histories = self.record.days(now, days, group);
        let row = |(name, days): (String, _)| StandingsRow {
            counts: counts.get(&name).copied().unwrap_or_default(),
            name,
            days,
        };
        histories.into_iter().map(row).collect()
    }

    fn controls(&self) -> BTreeSet<String> {
        self.checks.values().flat_map(|meta| meta.controls.iter().cloned()).collect()
    }

    fn reports(&self, only: Option<&str>, now: Timestamp, days: u32) -> Vec<ControlReport> {
        let wanted = |control: &str| only.is_none_or(|only| only == control);
        let group = |device: usize, check: &str| {
            let mut groups = each(&self.checks[check].controls, device);
            groups.retain(|(control, _)| wanted(control));
            groups
        };
        let mut histories = self.record.days(now, days, group);
        let present = self.record.now();
        let counts = worst(present.iter().map(|now| (now.device, now.check, now.standing)), group);
        let mut checks: BTreeMap<String, BTreeMap<&str, Vec<&Now<'_>>>> = BTreeMap::new();
        for now in &present {
            for (control, _) in group(now.device, now.check) {
                checks.entry(control).or_default().entry(now.check).or_default().push(now);
            }
        }
        let mut reports: Vec<_> = checks
            .into_iter()
            .map(|(control, checks)| ControlReport {
                counts: counts.get(&control).copied().unwrap_or_default(),
                days: histories.remove(&control).unwrap_or_default(),
                checks: checks.into_iter().map(|(check, rows)| self.check(check, &rows)).collect(),
                control,
            })
            .collect();
        // What has no control comes last.
        reports.sort_by_key(|report| report.control == NONE);
        reports
    }

    fn check(&self, check: &str, found: &[&Now<'_>]) -> CheckReport {
        let Meta { title, severity, profile, revision, .. } = self.checks[check].clone();
        let mut rows: Vec<_> = found
            .iter()
            .map(|now| CheckReportRow {
                device: self.devices[now.device].stands.device.clone(),
                standing: now.standing,
                since: now.since,
                profile: format!("{profile}@{revision}"),
                waiver: now.waiver.map(str::to_owned),
                note: now.note.map(str::to_owned),
            })
            .collect();
        rows.sort_by(|a, b| a.standing.cmp(&b.standing).then_with(|| a.device.cmp(&b.device)));
        let counts: StandingCounts = rows.iter().map(|row| row.standing).collect();
        CheckReport { check: check.to_owned(), title, severity, counts, rows }
    }
}

/// A thing in each of its groups, or in the one of those without any.
fn each<'a>(groups: impl IntoIterator<Item = &'a String>, thing: usize) -> Vec<(String, usize)> {
    let mut all: Vec<_> = groups.into_iter().map(|group| (group.clone(), thing)).collect();
    if all.is_empty() {
        all.push((NONE.to_owned(), thing));
    }
    all.sort();
    all.dedup();
    all
}

/// The devices that a report is of: those that can comply.
fn filter(label: Option<String>) -> Filter {
    Filter { label, managed: true, ..Filter::default() }
}
