//! The database: whether it is whole, what it says of the past, whether that was tampered with, and whose it is.

use muster_proto::clock::ClockSkew;
use muster_proto::rest::AuditEntry;
use muster_proto::{Digest, Timestamp};
use muster_store::artifact::ArtifactRow;
use muster_store::audit::{self, Broken};
use muster_store::report;
use muster_store::{OpenError, Store, StoreError, Tx};

use super::artifacts;
use super::finding::Finding;
use crate::ca::{self, Authority};
use crate::config::DataFolder;

/// Clocks drift by less.
const SLACK: i64 = 60;
/// One is to be made every day; a week without is more than a bad weekend.
const BACKUP_AGE: i64 = 7 * 86_400;

/// Looks at the database, and brings its schema up to date by no means.
pub(super) async fn all(folder: &DataFolder, authority: Option<&Authority>, now: Timestamp) -> Vec<Finding> {
    const REMEDY: &str =
        "keep a copy of the data folder as it is, then restore the last backup into a new one";
    let path = folder.database();
    let examined = match muster_store::examine(&path) {
        Ok(examined) => examined,
        // A database that is whole can't be read either while there is no room for what SQLite keeps beside it.
        Err(error @ OpenError::Full { .. }) => {
            let remedy = "make room first, then look again: nothing is known to be damaged";
            return vec![Finding::failed("database", error.to_string(), remedy)];
        }
        Err(error) => {
            return vec![Finding::failed("database", format!("{:#}", anyhow::Error::from(error)), REMEDY)];
        }
    };
    let whole = match examined.faults.first() {
        None => Finding::ok("database", "whole"),
        Some(fault) => Finding::failed("database", format!("damaged, {fault}"), REMEDY),
    };
    let known = muster_store::newest_schema();
    let schema = judge_schema(examined.schema, known, examined.works);
    let mut findings = vec![whole, schema];
    if examined.faults.is_empty() && examined.works && examined.schema >= known {
        findings.extend(look_back(folder, authority, now).await);
    }
    findings
}

fn judge_schema(found: i64, known: i64, works: bool) -> Finding {
    const CHECK: &str = "schema";
    let detail = format!("{found}, this program knows {known}");
    match found.cmp(&known) {
        std::cmp::Ordering::Equal => Finding::ok(CHECK, format!("{found}, the newest")),
        std::cmp::Ordering::Less => {
            let remedy = "restart the server, which brings it up to date; the past was not looked at";
            Finding::warning(CHECK, detail, remedy)
        }
        std::cmp::Ordering::Greater if works => {
            let remedy = "this program works with it; install the newer muster-server again when you can";
            Finding::warning(CHECK, detail, remedy)
        }
        std::cmp::Ordering::Greater => {
            Finding::failed(CHECK, detail, "install the newer muster-server again, or restore a backup")
        }
    }
}

