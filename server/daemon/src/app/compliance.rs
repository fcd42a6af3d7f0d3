//! How the fleet stands.

use muster_policy::comply;
use muster_policy::rights::ViewRight;
use muster_proto::Timestamp;
use muster_proto::check::{CheckResult, MAX_EVIDENCE, Verdict};
use muster_proto::report::{Outcome, OutcomeKind};
use muster_proto::rest::{CauseGroup, ComplianceReport, Day, Overview};
use muster_store::device::{Filter, Sort, Window};
use muster_store::{StoreError, Tx};

use super::{App, AppError, device, needs, page};

/// Days of history on the first page.
const DAYS: u32 = 30;
/// Causes on the first page.
const CAUSES: u32 = 20;
/// Names that stand for a cause.
const EXAMPLES: u32 = 3;

impl App {
    /// The first page: numbers, funnel, what waits, causes, and thirty days.
    pub(crate) async fn overview(&self, _right: &ViewRight) -> Result<Overview, AppError> {
        let (now, presence) = (self.now(), self.presence().clone());
        self.store()
            .read(move |tx| {
                let counts = muster_store::device::counts(tx, None, now)?;
                let left_out = muster_store::device::left_out(tx, None, now)?;
                let causes = causes(tx)?;
                Ok(Overview {
                    sentence: comply::sentence(&counts, &left_out),
                    funnel: muster_store::device::stages(tx)?,
                    needs_you: needs::of(tx, &causes, &presence, now)?,
                    causes,
                    days: days(tx, &counts, now)?,
                    counts,
                    left_out,
                })
            })
            .await
    }

    /// A row a device, the worst first, page by page; all or those with a label.
    pub(crate) async fn compliance(
        &self,
        _right: &ViewRight,
        label: Option<String>,
        cursor: Option<String>,
        limit: u32,
    ) -> Result<ComplianceReport, AppError> {
        let after: Option<(i64, String)> = cursor.as_deref().map(page::read).transpose()?;
        let (now, limit, presence) = (self.now(), page::limit(limit), self.presence().clone());
        self.store()
            .read(move |tx| {
                let counts = muster_store::device::counts(tx, label.as_deref(), now)?;
                let left_out = muster_store::device::left_out(tx, label.as_deref(), now)?;
                let filter = Filter { label, managed: true, ..Filter::default() };
                let window = Window { sort: Sort::Compliance, after, limit: limit + 1 };
                let rows = muster_store::device::list(tx, &filter, &window, now)?;
                let page = page::cut(rows, limit, counts.total, |(number, row)| (*number, row.name.clone()));
                let devices = page.items.into_iter().map(|(_, row)| device::view(tx, row, &presence, now));
                let devices = devices.collect::<Result<_, _>>()?;
                Ok(ComplianceReport {
                    sentence: comply::sentence(&counts, &left_out),
                    counts,
                    left_out,
                    devices,
                    next: page.next,
                })
            })
            .await
    }
}

/// The date of a time, in UTC, such as `2026-11-23`.
pub(super) fn date(at: Timestamp) -> String {
    at.to_string().chars().take("2026-11-23".len()).collect()
}

/// Recorded days, and how it is now in place of what was last recorded today. A day on which no device could comply has no
/// data, and is left out as one on which nothing was recorded.
fn days(
    tx: &mut Tx<'_>,
    counts: &muster_proto::rest::ComplianceCounts,
    now: Timestamp,
) -> Result<Vec<Day>, StoreError> {
    let today = date(now);
    let mut days = muster_store::day::list(tx, DAYS)?;
    days.retain(|day| day.date != today);
    days.push(Day { date: today, counts: counts.clone() });
    days.retain(|day| day.counts.total > 0);
    let surplus = days.len().saturating_sub(DAYS as usize);
    Ok(days.split_off(surplus))
}

