//! What happened here, kept after the server has it too: the device's own record, which needs no trust in the server.

use std::borrow::Cow;

use anyhow::{Context as _, Result};
use muster_proto::Timestamp;
use muster_proto::report::Event;
use rusqlite::{Connection, Transaction, params};
use serde_json::{Value, json};

use super::Ledger;

pub(super) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS past (sequence INTEGER PRIMARY KEY, at INTEGER NOT NULL, document BLOB NOT NULL);
";

/// Events that are kept when the server has them; older ones go.
const MOST: i64 = 1_000;

/// After so many more it is looked at whether there are too many: to count all of them costs more than to keep these few.
const LOOK_EVERY: i64 = 32;

/// How many bytes of them are kept.
const MOST_BYTES: i64 = 4 * 1024 * 1024;

/// What an event with a secret is called.
const SECRET: &str = "first_login_password";

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
        let mut all = events(&self.db)?;
        let oldest = all.last().map(|event| event.at);
        let accepted = accepted(&self.db)?.into_iter();
        // Of these the events are gone.
        all.extend(accepted.filter(|accepted| oldest.is_none_or(|oldest| accepted.at < oldest)));
        Ok(all)
    }
}

fn events(db: &Connection) -> Result<Vec<Past>> {
    let mut rows = db.prepare(
        "SELECT sequence, at, document FROM event UNION ALL SELECT sequence, at, document FROM past ORDER BY sequence DESC",
    )?;
    let rows = rows.query_map([], |r| Ok((r.get(1)?, r.get::<_, Vec<u8>>(2)?)))?;
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

/// Keeps an event that leaves the queue, without its secret; whether it had one.
pub(super) fn keep(tx: &Transaction<'_>, sequence: i64, at: i64, document: &[u8]) -> Result<bool> {
    // Few have one, and reading all of a thousand to find that out costs more than keeping them.
    let may_have_one = document.windows(SECRET.len()).any(|word| word == SECRET.as_bytes());
    let (document, secret) = if may_have_one {
        let (document, secret) = without_secret(document)?;
        (Cow::Owned(document.to_string().into_bytes()), secret)
    } else {
        (Cow::Borrowed(document), false)
    };
    tx.prepare_cached("INSERT OR REPLACE INTO past (sequence, at, document) VALUES (?1, ?2, ?3)")?
        .execute(params![sequence, at, document.as_ref()])?;
    Ok(secret)
}

/// Whether it is time to look at how many there are, now that the event of this number is kept.
pub(super) fn is_to_be_bound_at(sequence: i64) -> bool {
    sequence % LOOK_EVERY == 0
}

/// Lets the oldest go where there are too many.
pub(super) fn bound(tx: &Transaction<'_>) -> Result<()> {
    tx.execute(
        "DELETE FROM past WHERE sequence <= (
             SELECT MAX(sequence) FROM (
                 SELECT sequence, ROW_NUMBER() OVER newest AS number, SUM(LENGTH(document)) OVER newest AS bytes
                 FROM past WINDOW newest AS (ORDER BY sequence DESC)
             ) WHERE number > ?1 OR bytes > ?2
         )",
        [MOST, MOST_BYTES],
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
    fn the_oldest_go_where_there_are_too_many_or_too_much() {
        let dir = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::open(&dir.path().join("ledger.db")).unwrap();
        let tx = ledger.db.transaction().unwrap();
        let document = json!({"event": "accepted", "generation": 1, "digest": Digest::of(b"x")}).to_string();
        for sequence in 1..=MOST + 5 {
            keep(&tx, sequence, 0, document.as_bytes()).unwrap();
        }
        bound(&tx).unwrap();
        let count = |tx: &Transaction<'_>| -> (i64, i64) {
            tx.query_row("SELECT COUNT(*), MIN(sequence) FROM past", [], |r| Ok((r.get(0)?, r.get(1)?)))
                .unwrap()
        };
        assert_eq!(count(&tx), (MOST, 6));
        let large = json!({"event": "x", "text": "x".repeat(1024 * 1024)}).to_string();
        for sequence in MOST + 6..MOST + 10 {
            keep(&tx, sequence, 0, large.as_bytes()).unwrap();
        }
        bound(&tx).unwrap();
        assert_eq!(count(&tx), (3, MOST + 7));
    }
}
