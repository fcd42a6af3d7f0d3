//! What the server is told: events in the order in which they happened, told until it says that it has them.
//!
//! They stay where they are then: only the number up to which it has them is noted.

use anyhow::Result;
use muster_proto::report::Event;
use muster_proto::{Digest, Generation, Timestamp, fit, wire};
use rusqlite::{CachedStatement, Connection, Transaction, params};

use super::{Ledger, meta, past, set_meta};

/// Unsent events are dropped, oldest first and as a range that is said, beyond this many bytes.
const MAX_QUEUE: i64 = 64 * 1024 * 1024;

/// The most bytes of events in one report; the rest goes with the next.
const MAX_BATCH: usize = 512 * 1024;

/// How often, until the agent starts anew, the server is believed that this ledger is an older copy.
const MAX_COPIES: u8 = 4;

/// What stands around an event in its message, in bytes.
const AROUND: usize = 32;

impl Ledger {
    /// A report of this ledger that says nothing yet.
    pub(crate) fn empty_report(&self, applied: Generation) -> wire::ReportRequest {
        wire::ReportRequest {
            epoch: self.epoch.to_string(),
            applied_generation: applied.0,
            ..wire::ReportRequest::default()
        }
    }

    /// What the server has not acknowledged, as one report; `None` when there is nothing. Until the server has answered once there
    /// is always one, as only its answer tells whether this ledger is an older copy of the one that it knows.
    pub(crate) fn report(&self, applied: Generation) -> Result<Option<wire::ReportRequest>> {
        let mut report = self.empty_report(applied);
        let mut size = 0;
        let mut rows = self.db.prepare_cached(
            "SELECT sequence, at, document FROM event WHERE sequence > ?1 ORDER BY sequence",
        )?;
        let mut rows = rows.query([acknowledged(&self.db)?])?;
        while let Some(row) = rows.next()?
            && size < MAX_BATCH
        {
            let document = fit::event(row.get(2)?)?;
            size += document.len() + AROUND;
            let sequence = row.get::<_, i64>(0)?.cast_unsigned();
            report.events.push(wire::Event { sequence, at: row.get(1)?, document: document.into() });
        }
        let mut rows = self.db.prepare_cached(
            "SELECT name, document FROM section WHERE acknowledged IS NULL OR acknowledged <> digest",
        )?;
        let mut rows = rows.query([])?;
        let mut size = 0;
        while let Some(row) = rows.next()? {
            let document: Vec<u8> = row.get(1)?;
            // What does not fit in goes with the next.
            if size + document.len() > wire::MAX_SECTION {
                continue;
            }
            size += document.len();
            report.sections.push(wire::Section { name: row.get(0)?, document: document.into() });
        }
        if let (Some(from), Some(to)) = (meta(&self.db, "lost_from")?, meta(&self.db, "lost_to")?) {
            (report.lost_from, report.lost_to) = (from.parse()?, to.parse()?);
        }
        let said = meta(&self.db, "applied_said")?.is_some_and(|said| said == applied.0.to_string());
        let empty = report.events.is_empty() && report.sections.is_empty() && report.lost_to == 0 && said;
        Ok((!empty || !self.is_heard).then_some(report))
    }

    /// Drops what the server has made durable: events up to `sequence`, and the sections of `report`. The disk is not waited for:
    /// what a power cut brings back is sent again, and the server knows it by its number.
    pub(crate) fn acknowledge(&mut self, report: &wire::ReportRequest, sequence: u64) -> Result<()> {
        if report.epoch != self.epoch.to_string() {
            return Ok(());
        }
        past::take_over(&mut self.db)?;
        // Not without end, or a server that says so each time would have all told again and again.
        if self.copies < MAX_COPIES && sequence > last_sequence(&self.db)?.cast_unsigned() {
            self.go_on_from_copy()?;
            self.copies += 1;
            self.is_heard = true;
            return Ok(());
        }
        self.db.pragma_update(None, "synchronous", "NORMAL")?;
        let dropped = self.drop_acknowledged(report, sequence);
        self.db.pragma_update(None, "synchronous", "FULL")?;
        dropped?;
        self.is_heard = true;
        self.forget_secrets()
    }

