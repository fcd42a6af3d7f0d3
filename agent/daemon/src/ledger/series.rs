//! Events that come again and again for one resource: the first ones of a window are written, the others are counted.
//!
//! Whoever may change a managed file can do it twice a second for days. Every repair stays in the record by number, while
//! what is written does not grow with it. The count is in the ledger, so that a restart does not lose it.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use anyhow::Result;
use muster_proto::condition::Action;
use muster_proto::report::Event;
use muster_proto::{ResourceId, Timestamp};
use rusqlite::{Transaction, params};

use super::Ledger;
use super::queue::{Queue, bound_queue};

pub(super) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS series (name TEXT PRIMARY KEY, since INTEGER NOT NULL, written INTEGER NOT NULL, held INTEGER NOT NULL, at INTEGER NOT NULL, document BLOB NOT NULL) WITHOUT ROWID;
";

/// How long events are counted together, in microseconds.
const WINDOW: i64 = 10 * 60 * 1_000_000;

/// How many of a window are written each by itself.
const EACH: i64 = 5;

/// What happened once in its window, and when. Most of it never comes again, and so is not worth a row: who begins anew without
/// this writes one more of each by itself.
#[derive(Debug, Default)]
pub(super) struct Once {
    since: HashMap<u64, i64>,
    hasher: RandomState,
}

impl Once {
    fn number(&self, kind: &Kind<'_>) -> u64 {
        self.hasher.hash_one(kind)
    }

    pub(super) fn add(&mut self, first: HashMap<u64, i64>) {
        self.since.extend(first);
    }

    fn forget_over(&mut self, now: Timestamp) {
        self.since.retain(|_, since| !is_over(*since, now));
        if self.since.is_empty() {
            self.since.shrink_to_fit();
        }
    }
}

impl Ledger {
    /// Tells of repeated events that were only counted, once their time is over.
    pub(crate) fn tell_repeated(&mut self, now: Timestamp) -> Result<()> {
        self.once.forget_over(now);
        let tx = self.db.transaction()?;
        flush(&tx, now)?;
        tx.commit()?;
        Ok(())
    }

    /// Notes an event for the server.
    pub(crate) fn event(&mut self, now: Timestamp, event: &Event) -> Result<()> {
        let tx = self.db.transaction()?;
        let first = push(&tx, &self.once, now, std::slice::from_ref(event))?;
        bound_queue(&tx)?;
        tx.commit()?;
        self.once.add(first);
        Ok(())
    }
}

/// Writes events, or only counts them: [`flush`] tells of those when their window is over. Gives those that happened for the first
/// time, to be kept in mind once all of it is durable.
pub(super) fn push(
    tx: &Transaction<'_>,
    once: &Once,
    now: Timestamp,
    events: &[Event],
) -> Result<HashMap<u64, i64>> {
    let mut first = HashMap::new();
    if events.is_empty() {
        return Ok(first);
    }
    flush(tx, now)?;
    let is_counting: bool =
        tx.prepare_cached("SELECT EXISTS (SELECT 1 FROM series)")?.query_row([], |r| r.get(0))?;
    let mut second = tx.prepare_cached(
        "INSERT INTO series (name, since, written, held, at, document) VALUES (?1, ?2, 2, 0, ?2, x'')
         ON CONFLICT (name) DO NOTHING",
    )?;
    let mut next =
        tx.prepare_cached("UPDATE series SET written = written + 1 WHERE name = ?1 AND written < ?2")?;
    let mut count =
        tx.prepare_cached("UPDATE series SET held = held + 1, at = ?2, document = ?3 WHERE name = ?1")?;
    let mut queue = Queue::of(tx)?;
    for event in events {
        let document = serde_json::to_vec(event)?;
        if let Some(kind) = kind(event) {
            let number = once.number(&kind);
            let before = first.get(&number).or_else(|| once.since.get(&number)).copied();
            let before = before.filter(|since| !is_over(*since, now));
            first.entry(number).or_insert_with(|| before.unwrap_or(now.micros()));
            if is_counting || before.is_some() {
                let name = kind.name();
                let mut is_second = || match before {
                    Some(since) => second.execute(params![name, since]).map(|rows| rows > 0),
                    None => Ok(false),
                };
                if next.execute(params![name, EACH])? == 0
                    && !is_second()?
                    && count.execute(params![name, now.micros(), document])? > 0
                {
                    continue;
                }
            }
        }
        match event {
            Event::FirstLoginPassword { .. } => queue.push_secret(now, &document)?,
            _ => queue.push(now, &document)?,
        }
    }
    queue.end()?;
    Ok(first)
}

/// Whether a window that began then is over: also one that begins later than now, as the clock was set, and nothing may be held for
/// ever.
fn is_over(since: i64, now: Timestamp) -> bool {
    !(now.micros().saturating_sub(WINDOW) + 1..=now.micros()).contains(&since)
}

