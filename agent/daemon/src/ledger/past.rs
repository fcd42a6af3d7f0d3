//! What happened here, kept after the server has it too: the device's own record, which needs no trust in the server.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use muster_proto::Timestamp;
use muster_proto::report::Event;
use rusqlite::{Connection, Transaction, params};
use serde_json::{Value, json};

use super::queue::acknowledged;
use super::{Ledger, meta, set_meta};

/// Events that are kept when the server has them; older ones go.
const MOST: i64 = 1_000;

/// After so many more it is looked at whether there are too many: to count all of them costs more than to keep these few.
const LOOK_EVERY: i64 = 32;

/// How many bytes of them are kept.
const MOST_BYTES: i64 = 4 * 1024 * 1024;

/// What an event with a secret is called.
const SECRET: &str = "first_login_password";

/// Where the ledger keeps the number of the first event with a secret that the server has not acknowledged.
const SECRET_FROM: &str = "secret_from";

/// Takes over what an agent before kept in a table of its own, and finds the secrets among what it had not told yet.
pub(super) fn take_over(db: &mut Connection) -> Result<()> {
    if !has_own_table(db)? {
        return Ok(());
    }
    let tx = db.transaction()?;
    // Another process may have come first.
    if !has_own_table(&tx)? {
        return Ok(());
    }
    let last: Option<i64> = tx.query_row("SELECT max(sequence) FROM past", [], |r| r.get(0))?;
    let last = last.unwrap_or(0).max(acknowledged(&tx)?);
    tx.execute_batch(
        "INSERT OR IGNORE INTO event SELECT sequence, at, document FROM past; DROP TABLE past;",
    )?;
    set_meta(&tx, "acknowledged", &last.to_string())?;
    note_next_secret(&tx, last)?;
    tx.commit()?;
    Ok(())
}