    fn drop_acknowledged(&mut self, report: &wire::ReportRequest, sequence: u64) -> Result<()> {
        let tx = self.db.transaction()?;
        self.secret_in_log |= make_past(&tx, sequence)?;
        for section in &report.sections {
            tx.execute(
                "UPDATE section SET acknowledged = ?2 WHERE name = ?1",
                params![section.name, Digest::of(&section.document).to_string()],
            )?;
        }
        if report.lost_to > 0 {
            tx.execute("DELETE FROM meta WHERE name IN ('lost_from', 'lost_to')", [])?;
        }
        set_meta(&tx, "applied_said", &report.applied_generation.to_string())?;
        tx.commit()?;
        Ok(())
    }
}

/// The events that the server has not acknowledged, while some are added.
pub(super) struct Queue<'t> {
    tx: &'t Transaction<'t>,
    insert: CachedStatement<'t>,
    /// The number of the last event.
    last: i64,
    /// The number of the first one added that carries a secret.
    secret: Option<i64>,
}

impl<'t> Queue<'t> {
    pub(super) fn of(tx: &'t Transaction<'t>) -> Result<Self> {
        let last = last_sequence(tx)?;
        let insert = tx.prepare_cached("INSERT INTO event (sequence, at, document) VALUES (?1, ?2, ?3)")?;
        Ok(Self { tx, insert, last, secret: None })
    }

    /// Adds an event that carries a secret.
    pub(super) fn push_secret(&mut self, at: Timestamp, document: &[u8]) -> Result<()> {
        self.push(at, document)?;
        self.secret.get_or_insert(self.last);
        Ok(())
    }

    pub(super) fn push(&mut self, at: Timestamp, document: &[u8]) -> Result<()> {
        self.last += 1;
        self.insert.execute(params![self.last, at.micros(), document])?;
        Ok(())
    }

    /// Notes which number was the last, and which the first with a secret.
    pub(super) fn end(self) -> Result<()> {
        if let Some(secret) = self.secret {
            past::note_secret(self.tx, secret)?;
        }
        set_meta(self.tx, "sequence", &self.last.to_string())
    }
}

/// The number of the last event; 0 where there was none.
pub(super) fn last_sequence(db: &Connection) -> Result<i64> {
    Ok(meta(db, "sequence")?.map(|s| s.parse()).transpose()?.unwrap_or(0))
}

pub(super) fn push_event(tx: &Transaction<'_>, now: Timestamp, event: &Event) -> Result<()> {
    let mut queue = Queue::of(tx)?;
    queue.push(now, &serde_json::to_vec(event)?)?;
    queue.end()
}

/// The number up to which the server has the events: those are past.
pub(super) fn acknowledged(db: &Connection) -> Result<i64> {
    Ok(meta(db, "acknowledged")?.map(|s| s.parse()).transpose()?.unwrap_or(0))
}

/// Notes that the events up to `sequence` are past; whether one of them carried a secret, which is gone then.
pub(super) fn make_past(tx: &Transaction<'_>, sequence: u64) -> Result<bool> {
    let before = acknowledged(tx)?;
    // Who has more than there is has not what comes next.
    let sequence = i64::try_from(sequence).unwrap_or(i64::MAX).min(last_sequence(tx)?);
    if sequence <= before {
        return Ok(false);
    }
    let secret = past::forget_secrets(tx, sequence)?;
    set_meta(tx, "acknowledged", &sequence.to_string())?;
    if past::is_to_be_bound(before, sequence) {
        past::bound(tx, sequence)?;
    }
    Ok(secret)
}

/// Drops the oldest events when the queue is full, and remembers which.
pub(super) fn bound_queue(tx: &Transaction<'_>) -> Result<()> {
    let acknowledged = acknowledged(tx)?;
    let mut size =
        tx.prepare_cached("SELECT coalesce(sum(length(document)), 0) FROM event WHERE sequence > ?1")?;
    let size: i64 = size.query_row([acknowledged], |r| r.get(0))?;
    if size <= MAX_QUEUE {
        return Ok(());
    }
    // A tenth at a time, so that a full queue does not cost a scan with every event.
    let (first, last): (i64, i64) = tx.query_row(
        "SELECT min(sequence), max(sequence) FROM (
             SELECT sequence FROM event WHERE sequence > ?1 ORDER BY sequence
             LIMIT (SELECT 1 + count(*) / 10 FROM event WHERE sequence > ?1)
         )",
        [acknowledged],
        |r| Ok((r.get(0)?, r.get(1)?)),
    )?;
    tx.execute("DELETE FROM event WHERE sequence BETWEEN ?1 AND ?2", [first, last])?;
    if meta(tx, "lost_from")?.is_none() {
        set_meta(tx, "lost_from", &first.to_string())?;
    }
    set_meta(tx, "lost_to", &last.to_string())
}
