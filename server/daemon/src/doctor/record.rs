//! The database: whether it is whole, what it says of the past, and whether that was tampered with.

use muster_proto::Timestamp;
use muster_proto::rest::AuditEntry;
use muster_store::audit::{self, Broken};
use muster_store::{Store, StoreError, Tx};

use super::finding::Finding;
use crate::config::DataFolder;

/// Clocks drift by less.
const SLACK: i64 = 60;
/// One is to be made every day; a week without is more than a bad weekend.
const BACKUP_AGE: i64 = 7 * 86_400;

/// Looks at the database, and brings its schema up to date by no means.
pub(super) async fn all(folder: &DataFolder, now: Timestamp) -> Vec<Finding> {
    const REMEDY: &str =
        "keep a copy of the data folder as it is, then restore the last backup into a new one";
    let path = folder.database();
    let examined = match muster_store::examine(&path) {
        Ok(examined) => examined,
        Err(error) => {
            return vec![Finding::failed("database", format!("{:#}", anyhow::Error::from(error)), REMEDY)];
        }
    };
    let whole = match examined.faults.first() {
        None => Finding::ok("database", "whole"),
        Some(fault) => Finding::failed("database", format!("damaged, {fault}"), REMEDY),
    };
    let schema = judge_schema(examined.schema, muster_store::newest_schema());
    let mut findings = vec![whole, schema];
    if examined.faults.is_empty() && examined.schema == muster_store::newest_schema() {
        findings.extend(look_back(folder, now).await);
    }
    findings
}

fn judge_schema(found: i64, known: i64) -> Finding {
    const CHECK: &str = "schema";
    let detail = format!("{found}, this program knows {known}");
    match found.cmp(&known) {
        std::cmp::Ordering::Equal => Finding::ok(CHECK, format!("{found}, the newest")),
        std::cmp::Ordering::Less => {
            let remedy = "restart the server, which brings it up to date; the past was not looked at";
            Finding::warning(CHECK, detail, remedy)
        }
        std::cmp::Ordering::Greater => {
            Finding::failed(CHECK, detail, "install the newer muster-server again, or restore a backup")
        }
    }
}

async fn look_back(folder: &DataFolder, now: Timestamp) -> Vec<Finding> {
    let looked = match Store::open(&folder.database()) {
        Ok(store) => store.read(read).await.map_err(anyhow::Error::from),
        Err(error) => Err(error.into()),
    };
    match looked {
        Ok(past) => {
            vec![judge_chain(past.chain), judge_clock(past.newest, now), judge_backup(past.backup, now)]
        }
        Err(error) => {
            vec![Finding::failed("audit", format!("can't be read: {error:#}"), "restore the last backup")]
        }
    }
}

/// What the record says of the past.
struct Past {
    chain: Result<u64, Broken>,
    newest: Option<Timestamp>,
    backup: Option<Timestamp>,
}

fn read(tx: &mut Tx<'_>) -> Result<Past, StoreError> {
    let newest = audit::list(tx, None, 1)?.first().map(|entry| entry.at);
    let made = audit::latest(tx, "server.backup", "server")?.map(|entry| entry.at);
    // A record that was put back knows nothing of its backup but by the restore.
    let restored = audit::latest(tx, "server.restore", "server")?.and_then(|entry| backup_of(&entry));
    Ok(Past { chain: audit::verify(tx)?, newest, backup: made.max(restored) })
}

fn backup_of(restore: &AuditEntry) -> Option<Timestamp> {
    restore.detail.get("backup")?.as_str()?.parse().ok()
}

fn judge_chain(chain: Result<u64, Broken>) -> Finding {
    const CHECK: &str = "audit";
    match chain {
        Ok(entries) => Finding::ok(CHECK, format!("{entries} entries, each follows from the one before it")),
        Err(Broken { id }) => {
            let remedy = "somebody wrote to the database: compare with the journal and with backups";
            Finding::failed(CHECK, format!("entry {id} does not follow from the one before it"), remedy)
        }
    }
}

fn judge_clock(newest: Option<Timestamp>, now: Timestamp) -> Finding {
    const CHECK: &str = "clock";
    match newest {
        Some(newest) if newest > now.plus_seconds(SLACK) => Finding::failed(
            CHECK,
            format!("{now}, and something happened at {newest}"),
            "set the clock, or wait for NTP",
        ),
        _ => Finding::ok(CHECK, "not behind what was recorded last"),
    }
}

fn judge_backup(made: Option<Timestamp>, now: Timestamp) -> Finding {
    const CHECK: &str = "backup";
    const REMEDY: &str = "run muster-server backup every day, and keep it elsewhere";
    match made {
        None => Finding::warning(CHECK, "none was ever made", REMEDY),
        Some(made) if made.plus_seconds(BACKUP_AGE) < now => {
            Finding::warning(CHECK, format!("the last one is of {made}"), REMEDY)
        }
        Some(made) => Finding::ok(CHECK, format!("the last one is of {made}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::State;
    use super::*;

    fn day(day: i64) -> Timestamp {
        Timestamp::default().plus_seconds(day * 86_400)
    }

    #[test]
    fn a_clock_behind_the_record_fails() {
        assert_eq!(judge_clock(Some(day(2)), day(1)).state, State::Failed);
        assert_eq!(judge_clock(Some(day(1)), day(1)).state, State::Ok);
        assert_eq!(judge_clock(None, day(1)).state, State::Ok);
    }

    #[test]
    fn no_backup_and_an_old_one_warn() {
        assert_eq!(judge_backup(None, day(100)).state, State::Warning);
        assert_eq!(judge_backup(Some(day(92)), day(100)).state, State::Warning);
        assert_eq!(judge_backup(Some(day(94)), day(100)).state, State::Ok);
    }

    #[test]
    fn an_older_schema_warns_and_a_newer_one_fails() {
        let states = [2, 3, 4].map(|found| judge_schema(found, 3).state);
        assert_eq!(states, [State::Warning, State::Ok, State::Failed]);
    }
}
