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
        Ok(Some(Mark { time: Timestamp::from_micros(time).unwrap_or_default(), boottime, boot_id }))
    }

    /// Raises the trusted time. It goes back only where the clock believed a leap back, never by a moment.
    pub(crate) fn raise_mark(&mut self, mark: Mark) -> Result<()> {
        let back = self.mark()?.map_or(0, |known| known.time.micros() - mark.time.micros());
        if (1..=SLACK * 1_000_000).contains(&back) {
            return Ok(());
        }
        set_meta(&self.db, "mark", &format!("{} {} {}", mark.time.micros(), mark.boottime, mark.boot_id))
    }
}
