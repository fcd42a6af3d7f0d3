//! How much of what files hold is in memory at once.

use anyhow::{Context as _, Result};

/// Said of what has to wait for the next turn.
const FULL: &str = "the files that change at once held too much: this one follows in the next turns";

/// In bytes. All that the agent may have is 256 MiB.
pub(super) const AT_ONCE: usize = 64 * 1024 * 1024;

/// What there is left for contents that are to be kept, or put back, together. Who has many large files in the places of others' neither
/// ends the agent nor keeps it from its other work.
pub(super) struct Room(usize);

impl Default for Room {
    fn default() -> Self {
        Self(AT_ONCE)
    }
}

impl Room {
    /// Takes as much as a content needs; an error where too little is left: it has to wait for the next turn.
    pub(super) fn take(&mut self, needed: usize) -> Result<()> {
        let left = self.0.checked_sub(needed);
        self.0 = left.context(FULL)?;
        Ok(())
    }
}

/// Whether this is why something was not made.
pub(super) fn is_full(reason: &str) -> bool {
    reason == FULL
}
