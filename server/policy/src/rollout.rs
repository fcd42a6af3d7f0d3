//! Rollouts: which device is in which step, what stops one, and when a step is passed.
//!
//! Devices that answer come first, since a step that only sleeping devices have proves nothing; among them a hash of the
//! rollout and the device decides, so that it is not always the same who go first.
//!
//! A step is passed when every device that holds it has applied the revision and nothing went wrong for the time of the
//! soak. A device that was off when its step began does not hold it; one that fell silent since holds it for
//! [`SILENCE`]. But for the last step at least one device must have passed: silence is no proof.

use muster_proto::check::{CheckResult, Verdict as Found};
use muster_proto::report::{Outcome, OutcomeKind};
use muster_proto::rest::{RolloutStanding as Standing, StepSize, TroubleKind};
use muster_proto::{DeviceId, Digest, Timestamp};

/// How long a device that fell silent after it was given a revision holds its step: perhaps the revision did that to it.
pub const SILENCE: i64 = 3_600;

/// A device that may be in any step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Which.
    pub device: DeviceId,
    /// Whether it can be expected to answer: its link is up, and nothing keeps it as it is.
    pub ready: bool,
}

/// The devices in the order in which they come up: those that are ready first, and in an order that `seed` makes.
pub fn order(seed: &str, devices: &[Candidate]) -> Vec<DeviceId> {
    let mut keyed: Vec<_> = devices
        .iter()
        .map(|candidate| {
            let hash = Digest::of(format!("{seed}/{}", candidate.device).as_bytes());
            (!candidate.ready, hash, candidate.device)
        })
        .collect();
    keyed.sort_unstable();
    keyed.into_iter().map(|(_, _, device)| device).collect()
}

/// The steps of a rollout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Steps {
    /// Devices of each step before the last; none of them is empty.
    pub first: Vec<Vec<DeviceId>>,
    /// How many devices are left for the last step.
    pub rest: usize,
}

/// Lays the steps down. Each has at least one device more than the one before; a step that would have all that are left is
/// the last, whatever comes after it.
pub fn lay_down(seed: &str, devices: &[Candidate], sizes: &[StepSize]) -> Steps {
    let mut left = order(seed, devices);
    let total = left.len();
    let (mut first, mut before) = (Vec::new(), 0);
    for size in sizes {
        let upto = match size {
            StepSize::Devices(number) => usize::try_from(*number).unwrap_or(usize::MAX),
            StepSize::Percent(share) => (total * usize::from(*share)).div_ceil(100),
        };
        let upto = upto.max(before + 1);
        if upto >= total {
            break;
        }
        let rest = left.split_off(upto - before);
        first.push(std::mem::replace(&mut left, rest));
        before = upto;
    }
    Steps { first, rest: left.len() }
}

/// What the record says of a device that was given the revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It has applied it.
    Applied,
    /// It has a state with it, and has not applied it yet.
    Pending,
    /// Something keeps it from its next state, or its owner paused it.
    Held,
    /// Its state does not name the revision, and nothing keeps it as it is.
    Gone,
}

/// A device of the step that a rollout is in.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// When it was given the revision.
    pub given: Timestamp,
    /// Whether its link was up then.
    pub online: bool,
    /// Whether its link is up now.
    pub connected: bool,
    /// When it was first seen to be well, if it was.
    pub passed: Option<Timestamp>,
    /// What the record says.
    pub answer: Answer,
}

/// How a device stands in its step.
pub fn standing(member: &Member, now: Timestamp) -> Standing {
    let silent = member.online && now < member.given.plus_seconds(SILENCE);
    match member.answer {
        _ if member.passed.is_some() => Standing::Passed,
        Answer::Applied => Standing::Passed,
        Answer::Held => Standing::Held,
        Answer::Gone => Standing::Gone,
        Answer::Pending if member.connected || silent => Standing::Working,
        Answer::Pending => Standing::NotAnswered,
    }
}

/// Whether a step is the one that has all devices that are left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Others come after it.
    Before,
    /// None does.
    Last,
}

/// What becomes of a step in which nothing went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Devices are at work on it, or none has answered yet.
    Wait,
    /// It soaks until then.
    Soak(Timestamp),
    /// It is passed.
    Pass,
}

/// Judges a step that began at `began`.
pub fn judge(members: &[Member], place: Place, began: Timestamp, soak: u64, now: Timestamp) -> Verdict {
    let standings: Vec<_> = members.iter().map(|member| standing(member, now)).collect();
    if standings.contains(&Standing::Working) {
        return Verdict::Wait;
    }
    let passed = members.iter().zip(&standings).filter(|(_, standing)| **standing == Standing::Passed);
    let well_since = passed.map(|(member, _)| member.passed.unwrap_or(now)).max();
    let since = match (well_since, place) {
        (Some(since), _) => since,
        (None, Place::Last) => began,
        (None, Place::Before) => return Verdict::Wait,
    };
    let until = since.plus_seconds(soak.cast_signed());
    if now >= until { Verdict::Pass } else { Verdict::Soak(until) }
}

/// What a rollout brings, as far as its troubles are concerned.
#[derive(Clone, Copy, Debug)]
pub struct Brought<'a> {
    /// The id of its assignment.
    pub assignment: &'a str,
    /// The profile.
    pub profile: &'a str,
    /// The revision.
    pub revision: u32,
}

/// Whether an outcome of a device that was given the revision at `given` stops the rollout. What went wrong elsewhere
/// before that does not; what went wrong since does, as a revision may break what other profiles made.
pub fn stops(
    brought: &Brought<'_>,
    given: Timestamp,
    outcome: &Outcome,
    since: Timestamp,
) -> Option<TroubleKind> {
    let kind = match outcome.outcome {
        OutcomeKind::Failed => TroubleKind::Failed,
        OutcomeKind::Blocked => TroubleKind::Blocked,
        _ => return None,
    };
    let ours = outcome.assignment == brought.assignment;
    // An outcome of the same profile under another assignment is that of the state before.
    let others = outcome.profile != brought.profile && since >= given;
    (ours || others).then_some(kind)
}

/// Whether a result of a check that a device has had since `from` stops the rollout: one of the revision that fails, and did
/// not when the device was given it.
pub fn check_stops(brought: &Brought<'_>, given: Timestamp, result: &CheckResult, from: Timestamp) -> bool {
    result.verdict == Found::Fail
        && result.profile == brought.profile
        && result.revision == brought.revision
        && from >= given
}

#[cfg(test)]
mod tests;
