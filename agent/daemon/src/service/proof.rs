//! The proof that a change did not cut the device off: the server, reached over a connection that began after it.

use std::time::Duration;

use anyhow::Result;
use tokio::time::{Instant, sleep_until};

use super::Converging;
use crate::cycle::Cycle;
use crate::link::ToServer;

/// What is waited for.
#[derive(Debug, Default)]
pub(super) struct Proof {
    /// The last changes for which a connection was asked for, by their number.
    trials: u64,
    /// The last number under which a connection was asked for.
    asked: u64,
    /// Whether a turn has still to undo what was given up.
    undoing: bool,
    /// Until when it may come.
    until: Option<Instant>,
    /// When changes were undone, while the server has not been reached since.
    undone: Option<Instant>,
}

impl Proof {
    /// Returns once the proof did not come in time; never while none is waited for.
    pub(super) async fn is_overdue(&self) {
        match self.until {
            Some(until) => sleep_until(until).await,
            None => std::future::pending().await,
        }
    }
}

impl Converging {
    /// How long the server may take to be reached.
    fn patience(&self) -> Duration {
        Duration::from_secs(self.config.reach_within_seconds)
    }

    /// After a turn: asks for a new connection as the proof of changes that it made, or to see whether undoing them helped.
    pub(super) async fn ask_for_proof(&mut self, cycle: &Cycle) {
        let undone = std::mem::take(&mut self.proof.undoing);
        if undone {
            // The undoing may take longer than a server may be away, as where the store of certificates is made anew.
            self.proof.undone = Some(Instant::now());
        }
        let begun = cycle.on_trial().filter(|number| *number > self.proof.trials);
        if let Some(number) = begun {
            self.proof.trials = number;
            self.proof.until = Some(Instant::now() + self.patience());
        }
        if begun.is_some() || undone {
            self.proof.asked += 1;
            self.send(ToServer::Reach(self.proof.asked)).await;
        }
    }

    /// Takes the proof, if it is of the newest change; true when there is something to do now.
    pub(super) fn confirm(&mut self, cycle: &mut Cycle, number: u64) -> Result<bool> {
        if number != self.proof.asked || self.proof.until.take().is_none() {
            return Ok(false);
        }
        cycle.confirm_trials().map(|()| true)
    }

    /// Has the next turn undo what was not proven.
    pub(super) fn give_up(&mut self, cycle: &mut Cycle) -> Result<()> {
        self.proof.until = None;
        self.proof.undoing = true;
        cycle.give_up_trials()
    }

    /// The server is there again. Where undoing a change did not bring it back for as long as the change was given, it was
    /// away for another reason, and the change may be tried again; true when it is.
    pub(super) fn acquit(&mut self, cycle: &mut Cycle) -> Result<bool> {
        let undone = self.proof.undone.take();
        let was_away = undone.is_some_and(|at| at.elapsed() > self.patience());
        if was_away {
            tracing::info!("undoing the last changes did not bring the server back: they are tried again");
            cycle.retry_trials()?;
        }
        Ok(was_away)
    }
}
