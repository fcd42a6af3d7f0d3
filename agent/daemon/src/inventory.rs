//! Questions to the machine as SQL: checks of profiles, the tables that are reported, and an admin's own queries.
//!
//! They are asked of a child process under limits; see `muster_tables::child`. One child answers all questions of a
//! turn and is gone between turns.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use muster_proto::check::{CheckResult, MAX_EVIDENCE, Verdict};
use muster_proto::compose::{ClaimedCheck, Composition};
use muster_proto::wire::MAX_SECTION;
use muster_tables::child::QueryChild;
use muster_tables::rpm::{FILE, FOLDERS};
use muster_tables::{Answer, Limits, QueryError, Root, UnitRow};
use serde_json::{Map, Value};

/// The tables that are reported whole, each with the question that gives its rows in a fixed order.
const REPORTED: [(&str, &str); 8] = [
    (DEB_PACKAGES, "SELECT name, version, arch, source, size FROM deb_packages ORDER BY name, arch"),
    (RPM_PACKAGES, "SELECT name, version, release, epoch, arch, source, size FROM rpm_packages ORDER BY name, version, release, arch"),
    (
        "users",
        "SELECT u.username, u.uid, u.gid, u.description, u.directory, u.shell, s.password_status,
         (SELECT group_concat(g.groupname, ' ') FROM user_groups m JOIN groups g ON g.gid = m.gid WHERE m.uid = u.uid) AS groups
         FROM users u LEFT JOIN shadow s ON s.username = u.username ORDER BY u.uid, u.username",
    ),
    ("groups", "SELECT groupname, gid FROM groups ORDER BY gid, groupname"),
    ("interface_addresses", "SELECT interface, address, mask FROM interface_addresses ORDER BY interface, address"),
    (
        "listening_ports",
        "SELECT DISTINCT p.address, p.port, p.protocol, x.name FROM listening_ports p LEFT JOIN processes x ON x.pid = p.pid
         WHERE p.port > 0 ORDER BY p.port, p.protocol, p.address, x.name",
    ),
    ("mounts", "SELECT path, device, type, flags FROM mounts WHERE type NOT IN ('proc', 'sysfs', 'cgroup', 'cgroup2', 'devpts', 'mqueue') ORDER BY path, device"),
    ("disk_encryption", "SELECT name, uuid, encrypted, type FROM disk_encryption ORDER BY name"),
];

/// Left out where dpkg has no record and rpm has one: it would tell the same of all such machines.
const DEB_PACKAGES: &str = "deb_packages";
/// Reported of a machine where rpm has packages: on others it would tell the same of all that there are none.
const RPM_PACKAGES: &str = "rpm_packages";
/// dpkg's record.
const STATUS: &str = "/var/lib/dpkg/status";

/// What one question may cost.
const LIMITS: Limits = Limits { rows: 20_000, bytes: 2 * 1024 * 1024, deadline: Duration::from_secs(10) };

/// A table as it is reported.
#[derive(serde::Serialize)]
#[serde(untagged)]
enum Reported {
    Rows(Answer),
    Unreadable { error: String },
}

/// Asks all checks of a composition, and says how many microseconds each took.
pub(crate) fn checks(composition: &Composition) -> (Vec<CheckResult>, BTreeMap<String, u64>) {
    let mut child = child();
    let ask = |claimed: &ClaimedCheck| {
        let began = Instant::now();
        let result = check(&mut child, claimed);
        let took = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        ((claimed.check.id.to_string(), took), result)
    };
    let (took, results): (BTreeMap<_, _>, Vec<_>) = composition.checks.values().map(ask).unzip();
    (results, took)
}

/// Reads the tables that are reported: name of the section and its document.
pub(crate) fn tables() -> Vec<(String, Vec<u8>)> {
    let mut child = child();
    let mut read = |sql| match child.ask(sql, &LIMITS) {
        Ok(answer) => Reported::Rows(answer),
        Err(error) => Reported::Unreadable { error: error.to_string() },
    };
    let has_rpms = FOLDERS.iter().any(|folder| Path::new(folder).join(FILE).exists());
    let is_told = |name: &str| match name {
        DEB_PACKAGES => !has_rpms || Path::new(STATUS).exists(),
        RPM_PACKAGES => has_rpms,
        _ => true,
    };
    REPORTED
        .iter()
        .filter(|(name, _)| is_told(name))
        .filter_map(|(name, sql)| Some((format!("table:{name}"), document(&read(sql)).ok()?)))
        .collect()
}

