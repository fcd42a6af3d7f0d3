//! The ledger: the agent's own memory, a SQLite file that only root can read.
//!
//! It keeps the accepted state and its documents, what Muster created or changed with what was there before, services
//! that owe a restart, the trusted time, and reports the server has not acknowledged. What must survive a power cut is
//! durable when a function returns (`synchronous=FULL`). One thread owns it.

mod epoch;
mod last_order;
mod mark;
mod past;
mod pause;
mod queue;
mod records;
mod room;
mod section;
mod series;
#[cfg(test)]
mod tests;
mod trial;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use muster_converge::accept::Current;
use muster_converge::plan::Record;
use muster_converge::trial::Trial;
use muster_proto::condition::Condition;
use muster_proto::report::Event;
use muster_proto::state::DesiredState;
use muster_proto::{Digest, Generation, ResourceId, Timestamp};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use uuid::Uuid;

pub(crate) use last_order::Ordered;
pub(crate) use mark::Mark;
pub(crate) use past::Past;
pub(crate) use pause::Resumption;
pub(crate) use records::Records;
pub(crate) use room::{cant_be_written, is_damaged};

use queue::{bound_queue, push_event};
use records::Remembered;
use series::Once;

/// Accepted generations that are kept for `history`.
const MAX_HISTORY: i64 = 1_000;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS state (id INTEGER PRIMARY KEY CHECK (id = 1), generation INTEGER NOT NULL, digest TEXT NOT NULL, bytes BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS whole (id INTEGER PRIMARY KEY CHECK (id = 1), bytes BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS document (digest TEXT PRIMARY KEY, bytes BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS record (resource TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS blob (digest TEXT PRIMARY KEY, bytes BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS restart_due (resource TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS event (sequence INTEGER PRIMARY KEY, at INTEGER NOT NULL, document BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS section (name TEXT PRIMARY KEY, digest TEXT NOT NULL, acknowledged TEXT, document BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS accepted (generation INTEGER PRIMARY KEY, digest TEXT NOT NULL, at INTEGER NOT NULL);
";

/// Profile documents by their digests.
pub(crate) type Documents = BTreeMap<Digest, Vec<u8>>;

/// The open ledger.
pub(crate) struct Ledger {
    db: Connection,
    epoch: Uuid,
    /// Whether SQLite's write-ahead log may still hold a secret that the server has acknowledged.
    secret_in_log: bool,
    /// Whether the server has answered since this was opened.
    is_heard: bool,
    /// How often it was found to be an older copy of what the server knows.
    copies: u8,
    /// What happened that may come again.
    once: Once,
    /// What [`Ledger::records`] last read, with what was written since.
    records: RefCell<Option<Remembered>>,
}

impl Ledger {
    /// Opens or makes the ledger at `path`, readable by root only.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        use std::os::unix::fs::OpenOptionsExt as _;
        std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(path)
            .with_context(|| format!("can't open the ledger {}", path.display()))?;
        let db =
            Connection::open(path).with_context(|| format!("can't open the ledger {}", path.display()))?;
        Self::prepare(db).map_err(|error| {
            if is_damaged(&error) {
                return error;
            }
            error.context(format!(
                "the ledger {} can't be used; if its disk is full, make room and restart muster-agent",
                path.display()
            ))
        })
    }

    /// Opens the ledger for looking only, beside a running agent.
    pub(crate) fn open_read_only(path: &Path) -> Result<Self> {
        // An empty file is what a start that was cut off leaves.
        ensure!(
            path.metadata().is_ok_and(|file| file.len() > 0),
            "this device has no record yet: if it never enrolled, muster-agent enroll --join-file FILE; then systemctl \
             start muster-agent"
        );
        let db = Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).with_context(
            || format!("can't read the ledger {}: has this device enrolled?", path.display()),
        )?;
        let epoch = meta(&db, "epoch")?.context("the ledger has no epoch: it was never used")?.parse()?;
        Ok(Self {
            db,
            epoch,
            secret_in_log: false,
            is_heard: false,
            copies: 0,
            once: Once::default(),
            records: RefCell::default(),
        })
    }

    fn prepare(mut db: Connection) -> Result<Self> {
        // Commands write beside the service: who reads first and writes then would find that someone came between.
        db.set_transaction_behavior(TransactionBehavior::Immediate);
        db.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -256; PRAGMA foreign_keys = ON;
             PRAGMA secure_delete = ON;",
        )?;
        // The log and what SQLite keeps beside it stay when the agent ends: on a full disk they could not be made again, and
        // without them the ledger can't even be read.
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        db.execute_batch(SCHEMA)?;
        db.execute_batch(series::SCHEMA)?;
        db.execute_batch(trial::SCHEMA)?;
        match past::take_over(&mut db) {
            // Leases end all the same, and it is tried again before an event is past.
            Err(error) if cant_be_written(&error) => {}
            taken_over => taken_over?,
        }
        let epoch = match meta(&db, "epoch")? {
            Some(epoch) => epoch.parse()?,
            None => {
                let epoch = Uuid::new_v4();
                set_meta(&db, "epoch", &epoch.to_string())?;
                epoch
            }
        };
        // A crash may have left a secret in the log that was to be emptied.
        Ok(Self {
            db,
            epoch,
            secret_in_log: true,
            is_heard: false,
            copies: 0,
            once: Once::default(),
            records: RefCell::default(),
        })
    }

    /// Gives back what SQLite holds in memory but does not need.
    pub(crate) fn release_memory(&self) {
        // Failure only means that memory stays in use.
        self.db.release_memory().ok();
    }

    /// What the state in force is.
    pub(crate) fn current(&self) -> Result<Current> {
        let mut select = self.db.prepare_cached("SELECT generation, digest FROM state")?;
        let row: Option<(i64, String)> = select.query_row([], |r| Ok((r.get(0)?, r.get(1)?))).optional()?;
        Ok(match row {
            None => Current { generation: Generation(0), digest: None },
            Some((generation, digest)) => {
                Current { generation: Generation(generation.cast_unsigned()), digest: Some(digest.parse()?) }
            }
        })
    }

    /// The state in force.
    pub(crate) fn state(&self) -> Result<Option<DesiredState>> {
        let bytes: Option<Vec<u8>> =
            self.db.query_row("SELECT bytes FROM state", [], |r| r.get(0)).optional()?;
        bytes.map(|b| serde_json::from_slice(&b).context("the accepted state can't be read")).transpose()
    }

    /// Takes a new state, and says so in an event of the same transaction.
    pub(crate) fn accept(&mut self, state: &DesiredState, bytes: &[u8], now: Timestamp) -> Result<()> {
        let digest = Digest::of(bytes);
        let (earlier, missing) = (self.state()?, self.documents(state)?.1);
        let was_whole = match &earlier {
            Some(earlier) => self.documents(earlier)?.1.is_empty(),
            None => false,
        };
        let tx = self.db.transaction()?;
        let generation = state.generation.0.cast_signed();
        if missing.is_empty() {
            tx.execute("DELETE FROM whole", [])?;
        } else if was_whole {
            tx.execute("INSERT OR REPLACE INTO whole (id, bytes) SELECT 1, bytes FROM state", [])?;
        }
        tx.execute(
            "INSERT INTO state (id, generation, digest, bytes) VALUES (1, ?1, ?2, ?3)
             ON CONFLICT (id) DO UPDATE SET generation = excluded.generation, digest = excluded.digest, bytes = excluded.bytes",
            params![generation, digest.to_string(), bytes],
        )?;
        tx.execute(
            "INSERT OR REPLACE INTO accepted (generation, digest, at) VALUES (?1, ?2, ?3)",
            params![generation, digest.to_string(), now.micros()],
        )?;
        // Counted, because a restored server goes on with a generation far above.
        tx.execute(
            "DELETE FROM accepted WHERE generation NOT IN
                 (SELECT generation FROM accepted ORDER BY generation DESC LIMIT ?1)",
            [MAX_HISTORY],
        )?;
        push_event(&tx, now, &Event::Accepted { generation: state.generation, digest })?;
        bound_queue(&tx)?;
        tx.commit()?;
        Ok(())
    }

    /// The documents that `state` names, and the digests of those that are not here yet.
    pub(crate) fn documents(&self, state: &DesiredState) -> Result<(Documents, BTreeSet<Digest>)> {
        let mut select = self.db.prepare("SELECT bytes FROM document WHERE digest = ?1")?;
        let (mut here, mut missing) = (BTreeMap::new(), BTreeSet::new());
        for applied in &state.revisions {
            match select.query_row([applied.digest.to_string()], |r| r.get(0)).optional()? {
                Some(bytes) => drop(here.insert(applied.digest, bytes)),
                None => drop(missing.insert(applied.digest)),
            }
        }
        Ok((here, missing))
    }

    /// The last state before the one in force of which all documents were here; `None` once those of the one in force are.
    pub(crate) fn last_whole(&self) -> Result<Option<DesiredState>> {
        let bytes: Option<Vec<u8>> =
            self.db.query_row("SELECT bytes FROM whole", [], |r| r.get(0)).optional()?;
        bytes.map(|b| serde_json::from_slice(&b).context("the state before can't be read")).transpose()
    }

    /// Keeps documents that came, and drops those that are no longer named: by `state`, or until all of it is here by the one
    /// before.
    pub(crate) fn keep_documents(
        &mut self,
        state: &DesiredState,
        documents: &[(Digest, Vec<u8>)],
    ) -> Result<()> {
        let mut named: BTreeSet<_> = state.revisions.iter().map(|r| r.digest).collect();
        let mut missing = self.documents(state)?.1;
        let earlier = self.last_whole()?;
        let tx = self.db.transaction()?;
        for (digest, bytes) in documents.iter().filter(|(digest, _)| named.contains(digest)) {
            missing.remove(digest);
            tx.execute(
                "INSERT OR REPLACE INTO document (digest, bytes) VALUES (?1, ?2)",
                params![digest.to_string(), bytes],
            )?;
        }
        if missing.is_empty() {
            tx.execute("DELETE FROM whole", [])?;
        } else {
            named.extend(earlier.iter().flat_map(|earlier| &earlier.revisions).map(|r| r.digest));
        }
        let kept: Vec<String> = {
            let mut rows = tx.prepare("SELECT digest FROM document")?;
            rows.query_map([], |r| r.get(0))?.collect::<Result<_, _>>()?
        };
        for digest in kept.iter().filter(|d| !named.iter().any(|n| n.to_string() == **d)) {
            tx.execute("DELETE FROM document WHERE digest = ?1", [digest])?;
        }
        tx.commit()?;
        Ok(())
    }

    /// Keeps, in one durable commit before anything is written: records with what was there before, the bytes behind
    /// their digests, the services that will owe a restart, and what has to prove that it cuts nobody off.
    pub(crate) fn intend(
        &mut self,
        records: &[(ResourceId, Record)],
        blobs: &[Vec<u8>],
        restarts: &BTreeSet<ResourceId>,
        trials: &[(ResourceId, Trial)],
    ) -> Result<()> {
        let known = if records.is_empty() { None } else { self.records.take() };
        let tx = self.db.transaction()?;
        for (id, record) in records {
            put_record(&tx, id, record)?;
        }
        for bytes in blobs {
            tx.execute(
                "INSERT OR IGNORE INTO blob (digest, bytes) VALUES (?1, ?2)",
                params![Digest::of(bytes).to_string(), bytes],
            )?;
        }
        for id in restarts {
            tx.execute("INSERT OR IGNORE INTO restart_due (resource) VALUES (?1)", [id.as_str()])?;
        }
        for (id, trial) in trials {
            trial::put(&tx, id, trial)?;
        }
        tx.commit()?;
        self.remember(known, records, &[]);
        Ok(())
    }

    /// Keeps what a batch of writes came to: records that are now so, records with nothing left to take back, services
    /// that were restarted, and the events that say it.
    pub(crate) fn settle(&mut self, settlement: &Settlement, now: Timestamp) -> Result<()> {
        if settlement.is_empty() {
            return Ok(());
        }
        let leaves_records = settlement.written.is_empty() && settlement.forgotten.is_empty();
        let known = if leaves_records { None } else { self.records.take() };
        let tx = self.db.transaction()?;
        for (id, record) in &settlement.written {
            put_record(&tx, id, record)?;
        }
        for id in &settlement.forgotten {
            tx.execute("DELETE FROM record WHERE resource = ?1", [id.as_str()])?;
        }
        for id in &settlement.restarted {
            tx.execute("DELETE FROM restart_due WHERE resource = ?1", [id.as_str()])?;
        }
        let first = series::push(&tx, &self.once, now, &settlement.events)?;
        bound_queue(&tx)?;
        if !settlement.forgotten.is_empty() {
            prune_blobs(&tx)?;
        }
        tx.commit()?;
        self.remember(known, &settlement.written, &settlement.forgotten);
        self.once.add(first);
        Ok(())
    }

    /// The bytes behind a digest of what was there before.
    pub(crate) fn blob(&self, digest: &Digest) -> Option<Vec<u8>> {
        self.db
            .query_row("SELECT bytes FROM blob WHERE digest = ?1", [digest.to_string()], |r| r.get(0))
            .optional()
            .ok()
            .flatten()
    }

    /// Services that still owe a restart.
    pub(crate) fn restarts_due(&self) -> Result<BTreeSet<ResourceId>> {
        let mut rows = self.db.prepare_cached("SELECT resource FROM restart_due")?;
        let rows = rows.query_map([], |r| r.get::<_, String>(0))?;
        rows.map(|row| Ok(serde_json::from_value(row?.into())?)).collect()
    }

    /// Empties the log where a secret may be in it: deleting overwrites the row in its page, while the log keeps the page
    /// as it was.
    fn forget_secrets(&mut self) -> Result<()> {
        if self.secret_in_log {
            // Someone who is reading keeps the log from being emptied; then the next acknowledgement does it.
            self.secret_in_log = self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |r| r.get(0))?;
        }
        Ok(())
    }

    /// The newest generation that converged whole.
    pub(crate) fn applied(&self) -> Result<Generation> {
        Ok(Generation(meta(&self.db, "applied")?.map(|g| g.parse()).transpose()?.unwrap_or(0)))
    }

    /// Notes that a generation converged whole.
    pub(crate) fn set_applied(&mut self, generation: Generation) -> Result<()> {
        if self.applied()? == generation {
            Ok(())
        } else {
            set_meta(&self.db, "applied", &generation.0.to_string())
        }
    }
}

/// What a batch of writes came to.
#[derive(Debug, Default)]
pub(crate) struct Settlement {
    /// Records whose `wrote` is now what is there.
    pub(crate) written: Vec<(ResourceId, Record)>,
    /// Resources with nothing left to take back.
    pub(crate) forgotten: Vec<ResourceId>,
    /// Services that owe no restart any more: they were restarted, or nothing changed for them.
    pub(crate) restarted: Vec<ResourceId>,
    /// What to tell the server.
    pub(crate) events: Vec<Event>,
}

impl Settlement {
    pub(crate) fn is_empty(&self) -> bool {
        self.written.is_empty()
            && self.forgotten.is_empty()
            && self.restarted.is_empty()
            && self.events.is_empty()
    }
}

fn put_record(tx: &Transaction<'_>, id: &ResourceId, record: &Record) -> Result<()> {
    tx.prepare_cached(
        "INSERT INTO record (resource, body) VALUES (?1, ?2) ON CONFLICT (resource) DO UPDATE SET body = excluded.body",
    )?
    .execute(params![id.as_str(), serde_json::to_string(record)?])?;
    Ok(())
}

/// Drops old contents that nothing would put back any more.
fn prune_blobs(tx: &Transaction<'_>) -> Result<()> {
    let mut needed = BTreeSet::new();
    let mut need = |condition: &Condition| {
        let digests = condition.attributes().into_iter().flat_map(|attributes| attributes.values());
        needed.extend(digests.filter_map(|v| v.as_str()?.parse::<Digest>().ok()).map(|d| d.to_string()));
    };
    let mut rows = tx.prepare("SELECT body FROM record")?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        let record: Record = serde_json::from_str(&row.get::<_, String>(0)?)?;
        need(&record.before);
    }
    for trial in trial::read(tx)?.values() {
        need(&trial.back);
    }
    let kept: Vec<String> = {
        let mut rows = tx.prepare("SELECT digest FROM blob")?;
        rows.query_map([], |r| r.get(0))?.collect::<Result<_, _>>()?
    };
    for digest in kept.iter().filter(|d| !needed.contains(*d)) {
        tx.execute("DELETE FROM blob WHERE digest = ?1", [digest])?;
    }
    Ok(())
}

fn meta(db: &Connection, name: &str) -> Result<Option<String>> {
    let mut select = db.prepare_cached("SELECT value FROM meta WHERE name = ?1")?;
    Ok(select.query_row([name], |r| r.get(0)).optional()?)
}

fn set_meta(db: &Connection, name: &str, value: &str) -> Result<()> {
    db.prepare_cached("INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)")?.execute([name, value])?;
    Ok(())
}