fn has_own_table(db: &Connection) -> Result<bool> {
    let mut table =
        db.prepare_cached("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'past'")?;
    Ok(table.exists([])?)
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Past {
    /// When, by the ledger's rule for time.
    pub(crate) at: Timestamp,
    /// The event, without any secret.
    pub(crate) document: Value,
}

impl Ledger {
    /// What happened here, the newest first. Every state that was accepted is among it, for longer than what else happened.
    pub(crate) fn history(&self) -> Result<Vec<Past>> {
        let generation = |past: &Past| {
            let is_accepted = past.document["event"] == "accepted";
            past.document["generation"].as_u64().filter(|_| is_accepted)
        };
        let mut all = events(&self.db)?;
        let told: BTreeSet<u64> = all.iter().filter_map(generation).collect();
        // Of the others the events are gone.
        let is_told = |past: &Past| generation(past).is_some_and(|generation| told.contains(&generation));
        all.extend(accepted(&self.db)?.into_iter().filter(|past| !is_told(past)));
        // What was only counted has a later number than what came meanwhile.
        all.sort_by_key(|past| Reverse(past.at));
        Ok(all)
    }
}

fn events(db: &Connection) -> Result<Vec<Past>> {
    let mut rows = db.prepare("SELECT at, document FROM event ORDER BY sequence DESC")?;
    let rows = rows.query_map([], |r| Ok((r.get(0)?, r.get::<_, Vec<u8>>(1)?)))?;
    rows.map(|row| {
        let (at, document) = row?;
        let (document, _) = without_secret(&document)?;
        Ok(Past { at: time(at), document })
    })
    .collect()
}

fn accepted(db: &Connection) -> Result<Vec<Past>> {
    let mut rows = db.prepare("SELECT generation, digest, at FROM accepted ORDER BY generation DESC")?;
    let rows = rows.query_map([], |r| {
        let (generation, digest) = (r.get::<_, i64>(0)?.cast_unsigned(), r.get::<_, String>(1)?);
        let document = json!({"event": "accepted", "generation": generation, "digest": digest});
        Ok(Past { at: time(r.get(2)?), document })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn time(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros).unwrap_or_default()
}

/// An event as it may stay here and be told, and whether it had a secret.
fn without_secret(document: &[u8]) -> Result<(Value, bool)> {
    let document: Value = serde_json::from_slice(document).context("an event in the ledger can't be read")?;
    Ok(match serde_json::from_value(document.clone()) {
        Ok(Event::FirstLoginPassword { account, .. }) => (json!({"event": SECRET, "account": account}), true),
        _ => (document, false),
    })
}

/// Notes that the event of this number carries a secret.
pub(super) fn note_secret(tx: &Transaction<'_>, sequence: i64) -> Result<()> {
    if meta(tx, SECRET_FROM)?.is_some() {
        return Ok(());
    }
    set_meta(tx, SECRET_FROM, &sequence.to_string())
}

/// Notes the first event after this one that carries a secret.
fn note_next_secret(tx: &Transaction<'_>, after: i64) -> Result<()> {
    tx.execute("DELETE FROM meta WHERE name = ?1", [SECRET_FROM])?;
    let mut rows =
        tx.prepare("SELECT sequence, document FROM event WHERE sequence > ?1 ORDER BY sequence")?;
    let mut rows = rows.query([after])?;
    while let Some(row) = rows.next()? {
        if without_secret(row.get_ref(1)?.as_blob()?)?.1 {
            return note_secret(tx, row.get(0)?);
        }
    }
    Ok(())
}

/// Takes the secrets out of the events up to this number, which the server has; whether there were any.
pub(super) fn forget_secrets(tx: &Transaction<'_>, to: i64) -> Result<bool> {
    let from: Option<i64> = meta(tx, SECRET_FROM)?.map(|from| from.parse()).transpose()?;
    let Some(from) = from.filter(|from| *from <= to) else { return Ok(false) };
    let mut secrets: Vec<(i64, Value)> = vec![];
    let mut rows = tx.prepare("SELECT sequence, document FROM event WHERE sequence BETWEEN ?1 AND ?2")?;
    let mut rows = rows.query([from, to])?;
    while let Some(row) = rows.next()? {
        let (document, secret) = without_secret(row.get_ref(1)?.as_blob()?)?;
        if secret {
            secrets.push((row.get(0)?, document));
        }
    }
    for (sequence, document) in &secrets {
        tx.execute(
            "UPDATE event SET document = ?2 WHERE sequence = ?1",
            params![sequence, document.to_string().into_bytes()],
        )?;
    }
    note_next_secret(tx, to)?;
    Ok(!secrets.is_empty())
}

/// Whether it is time to look at how many are past, now that they go on from one number to another.
pub(super) fn is_to_be_bound(before: i64, now: i64) -> bool {
    before / LOOK_EVERY != now / LOOK_EVERY
}

/// Lets the oldest go where there are too many up to the number that is the last of them.
pub(super) fn bound(tx: &Transaction<'_>, last: i64) -> Result<()> {
    let mut too_many = tx.prepare_cached(
        "DELETE FROM event WHERE sequence <= (
             SELECT sequence FROM event WHERE sequence <= ?1 ORDER BY sequence DESC LIMIT 1 OFFSET ?2
         )",
    )?;
    too_many.execute([last, MOST])?;
    let mut bytes = tx.prepare_cached("SELECT sum(length(document)) FROM event WHERE sequence <= ?1")?;
    let bytes: Option<i64> = bytes.query_row([last], |r| r.get(0))?;
    if bytes.is_none_or(|bytes| bytes <= MOST_BYTES) {
        return Ok(());
    }
    tx.execute(
        "DELETE FROM event WHERE sequence <= (
             SELECT max(sequence) FROM (
                 SELECT sequence, sum(length(document)) OVER (ORDER BY sequence DESC) AS bytes
                 FROM event WHERE sequence <= ?1
             ) WHERE bytes > ?2
         )",
        [last, MOST_BYTES],
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use muster_proto::report::Secret;
    use muster_proto::{Digest, Generation, ResourceId};

    use super::*;

    fn ended(name: &str) -> Event {
        Event::Ended { resource: ResourceId::new("account", name) }
    }

    fn acknowledge_all(ledger: &mut Ledger) {
        let report = ledger.report(Generation(0)).unwrap().unwrap();
        let last = report.events.last().unwrap().sequence;
        ledger.acknowledge(&report, last).unwrap();
    }

    #[test]
    fn what_the_server_has_stays_here_too_and_no_password_does() {
        let dir = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::open(&dir.path().join("ledger.db")).unwrap();
        let now = Timestamp::default();
        ledger.event(now, &ended("ada")).unwrap();
        let password = Secret("sesame".to_owned());
        ledger.event(now, &Event::FirstLoginPassword { account: "ben".to_owned(), password }).unwrap();
        let told = |ledger: &Ledger| -> Vec<Value> {
            ledger.history().unwrap().into_iter().map(|past| past.document).collect()
        };
        let before = told(&ledger);
        assert_eq!(before[0], json!({"event": "first_login_password", "account": "ben"}), "not yet sent");
        acknowledge_all(&mut ledger);
        ledger.event(now, &ended("eve")).unwrap();
        assert_eq!(told(&ledger)[1..], before[..]);
        assert_eq!(told(&ledger)[0]["resource"], "account:eve");
    }

    #[test]
    fn on_a_full_disk_what_an_older_agent_kept_apart_waits_and_nothing_else_does() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.db");
        let password = Secret("sesame".to_owned());
        let event = Event::FirstLoginPassword { account: "ben".to_owned(), password };
        let mut ledger = Ledger::open(&path).unwrap();
        ledger.event(Timestamp::default(), &event).unwrap();
        ledger
            .db
            .execute_batch(
                "CREATE TABLE past (sequence INTEGER PRIMARY KEY, at INTEGER NOT NULL, document BLOB NOT NULL);
                 DELETE FROM meta WHERE name IN ('acknowledged', 'secret_from');
                 PRAGMA query_only = ON;",
            )
            .unwrap();
        let Ledger { db, .. } = ledger;
        let mut ledger = Ledger::prepare(db).unwrap();
        assert_eq!(ledger.report(Generation(0)).unwrap().unwrap().events.len(), 1);
        ledger.refuse_writes(false);
        acknowledge_all(&mut ledger);
        let told = ledger.history().unwrap().remove(0).document;
        assert_eq!(told, json!({"event": "first_login_password", "account": "ben"}));
        let kept: Vec<u8> = ledger.db.query_row("SELECT document FROM event", [], |r| r.get(0)).unwrap();
        assert!(!kept.windows(6).any(|part| part == b"sesame"));
    }

    #[test]
    fn what_was_only_counted_is_told_at_its_time_although_it_was_written_down_later() {
        let dir = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::open(&dir.path().join("ledger.db")).unwrap();
        let start = Timestamp::default();
        let failed = |ledger: &mut Ledger, seconds| {
            let (resource, reason) = (ResourceId::new("file", "/etc/motd"), "full".to_owned());
            let event = Event::Failed { resource, reason, times: 1 };
            ledger.event(start.plus_seconds(seconds), &event).unwrap();
        };
        (0..7).for_each(|seconds| failed(&mut ledger, seconds));
        ledger.event(start.plus_seconds(300), &ended("ada")).unwrap();
        ledger.tell_repeated(start.plus_seconds(700)).unwrap();
        let history = ledger.history().unwrap();
        assert_eq!(history[0].document["resource"], "account:ada");
        assert_eq!(history[1].document["times"], 2);
        assert!(history.is_sorted_by(|newer, older| newer.at >= older.at), "{history:?}");
    }

    #[test]
    fn the_oldest_go_where_there_are_too_many_or_too_much() {
        let dir = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::open(&dir.path().join("ledger.db")).unwrap();
        let tx = ledger.db.transaction().unwrap();
        let keep = |sequence: i64, document: &str| {
            let event = params![sequence, 0, document.as_bytes()];
            tx.execute("INSERT INTO event (sequence, at, document) VALUES (?1, ?2, ?3)", event).unwrap();
        };
        let document = json!({"event": "accepted", "generation": 1, "digest": Digest::of(b"x")}).to_string();
        // The last one is not past.
        for sequence in 1..=MOST + 6 {
            keep(sequence, &document);
        }
        bound(&tx, MOST + 5).unwrap();
        let count = |tx: &Transaction<'_>| -> (i64, i64) {
            tx.query_row("SELECT COUNT(*), MIN(sequence) FROM event", [], |r| Ok((r.get(0)?, r.get(1)?)))
                .unwrap()
        };
        assert_eq!(count(&tx), (MOST + 1, 6));
        let large = json!({"event": "x", "text": "x".repeat(1024 * 1024)}).to_string();
        for sequence in MOST + 7..MOST + 12 {
            keep(sequence, &large);
        }
        bound(&tx, MOST + 10).unwrap();
        assert_eq!(count(&tx), (3 + 1, MOST + 8));
    }

    #[test]
    fn what_an_older_agent_kept_apart_is_told_on_and_its_passwords_go_once_the_server_has_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.db");
        let now = Timestamp::default();
        let mut ledger = Ledger::open(&path).unwrap();
        let password = Secret("sesame".to_owned());
        ledger.event(now, &ended("ada")).unwrap();
        ledger.event(now, &Event::FirstLoginPassword { account: "ben".to_owned(), password }).unwrap();
        ledger.db.execute_batch(
            "CREATE TABLE past (sequence INTEGER PRIMARY KEY, at INTEGER NOT NULL, document BLOB NOT NULL);
             INSERT INTO past SELECT sequence, at, document FROM event WHERE sequence = 1;
             DELETE FROM event WHERE sequence = 1;
             DELETE FROM meta WHERE name IN ('acknowledged', 'secret_from');",
        ).unwrap();
        drop(ledger);
        let mut ledger = Ledger::open(&path).unwrap();
        let report = ledger.report(Generation(0)).unwrap().unwrap();
        assert_eq!(report.events.iter().map(|event| event.sequence).collect::<Vec<_>>(), [2]);
        ledger.acknowledge(&report, 2).unwrap();
        let told: Vec<Value> = ledger.history().unwrap().into_iter().map(|past| past.document).collect();
        assert_eq!(told[0], json!({"event": "first_login_password", "account": "ben"}));
        assert_eq!(told[1]["resource"], "account:ada");
        drop(ledger);
        for file in std::fs::read_dir(dir.path()).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            assert!(!bytes.windows(6).any(|part| part == b"sesame"));
        }
    }
}
