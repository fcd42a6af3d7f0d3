//! How a device stands, and how a fleet does.
//!
//! Compliant is: every resource Kept or Repaired (or not meant for the device), every check Pass, not applicable or waived, the
//! newest state applied, and not stale. What can't be said counts as Unknown, never as compliant: an unsupported
//! resource, one that still waits for what comes by itself, an unknown check, a state not yet applied or not yet given out, a device that its owner paused. Of several,
//! the one named first wins:
//! Unmanaged, Stale, Failing, Unknown, Compliant.

use std::collections::BTreeSet;

use muster_proto::check::Verdict;
use muster_proto::report::OutcomeKind;
use muster_proto::rest::{Compliance, ComplianceCounts, DeviceState, LeftOut};
use muster_proto::{Generation, Timestamp};

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

/// What a device's last reports amount to.
#[derive(Clone, Debug)]
pub struct Evidence<'a> {
    /// Whether anything is assigned to it.
    pub managed: bool,
    /// Newest desired state.
    pub wanted: Generation,
    /// Newest state that converged whole.
    pub applied: Generation,
    /// Whether a newer state waits for a pause to end or a removal to be confirmed.
    pub held: bool,
    /// Whether its owner paused it on the device: nobody has looked since.
    pub paused_there: bool,
    /// Whether anything was heard of what is assigned: a device that enrolled anew has to say all of it again.
    pub heard: bool,
    /// How many outcomes of each kind.
    pub outcomes: &'a [(OutcomeKind, u32)],
    /// How many check results of each kind.
    pub checks: &'a [(Verdict, u32)],
    /// How many of those that fail are waived.
    pub waived: u32,
}

/// How a device stands, staleness apart: that comes with time alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// Never `Stale`.
    pub compliance: Compliance,
    /// Resources and checks that are not as they should be.
    pub failing: u32,
}

/// Judges.
pub fn judge(evidence: &Evidence<'_>) -> Judgement {
    let mut failing = 0;
    let mut unknown = 0;
    for (outcome, count) in evidence.outcomes {
        match outcome {
            OutcomeKind::Kept | OutcomeKind::Repaired | OutcomeKind::NotApplicable => {}
            OutcomeKind::Drifted | OutcomeKind::Failed | OutcomeKind::Blocked => failing += count,
            OutcomeKind::Waiting | OutcomeKind::Unsupported => unknown += count,
        }
    }
    for (verdict, count) in evidence.checks {
        match verdict {
            Verdict::Pass | Verdict::NotApplicable => {}
            Verdict::Fail => failing += count.saturating_sub(evidence.waived),
            Verdict::Unknown => unknown += count,
        }
    }
    let compliance = if !evidence.managed && !evidence.held {
        Compliance::Unmanaged
    } else if failing > 0 {
        Compliance::Failing
    } else if unknown > 0
        || evidence.held
        || evidence.paused_there
        || !evidence.heard
        || evidence.applied < evidence.wanted
    {
        Compliance::Unknown
    } else {
        Compliance::Compliant
    };
    Judgement { compliance, failing }
}

/// How a device stands now, silence counted in.
pub fn standing(judged: Compliance, state: DeviceState, stale_at: Timestamp, now: Timestamp) -> Compliance {
    if state.is_out() {
        // What it last reported says nothing of how it is now, and it is nobody's to manage any more.
        return Compliance::Unmanaged;
    }
    if state == DeviceState::Held && judged != Compliance::Unmanaged {
        // Of two machines nobody knows which one said what is recorded.
        return Compliance::Unknown;
    }
    let can_be_stale = matches!(state, DeviceState::Enrolled | DeviceState::Ready);
    if can_be_stale && judged != Compliance::Unmanaged && stale_at < now { Compliance::Stale } else { judged }
}

/// After how many seconds of silence a device with these labels is stale: servers are always on, laptops are not.
pub fn promise(labels: &BTreeSet<String>) -> i64 {
    if labels.contains("server") { HOUR } else { 7 * DAY }
}

/// Devices by compliance, each with how many of its failures are waived.
pub fn counts(devices: impl Iterator<Item = (Compliance, u32)>) -> ComplianceCounts {
    let mut counts = ComplianceCounts::default();
    for (compliance, waived) in devices {
        counts.total += 1;
        *match compliance {
            Compliance::Compliant => &mut counts.compliant,
            Compliance::Failing => &mut counts.failing,
            Compliance::Unknown => &mut counts.unknown,
            Compliance::Stale => &mut counts.stale,
            Compliance::Unmanaged => &mut counts.unmanaged,
        } += 1;
        counts.waived += u64::from(compliance == Compliance::Compliant && waived > 0);
    }
    counts
}

