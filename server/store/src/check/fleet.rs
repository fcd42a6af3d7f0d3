//! Results of checks over all devices that count: none of those that are held, lost or revoked.

use muster_policy::history::Span;
use muster_proto::check::Verdict;
use muster_proto::rest::{Finding, VerdictCounts};
use muster_proto::{DeviceId, Timestamp};

use super::Interval;
use crate::device::LEFT_OUT;
use crate::value::Param;
use crate::{StoreError, Tx};

/// The worst first: what an admin has to look at.
const BADNESS: &str = "CASE c.verdict WHEN 'fail' THEN 0 WHEN 'unknown' THEN 1 WHEN 'pass' THEN 2 ELSE 3 END";

/// As [`BADNESS`], the results of each place beside what covers them: a failure that is accepted comes after what nobody could
/// find out.
const PLACES: [&str; 5] = [
    "c.verdict = 'fail' AND w.waiver IS NULL",
    "c.verdict = 'unknown'",
    "c.verdict = 'fail' AND w.waiver IS NOT NULL",
    "c.verdict = 'pass'",
    "c.verdict = 'not_applicable'",
];

/// What covers a failure now.
const COVER: &str =
    "LEFT JOIN waived w ON w.device = c.device AND w.check_id = c.check_id AND w.to_at IS NULL";

const DAY_MICROS: i64 = 86_400_000_000;

/// What devices found for a check of one revision, and how many did.
pub struct Found {
    /// Which check.
    pub check: String,
    /// The profile.
    pub profile: String,
    /// Its revision.
    pub revision: u32,
    /// The result.
    pub verdict: Verdict,
    /// Devices.
    pub devices: u64,
}

/// A device's present result of a check.
pub struct Checked {
    /// The device's name.
    pub device: String,
    /// Its place among the results, the worst first.
    pub badness: i64,
    /// The result.
    pub interval: Interval,
    /// The waiver that covers it, and since when.
    pub cover: Option<(String, Timestamp)>,
}

/// Which results. Everything that is given has to hold.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of any of these checks.
    pub checks: Vec<String>,
    /// The result.
    pub finding: Option<Finding>,
    /// The profile and revision that ask.
    pub revision: Option<(String, u32)>,
}

/// Which part of a list: after the last row of the page before.
#[derive(Clone, Debug)]
pub struct Window {
    /// Place, device and check of the last row of the page before.
    pub after: Option<(i64, String, String)>,
    /// At most so many rows.
    pub limit: u32,
}

/// All present results, counted; those of one check alone when it is named. Those of devices that are left out are few, and
/// taken off: asking of each result whose it is would take longer than counting.
pub fn found(tx: &mut Tx<'_>, check: Option<&str>) -> Result<Vec<Found>, StoreError> {
    let (narrowed, params) = match check {
        Some(check) => (" AND c.check_id = $1", vec![check.into()]),
        None => ("", Vec::new()),
    };
    let counted = |from: &str| {
        format!(
            "SELECT c.check_id, c.verdict, c.profile, c.revision, COUNT(*) FROM {from} AND c.to_at IS NULL{narrowed}
             GROUP BY c.check_id, c.verdict, c.profile, c.revision
             ORDER BY c.check_id, c.verdict, c.profile, c.revision"
        )
    };
    let read = |row: &crate::Row<'_>| {
        Ok(Found {
            check: row.get(0)?,
            verdict: row.get(1)?,
            profile: row.get(2)?,
            revision: row.get(3)?,
            devices: row.get(4)?,
        })
    };
    let mut all = tx.query(&counted("check_result c WHERE 1 = 1"), &params, read)?;
    let of_left_out =
        "device d CROSS JOIN check_result c WHERE d.state IN ('held', 'lost', 'revoked') AND c.device = d.id";
    let left_out = tx.query(&counted(of_left_out), &params, read)?;
    for found in &mut all {
        found.devices -= left_out.iter().find(|out| out.is_like(found)).map_or(0, |out| out.devices);
    }
    all.retain(|found| found.devices > 0);
    Ok(all)
}

impl Found {
    /// Whether both count the same results.
    fn is_like(&self, other: &Self) -> bool {
        (&self.check, self.verdict, &self.profile, self.revision)
            == (&other.check, other.verdict, &other.profile, other.revision)
    }
}

/// The results of a check that still held at `since` or later, counted by the days on which they began and ended.
pub fn spans(tx: &mut Tx<'_>, check: &str, since: Timestamp) -> Result<Vec<Span>, StoreError> {
    let mut spans = tx.query(
        &format!(
            "SELECT verdict, from_at / $1 AS began, COUNT(*) FROM check_result
             WHERE check_id = $2 AND to_at IS NULL AND device NOT IN {LEFT_OUT} GROUP BY verdict, began"
        ),
        &[DAY_MICROS.into(), check.into()],
        |row| Ok(Span { verdict: row.get(0)?, from: row.get(1)?, to: None, devices: row.get(2)? }),
    )?;
    spans.extend(tx.query(
        "SELECT verdict, from_at / $1 AS began, to_at / $1 AS ended, COUNT(*) FROM check_result
         WHERE check_id = $2 AND to_at IS NOT NULL AND to_at >= $3 GROUP BY verdict, began, ended",
        &[DAY_MICROS.into(), check.into(), since.into()],
        |row| Ok(Span { verdict: row.get(0)?, from: row.get(1)?, to: row.get(2)?, devices: row.get(3)? }),
    )?);
    Ok(spans)
}

