//! Lists and counts of devices: filters, orders and pages by key, so that a page costs the same wherever it is.

use muster_proto::Timestamp;
use muster_proto::rest::{Compliance, ComplianceCounts, DeviceState, LeftOut, Stage};

use super::{COLUMN_COUNT, COLUMNS, DeviceRow, read};
use crate::value::Param;
use crate::{StoreError, Tx};

/// How a device complies, staleness counted in. `$1` is now.
const COMPLIANCE: &str = "CASE WHEN state IN ('enrolled', 'ready') AND compliance <> 'unmanaged' AND stale_at < $1 THEN 'stale' ELSE compliance END";

/// The worst first: what an admin has to look at.
const BADNESS: &str = "CASE WHEN state IN ('enrolled', 'ready') AND compliance <> 'unmanaged' AND stale_at < $1 THEN 1
    WHEN compliance = 'failing' THEN 0 WHEN compliance = 'unknown' THEN 2 WHEN compliance = 'unmanaged' THEN 3 ELSE 4 END";

/// Which devices. Everything that is given has to hold.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Part of the name, serial or owner, in any case.
    pub text: Option<String>,
    /// A label it has.
    pub label: Option<String>,
    /// A profile, any revision of which is in its state.
    pub profile: Option<String>,
    /// Where it is in its life.
    pub state: Option<DeviceState>,
    /// How it complies, staleness counted in; only those that can comply, as in all counts.
    pub compliance: Option<Compliance>,
    /// Only those that can comply: enrolled and ready.
    pub managed: bool,
    /// Only those that assignments and pauses reach: neither lost nor revoked.
    pub reached: bool,
}

/// In which order. Equal ones go by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// By name.
    #[default]
    Name,
    /// Most failures first.
    Failing,
    /// Worst compliance first.
    Compliance,
    /// Heard of last first; never seen after all.
    LastSeen,
    /// Newest registration first.
    Registered,
}

/// Which part of a list: after the last key of the page before.
#[derive(Clone, Debug)]
pub struct Window {
    /// In which order.
    pub sort: Sort,
    /// The sorted number and name of the last row of the page before.
    pub after: Option<(i64, String)>,
    /// At most so many rows.
    pub limit: u32,
}

impl Sort {
    /// A whole number that grows in the order wanted; equal for all when it goes by name alone.
    fn key(self) -> &'static str {
        match self {
            Self::Name => "0",
            Self::Failing => "0 - failing",
            Self::Compliance => BADNESS,
            Self::LastSeen => "0 - COALESCE(last_seen, 0)",
            Self::Registered => "0 - registered",
        }
    }
}

/// Conditions and their parameters, numbered as they come. `$1` is always now.
struct Where {
    sql: String,
    params: Vec<Param<'static>>,
}

impl Where {
    fn new(filter: &Filter, now: Timestamp) -> Self {
        // States that now is a number once, so that `$1` stands first in every statement.
        let mut all = Self { sql: " WHERE $1 >= 0".to_owned(), params: vec![now.into()] };
        if let Some(text) = &filter.text {
            let escaped = text.to_lowercase().replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_");
            let like = all.bind(Param::Made(format!("%{escaped}%")));
            all.sql.push_str(&format!(
                r" AND (LOWER(name) LIKE ${like} ESCAPE '\' OR LOWER(serial) LIKE ${like} ESCAPE '\' OR LOWER(COALESCE(owner, '')) LIKE ${like} ESCAPE '\')"
            ));
        }
        if let Some(label) = &filter.label {
            let label = all.bind(Param::Made(label.clone()));
            all.sql.push_str(&format!(" AND id IN (SELECT device FROM device_label WHERE label = ${label})"));
        }
        if let Some(profile) = &filter.profile {
            let profile = all.bind(Param::Made(profile.clone()));
            all.sql.push_str(&format!(
                " AND state IN ('enrolled', 'ready') AND id IN (SELECT s.device FROM state_document s
                     WHERE s.digest IN (SELECT r.digest FROM revision r WHERE r.profile = ${profile}))"
            ));
        }
        if let Some(state) = filter.state {
            let waits = if state == DeviceState::Pending { WAITS } else { "" };
            let state = all.bind(state.into());
            all.sql.push_str(&format!(" AND (state = ${state}{waits})"));
        }
        if let Some(compliance) = filter.compliance {
            let compliance = all.bind(compliance.into());
            all.sql.push_str(&format!(" AND {COMPLIANCE} = ${compliance}"));
        }
        if filter.reached {
            all.sql.push_str(" AND state NOT IN ('lost', 'revoked')");
        }
        if filter.managed || filter.compliance.is_some() {
            all.sql.push_str(" AND state IN ('enrolled', 'ready')");
        }
        all
    }

    fn bind(&mut self, param: Param<'static>) -> usize {
        self.params.push(param);
        self.params.len()
    }
}

