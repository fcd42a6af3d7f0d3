//! A desired state and one document, as a device gets them: accepted or refused, composed and planned without a panic.
//!
//! The input is the state's JSON, a NUL, and the document's; the state's digests are ignored in favour of the document.

#![no_main]

use std::collections::{BTreeMap, BTreeSet};

use libfuzzer_sys::fuzz_target;
use muster_converge::accept::{Acceptance, Current, accept};
use muster_converge::fight::Fights;
use muster_converge::plan::{Input, plan};
use muster_proto::compose::compose;
use muster_proto::condition::Condition;
use muster_proto::state::DesiredState;
use muster_proto::when::Facts;
use muster_proto::{Digest, Generation, Timestamp};

fuzz_target!(|bytes: &[u8]| {
    let mut parts = bytes.splitn(2, |byte| *byte == 0);
    let (state, document) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let Ok(read) = serde_json::from_slice::<DesiredState>(state) else { return };
    let none = Current { generation: Generation(0), digest: None };
    let Acceptance::Accept(mut state) = accept(read.device, none, state) else { return };
    let digest = Digest::of(document);
    for applied in &mut state.revisions {
        applied.digest = digest;
    }
    let documents = BTreeMap::from([(digest, document.to_vec())]);
    let Ok(composition) = compose(&state, &documents, &Facts::default()) else { return };
    let observed: BTreeMap<_, _> =
        composition.claims.keys().map(|id| (id.clone(), Ok(Condition::Absent))).collect();
    let plan = plan(&Input {
        composition: &composition,
        observed: &observed,
        records: &BTreeMap::new(),
        restarts_due: &BTreeSet::new(),
        given_up: &BTreeMap::new(),
        deny_kinds: &BTreeSet::new(),
        fights: &Fights::default(),
        trials: &Default::default(),
        now: Timestamp::default(),
    });
    assert!(plan.steps.iter().all(|step| step.resource().is_some()), "without records nothing is reversed");
});
