//! The trusted time, kept over restarts.

use anyhow::{Context as _, Result};
use muster_proto::Timestamp;
use uuid::Uuid;

use super::{Ledger, meta, set_meta};
use crate::clock::SLACK;

/// The time the server last vouched for, and when that was by a clock that nobody can set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The server's time.
    pub(crate) time: Timestamp,
    /// `CLOCK_BOOTTIME` at that moment, in microseconds.
    pub(crate) boottime: i64,
    /// The boot it belongs to.
    pub(crate) boot_id: Uuid,
    /// The latest end of a lease that passed since, by whatever clock there was.
    pub(crate) ended: Option<Timestamp>,
}

impl Ledger {
    /// The trusted time.
    pub(crate) fn mark(&self) -> Result<Option<Mark>> {
        let Some(text) = meta(&self.db, "mark")? else { return Ok(None) };
        let mut parts = text.split(' ');
        let mut number =
            || parts.next().and_then(|p| p.parse::<i64>().ok()).context("the ledger's time mark is damaged");
        let (time, boottime) = (number()?, number()?);
        let boot_id =
            parts.next().and_then(|p| p.parse().ok()).context("the ledger's time mark is damaged")?;
        let ended = parts.next().map(|p| p.parse().ok().and_then(Timestamp::from_micros));
        let ended = ended.map(|end| end.context("the ledger's time mark is damaged")).transpose()?;
        Ok(Some(Mark { time: Timestamp::from_micros(time).unwrap_or_default(), boottime, boot_id, ended }))
    }

    /// Raises the trusted time. It goes back only where the clock believed a leap back, never by a moment. What ended before
    /// goes by the time again, for which the server vouches now.
    pub(crate) fn raise_mark(&mut self, mark: Mark) -> Result<()> {
        if let Some(known) = self.mark()? {
            let back = known.time.micros() - mark.time.micros();
            if (1..=SLACK * 1_000_000).contains(&back) {
                return if known.ended.is_some() {
                    self.put_mark(&Mark { ended: None, ..known })
                } else {
                    Ok(())
                };
            }
        }
        self.put_mark(&mark)
    }

    /// Keeps that leases up to this end have ended, until the server is heard of: a boot without it and with a clock set back
    /// must not bring them back.
    pub(crate) fn keep_end(&mut self, end: Timestamp) -> Result<()> {
        match self.mark()? {
            Some(mark) if end > mark.time && mark.ended.is_none_or(|known| end > known) => {
                self.put_mark(&Mark { ended: Some(end), ..mark })
            }
            // Without a word of the server there was no state either.
            _ => Ok(()),
        }
    }

    fn put_mark(&mut self, mark: &Mark) -> Result<()> {
        let mut text = format!("{} {} {}", mark.time.micros(), mark.boottime, mark.boot_id);
        // An older agent reads the words that it knows.
        if let Some(ended) = mark.ended {
            text.push_str(&format!(" {}", ended.micros()));
        }
        set_meta(&self.db, "mark", &text)
    }
}
