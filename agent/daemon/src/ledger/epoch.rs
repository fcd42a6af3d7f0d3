//! From when on events are counted. The server knows each by the epoch and its number, and takes none twice.

use anyhow::{Context as _, Result};
use muster_proto::{DeviceId, Digest};
use rusqlite::Transaction;
use uuid::Uuid;

use super::queue::{acknowledged, last_sequence, make_past};
use super::{Ledger, last_order, meta, set_meta};

impl Ledger {
    /// Notes as which device, and by which token, this one is enrolled. Where that is new, the server has nothing of what an
    /// earlier enrollment reported, and all is sent again. To another device no state was given yet: what is in force was the
    /// other one's, while what Muster made here is still to be taken back.
    pub(crate) fn enrolled_as(&mut self, device: DeviceId, token: Digest) -> Result<()> {
        let who = format!("{device} {token}");
        let before = meta(&self.db, "enrolled_as")?;
        if before.as_ref() == Some(&who) {
            return Ok(());
        }
        let earlier = match before.as_ref().and_then(|who| who.split_once(' ')) {
            Some((earlier, _)) => Some(earlier.parse().context("the ledger names no device")?),
            None => self.state()?.map(|state| state.device),
        };
        let is_another = earlier.is_some_and(|earlier: DeviceId| earlier != device);
        let tx = self.db.transaction()?;
        tell_all_again(&tx)?;
        if before.is_some() {
            // Who let it in anew took a last order back with that.
            last_order::forget(&tx)?;
        }
        let mut epoch = self.epoch;
        if is_another {
            tx.execute_batch("DELETE FROM state; DELETE FROM whole; DELETE FROM accepted;")?;
            self.secret_in_log |= make_past(&tx, i64::MAX.cast_unsigned())?;
            tx.execute(
                "DELETE FROM meta WHERE name IN ('sequence', 'applied', 'lost_from', 'lost_to', 'server_restored')",
                [],
            )?;
            epoch = begin(&tx)?;
        }
        set_meta(&tx, "enrolled_as", &who)?;
        tx.commit()?;
        self.epoch = epoch;
        self.forget_secrets()
    }

    /// Has all that the server was not told from here be told again, as from one on: it has numbers that this ledger never gave, which
    /// so is an older copy, such as of a machine that was put back to a snapshot. The server would take what happens now for what
    /// happened then, and pass over it; and what it was told last of the state of the device is not what is so.
    pub(super) fn go_on_from_copy(&mut self) -> Result<()> {
        tracing::warn!("the server knows more of this device than its ledger: all is told again");
        let tx = self.db.transaction()?;
        tell_all_again(&tx)?;
        let acknowledged = acknowledged(&tx)?;
        let first: Option<i64> =
            tx.query_row("SELECT min(sequence) FROM event WHERE sequence > ?1", [acknowledged], |row| {
                row.get(0)
            })?;
        let lost: Option<i64> = meta(&tx, "lost_from")?.map(|lost| lost.parse()).transpose()?;
        let before = lost.or(first).map_or(last_sequence(&tx)?, |first| first - 1);
        let epoch = begin(&tx)?;
        // One after the other from the first on, as each takes a number that another one had.
        tx.execute("UPDATE event SET sequence = sequence - ?1 WHERE sequence > 0", [before])?;
        tx.execute(
            "UPDATE meta SET value = value - ?1 WHERE name IN ('sequence', 'secret_from', 'lost_from', 'lost_to')",
            [before],
        )?;
        tx.commit()?;
        self.epoch = epoch;
        Ok(())
    }
}

/// What is so is told to a server that has nothing of it, or something else.
fn tell_all_again(tx: &Transaction<'_>) -> Result<()> {
    tx.execute("UPDATE section SET acknowledged = NULL", [])?;
    tx.execute("DELETE FROM meta WHERE name = 'applied_said'", [])?;
    Ok(())
}

/// Events are counted from one again, behind all that is past: further than there will ever be any.
fn begin(tx: &Transaction<'_>) -> Result<Uuid> {
    let epoch = Uuid::new_v4();
    tx.execute("UPDATE event SET sequence = sequence - (1 << 40) WHERE sequence <= ?1", [acknowledged(tx)?])?;
    tx.execute("DELETE FROM meta WHERE name = 'acknowledged'", [])?;
    set_meta(tx, "epoch", &epoch.to_string())?;
    Ok(epoch)
}
