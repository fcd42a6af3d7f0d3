//! The device's last order: durable before anything is done on it, and how far that has come.

use anyhow::{Context as _, Result};
use muster_proto::last_order::{LastOrder, Receipt};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Ledger, meta, set_meta};

const LAST_ORDER: &str = "last_order";

/// A last order, and how far it has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ordered {
    /// The order.
    pub(crate) order: LastOrder,
    /// What was done on it, as it was last done.
    pub(crate) receipt: Option<Receipt>,
    /// The boot in which the server took the receipt, or said that it takes nothing any more.
    pub(crate) taken_in: Option<Uuid>,
}

impl Ledger {
    /// The last order that is there.
    pub(crate) fn last_order(&self) -> Result<Option<Ordered>> {
        let text = meta(&self.db, LAST_ORDER)?;
        text.map(|text| serde_json::from_str(&text).context("the ledger's last order can't be read"))
            .transpose()
    }

    /// Keeps a last order, or how far it has come. It is durable on return.
    pub(crate) fn keep_last_order(&mut self, ordered: &Ordered) -> Result<()> {
        set_meta(&self.db, LAST_ORDER, &serde_json::to_string(ordered)?)
    }

    /// Forgets the last order, as it was taken back.
    pub(crate) fn forget_last_order(&mut self) -> Result<()> {
        forget(&self.db)
    }
}

pub(super) fn forget(db: &Connection) -> Result<()> {
    db.execute("DELETE FROM meta WHERE name = ?1", [LAST_ORDER])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use muster_proto::{DeviceId, Timestamp};

    use super::*;

    #[test]
    fn an_order_and_its_receipt_outlive_a_restart_until_they_are_taken_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.db");
        let order =
            LastOrder { id: "lost-1".into(), device: DeviceId(Uuid::nil()), ordered: Timestamp::default() };
        let mut ordered = Ordered { order, receipt: None, taken_in: None };
        Ledger::open(&path).unwrap().keep_last_order(&ordered).unwrap();
        assert_eq!(Ledger::open(&path).unwrap().last_order().unwrap().as_ref(), Some(&ordered));
        ordered.receipt = Some(Receipt {
            order: "lost-1".into(),
            done: Timestamp::default(),
            locked: vec!["ada".into()],
            faults: vec![],
        });
        Ledger::open(&path).unwrap().keep_last_order(&ordered).unwrap();
        let mut ledger = Ledger::open(&path).unwrap();
        assert_eq!(ledger.last_order().unwrap(), Some(ordered));
        ledger.forget_last_order().unwrap();
        assert_eq!(ledger.last_order().unwrap(), None);
    }
}
