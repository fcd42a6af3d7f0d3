//! Lets the oldest go of what grows with time: of one device when it is too much, of all when it is too old.

use muster_policy::keep::{self, Amount, Kind};
use muster_proto::{DeviceId, Timestamp};
use muster_store::{StoreError, Tx, kept};

use super::App;

/// How often [`App::let_go`] is to be called.
pub(crate) const PASS: std::time::Duration = std::time::Duration::from_secs(60 * 60);

/// Devices and entries that one transaction lets go: other writes go between two of them.
const DEVICES: u32 = 100;
const ENTRIES: u32 = 500;

/// Counts what a transaction added, and lets the oldest of the device go while there is too much. No more goes than has
/// to: one large entry must not take all proof with it.
pub(super) fn added(tx: &mut Tx<'_>, device: DeviceId, kind: Kind, added: Amount) -> Result<(), StoreError> {
    if added == Amount::default() {
        return Ok(());
    }
    let mut amount = kept::amount(tx, device, kind)?;
    amount.add(added);
    while amount.is_too_much() {
        let gone = kept::remove_oldest(tx, device, kind, Timestamp::MAX, 1)?;
        if gone == Amount::default() {
            amount = gone;
        }
        amount.take(gone);
    }
    kept::set(tx, device, kind, amount)
}

/// Longer than nothing is recorded by a fleet that is in use: certificates alone are renewed more often.
const LEAP: i64 = 60 * 86_400;

impl App {
    /// Whether time may end things for good: somebody who is known did something not long ago. Right after a leap forward it
    /// is as likely that the clock is wrong, and what was let go then would not come back when it is right again. What is
    /// recorded of strangers says nothing of the time: anyone can fail to log in.
    pub(crate) async fn time_is_certain(&self) -> Result<bool, StoreError> {
        let now = self.now();
        let newest = self.store().read(muster_store::audit::newest_of_known).await?;
        Ok(newest.is_none_or(|at| now <= at.plus_seconds(LEAP)))
    }

    /// Lets go what is older than anything is kept. To be called every [`PASS`].
    pub(crate) async fn let_go(&self) -> Result<(), StoreError> {
        let before = keep::since(self.now());
        self.store().write(move |tx| muster_store::waiver::remove_covers(tx, before)).await?;
        loop {
            let overdue = self.store().read(move |tx| kept::overdue(tx, before, DEVICES)).await?;
            if overdue.is_empty() {
                return Ok(());
            }
            for device in overdue {
                self.store().write(move |tx| let_go_of(tx, device, before)).await?;
            }
        }
    }
}

fn let_go_of(tx: &mut Tx<'_>, device: DeviceId, before: Timestamp) -> Result<(), StoreError> {
    for kind in [Kind::Event, Kind::EndedCheck] {
        let gone = kept::remove_oldest(tx, device, kind, before, ENTRIES)?;
        let mut amount = kept::amount(tx, device, kind)?;
        amount.take(gone);
        kept::set(tx, device, kind, amount)?;
    }
    Ok(())
}