fn causes(tx: &mut Tx<'_>) -> Result<Vec<CauseGroup>, StoreError> {
    let mut causes = Vec::new();
    for trouble in muster_store::outcome::troubles(tx, CAUSES)? {
        let examples = muster_store::outcome::examples(tx, &trouble, EXAMPLES)?;
        let reason = examples.iter().find_map(|(_, document)| {
            serde_json::from_str::<Outcome>(document).ok().and_then(|outcome| outcome.reason)
        });
        let word = outcome_word(trouble.outcome);
        causes.push(CauseGroup {
            subject: trouble.resource,
            kind: "resource".to_owned(),
            word: word_of(trouble.outcome),
            problem: reason.map_or_else(|| word.to_owned(), |reason| format!("{word}: {reason}")),
            profile: pinned(&trouble.profile, trouble.revision),
            devices: trouble.devices,
            examples: examples.into_iter().map(|(name, _)| name).collect(),
        });
    }
    for trouble in muster_store::check::troubles(tx, CAUSES)? {
        let examples = muster_store::check::examples(tx, &trouble, EXAMPLES)?;
        let word = verdict_word(trouble.verdict);
        let reason = examples.iter().find_map(|(_, document)| {
            serde_json::from_str::<CheckResult>(document).ok().and_then(|result| result.reason)
        });
        causes.push(CauseGroup {
            kind: "check".to_owned(),
            word: word_of(trouble.verdict),
            problem: reason.map_or_else(|| word.to_owned(), |reason| format!("{word}: {reason}")),
            profile: pinned(&trouble.profile, trouble.revision),
            devices: trouble.devices,
            examples: examples.into_iter().map(|(name, _)| name).collect(),
            subject: trouble.check,
        });
    }
    causes.sort_by(|a, b| b.devices.cmp(&a.devices).then_with(|| a.subject.cmp(&b.subject)));
    causes.truncate(CAUSES as usize);
    Ok(causes)
}

/// A profile and revision as `base@3`; nothing for what no profile asks for.
pub(super) fn pinned(profile: &str, revision: u32) -> Option<String> {
    (!profile.is_empty()).then(|| format!("{profile}@{revision}"))
}

/// An enum of the API as the word it is there, such as `not_applicable`.
fn word_of(value: impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

/// What became of a resource, in a word.
pub(super) fn outcome_word(outcome: OutcomeKind) -> &'static str {
    match outcome {
        OutcomeKind::Kept => "kept",
        OutcomeKind::Repaired => "repaired",
        OutcomeKind::Drifted => "drifted",
        OutcomeKind::Waiting => "waiting",
        OutcomeKind::Failed => "failed",
        OutcomeKind::Blocked => "blocked",
        OutcomeKind::NotApplicable => "not applicable",
        OutcomeKind::Unsupported => "not supported by this agent",
    }
}

/// Why a resource is not as it should be, in a sentence.
pub(super) fn outcome_problem(outcome: &Outcome) -> String {
    let word = outcome_word(outcome.outcome);
    match (&outcome.reason, outcome.differences.first()) {
        (Some(reason), _) => format!("{word}: {reason}"),
        (None, Some(first)) => {
            format!("{word}: {} is {}, should be {}", first.attribute, first.from, first.to)
        }
        (None, None) => word.to_owned(),
    }
}

/// A check's result, in words.
pub(super) fn verdict_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "passes",
        Verdict::Fail => "fails",
        Verdict::Unknown => "could not be found out",
        Verdict::NotApplicable => "not applicable",
    }
}

/// Why a result is not a pass, in a sentence.
pub(super) fn verdict_problem(result: &CheckResult) -> String {
    let word = verdict_word(result.verdict);
    match (&result.reason, result.verdict, result.evidence.len()) {
        (Some(reason), _, _) => format!("{word}: {reason}"),
        (None, Verdict::Fail, 0) => format!("{word}: the question found no row, and needs one to pass"),
        (None, Verdict::Fail, 1) => format!("{word}: 1 row should not be there"),
        (None, Verdict::Fail, rows) => {
            let more = if rows >= MAX_EVIDENCE { " or more" } else { "" };
            format!("{word}: {rows}{more} rows should not be there")
        }
        (None, _, _) => word.to_owned(),
    }
}
