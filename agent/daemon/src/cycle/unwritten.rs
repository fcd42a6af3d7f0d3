//! A ledger that can't be written, as on a full disk: what a turn puts off, and who is told.
//!
//! Nothing is changed without the ledger but what ends. What became of resources is sent to the server all the same, and a
//! note beside the output of commands, which is in memory, lets `muster-agent status` say it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use muster_proto::{Digest, Timestamp, wire};
use serde::{Deserialize, Serialize};

use super::{Cycle, Next};
use crate::ledger::cant_be_written;

/// How soon it is tried again at the latest: to look whether a page can be written costs nothing.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

const OUTCOMES: &str = "outcomes";

/// What the ledger has no room for.
#[derive(Debug, Default)]
pub(super) struct Unwritten {
    /// A desired state that came.
    pub(super) state: Option<Vec<u8>>,
    /// Why the ledger could not be written in this turn, or since the last.
    met: Option<anyhow::Error>,
    /// Since when it can't be written.
    since: Option<Timestamp>,
    /// What became of the resources in the last turn.
    outcomes: Option<Vec<u8>>,
    /// Which outcomes the server has acknowledged.
    said: Option<Digest>,
}

/// What `muster-agent status` says of it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    /// Since when.
    pub(crate) since: Timestamp,
    /// Why.
    pub(crate) reason: String,
    /// The section `outcomes` that could not be written down.
    pub(crate) outcomes: Option<String>,
}

impl Unwritten {
    /// Begins with what an agent that ended has said.
    pub(super) fn begin(scratch: &Path) -> Self {
        let since = Note::read(scratch).ok().flatten().map(|note| note.since);
        Self { since, ..Self::default() }
    }

    /// Whether the ledger could not be written when that was last tried.
    pub(super) fn is_known(&self) -> bool {
        self.since.is_some()
    }

    /// Forgets why the ledger could not be written, as that is tried anew.
    pub(super) fn forget(&mut self) {
        self.met = None;
    }

    /// Remembers why the ledger can't be written.
    pub(super) fn meet(&mut self, error: anyhow::Error) {
        self.met.get_or_insert(error);
    }

    /// Goes on without what could not be written; any other error stays one.
    pub(super) fn put_off<T>(&mut self, written: Result<T>) -> Result<()> {
        match written {
            Err(error) if cant_be_written(&error) => {
                self.meet(error);
                Ok(())
            }
            written => written.map(drop),
        }
    }

    /// Remembers outcomes that are not in the ledger.
    pub(super) fn outcomes_kept(&mut self, kept: &Result<bool>, document: Vec<u8>) {
        self.outcomes = kept.is_err().then_some(document);
    }

    /// Puts outcomes that are not in the ledger in place of older ones, unless the server has them.
    pub(super) fn with_outcomes(
        &self,
        report: Option<wire::ReportRequest>,
        empty: impl FnOnce() -> wire::ReportRequest,
    ) -> Option<wire::ReportRequest> {
        let Some(outcomes) = &self.outcomes else { return report };
        if self.said == Some(Digest::of(outcomes)) && report.is_none() {
            return None;
        }
        let mut report = report.unwrap_or_else(empty);
        report.sections.retain(|section| section.name != OUTCOMES);
        // What the ledger could not write down is old, and can wait where there is no room for both.
        let others: usize = report.sections.iter().map(|section| section.document.len()).sum();
        if others + outcomes.len() > wire::MAX_SECTION {
            report.sections.clear();
        }
        report.sections.push(wire::Section { name: OUTCOMES.to_owned(), document: outcomes.clone().into() });
        Some(report)
    }

    /// The server has what the report said.
    pub(super) fn acknowledged(&mut self, report: &wire::ReportRequest) {
        let outcomes = report.sections.iter().find(|section| section.name == OUTCOMES);
        self.said = outcomes.map(|section| Digest::of(&section.document)).or(self.said);
    }
}

impl Note {
    /// Where it is, beside the output of commands.
    pub(crate) fn path(scratch: &Path) -> PathBuf {
        scratch.join("unwritten.json")
    }

    /// What is said now, if anything is.
    pub(crate) fn read(scratch: &Path) -> Result<Option<Self>> {
        let path = Self::path(scratch);
        match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text)
                .map(Some)
                .with_context(|| format!("{} can't be read", path.display())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("can't read {}", path.display())),
        }
    }
}

impl Cycle {
    /// Says whether the ledger could be written in this turn, and when to look again if not.
    pub(super) fn end_of_turn(&mut self, next: Next) -> Result<Next> {
        let Some(error) = self.unwritten.met.take() else {
            if self.unwritten.since.take().is_some() {
                tracing::info!("the ledger can be written again");
                // What was looked at meanwhile is in no section.
                self.inspected = None;
                self.hands.tabulated = None;
                self.unwritten.said = None;
                std::fs::remove_file(Note::path(&self.hands.host.scratch)).ok();
                return Ok(Next { wait: Duration::ZERO, ..next });
            }
            return Ok(next);
        };
        let reason = format!("{error:#}");
        if !self.unwritten.is_known() {
            tracing::error!(
                reason,
                "the ledger can't be written: make room on the disk of {}; nothing is changed meanwhile but what ends",
                self.config.state_dir.display()
            );
        }
        let since = *self.unwritten.since.get_or_insert(self.hands.clock.now());
        let outcomes =
            self.unwritten.outcomes.as_deref().map(|text| String::from_utf8_lossy(text).into_owned());
        let note = Note { since, reason, outcomes };
        let path = Note::path(&self.hands.host.scratch);
        if let Err(error) = std::fs::write(&path, serde_json::to_vec(&note)?) {
            tracing::warn!(%error, "{} can't be written, so muster-agent status does not say it", path.display());
        }
        Ok(Next { wait: next.wait.min(LOOK_AGAIN), ..next })
    }
}
