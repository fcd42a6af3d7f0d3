//! When to look again.

use std::time::Duration;

use muster_proto::Timestamp;
use muster_proto::compose::Composition;

/// How often the device is scanned for drift that nothing announces.
pub const SCAN: Duration = Duration::from_mins(15);

/// The shortest wait after a cycle with a failure; each further one doubles it up to [`SCAN`].
pub const FIRST_RETRY: Duration = Duration::from_secs(10);

/// How long to wait for the next cycle when nothing wakes the loop before: until the scan, the next end of a lease, or
/// a retry after failures. `jitter` is in 0..1 and spreads what would otherwise come together.
pub fn wait(composition: &Composition, failures_in_a_row: u32, now: Timestamp, jitter: f64) -> Duration {
    let base = if failures_in_a_row == 0 {
        SCAN
    } else {
        FIRST_RETRY.saturating_mul(1 << (failures_in_a_row - 1).min(8)).min(SCAN)
    };
    let spread = base.mul_f64(0.9 + 0.2 * jitter.clamp(0.0, 1.0));
    next_end(composition, now).map_or(spread, |end| spread.min(end))
}

fn next_end(composition: &Composition, now: Timestamp) -> Option<Duration> {
    let ends = composition.claims.values().filter_map(|claim| claim.common.not_after);
    let next = ends.filter(|end| *end > now).min()?;
    // A moment later, so that the end has passed when the cycle runs.
    u64::try_from(next.micros() - now.micros()).ok().map(|micros| Duration::from_micros(micros + 1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_shortens_the_wait_and_repeated_failure_less_so() {
        let none = Composition::default();
        let now = Timestamp::default();
        assert_eq!(wait(&none, 0, now, 0.5), SCAN);
        assert_eq!(wait(&none, 1, now, 0.5), FIRST_RETRY);
        assert_eq!(wait(&none, 3, now, 0.5), FIRST_RETRY * 4);
        assert_eq!(wait(&none, 100, now, 0.5), SCAN);
    }
}