/// A page of present results, the worst first, then by device. Place by place: the first page is of a few among the results of
/// all devices, and so needs a look at these alone.
pub fn list(tx: &mut Tx<'_>, filter: &Filter, window: &Window) -> Result<Vec<Checked>, StoreError> {
    let first = window.after.as_ref().map_or(0, |(badness, ..)| *badness);
    let mut page = Vec::new();
    for (badness, place) in (0..).zip(PLACES).skip_while(|(badness, _)| *badness < first) {
        let left = window.limit.saturating_sub(u32::try_from(page.len()).unwrap_or(u32::MAX));
        if left == 0 {
            break;
        }
        let mut all = Those::of(filter);
        all.sql.push_str(&format!(" AND {place}"));
        if let Some((_, device, check)) = window.after.as_ref().filter(|(after, ..)| *after == badness) {
            let (device, check) =
                (all.bind(Param::Made(device.clone())), all.bind(Param::Made(check.clone())));
            all.sql.push_str(&format!(
                " AND (d.name > ${device} OR (d.name = ${device} AND c.check_id > ${check}))"
            ));
        }
        let limit = all.bind(left.into());
        let sql = format!(
            "SELECT c.check_id, c.from_at, c.to_at, c.verdict, c.document, d.name, w.waiver, w.from_at
             FROM check_result c JOIN device d ON d.id = c.device {COVER} WHERE {}
             ORDER BY d.name, c.check_id LIMIT ${limit}",
            all.sql
        );
        page.extend(tx.query(&sql, &all.params, |row| {
            let cover = row.get::<Option<String>>(6)?.zip(row.get(7)?);
            Ok(Checked { interval: super::read(row)?, device: row.get(5)?, badness, cover })
        })?);
    }
    Ok(page)
}

/// How many such present results there are.
pub fn total(tx: &mut Tx<'_>, filter: &Filter) -> Result<u64, StoreError> {
    let all = Those::of(filter);
    let sql = format!("SELECT COUNT(*) FROM check_result c {COVER} WHERE {}", all.sql);
    Ok(tx.query_one(&sql, &all.params, |row| row.get(0))?.unwrap_or(0))
}

/// Devices by the worst that any of these checks finds on them.
pub fn worst(tx: &mut Tx<'_>, checks: Vec<String>) -> Result<VerdictCounts, StoreError> {
    let all = Those::of(&Filter { checks, ..Filter::default() });
    let sql = format!(
        "SELECT worst, COUNT(*) FROM (
             SELECT c.device, MIN({BADNESS}) AS worst FROM check_result c {COVER} WHERE {} GROUP BY c.device
         ) AS each_device GROUP BY worst",
        all.sql
    );
    let mut counts = VerdictCounts::default();
    for (worst, devices) in tx.query(&sql, &all.params, |row| Ok((row.get::<i64>(0)?, row.get(1)?)))? {
        *match worst {
            0 => &mut counts.fail,
            1 => &mut counts.unknown,
            2 => &mut counts.pass,
            _ => &mut counts.not_applicable,
        } = devices;
    }
    Ok(counts)
}

/// The results that a check had on a device and that still held at `since` or later, the newest first.
pub fn since(
    tx: &mut Tx<'_>,
    device: DeviceId,
    check: &str,
    since: Timestamp,
    limit: u32,
) -> Result<Vec<Interval>, StoreError> {
    tx.query(
        "SELECT check_id, from_at, to_at, verdict, document FROM check_result
         WHERE device = $1 AND check_id = $2 AND (to_at IS NULL OR to_at >= $3) ORDER BY from_at DESC LIMIT $4",
        &[device.into(), check.into(), since.into(), limit.into()],
        super::read,
    )
}

/// Conditions on results `c` beside what covers them, `w` of [`COVER`], and their parameters, numbered as they come.
struct Those {
    sql: String,
    params: Vec<Param<'static>>,
}

impl Those {
    fn of(filter: &Filter) -> Self {
        let mut all =
            Self { sql: format!("c.to_at IS NULL AND c.device NOT IN {LEFT_OUT}"), params: Vec::new() };
        let places: Vec<_> =
            filter.checks.iter().map(|check| format!("${}", all.bind(Param::Made(check.clone())))).collect();
        all.sql.push_str(&format!(" AND c.check_id IN ({})", places.join(", ")));
        if let Some(finding) = filter.finding {
            let verdict = all.bind(finding.verdict().into());
            all.sql.push_str(&format!(" AND c.verdict = ${verdict}"));
        }
        match filter.finding {
            Some(Finding::Waived) => all.sql.push_str(" AND w.waiver IS NOT NULL"),
            Some(Finding::Unwaived) => all.sql.push_str(" AND w.waiver IS NULL"),
            _ => {}
        }
        if let Some((profile, revision)) = &filter.revision {
            let (profile, revision) = (all.bind(Param::Made(profile.clone())), all.bind((*revision).into()));
            all.sql.push_str(&format!(" AND c.profile = ${profile} AND c.revision = ${revision}"));
        }
        all
    }

    fn bind(&mut self, param: Param<'static>) -> usize {
        self.params.push(param);
        self.params.len()
    }
}
