//! How much of what devices say is kept, and for how long.
//!
//! A device is bounded by what it may fill, because one that was stolen says what its thief likes; the fleet is bounded by
//! time. What goes first is always the oldest.

use muster_proto::Timestamp;

/// Ledgers of a device whose events are numbered here. A device has one, and a new one after it was installed anew.
pub const EPOCHS: u32 = 8;

/// A year of proof, and a month to show it in.
const DAYS: i64 = 400;

/// What of a kind is kept of one device. A whole queue of an agent that could not reach the server for long fits in.
const ENTRIES: u64 = 50_000;
const BYTES: u64 = 64 * 1024 * 1024;

/// Something that grows with time, and so is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Events.
    Event,
    /// Intervals of checks that have ended.
    EndedCheck,
}

/// How much there is of a kind on one device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// How many.
    pub entries: u64,
    /// Bytes of their documents.
    pub bytes: u64,
}

impl Amount {
    /// One entry with a document of this length.
    pub fn one(bytes: u64) -> Self {
        Self { entries: 1, bytes }
    }

    /// Adds another.
    pub fn add(&mut self, other: Self) {
        self.entries = self.entries.saturating_add(other.entries);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }

    /// Takes another away.
    pub fn take(&mut self, other: Self) {
        self.entries = self.entries.saturating_sub(other.entries);
        self.bytes = self.bytes.saturating_sub(other.bytes);
    }

    /// Whether the oldest has to go.
    pub fn is_too_much(self) -> bool {
        self.entries > ENTRIES || self.bytes > BYTES
    }
}

/// What ended or happened before this is kept no longer.
pub fn since(now: Timestamp) -> Timestamp {
    now.plus_seconds(-DAYS * 24 * 60 * 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_bounded_by_number_and_by_bytes() {
        let mut amount = Amount { entries: ENTRIES, bytes: BYTES };
        assert!(!amount.is_too_much());
        amount.add(Amount::one(0));
        assert!(amount.is_too_much());
        amount.take(Amount::one(0));
        amount.add(Amount { entries: 0, bytes: 1 });
        assert!(amount.is_too_much());
    }

    #[test]
    fn a_whole_year_can_be_proven_a_month_later() {
        let now: Timestamp = "2026-02-01T00:00:00Z".parse().unwrap();
        assert!(since(now) < "2025-01-01T00:00:00Z".parse().unwrap());
    }
}
