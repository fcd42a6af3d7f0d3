//! The last order: what a lost device is told, and what it says that it did.

use serde::{Deserialize, Serialize};

use crate::id::DeviceId;
use crate::timestamp::Timestamp;

/// The most accounts and faults that a receipt names.
pub const MAX_NAMED: usize = 1_000;

/// The longest fault, in characters.
pub const MAX_FAULT: usize = 500;

/// What a lost device is told. It stands one level down, so that these bytes are never read as a desired state nor a
/// state as them, whichever way they came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// The order.
    pub last_order: LastOrder,
}

/// Lock the accounts, end their sessions, say so, power off. Nothing is erased.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LastOrder {
    /// Which order: its receipt names it.
    pub id: String,
    /// For which device.
    pub device: DeviceId,
    /// When it was given.
    pub ordered: Timestamp,
}

/// What a device did on its last order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// Which order.
    pub order: String,
    /// When the device was done, by its own time.
    pub done: Timestamp,
    /// Accounts that are locked, and of which nothing runs any more.
    pub locked: Vec<String>,
    /// What could not be done, a sentence each.
    pub faults: Vec<String>,
}

impl Receipt {
    /// Whether it says no more than a receipt may.
    pub fn is_bounded(&self) -> bool {
        let short = |text: &String, most: usize| text.chars().count() <= most;
        self.locked.len() <= MAX_NAMED
            && self.faults.len() <= MAX_NAMED
            && self.locked.iter().all(|name| short(name, 64))
            && self.faults.iter().all(|fault| short(fault, MAX_FAULT))
            && short(&self.order, 128)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::DesiredState;

    #[test]
    fn an_order_is_never_read_as_a_state_nor_a_state_as_an_order() {
        let order = Order {
            last_order: LastOrder {
                id: "lost-1".to_owned(),
                device: DeviceId(uuid::Uuid::from_u128(1)),
                ordered: Timestamp::default(),
            },
        };
        let bytes = serde_json::to_vec(&order).unwrap();
        assert!(serde_json::from_slice::<DesiredState>(&bytes).is_err());
        assert_eq!(serde_json::from_slice::<Order>(&bytes).unwrap(), order);
        let state =
            br#"{"muster":1,"composition":1,"device":"00000000-0000-0000-0000-000000000001","generation":1,
            "issued":"2026-01-01T00:00:00Z","revisions":[],"bindings":{"name":"n","serial":"s"}}"#;
        assert!(serde_json::from_slice::<DesiredState>(state).is_ok());
        assert!(serde_json::from_slice::<Order>(state).is_err());
    }

    #[test]
    fn a_receipt_says_only_so_much() {
        let mut receipt =
            Receipt { order: "lost-1".into(), done: Timestamp::default(), locked: vec![], faults: vec![] };
        assert!(receipt.is_bounded());
        receipt.faults = vec!["x".repeat(MAX_FAULT + 1)];
        assert!(!receipt.is_bounded());
        receipt.faults = vec![String::new(); MAX_NAMED + 1];
        assert!(!receipt.is_bounded());
    }
}
