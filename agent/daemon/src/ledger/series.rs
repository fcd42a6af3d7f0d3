//! Events that come again and again for one resource: the first ones of a window are written, the others are counted.
//!
//! Whoever may change a managed file can do it twice a second for days. Every repair stays in the record by number, while
//! what is written does not grow with it. The count is in the ledger, so that a restart does not lose it.

use anyhow::Result;
use muster_proto::Timestamp;
use muster_proto::report::Event;
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

impl Ledger {
    /// Tells of repeated events that were only counted, once their time is over.
    pub(crate) fn tell_repeated(&mut self, now: Timestamp) -> Result<()> {
        let tx = self.db.transaction()?;
        flush(&tx, now)?;
        tx.commit()?;
        Ok(())
    }

    /// Notes an event for the server.
    pub(crate) fn event(&mut self, now: Timestamp, event: &Event) -> Result<()> {
        let tx = self.db.transaction()?;
        push(&tx, now, std::slice::from_ref(event))?;
        bound_queue(&tx)?;
        tx.commit()?;
        Ok(())
    }
}

/// Writes events, or only counts them: [`flush`] tells of those when their window is over.
pub(super) fn push(tx: &Transaction<'_>, now: Timestamp, events: &[Event]) -> Result<()> {
    if !events.is_empty() {
        flush(tx, now)?;
    }
    let mut first = tx.prepare_cached(
        "INSERT INTO series (name, since, written, held, at, document) VALUES (?1, ?2, 1, 0, ?2, x'')
         ON CONFLICT (name) DO NOTHING",
    )?;
    let mut next =
        tx.prepare_cached("UPDATE series SET written = written + 1 WHERE name = ?1 AND written < ?2")?;
    let mut count =
        tx.prepare_cached("UPDATE series SET held = held + 1, at = ?2, document = ?3 WHERE name = ?1")?;
    let mut queue = Queue::of(tx)?;
    for event in events {
        let document = serde_json::to_vec(event)?;
        if let Some(name) = name(event)
            && first.execute(params![name, now.micros()])? == 0
            && next.execute(params![name, EACH])? == 0
        {
            count.execute(params![name, now.micros(), document])?;
        } else {
            queue.push(now, &document)?;
        }
    }
    queue.end()
}

/// Writes what the windows that are over have counted: for each, its last event with the number of all of them. A window
/// that begins later than now is over as well: the clock was set, and nothing may be held for ever.
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
fn name(event: &Event) -> Option<String> {
    match event {
        Event::Changed { resource, action, reversal: false, .. } => {
            Some(format!("changed {action:?} {resource}"))
        }
        Event::Failed { resource, .. } => Some(format!("failed {resource}")),
        Event::Blocked { resource, .. } => Some(format!("blocked {resource}")),
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
        for second in 0..500 {
            // A restart in between loses nothing.
            let mut ledger = Ledger::open(&path).unwrap();
            let events = vec![changed("/etc/motd")];
            ledger
                .settle(&Settlement { events, ..Settlement::default() }, start.plus_seconds(second))
                .unwrap();
        }
        let mut ledger = Ledger::open(&path).unwrap();
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