/// A table as a report takes it.
fn document(table: &Reported) -> serde_json::Result<Vec<u8>> {
    let document = serde_json::to_vec(table)?;
    if document.len() <= MAX_SECTION {
        return Ok(document);
    }
    let error = format!("its {} KiB are more than a report takes", document.len() / 1024);
    serde_json::to_vec(&Reported::Unreadable { error })
}

/// Asks one question of an admin at the device itself.
pub(crate) fn query(sql: &str) -> Result<Answer, QueryError> {
    child().ask(sql, &LIMITS)
}

/// Runs as the child: answers questions on standard input until it ends.
pub(crate) fn serve_child() -> ExitCode {
    muster_tables::child::serve(io::stdin().lock(), io::stdout().lock(), Root::system(), units)
}

fn child() -> QueryChild<impl FnMut() -> Command> {
    QueryChild::new(|| {
        // The running image itself, also while an upgrade has already replaced the file on disk.
        let mut command = Command::new("/proc/self/exe");
        command.arg("query-child").env_clear().current_dir("/");
        command
    })
}

fn check(child: &mut QueryChild<impl FnMut() -> Command>, claimed: &ClaimedCheck) -> CheckResult {
    let check = &claimed.check;
    let result = |verdict, evidence, reason| CheckResult {
        id: check.id.to_string(),
        profile: claimed.source.profile.to_string(),
        revision: claimed.source.revision.0,
        verdict,
        evidence,
        reason,
    };
    match child.ask(check.sql(), &LIMITS) {
        Err(error) => result(Verdict::Unknown, vec![], Some(error.to_string())),
        Ok(answer) => {
            let verdict = check.judge(answer.rows.len());
            let evidence = if check.violations.is_some() { evidence(&answer) } else { vec![] };
            result(verdict, evidence, None)
        }
    }
}

fn evidence(answer: &Answer) -> Vec<Map<String, Value>> {
    let object = |row: &Vec<Value>| answer.columns.iter().cloned().zip(row.iter().cloned()).collect();
    answer.rows.iter().take(MAX_EVIDENCE).map(object).collect()
}

/// What `ListUnits` says of one unit, in its order.
type ListedUnit = (
    String,
    String,
    String,
    String,
    String,
    String,
    zbus::OwnedObjectPath,
    u32,
    String,
    zbus::OwnedObjectPath,
);

/// The units that systemd has loaded, over D-Bus.
fn units() -> Result<Vec<UnitRow>, String> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    runtime.block_on(list_units()).map_err(|error| format!("systemd does not answer: {error}"))
}

async fn list_units() -> zbus::Result<Vec<UnitRow>> {
    let bus = zbus::Connection::system().await?;
    let units: Vec<ListedUnit> = manager(&bus, "ListUnits").await?;
    let files: Vec<(String, String)> = manager(&bus, "ListUnitFiles").await?;
    let row = |unit: ListedUnit| {
        let file = files.iter().find(|(path, _)| path.rsplit('/').next() == Some(unit.0.as_str()));
        UnitRow {
            unit_file_state: file.map(|(_, state)| state.clone()).unwrap_or_default(),
            fragment_path: file.map(|(path, _)| path.clone()).unwrap_or_default(),
            id: unit.0,
            description: unit.1,
            load_state: unit.2,
            active_state: unit.3,
            sub_state: unit.4,
            following: unit.5,
            object_path: unit.6.to_string(),
            job_id: i64::from(unit.7),
            job_type: unit.8,
            job_path: unit.9.to_string(),
            ..UnitRow::default()
        }
    };
    Ok(units.into_iter().map(row).collect())
}

async fn manager<T>(bus: &zbus::Connection, method: &str) -> zbus::Result<T>
where
    T: serde::de::DeserializeOwned + zbus::zvariant::Type,
{
    const SYSTEMD: &str = "org.freedesktop.systemd1";
    let interface = "org.freedesktop.systemd1.Manager";
    let reply =
        bus.call_method(Some(SYSTEMD), "/org/freedesktop/systemd1", Some(interface), method, &()).await?;
    reply.body().deserialize()
}
