//! What became of each resource, said the same way whether it was changed, kept or left alone.

use muster_proto::ResourceId;
use muster_proto::compose::Claim;
use muster_proto::condition::Difference;
use muster_proto::report::{Outcome, OutcomeKind};
use muster_proto::state::Mode;

use crate::plan::{Record, Step};

/// What trying a step came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tried {
    /// It was made so, and reading it again agreed.
    Done,
    /// It could not be made so.
    Failed(String),
    /// It was not tried.
    Blocked(String),
    /// It could not be made so yet, and can be later without anybody's doing.
    Waiting(String),
}

impl Tried {
    /// What a step that came to this has for an outcome.
    pub fn kind(&self) -> OutcomeKind {
        match self {
            Self::Done => OutcomeKind::Repaired,
            Self::Failed(_) => OutcomeKind::Failed,
            Self::Blocked(_) => OutcomeKind::Blocked,
            Self::Waiting(_) => OutcomeKind::Waiting,
        }
    }
}

/// The outcome of a resource with a claim.
pub fn of_claim(
    id: &ResourceId,
    claim: &Claim,
    outcome: OutcomeKind,
    differences: Vec<Difference>,
    reason: Option<String>,
) -> Outcome {
    Outcome {
        resource: id.clone(),
        outcome,
        profile: claim.source.profile.to_string(),
        revision: claim.source.revision.0,
        assignment: claim.source.assignment.clone(),
        mode: claim.source.mode,
        differences,
        reason,
        note: claim.common.note.clone(),
        overrides: claim.overrides.clone(),
    }
}

/// The outcome of something that no claim asks for any more.
pub fn of_record(
    id: &ResourceId,
    record: &Record,
    outcome: OutcomeKind,
    differences: Vec<Difference>,
    reason: Option<String>,
) -> Outcome {
    Outcome {
        resource: id.clone(),
        outcome,
        profile: record.profile.clone(),
        revision: 0,
        assignment: String::new(),
        mode: Mode::Enforce,
        differences,
        reason,
        note: None,
        overrides: vec![],
    }
}

/// The outcome of a step that was tried. A reversal that succeeded has none: the resource is nobody's concern now.
pub fn of_step(step: &Step, record: Option<&Record>, tried: Tried) -> Option<Outcome> {
    let kind = tried.kind();
    let reason = match tried {
        Tried::Done => None,
        Tried::Failed(reason) | Tried::Blocked(reason) | Tried::Waiting(reason) => Some(reason),
    };
    match (&step.claim, record, kind) {
        (Some(claim), _, _) => Some(of_claim(&step.id, claim, kind, step.differences.clone(), reason)),
        (None, _, OutcomeKind::Repaired) | (None, None, _) => None,
        (None, Some(record), _) => Some(of_record(&step.id, record, kind, step.differences.clone(), reason)),
    }
}