async fn look_back(folder: &DataFolder, authority: Option<&Authority>, now: Timestamp) -> Vec<Finding> {
    let looked = match Store::open(&folder.database()) {
        Ok(store) => store.read(read).await.map_err(anyhow::Error::from),
        Err(error) => Err(error.into()),
    };
    match looked {
        Ok(past) => {
            let clock = judge_clock(past.newest, &past.skews, now);
            let whose = authority.map(|authority| {
                judge_owner(authority.root(), authority.trust_domain().as_str(), past.issuers.as_deref())
            });
            let backup = judge_backup(past.backup, now);
            let files = artifacts::judge(&folder.artifacts(), past.artifacts);
            let found = [judge_chain(past.chain), clock, backup, files];
            found.into_iter().chain(whose).collect()
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
    /// By how many seconds the clocks of devices are ahead of this server's, 0 for those that agree.
    skews: Vec<i64>,
    backup: Option<Timestamp>,
    /// Those that are stored.
    artifacts: Vec<ArtifactRow>,
    /// What the newest certificate of a device was issued under, the root last.
    issuers: Option<Vec<Vec<u8>>>,
}

fn read(tx: &mut Tx<'_>) -> Result<Past, StoreError> {
    let newest = audit::list(tx, None, 1)?.first().map(|entry| entry.at);
    let made = audit::latest(tx, "server.backup", "server")?.map(|entry| entry.at);
    // A record that was put back knows nothing of its backup but by the restore.
    let restored = audit::latest(tx, "server.restore", "server")?.and_then(|entry| backup_of(&entry));
    let skews = report::section_of_all(tx, ClockSkew::SECTION)?;
    let skew = |text: &String| serde_json::from_str::<Option<ClockSkew>>(text).ok();
    let skews = skews.iter().filter_map(skew).map(|skew| skew.map_or(0, |skew| skew.ahead)).collect();
    let issuers = muster_store::certificate::newest_issuers(tx)?;
    let mut artifacts = muster_store::artifact::list(tx)?;
    artifacts.retain(|artifact| artifact.stored.is_some());
    Ok(Past { chain: audit::verify(tx)?, newest, skews, backup: made.max(restored), artifacts, issuers })
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

/// Whether database and authority are of one server. Put together from two, no device would be let in, and nothing said why.
fn judge_owner(root: &[u8], domain: &str, issuers: Option<&[Vec<u8>]>) -> Finding {
    const CHECK: &str = "whose database";
    let Some(above) = issuers.and_then(<[_]>::last) else {
        return Finding::ok(CHECK, "no device has a certificate yet");
    };
    if above.as_slice() == root {
        return Finding::ok(CHECK, format!("of this authority, for {domain}"));
    }
    let other = ca::facts(above).ok().and_then(|facts| facts.uris.into_iter().next());
    let detail = format!(
        "of another server: its devices have certificates under {} ({}), and the authority in this folder is {} \
         (spiffe://{domain})",
        Digest::of(above),
        other.as_deref().unwrap_or("of no trust domain"),
        Digest::of(root)
    );
    Finding::failed(CHECK, detail, "empty the folder, and restore one backup into it as a whole")
}

fn judge_clock(newest: Option<Timestamp>, skews: &[i64], now: Timestamp) -> Finding {
    const CHECK: &str = "clock";
    const REMEDY: &str = "set the clock, or wait for NTP";
    let differ = skews.iter().filter(|skew| **skew != 0).count();
    match newest {
        Some(newest) if newest > now.plus_seconds(SLACK) => {
            Finding::failed(CHECK, format!("{now}, and something happened at {newest}"), REMEDY)
        }
        // Clocks of devices are wrong one by one, and each in its own way.
        _ if differ * 2 > skews.len() => {
            let most = ClockSkew { ahead: median(skews) };
            let detail = format!(
                "{now}, and of the {} devices that told of their clock {differ} disagree: most are {most} this server's",
                skews.len()
            );
            Finding::warning(CHECK, detail, format!("{REMEDY}; where it is right, set theirs"))
        }
        _ => Finding::ok(CHECK, "not behind what was recorded last, and most devices agree"),
    }
}

/// The one in the middle.
fn median(skews: &[i64]) -> i64 {
    let mut sorted: Vec<i64> = skews.iter().copied().filter(|skew| *skew != 0).collect();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or(0)
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
        assert_eq!(judge_clock(Some(day(2)), &[], day(1)).state, State::Failed);
        assert_eq!(judge_clock(Some(day(1)), &[], day(1)).state, State::Ok);
        assert_eq!(judge_clock(None, &[], day(1)).state, State::Ok);
    }

    #[test]
    fn a_database_whose_devices_are_certified_by_another_root_is_of_another_server() {
        let authority = |domain: &str| {
            let folder = tempfile::tempdir().unwrap();
            let made = Authority::set_up(folder.path(), &domain.parse().unwrap(), None, day(1)).unwrap();
            made.root().to_vec()
        };
        let (ours, theirs) = (authority("corp.example"), authority("other.example"));
        let judge =
            |root: &[u8]| judge_owner(&ours, "corp.example", Some(&[b"issuing".to_vec(), root.to_vec()]));
        assert_eq!(judge(&ours).state, State::Ok);
        assert_eq!(judge_owner(&ours, "corp.example", None).state, State::Ok);
        let found = judge(&theirs);
        assert_eq!(found.state, State::Failed);
        assert!(found.detail.contains("spiffe://other.example"), "{found}");
    }

    #[test]
    fn a_clock_that_most_devices_disagree_with_warns() {
        let year = 365 * 86_400;
        assert_eq!(judge_clock(None, &[0, 0, year], day(1)).state, State::Ok, "one device is wrong");
        let found = judge_clock(None, &[-year, -year, 0], day(1));
        assert_eq!(found.state, State::Warning);
        assert!(found.detail.contains("2 disagree: most are 365 days behind this server's"), "{found}");
    }

    #[test]
    fn no_backup_and_an_old_one_warn() {
        assert_eq!(judge_backup(None, day(100)).state, State::Warning);
        assert_eq!(judge_backup(Some(day(92)), day(100)).state, State::Warning);
        assert_eq!(judge_backup(Some(day(94)), day(100)).state, State::Ok);
    }

    #[test]
    fn an_older_schema_and_a_newer_one_that_works_warn_and_any_other_newer_one_fails() {
        let states = [(2, true), (3, true), (4, true), (4, false)];
        let states = states.map(|(found, works)| judge_schema(found, 3, works).state);
        assert_eq!(states, [State::Warning, State::Ok, State::Warning, State::Failed]);
    }
}
