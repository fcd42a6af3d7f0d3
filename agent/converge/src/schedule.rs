//! When to look again.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use muster_proto::compose::{Claim, Claimed, Composition};
use muster_proto::state::Mode;
use muster_proto::{ResourceId, Timestamp};

use crate::plan::Record;

/// How often the device is scanned for drift that nothing announces.
pub const SCAN: Duration = Duration::from_mins(15);
const SCAN_SECONDS: i64 = SCAN.as_secs().cast_signed();

/// The shortest wait after a cycle with a failure; each further one doubles it up to [`SCAN`].
pub const FIRST_RETRY: Duration = Duration::from_secs(10);

/// How long after a cycle that put something right the next one looks whether it lasts. By then a file that was written is known by what the
/// system says of it, without being read.
pub const AFTER_CHANGE: Duration = Duration::from_secs(10);

/// How long to wait for the next cycle when nothing wakes the loop before: until the scan, the next end of a lease, or
/// a retry after failures. `jitter` is in 0..1 and spreads what would otherwise come together.
pub fn wait(next_end: Option<Timestamp>, failures_in_a_row: u32, now: Timestamp, jitter: f64) -> Duration {
    let base = if failures_in_a_row == 0 {
        SCAN
    } else {
        FIRST_RETRY.saturating_mul(1 << (failures_in_a_row - 1).min(8)).min(SCAN)
    };
    let spread = base.mul_f64(0.9 + 0.2 * jitter.clamp(0.0, 1.0));
    // A moment later, so that the end has passed when the cycle runs; at once where it passed meanwhile.
    let until_end = next_end.map(|end| u64::try_from(end.micros() - now.micros()).unwrap_or(0));
    until_end.map_or(spread, |micros| spread.min(Duration::from_micros(micros + 1_000)))
}

/// Whether what goes with the scan is due, when it was last done at `last`: so early as the next scan may come, as the one after it
/// would be late. A time that is still to come is no age: the clock was set back.
pub fn is_due(last: Option<Timestamp>, now: Timestamp) -> bool {
    last.is_none_or(|last| !(0..SCAN_SECONDS * 9 / 10).contains(&(now.seconds() - last.seconds())))
}

/// How long the next cycle may wait for what goes with the scan, when that was last done at `last`: as long as a device waits from
/// scan to scan, whatever cycles came between.
pub fn at_most(last: Option<Timestamp>, now: Timestamp) -> Duration {
    let age = last.map_or(0, |last| now.seconds() - last.seconds());
    Duration::from_secs(u64::try_from(SCAN_SECONDS * 11 / 10 - age).unwrap_or(0))
}

/// When the next lease ends that has not ended yet, of what is claimed and of what is only known from a record, or the next
/// one begins, be it one that another claim has the place of until then.
pub fn next_end(
    composition: &Composition,
    records: &BTreeMap<ResourceId, Record>,
    now: Timestamp,
) -> Option<Timestamp> {
    let ends = ends(composition, records).map(|(_, end)| end);
    let begins = composition.claims.values().filter_map(|claim| claim.common.not_before);
    ends.chain(begins).chain(composition.span.until).filter(|moment| *moment > now).min()
}

/// The latest end of a lease that has passed, of what is claimed and of what is only known from a record.
pub fn last_end(
    composition: &Composition,
    records: &BTreeMap<ResourceId, Record>,
    now: Timestamp,
) -> Option<Timestamp> {
    let ends = ends(composition, records).map(|(_, end)| end).chain(composition.span.ended);
    ends.filter(|end| *end <= now).max()
}

/// What applies at this time: a claim whose `not_before` is still to come does not yet, nor one in audit mode while there is
/// something left to take back that a profile brought which does not ask for it any more.
pub fn applicable<'c>(
    composition: &'c Composition,
    records: &BTreeMap<ResourceId, Record>,
    now: Timestamp,
) -> Cow<'c, Composition> {
    let waits = |id: &ResourceId, claim: &Claim| {
        let begins_later = claim.common.not_before.is_some_and(|begin| begin > now);
        matches!(claim.claimed, Claimed::Apply(_))
            && (begins_later || is_left_behind(composition, records, now, (id, claim)))
    };
    if !composition.claims.iter().any(|(id, claim)| waits(id, claim)) {
        return Cow::Borrowed(composition);
    }
    let mut begun = composition.clone();
    for (id, claim) in &mut begun.claims {
        if waits(id, claim) {
            claim.claimed = Claimed::NotApplicable;
        }
    }
    Cow::Owned(begun)
}