/// Writes what the windows that are over have counted: for each, its last event with the number of all of them.
pub(super) fn flush(tx: &Transaction<'_>, now: Timestamp) -> Result<()> {
    let over = "DELETE FROM series WHERE since <= ?1 OR since > ?2 RETURNING held, at, name, document";
    let before = now.micros().saturating_sub(WINDOW);
    let mut over: Vec<(u32, i64, String, Vec<u8>)> = tx
        .prepare_cached(over)?
        .query_map([before, now.micros()], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?)))?
        .collect::<Result<_, _>>()?;
    over.retain(|(held, ..)| *held > 0);
    if over.is_empty() {
        return Ok(());
    }
    over.sort_by(|(_, at, name, _), (_, other_at, other_name, _)| (at, name).cmp(&(other_at, other_name)));
    let mut queue = Queue::of(tx)?;
    for (held, at, _, document) in over {
        let event = repeated(serde_json::from_slice(&document)?, held);
        queue.push(Timestamp::from_micros(at).unwrap_or(now), &serde_json::to_vec(&event)?)?;
    }
    queue.end()
}

/// What makes two events alike. Only repairs and failures repeat without an admin's doing.
#[derive(Debug, Hash)]
enum Kind<'e> {
    Changed(Action, &'e ResourceId),
    Failed(&'e ResourceId),
    Blocked(&'e ResourceId),
}

impl Kind<'_> {
    fn name(&self) -> String {
        match self {
            Self::Changed(action, resource) => format!("changed {action:?} {resource}"),
            Self::Failed(resource) => format!("failed {resource}"),
            Self::Blocked(resource) => format!("blocked {resource}"),
        }
    }
}

fn kind(event: &Event) -> Option<Kind<'_>> {
    match event {
        Event::Changed { resource, action, reversal: false, .. } => Some(Kind::Changed(*action, resource)),
        Event::Failed { resource, .. } => Some(Kind::Failed(resource)),
        Event::Blocked { resource, .. } => Some(Kind::Blocked(resource)),
        _ => None,
    }
}

fn repeated(mut event: Event, held: u32) -> Event {
    if let Event::Changed { times, .. } | Event::Failed { times, .. } | Event::Blocked { times, .. } =
        &mut event
    {
        *times = held;
    }
    event
}

#[cfg(test)]
mod tests {
    use muster_proto::condition::Action;
    use muster_proto::{Generation, ResourceId};

    use super::super::Settlement;
    use super::*;

    fn changed(path: &str) -> Event {
        let (resource, differences) = (ResourceId::new("file", path), vec![]);
        Event::Changed { resource, action: Action::Change, differences, reversal: false, times: 1 }
    }

    fn said(ledger: &Ledger) -> Vec<(i64, Event)> {
        let report = ledger.report(Generation(0)).unwrap().unwrap();
        let event = |event: &muster_proto::wire::Event| {
            (event.at / 1_000_000, serde_json::from_slice(&event.document).unwrap())
        };
        report.events.iter().map(event).collect()
    }

    fn times(event: &Event) -> u32 {
        match event {
            Event::Changed { times, .. } | Event::Failed { times, .. } => *times,
            _ => 1,
        }
    }

    #[test]
    fn a_flood_of_one_resource_is_a_few_events_that_count_every_change() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.db");
        let start = Timestamp::default();
        let mut ledger = Ledger::open(&path).unwrap();
        for second in 0..500 {
            // A restart in between loses nothing of what is counted.
            if second % 100 == 50 {
                drop(ledger);
                ledger = Ledger::open(&path).unwrap();
            }
            let events = vec![changed("/etc/motd")];
            ledger
                .settle(&Settlement { events, ..Settlement::default() }, start.plus_seconds(second))
                .unwrap();
        }
        assert_eq!(said(&ledger).len(), 5);
        ledger.tell_repeated(start.plus_seconds(599)).unwrap();
        assert_eq!(said(&ledger).len(), 5);
        ledger.tell_repeated(start.plus_seconds(600)).unwrap();
        let all = said(&ledger);
        assert_eq!((all.len(), times(&all[5].1), all[5].0), (6, 495, 499));
        ledger.tell_repeated(start.plus_seconds(9_000)).unwrap();
        assert_eq!(said(&ledger).iter().map(|(_, event)| times(event)).sum::<u32>(), 500);
    }

    #[test]
    fn what_is_counted_for_one_resource_holds_nothing_back_of_another_and_ends_with_its_window() {
        let dir = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::open(&dir.path().join("ledger.db")).unwrap();
        let start = Timestamp::default();
        for _ in 0..7 {
            ledger.event(start, &changed("/etc/motd")).unwrap();
        }
        let failed =
            Event::Failed { resource: ResourceId::new("file", "/etc/motd"), reason: "full".into(), times: 1 };
        ledger.event(start, &changed("/etc/issue")).unwrap();
        ledger.event(start, &failed).unwrap();
        ledger.event(start.plus_seconds(700), &changed("/etc/motd")).unwrap();
        let counts: Vec<_> = said(&ledger).iter().map(|(_, event)| times(event)).collect();
        assert_eq!(counts, [1, 1, 1, 1, 1, 1, 1, 2, 1]);
    }
}