/// A page of devices; with each the number its place in the order was decided by.
pub fn list(
    tx: &mut Tx<'_>,
    filter: &Filter,
    window: &Window,
    now: Timestamp,
) -> Result<Vec<(i64, DeviceRow)>, StoreError> {
    let mut all = Where::new(filter, now);
    let key = window.sort.key();
    if let Some((number, name)) = &window.after {
        let (number, name) = (all.bind((*number).into()), all.bind(Param::Made(name.clone())));
        // By name alone the first half of the comparison says nothing, and would keep the index from being used.
        all.sql.push_str(&match window.sort {
            Sort::Name => format!(" AND ${number} = 0 AND name > ${name}"),
            _ => format!(" AND ({key} > ${number} OR ({key} = ${number} AND name > ${name}))"),
        });
    }
    let order = if window.sort == Sort::Name { "name".to_owned() } else { format!("{key}, name") };
    let limit = all.bind(window.limit.into());
    // Places are sorted first and rows read after: to sort whole rows of a large fleet would be to carry each of them.
    let sql = format!(
        "SELECT {COLUMNS}, page.number FROM (SELECT id AS place, name AS called, {key} AS number
             FROM device{} ORDER BY {order} LIMIT ${limit}) AS page
             CROSS JOIN device WHERE device.id = page.place ORDER BY page.number, page.called",
        all.sql
    );
    tx.query(&sql, &all.params, |row| Ok((row.get(COLUMN_COUNT)?, read(row)?)))
}

/// How many devices there are with this filter.
pub fn total(tx: &mut Tx<'_>, filter: &Filter, now: Timestamp) -> Result<u64, StoreError> {
    let all = Where::new(filter, now);
    let found =
        tx.query_one(&format!("SELECT COUNT(*) FROM device{}", all.sql), &all.params, |row| row.get(0))?;
    Ok(found.unwrap_or(0))
}

/// How devices that can comply do, all or those with a label.
pub fn counts(tx: &mut Tx<'_>, label: Option<&str>, now: Timestamp) -> Result<ComplianceCounts, StoreError> {
    let filter = Filter { label: label.map(str::to_owned), managed: true, ..Filter::default() };
    let all = Where::new(&filter, now);
    let sql = format!("SELECT {COMPLIANCE} AS standing, COUNT(*) FROM device{} GROUP BY standing", all.sql);
    let rows = tx.query(&sql, &all.params, |row| Ok((row.get(0)?, row.get::<u64>(1)?)))?;
    // Asked apart: of few devices, while to ask it of each would be to read all of them whole.
    let waived = format!(
        "SELECT COUNT(*) FROM (SELECT DISTINCT w.device FROM waived w WHERE w.to_at IS NULL) AS covered
             CROSS JOIN device{} AND id = covered.device AND {COMPLIANCE} = 'compliant'",
        all.sql
    );
    let waived = tx.query_one(&waived, &all.params, |row| row.get(0))?.unwrap_or(0);
    let mut counts = ComplianceCounts { waived, ..ComplianceCounts::default() };
    for (compliance, devices) in rows {
        counts.total += devices;
        *match compliance {
            Compliance::Compliant => &mut counts.compliant,
            Compliance::Failing => &mut counts.failing,
            Compliance::Unknown => &mut counts.unknown,
            Compliance::Stale => &mut counts.stale,
            Compliance::Unmanaged => &mut counts.unmanaged,
        } = devices;
    }
    Ok(counts)
}

/// The devices that [`counts`] leaves out though they were in once, all or those with a label.
pub fn left_out(tx: &mut Tx<'_>, label: Option<&str>, now: Timestamp) -> Result<LeftOut, StoreError> {
    let mut of = |state| {
        let filter = Filter { label: label.map(str::to_owned), state: Some(state), ..Filter::default() };
        total(tx, &filter, now)
    };
    Ok(LeftOut {
        held: of(DeviceState::Held)?,
        lost: of(DeviceState::Lost)?,
        revoked: of(DeviceState::Revoked)?,
    })
}

/// Since when a device waits for an admin, which may be long after it was registered.
const WAITS_SINCE: &str = "COALESCE((SELECT MIN(since) FROM pending WHERE pending.device = device.id AND approved = 0), registered)";

/// A device that was let enroll again and waits for an admin still is what it was, for whoever has its old key.
const WAITS: &str =
    " OR EXISTS (SELECT 1 FROM pending WHERE pending.device = device.id AND pending.approved = 0)";

/// The stages of a device's life, each with the device that is in it the longest.
pub fn stages(tx: &mut Tx<'_>) -> Result<Vec<Stage>, StoreError> {
    let mut stages = Vec::new();
    for (stage, since) in [
        (DeviceState::Registered, "registered"),
        (DeviceState::Pending, WAITS_SINCE),
        (DeviceState::Enrolled, "COALESCE(enrolled, registered)"),
        (DeviceState::Ready, "COALESCE(ready, registered)"),
    ] {
        let waits = if stage == DeviceState::Pending { WAITS } else { "" };
        let devices = tx.query_one(
            &format!("SELECT COUNT(*) FROM device WHERE state = $1{waits}"),
            &[stage.into()],
            |row| row.get(0),
        )?;
        let longest: Option<(String, Timestamp)> = tx.query_one(
            &format!(
                "SELECT name, {since} FROM device WHERE state = $1{waits} ORDER BY {since}, name LIMIT 1"
            ),
            &[stage.into()],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let (longest, since) = longest.unzip();
        stages.push(Stage { stage, devices: devices.unwrap_or(0), longest, since });
    }
    Ok(stages)
}