/// How many claims have yet to apply because of what a profile left behind that does not ask for it any more.
pub fn left_behind(
    composition: &Composition,
    records: &BTreeMap<ResourceId, Record>,
    now: Timestamp,
) -> usize {
    composition
        .claims
        .iter()
        .filter(|(id, claim)| is_left_behind(composition, records, now, (id, claim)))
        .count()
}

/// Whether a claim that only looks finds what a profile brought that says nothing of it any more. One that can't be read may; and
/// what was lent ends as leases do.
fn is_left_behind(
    composition: &Composition,
    records: &BTreeMap<ResourceId, Record>,
    now: Timestamp,
    (id, claim): (&ResourceId, &Claim),
) -> bool {
    let ends = |record: &Record| {
        let goes = matches!(&claim.claimed, Claimed::Apply(resource) if resource.ended().is_none());
        goes && record.is_followed_by(claim, now)
    };
    let is_unclaimed = |record: &Record| {
        let is_read = !composition.unsupported.contains_key(&record.profile);
        is_read && record.is_unclaimed_beside(claim) && !ends(record)
    };
    claim.source.mode == Mode::Audit && records.get(id).is_some_and(is_unclaimed)
}

/// The resources with a lease that is over. Whether anything is left to be ended is for the plan to say.
pub fn over(
    composition: &Composition,
    records: &BTreeMap<ResourceId, Record>,
    now: Timestamp,
) -> BTreeSet<ResourceId> {
    ends(composition, records).filter(|(_, end)| *end <= now).map(|(id, _)| id.clone()).collect()
}

fn ends<'a>(
    composition: &'a Composition,
    records: &'a BTreeMap<ResourceId, Record>,
) -> impl Iterator<Item = (&'a ResourceId, Timestamp)> {
    let claimed = composition.claims.iter().map(|(id, claim)| (id, claim.common.not_after));
    let recorded = records.iter().map(|(id, record)| (id, record.not_after));
    claimed.chain(recorded).filter_map(|(id, end)| Some((id, end?)))
}

#[cfg(test)]
mod tests {
    use muster_proto::condition::Condition;
    use muster_proto::resource::OnRemoval;

    use super::*;

    #[test]
    fn failure_shortens_the_wait_and_repeated_failure_less_so() {
        let now = Timestamp::default();
        assert_eq!(wait(None, 0, now, 0.5), SCAN);
        assert_eq!(wait(None, 1, now, 0.5), FIRST_RETRY);
        assert_eq!(wait(None, 3, now, 0.5), FIRST_RETRY * 4);
        assert_eq!(wait(None, 100, now, 0.5), SCAN);
    }

    #[test]
    fn a_lease_that_is_known_only_from_a_record_wakes_the_loop_when_it_ends() {
        let now = Timestamp::default();
        let (id, end) = (ResourceId::new("account", "eve"), now.plus_seconds(60));
        let record = Record {
            before: Condition::Absent,
            wrote: Condition::Absent,
            intended: None,
            profile: "visitors".to_owned(),
            on_removal: OnRemoval::default(),
            not_after: Some(end),
            notify: vec![],
            extra: serde_json::Value::Null,
        };
        let records = BTreeMap::from([(id.clone(), record)]);
        let none = Composition::default();
        assert_eq!(next_end(&none, &records, now), Some(end));
        assert_eq!(wait(Some(end), 0, now, 0.5), Duration::from_millis(60_001));
        assert_eq!((over(&none, &records, now), next_end(&none, &records, end)), (BTreeSet::new(), None));
        assert_eq!(over(&none, &records, end), BTreeSet::from([id]));
        assert_eq!((last_end(&none, &records, now), last_end(&none, &records, end)), (None, Some(end)));
    }
}
