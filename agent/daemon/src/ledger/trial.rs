//! Changes on trial. They outlive a restart: a device that was cut off may well be switched off and on again.

use anyhow::{Context as _, Result};
use muster_converge::trial::{Trial, Trials};
use muster_proto::ResourceId;
use rusqlite::{Connection, Transaction, params};

use super::Ledger;

pub(super) const SCHEMA: &str =
    "CREATE TABLE IF NOT EXISTS trial (resource TEXT PRIMARY KEY, body TEXT NOT NULL);";

impl Ledger {
    /// The changes on trial, and those that were given up.
    pub(crate) fn trials(&self) -> Result<Trials> {
        read(&self.db)
    }

    /// Keeps these and no others.
    pub(crate) fn keep_trials(&mut self, trials: &Trials) -> Result<()> {
        let tx = self.db.transaction()?;
        tx.execute("DELETE FROM trial", [])?;
        for (id, trial) in trials {
            put(&tx, id, trial)?;
        }
        Ok(tx.commit()?)
    }
}

pub(super) fn read(db: &Connection) -> Result<Trials> {
    let mut rows = db.prepare("SELECT resource, body FROM trial")?;
    let rows = rows.query_map([], |r| Ok((r.get::<_, String>(0)?, r.get::<_, String>(1)?)))?;
    rows.map(|row| {
        let (resource, body) = row?;
        let id: ResourceId = serde_json::from_value(resource.into())?;
        Ok((id, serde_json::from_str(&body).context("a change on trial can't be read")?))
    })
    .collect()
}

pub(super) fn put(tx: &Transaction<'_>, id: &ResourceId, trial: &Trial) -> Result<()> {
    tx.execute(
        "INSERT OR REPLACE INTO trial (resource, body) VALUES (?1, ?2)",
        params![id.as_str(), serde_json::to_string(trial)?],
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use muster_proto::condition::Condition;
    use muster_proto::{Digest, Timestamp};

    use super::super::Settlement;
    use super::*;

    #[test]
    fn a_change_on_trial_outlives_a_restart_with_the_bytes_that_it_may_go_back_to() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.db");
        let old = b"table inet muster {}".to_vec();
        let id = ResourceId::new("firewall", "incoming");
        let condition = |digest: String| Condition::present([("file", digest.into())]);
        let trial = Trial {
            back: condition(Digest::of(&old).to_string()),
            wanted: condition(Digest::of(b"new").to_string()),
            given_up: None,
        };
        let mut ledger = Ledger::open(&path).unwrap();
        ledger
            .intend(&[], std::slice::from_ref(&old), &BTreeSet::new(), &[(id.clone(), trial.clone())])
            .unwrap();
        let forgotten = vec![ResourceId::new("file", "/etc/motd")];
        ledger.settle(&Settlement { forgotten, ..Settlement::default() }, Timestamp::default()).unwrap();
        drop(ledger);

        let mut ledger = Ledger::open(&path).unwrap();
        assert_eq!(ledger.trials().unwrap(), Trials::from([(id, trial)]));
        assert_eq!(ledger.blob(&Digest::of(&old)), Some(old));
        ledger.keep_trials(&Trials::new()).unwrap();
        assert!(ledger.trials().unwrap().is_empty());
    }
}