/// The fleet in a sentence, such as "41 of 48 compliant; 3 failing, 2 unknown, 2 stale; left out: 1 lost".
pub fn sentence(counts: &ComplianceCounts, left_out: &LeftOut) -> String {
    let managed = counts.total - counts.unmanaged;
    let waived = match counts.waived {
        0 => String::new(),
        waived => format!(" ({waived} with waived failures)"),
    };
    let mut sentence = format!(
        "{} of {managed} compliant{waived}; {} failing, {} unknown, {} stale",
        counts.compliant, counts.failing, counts.unknown, counts.stale
    );
    if counts.unmanaged > 0 {
        sentence.push_str(&format!("; {} with nothing assigned", counts.unmanaged));
    }
    let out = [(left_out.held, "held"), (left_out.lost, "lost"), (left_out.revoked, "revoked")];
    let out: Vec<_> =
        out.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    if !out.is_empty() {
        sentence.push_str(&format!("; left out: {}", out.join(", ")));
    }
    sentence
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(outcomes: &[(OutcomeKind, u32)], checks: &[(Verdict, u32)]) -> (Compliance, u32) {
        let (wanted, applied) = (Generation(2), Generation(2));
        let (held, paused_there) = (false, false);
        let judgement = judge(&Evidence {
            managed: true,
            wanted,
            applied,
            held,
            paused_there,
            heard: true,
            outcomes,
            checks,
            waived: 0,
        });
        (judgement.compliance, judgement.failing)
    }

    #[test]
    fn a_device_that_a_newer_state_waits_for_is_not_said_to_comply() {
        let waiting = |managed, outcomes: &[_]| {
            let (wanted, applied) = (Generation(2), Generation(2));
            let (held, paused_there, checks) = (true, false, &[]);
            judge(&Evidence {
                managed,
                wanted,
                applied,
                held,
                paused_there,
                heard: true,
                outcomes,
                checks,
                waived: 0,
            })
            .compliance
        };
        assert_eq!(waiting(true, &[(OutcomeKind::Kept, 4)]), Compliance::Unknown);
        assert_eq!(waiting(true, &[(OutcomeKind::Failed, 1)]), Compliance::Failing);
        assert_eq!(waiting(false, &[]), Compliance::Unknown, "its first state waits");
    }

    #[test]
    fn every_outcome_and_verdict_counts_as_the_words_say() {
        let alone = |outcome| judged(&[(OutcomeKind::Kept, 4), (outcome, 1)], &[(Verdict::Pass, 1)]);
        assert_eq!(alone(OutcomeKind::Kept), (Compliance::Compliant, 0));
        assert_eq!(alone(OutcomeKind::Repaired), (Compliance::Compliant, 0));
        assert_eq!(alone(OutcomeKind::NotApplicable), (Compliance::Compliant, 0));
        assert_eq!(alone(OutcomeKind::Drifted), (Compliance::Failing, 1));
        assert_eq!(alone(OutcomeKind::Failed), (Compliance::Failing, 1));
        assert_eq!(alone(OutcomeKind::Blocked), (Compliance::Failing, 1));
        assert_eq!(alone(OutcomeKind::Waiting), (Compliance::Unknown, 0));
        assert_eq!(alone(OutcomeKind::Unsupported), (Compliance::Unknown, 0));
        let check = |verdict| judged(&[(OutcomeKind::Kept, 4)], &[(verdict, 2)]);
        assert_eq!(check(Verdict::Pass), (Compliance::Compliant, 0));
        assert_eq!(check(Verdict::NotApplicable), (Compliance::Compliant, 0));
        assert_eq!(check(Verdict::Fail), (Compliance::Failing, 2));
        assert_eq!(check(Verdict::Unknown), (Compliance::Unknown, 0));
    }

    #[test]
    fn a_waived_failure_is_none_and_what_is_unknown_or_a_resource_is_never_waived() {
        let stand = |outcomes: &[_], checks: &[_], waived| {
            let (wanted, applied) = (Generation(2), Generation(2));
            let (held, paused_there) = (false, false);
            judge(&Evidence {
                managed: true,
                wanted,
                applied,
                held,
                paused_there,
                heard: true,
                outcomes,
                checks,
                waived,
            })
        };
        let kept = [(OutcomeKind::Kept, 1)];
        let all = stand(&kept, &[(Verdict::Fail, 2)], 2);
        assert_eq!(all, Judgement { compliance: Compliance::Compliant, failing: 0 });
        let one = stand(&kept, &[(Verdict::Fail, 2)], 1);
        assert_eq!(one, Judgement { compliance: Compliance::Failing, failing: 1 });
        assert_eq!(stand(&kept, &[(Verdict::Unknown, 1)], 1).compliance, Compliance::Unknown);
        assert_eq!(stand(&[(OutcomeKind::Failed, 1)], &[], 1).compliance, Compliance::Failing);
    }

    #[test]
    fn a_device_of_which_nothing_was_heard_is_never_compliant() {
        let (wanted, applied) = (Generation(1), Generation(1));
        let evidence = Evidence {
            managed: true,
            wanted,
            applied,
            held: false,
            paused_there: false,
            heard: false,
            outcomes: &[],
            checks: &[],
            waived: 0,
        };
        assert_eq!(judge(&evidence).compliance, Compliance::Unknown);
    }

    #[test]
    fn a_state_that_is_not_applied_yet_is_never_compliant() {
        let outcomes = [(OutcomeKind::Kept, 9)];
        let evidence = Evidence {
            managed: true,
            wanted: Generation(3),
            applied: Generation(2),
            held: false,
            paused_there: false,
            heard: true,
            outcomes: &outcomes,
            checks: &[],
            waived: 0,
        };
        assert_eq!(judge(&evidence).compliance, Compliance::Unknown);
    }

    #[test]
    fn a_device_that_its_owner_paused_is_never_compliant_and_its_failures_stay() {
        let stand = |outcome| {
            let (wanted, applied, outcomes) = (Generation(1), Generation(1), &[(outcome, 1)]);
            judge(&Evidence {
                managed: true,
                wanted,
                applied,
                held: false,
                paused_there: true,
                heard: true,
                outcomes,
                checks: &[],
                waived: 0,
            })
        };
        assert_eq!(stand(OutcomeKind::Kept).compliance, Compliance::Unknown);
        assert_eq!(stand(OutcomeKind::Failed), Judgement { compliance: Compliance::Failing, failing: 1 });
    }

    #[test]
    fn nothing_assigned_is_unmanaged() {
        let evidence = Evidence {
            managed: false,
            wanted: Generation(0),
            applied: Generation(0),
            held: false,
            paused_there: false,
            heard: true,
            outcomes: &[],
            checks: &[],
            waived: 0,
        };
        assert_eq!(judge(&evidence).compliance, Compliance::Unmanaged);
    }

    #[test]
    fn silence_beyond_the_promise_is_stale_whatever_was_last_heard() {
        let at = |seconds| Timestamp::default().plus_seconds(seconds);
        let stand = |judged, state, now| standing(judged, state, at(100), at(now));
        assert_eq!(stand(Compliance::Compliant, DeviceState::Ready, 100), Compliance::Compliant);
        assert_eq!(stand(Compliance::Compliant, DeviceState::Ready, 101), Compliance::Stale);
        assert_eq!(stand(Compliance::Failing, DeviceState::Enrolled, 101), Compliance::Stale);
        assert_eq!(stand(Compliance::Unmanaged, DeviceState::Ready, 101), Compliance::Unmanaged);
        assert_eq!(stand(Compliance::Unknown, DeviceState::Registered, 101), Compliance::Unknown);
        assert_eq!(stand(Compliance::Compliant, DeviceState::Revoked, 100), Compliance::Unmanaged);
    }

    #[test]
    fn a_server_promises_an_hour_and_everything_else_a_week() {
        assert_eq!(promise(&BTreeSet::from(["server".to_owned(), "web".to_owned()])), 3_600);
        assert_eq!(promise(&BTreeSet::from(["laptop".to_owned()])), 604_800);
        assert_eq!(promise(&BTreeSet::new()), 604_800);
    }

    #[test]
    fn the_sentence_names_all_that_is_not_compliant() {
        let counts = ComplianceCounts {
            total: 50,
            compliant: 41,
            failing: 3,
            unknown: 2,
            stale: 2,
            unmanaged: 2,
            waived: 0,
        };
        let said = "41 of 48 compliant; 3 failing, 2 unknown, 2 stale; 2 with nothing assigned";
        assert_eq!(sentence(&counts, &LeftOut::default()), said);
        let left_out = LeftOut { held: 1, lost: 0, revoked: 3 };
        assert_eq!(sentence(&counts, &left_out), format!("{said}; left out: 1 held, 3 revoked"));
    }

    proptest::proptest! {
        #[test]
        fn more_trouble_never_makes_a_device_better(kept in 0_u32..9, failed in 0_u32..9, unknown in 0_u32..9) {
            let badness = |failed, unknown| match judged(&[(OutcomeKind::Kept, kept), (OutcomeKind::Failed, failed)], &[(Verdict::Unknown, unknown)]).0 {
                Compliance::Compliant => 0,
                Compliance::Unknown => 1,
                Compliance::Failing => 2,
                Compliance::Stale | Compliance::Unmanaged => 9,
            };
            proptest::prop_assert!(badness(failed + 1, unknown) >= badness(failed, unknown));
            proptest::prop_assert!(badness(failed, unknown + 1) >= badness(failed, unknown));
            proptest::prop_assert_eq!(badness(0, 0), 0);
        }
    }
}
