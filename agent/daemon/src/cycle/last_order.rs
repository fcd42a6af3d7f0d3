//! The last order of a lost device: what it changes, and that nothing else is changed any more.
//!
//! The order is in the ledger before anything is done on it, and the receipt before anything is said. From then on no turn
//! is made: it would unlock what the order locked. Leases still end.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use muster_converge::plan::Record;
use muster_proto::ResourceId;
use muster_proto::compose::{Claimed, Composition};
use muster_proto::condition::Condition;
use muster_proto::last_order::{MAX_FAULT, MAX_NAMED, Order, Receipt};
use muster_proto::state::Mode;

use super::{Cycle, make};
use crate::ledger::{Ordered, cant_be_written};
use crate::resource::{Locked, lock};

const ACCOUNT: &str = "account";

/// Whether a device may be used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The server has not taken the receipt: the device is powered off whenever it runs.
    Due,
    /// The server has taken it in this boot, which ends.
    Done,
    /// The server took it in an earlier boot. Whoever turned the device on found it; nothing is changed on it until it is
    /// enrolled anew.
    Over,
}

/// What carrying an order out came to.
#[derive(Debug)]
pub(crate) struct Carried {
    /// What the server is told; nothing while this could be forgotten with the power.
    pub(crate) receipt: Option<Receipt>,
    /// Whether every account was locked that may be.
    pub(crate) whole: bool,
}

impl Cycle {
    /// Keeps a last order that came; it is durable on return, or else obeyed at once. One for another device is no order.
    pub(crate) fn take_last_order(&mut self, bytes: &[u8]) -> Result<()> {
        let Order { last_order } =
            serde_json::from_slice(bytes).context("the last order can't be read: upgrade the agent")?;
        ensure!(last_order.device == self.device, "the last order is for device {}", last_order.device);
        if self.ordered()?.is_some_and(|known| known.order.id == last_order.id) {
            return Ok(());
        }
        self.keep_order(Ordered { order: last_order, receipt: None, taken_in: None })
    }

    /// The last order, be it in the ledger or, where that has no room, known to this process alone.
    fn ordered(&self) -> Result<Option<Ordered>> {
        match &self.unwritten_order {
            Some(ordered) => Ok(Some(ordered.clone())),
            None => self.hands.ledger.last_order(),
        }
    }

    /// Keeps it in the ledger. A full disk must not keep a device from being locked: then this process knows of it, and the
    /// server tells the next one again, as it gets no receipt.
    fn keep_order(&mut self, ordered: Ordered) -> Result<()> {
        match self.hands.ledger.keep_last_order(&ordered) {
            Err(error) if cant_be_written(&error) => {
                tracing::warn!("the last order is obeyed though it can't be written down: {error:#}");
                self.unwritten_order = Some(ordered);
                Ok(())
            }
            kept => {
                kept?;
                self.unwritten_order = None;
                Ok(())
            }
        }
    }

    /// How far the last order has come, if there is one.
    pub(crate) fn stage(&self) -> Result<Option<Stage>> {
        let boot = self.hands.clock.boot_id();
        Ok(self.ordered()?.map(|ordered| match ordered.taken_in {
            None => Stage::Due,
            Some(taken_in) if taken_in == boot => Stage::Done,
            Some(_) => Stage::Over,
        }))
    }

    /// Locks the accounts and ends what runs as them; gives the receipt once that is durable.
    pub(crate) async fn carry_out(&mut self) -> Result<Carried> {
        let mut ordered = self.ordered()?.context("there is no last order")?;
        let (mut locked, mut faults) = (Vec::new(), Vec::new());
        let denied = self.hands.deny_kinds.contains(ACCOUNT);
        if denied {
            faults.push("its owner lets no account be changed (deny_kinds in agent.toml)".to_owned());
        } else {
            // One of them may be about to unlock an account, which is read as locked until then.
            if let Err(error) = self.hands.host.let_tools_end().await {
                faults.push(fault(&format!("{error:#}")));
            }
            for name in self.accounts()? {
                match lock(&mut self.hands.host, &name).await {
                    Ok(Locked::Yes) => locked.push(name),
                    Ok(Locked::NotThere) => {}
                    Err(error) => faults.push(fault(&format!("{name}: {error:#}"))),
                }
            }
        }
        locked.truncate(MAX_NAMED);
        faults.truncate(MAX_NAMED);
        let done = self.hands.clock.now();
        let receipt = Receipt { order: ordered.order.id.clone(), done, locked, faults };
        ordered.receipt = Some(receipt.clone());
        self.keep_order(ordered)?;
        let whole = denied || receipt.faults.is_empty();
        Ok(Carried { receipt: Some(receipt).filter(|_| self.unwritten_order.is_none()), whole })
    }

    /// Locks what could not be locked when the order was carried out.
    pub(crate) async fn lock_the_rest(&mut self) -> Result<()> {
        let Some(receipt) = self.ordered()?.and_then(|ordered| ordered.receipt) else { return Ok(()) };
        if receipt.faults.is_empty() || self.hands.deny_kinds.contains(ACCOUNT) {
            return Ok(());
        }
        let mut ended = Ok(());
        for name in self.accounts()?.into_iter().filter(|name| !receipt.locked.contains(name)) {
            // One that can't be locked keeps no other one open.
            let locked = lock(&mut self.hands.host, &name).await.with_context(|| format!("locking {name}"));
            ended = ended.and(locked.map(drop));
        }
        ended
    }

    /// The server has taken the receipt, or takes nothing from this device any more.
    pub(crate) fn receipt_taken(&mut self) -> Result<()> {
        let Some(mut ordered) = self.ordered()? else { return Ok(()) };
        ordered.taken_in = Some(self.hands.clock.boot_id());
        self.keep_order(ordered)
    }

    /// The order was taken back: from the next turn on the device is kept as before.
    pub(crate) fn order_taken_back(&mut self) -> Result<()> {
        self.unwritten_order = None;
        self.hands.ledger.forget_last_order()
    }

    /// Turns the device off.
    pub(crate) async fn power_off(&mut self) -> Result<()> {
        self.hands.host.systemd.power_off().await
    }

    /// Ends the leases that are over, and changes nothing else.
    pub(crate) async fn end_leases(&mut self) -> Result<()> {
        let composition = self.in_force()?;
        make::end_leases(&mut self.hands, &composition, make::NO_KIND).await
    }

    fn accounts(&mut self) -> Result<BTreeSet<String>> {
        let records = self.hands.ledger.records()?;
        // A state that can't be composed must not keep the accounts that are on record from being locked.
        let composition = self.in_force().unwrap_or_default();
        Ok(managed(&composition, records.iter()))
    }
}

/// The accounts that Muster manages: those that a profile enforces, and those that it made or changed.
fn managed<'a>(
    composition: &Composition,
    records: impl Iterator<Item = (&'a ResourceId, &'a Record)>,
) -> BTreeSet<String> {
    let claimed = composition.claims.iter().filter(|(_, claim)| {
        claim.source.mode == Mode::Enforce && matches!(claim.claimed, Claimed::Apply(_))
    });
    let claimed = claimed.map(|(id, _)| id);
    let written = records.filter(|(_, record)| record.wrote != Condition::Absent).map(|(id, _)| id);
    claimed.chain(written).filter(|id| id.kind() == ACCOUNT).map(|id| id.key().to_owned()).collect()
}

fn fault(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_FAULT).collect()
}
