//! The owner's pause. It outlives a restart, and is told to the server as an event and as a section.

use anyhow::{Context as _, Result};
use muster_proto::Timestamp;
use muster_proto::report::{Event, Pause};

use super::queue::{bound_queue, push_event};
use super::section::put_section;
use super::{Ledger, meta, set_meta};

const PAUSE: &str = "pause";

/// Why convergence goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resumption {
    /// The pause's time is over.
    InTime,
    /// The owner ended it before.
    Early,
}

impl Ledger {
    /// The pause that was begun and not ended, whether or not its time is over.
    pub(crate) fn pause(&self) -> Result<Option<Pause>> {
        let text = meta(&self.db, PAUSE)?;
        text.map(|text| serde_json::from_str(&text).context("the ledger's pause can't be read")).transpose()
    }

    /// Begins a pause, or gives the one in force another end and reason.
    pub(crate) fn begin_pause(&mut self, pause: &Pause) -> Result<()> {
        let text = serde_json::to_string(pause)?;
        let tx = self.db.transaction()?;
        set_meta(&tx, PAUSE, &text)?;
        put_section(&tx, Pause::SECTION, text.as_bytes())?;
        push_event(&tx, pause.since, &Event::Paused(pause.clone()))?;
        bound_queue(&tx)?;
        Ok(tx.commit()?)
    }

    /// Ends the pause; false when there is none.
    pub(crate) fn resume(&mut self, why: Resumption, now: Timestamp) -> Result<bool> {
        let tx = self.db.transaction()?;
        if tx.execute("DELETE FROM meta WHERE name = ?1", [PAUSE])? == 0 {
            return Ok(false);
        }
        put_section(&tx, Pause::SECTION, b"null")?;
        push_event(&tx, now, &Event::Resumed { early: why == Resumption::Early })?;
        bound_queue(&tx)?;
        tx.commit()?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use muster_proto::Generation;

    use super::*;

    #[test]
    fn a_pause_outlives_a_restart_and_is_told_from_its_beginning_to_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.db");
        let now = Timestamp::default();
        let pause = Pause { since: now, until: now.plus_seconds(7200), reason: "a fair".to_owned() };
        Ledger::open(&path).unwrap().begin_pause(&pause).unwrap();
        let mut ledger = Ledger::open(&path).unwrap();
        assert_eq!(ledger.pause().unwrap(), Some(pause.clone()));
        let report = ledger.report(Generation(0)).unwrap().unwrap();
        assert_eq!(report.sections[0].name, "pause");
        assert_eq!(serde_json::from_slice::<Pause>(&report.sections[0].document).unwrap(), pause);
        ledger.acknowledge(&report, 1).unwrap();
        assert!(ledger.resume(Resumption::Early, now).unwrap());
        assert!(!ledger.resume(Resumption::Early, now).unwrap());
        let report = ledger.report(Generation(0)).unwrap().unwrap();
        assert_eq!(report.sections[0].document.as_ref(), b"null");
        let event: Event = serde_json::from_slice(&report.events[0].document).unwrap();
        assert_eq!(event, Event::Resumed { early: true });
    }
}
