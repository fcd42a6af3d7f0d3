//! What the work on each kind of resource takes, in CPU time of the thread that does it.

use std::collections::BTreeMap;

use muster_proto::cost::KindCost;
use rustix::time::{ClockId, clock_gettime};

/// Adds up by kind. Between [`Meter::reading`] or [`Meter::writing`] and [`Meter::stop`] time goes to that kind.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    turn: BTreeMap<String, KindCost>,
    /// Of kinds that this turn has not written: what the last writing took.
    written_before: BTreeMap<String, u64>,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    kind: String,
    resources: u64,
    writes: bool,
    since: u64,
}

impl Meter {
    /// Begins a turn; what reading took in the one before is forgotten.
    pub(crate) fn begin_turn(&mut self) {
        self.stop();
        for (kind, cost) in std::mem::take(&mut self.turn) {
            if cost.written > 0 {
                self.written_before.insert(kind, cost.written);
            }
        }
    }

    /// The next so many resources that are looked at are of this kind. Those of one kind come together.
    pub(crate) fn reading(&mut self, kind: &str, resources: usize) {
        match &mut self.running {
            Some(running) if running.kind == kind && !running.writes => running.resources += resources as u64,
            _ if resources == 0 => self.stop(),
            _ => self.start(kind, resources as u64, false),
        }
    }

    /// What follows writes resources of this kind.
    pub(crate) fn writing(&mut self, kind: &str) {
        self.start(kind, 0, true);
    }

    /// What follows is nobody's in particular.
    pub(crate) fn stop(&mut self) {
        let Some(Running { kind, resources, writes, since }) = self.running.take() else { return };
        let took = micros().saturating_sub(since);
        let cost = self.turn.entry(kind).or_default();
        if writes {
            cost.written += took;
        } else {
            cost.read += took;
            cost.resources = cost.resources.max(resources);
        }
    }

    /// What each kind took in this turn, and to write when it last was.
    pub(crate) fn costs(&self) -> BTreeMap<String, KindCost> {
        let before = |kind: &String| self.written_before.get(kind).copied().unwrap_or_default();
        let cost = |(kind, cost): (&String, &KindCost)| {
            let written = if cost.written > 0 { cost.written } else { before(kind) };
            (kind.clone(), KindCost { written, ..*cost })
        };
        self.turn.iter().map(cost).collect()
    }

    fn start(&mut self, kind: &str, resources: u64, writes: bool) {
        self.stop();
        self.running = Some(Running { kind: kind.to_owned(), resources, writes, since: micros() });
    }
}

/// CPU time of this thread in microseconds.
fn micros() -> u64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec.cast_unsigned() * 1_000_000 + now.tv_nsec.cast_unsigned() / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keeps the thread busy until a microsecond has passed.
    fn work() {
        let began = micros();
        while micros() <= began {}
    }

    #[test]
    fn time_goes_to_the_kind_at_hand_and_what_was_written_is_remembered() {
        let mut meter = Meter::default();
        meter.begin_turn();
        meter.reading("file", 1);
        meter.reading("file", 1);
        work();
        meter.reading("service", 1);
        work();
        meter.writing("file");
        work();
        meter.stop();
        let first = meter.costs();
        assert_eq!((first["file"].resources, first["service"].resources), (2, 1));
        assert!(first.values().all(|cost| cost.read > 0));
        assert!(first["file"].written > 0 && first["service"].written == 0);
        meter.begin_turn();
        meter.reading("file", 1);
        meter.stop();
        assert_eq!(meter.costs()["file"].written, first["file"].written);
        assert!(!meter.costs().contains_key("service"), "nothing of it is looked at any more");
    }
}
