//! How much one device may ask for, so that none keeps the others from the server's one writer.
//!
//! A mutex over a table rather than a task: it is taken for less than a microsecond.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use muster_policy::pace::{Bucket, Rate};
use muster_proto::{DeviceId, wire};
use tonic::Status;

/// In KiB. At once, a device sends a day's queue of events and all it knows of itself; as time goes on, 96 a second
/// are a small part of what the writer takes in, and a full queue of 64 MiB has passed after half an hour.
const RATE: Rate = Rate { at_once: 8.0 * 1024.0, each_second: 96.0 };

/// What any call costs, however small.
pub(super) const CALL: f64 = 4.0;

/// A signature and rows that stay. An agent asks once in twenty days, and after a failure every ten minutes.
pub(super) const RENEWAL: f64 = 4.0 * 1024.0;

/// Devices that are remembered before anyone is forgotten.
const REMEMBERED: usize = 10_000;

/// What each device has left; cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Pace {
    table: Arc<Mutex<Table>>,
}

#[derive(Default)]
struct Table {
    buckets: HashMap<DeviceId, Bucket>,
    /// How many were left when those were last forgotten who have all of their share.
    left: usize,
}

/// What an event costs beyond its bytes: rows and their indexes.
const EVENT: f64 = 0.3;

/// What an outcome or a check's result costs beyond its bytes. An agent sends all of them when one has changed.
const ENTRY: f64 = 0.1;

/// What a report costs beyond its bytes, which are paid for before they come: the writer pays by the row. Nothing of the
/// documents has been read yet, so each brace counts as an entry.
pub(super) fn of_report(report: &wire::ReportRequest) -> f64 {
    let sections = report.sections.iter().flat_map(|section| section.document.iter());
    let entries = sections.filter(|byte| **byte == b'{').count();
    CALL + EVENT * report.events.len() as f64 + ENTRY * entries as f64
}

/// What a message of so many bytes costs.
pub(super) fn of_bytes(bytes: usize) -> f64 {
    bytes as f64 / 1024.0
}

impl Pace {
    /// Lets a call of this cost in, or says to come back later. None costs more than a whole share, or it would be told to
    /// come back for ever.
    pub(super) fn spend(&self, device: DeviceId, cost: f64) -> Result<(), Status> {
        self.spend_at(device, cost, Instant::now())
    }

    fn spend_at(&self, device: DeviceId, cost: f64, now: Instant) -> Result<(), Status> {
        if self.with_bucket(device, now, |bucket| bucket.spend(RATE, cost.min(RATE.at_once), now)) {
            return Ok(());
        }
        Err(Status::resource_exhausted("this device asks for more than its share; try again in a minute"))
    }

    /// Charges an answer whose size was not known before: the device gets it, and then waits until it is paid for.
    pub(super) fn charge(&self, device: DeviceId, cost: f64) {
        let now = Instant::now();
        self.with_bucket(device, now, |bucket| bucket.charge(RATE, cost, now));
    }

    fn with_bucket<T>(&self, device: DeviceId, now: Instant, change: impl FnOnce(&mut Bucket) -> T) -> T {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.forget(now);
        change(table.buckets.entry(device).or_insert_with(|| RATE.full(now)))
    }
}

impl Table {
    /// Forgets who has all of their share. Only when there are twice as many as last time, so that a fleet that comes back
    /// at once is not looked through for each of its devices.
    fn forget(&mut self, now: Instant) {
        if self.buckets.len() >= REMEMBERED.max(2 * self.left) {
            self.buckets.retain(|_, bucket| !bucket.is_full(RATE, now));
            self.left = self.buckets.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tonic::Code;

    use super::*;

    const ONE: DeviceId = DeviceId(uuid::Uuid::from_u128(1));
    const OTHER: DeviceId = DeviceId(uuid::Uuid::from_u128(2));

    #[test]
    fn a_device_that_took_its_share_waits_and_no_other_does() {
        let (pace, now) = (Pace::default(), Instant::now());
        while pace.spend_at(ONE, CALL, now).is_ok() {}
        assert_eq!(pace.spend_at(ONE, CALL, now).unwrap_err().code(), Code::ResourceExhausted);
        assert!(pace.spend_at(OTHER, CALL, now).is_ok());
        assert!(pace.spend_at(ONE, CALL, now + Duration::from_secs(1)).is_ok());
    }

    /// An agent that takes a turn as often as it does under drift, with the outcomes of a hundred resources each time.
    #[test]
    fn an_agent_that_reports_every_half_second_is_never_refused() {
        let (pace, start) = (Pace::default(), Instant::now());
        for turn in 0..10_000 {
            let now = start + Duration::from_millis(500) * turn;
            let outcomes = 100.0 * ENTRY;
            assert!(pace.spend_at(ONE, CALL + 28.0 + outcomes, now).is_ok(), "turn {turn}");
        }
    }

    #[test]
    fn devices_that_have_not_asked_of_late_are_forgotten() {
        let (pace, start) = (Pace::default(), Instant::now());
        for n in 0..3 * REMEMBERED as u32 {
            let device = DeviceId(uuid::Uuid::from_u128(n.into()));
            pace.spend_at(device, CALL, start + Duration::from_millis(1) * n).unwrap();
        }
        assert!(pace.table.lock().unwrap().buckets.len() <= REMEMBERED);
    }

    #[test]
    fn a_message_of_the_largest_size_is_let_in() {
        assert!(
            Pace::default().spend_at(ONE, CALL + (wire::MAX_MESSAGE / 1024) as f64, Instant::now()).is_ok()
        );
    }

    fn report(events: usize, outcomes: usize) -> wire::ReportRequest {
        let document = vec![b'{'; outcomes];
        wire::ReportRequest {
            events: vec![wire::Event::default(); events],
            sections: vec![wire::Section { name: "outcomes".to_owned(), document: document.into() }],
            ..wire::ReportRequest::default()
        }
    }

    #[test]
    fn the_first_turn_of_a_large_profile_is_let_in_and_thousands_of_tiny_events_are_not_for_long() {
        let (pace, now) = (Pace::default(), Instant::now());
        assert!(pace.spend_at(ONE, of_report(&report(1_000, 1_000)), now).is_ok());
        let tiny = of_report(&report(10_000, 0));
        assert!((0..3).any(|_| pace.spend_at(ONE, tiny, now).is_err()));
        assert!(pace.spend_at(OTHER, of_report(&report(100_000, 0)), now).is_ok(), "never told for ever");
    }
}
