//! The plan: the exact changes from what is observed to what is desired. A value, printable, empty when converged.

use std::collections::{BTreeMap, BTreeSet};

use muster_proto::compose::{Claim, Claimed, Composition};
use muster_proto::condition::{Action, Condition, Difference};
use muster_proto::report::{Outcome, OutcomeKind};
use muster_proto::resource::{OnRemoval, Resource};
use muster_proto::state::Mode;
use muster_proto::{ResourceId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::order;
use crate::outcome;

/// What the ledger keeps of a resource that Muster created or changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// What was there before Muster first wrote.
    pub before: Condition,
    /// What Muster last wrote, and found to be so afterwards.
    pub wrote: Condition,
    /// What Muster was about to write when the record was last kept: after a crash it may or may not be there.
    pub intended: Option<Condition>,
    /// The profile whose claim it was; its reversal waits while that profile can't be read.
    pub profile: String,
    /// The wish of its author for removal.
    pub on_removal: OnRemoval,
    /// When it ends by itself.
    pub not_after: Option<Timestamp>,
    /// What the kind needs to know to take it back, such as the packages that one transaction brought.
    pub extra: serde_json::Value,
}

/// What the plan is made from.
#[derive(Debug)]
pub struct Input<'a> {
    /// What should be.
    pub composition: &'a Composition,
    /// What is, for every id of `composition` and `records`; the error of a read that failed.
    pub observed: &'a BTreeMap<ResourceId, Result<Condition, String>>,
    /// What Muster did earlier.
    pub records: &'a BTreeMap<ResourceId, Record>,
    /// Services that still owe a restart from an earlier cycle.
    pub restarts_due: &'a BTreeSet<ResourceId>,
    /// Kinds that the device's owner forbids.
    pub deny_kinds: &'a BTreeSet<String>,
    /// The time by the ledger's rule.
    pub now: Timestamp,
}

/// The exact changes, in the order in which they are made, and the outcomes of what needs none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Removals and restorations first, then changes, each in their order.
    pub steps: Vec<Step>,
    /// What is settled without a change.
    pub settled: Vec<Outcome>,
    /// Records that have nothing left to take back.
    pub forget: Vec<ResourceId>,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Of which resource.
    pub id: ResourceId,
    /// Create, change or remove.
    pub action: Action,
    /// What is there.
    pub from: Condition,
    /// What will be there; for a change only the attributes that matter.
    pub to: Condition,
    /// The difference, for people.
    pub differences: Vec<Difference>,
    /// The claim behind it; `None` when this takes back what no claim asks for any more.
    pub claim: Option<Claim>,
    /// Set when nothing differs but the service has to be restarted.
    pub restart: bool,
    /// True when a lease ended and this carries it out.
    pub ending: bool,
}

impl Step {
    /// The resource to be made so; `None` for a reversal.
    pub fn resource(&self) -> Option<&Resource> {
        match &self.claim.as_ref()?.claimed {
            Claimed::Apply(resource) => Some(resource),
            Claimed::NotApplicable | Claimed::Blocked { .. } | Claimed::Unsupported { .. } => None,
        }
    }
}

/// Plans one cycle.
pub fn plan(input: &Input<'_>) -> Plan {
    let mut plan = Plan::default();
    for (id, claim) in &input.composition.claims {
        plan_claim(&mut plan, input, id, claim);
    }
    for (id, record) in input.records {
        let claimed = input.composition.claims.get(id).is_some_and(|c| c.claimed != Claimed::NotApplicable);
        if !claimed {
            plan_reversal(&mut plan, input, id, record, false);
        }
    }
    add_restarts(&mut plan, input);
    sort(&mut plan.steps);
    plan
}

/// What the ledger keeps before a step is made. What was there before Muster's first write is never overwritten by what
/// was there before a later one; attributes that a later revision adds join it.
pub fn record_of(step: &Step, earlier: Option<&Record>, extra: serde_json::Value) -> Record {
    let before = match (earlier.map(|r| &r.before), &step.from, &step.to) {
        (None, from, Condition::Present(to)) => restricted(from, to),
        (None, from, Condition::Absent) => from.clone(),
        (Some(Condition::Present(before)), Condition::Present(from), Condition::Present(to)) => {
            let mut merged = before.clone();
            for name in to.keys().filter(|name| !before.contains_key(*name)) {
                // An attribute that Muster itself wrote has no earlier value worth keeping.
                let ours =
                    earlier.and_then(|r| r.wrote.attributes()).is_some_and(|wrote| wrote.contains_key(name));
                if let (false, Some(value)) = (ours, from.get(name)) {
                    merged.insert(name.clone(), value.clone());
                }
            }
            Condition::Present(merged)
        }
        (Some(before), _, _) => before.clone(),
    };
    let common = step.claim.as_ref().map(|claim| &claim.common);
    Record {
        before,
        wrote: earlier.map_or_else(|| step.from.clone(), |r| r.wrote.clone()),
        intended: Some(step.to.clone()),
        profile: step.claim.as_ref().map_or_else(String::new, |claim| claim.source.profile.to_string()),
        on_removal: common.map(|c| c.on_removal).unwrap_or_default(),
        not_after: common.and_then(|c| c.not_after),
        extra: if extra.is_null() { earlier.map(|r| r.extra.clone()).unwrap_or_default() } else { extra },
    }
}

/// Of what was there, the attributes that are about to be written: only these may ever have to be put back.
fn restricted(from: &Condition, to: &muster_proto::condition::Attributes) -> Condition {
    match from {
        Condition::Absent => Condition::Absent,
        Condition::Present(from) => Condition::Present(
            from.iter()
                .filter(|(name, _)| to.contains_key(*name))
                .map(|(n, v)| (n.clone(), v.clone()))
                .collect(),
        ),
    }
}

fn plan_claim(plan: &mut Plan, input: &Input<'_>, id: &ResourceId, claim: &Claim) {
    let settle =
        |plan: &mut Plan, kind, reason| plan.settled.push(outcome::of_claim(id, claim, kind, vec![], reason));
    let record = input.records.get(id);
    if let Some(record) = record
        && matches!(claim.claimed, Claimed::Unsupported { .. } | Claimed::Blocked { .. })
        && record.not_after.is_some_and(|end| end <= input.now)
    {
        // What this agent no longer understands it can still end: the lease was accepted when it did.
        return plan_reversal(plan, input, id, record, true);
    }
    match &claim.claimed {
        Claimed::NotApplicable => settle(plan, OutcomeKind::NotApplicable, None),
        Claimed::Unsupported { reason } => settle(plan, OutcomeKind::Unsupported, Some(reason.clone())),
        Claimed::Blocked { reason } => settle(plan, OutcomeKind::Blocked, Some(reason.clone())),
        Claimed::Apply(_) if input.deny_kinds.contains(id.kind()) => {
            let reason = format!("the device's owner denies {} in agent.toml", id.kind());
            settle(plan, OutcomeKind::Blocked, Some(reason));
        }
        Claimed::Apply(resource) => plan_apply(plan, input, id, claim, resource),
    }
}

fn plan_apply(plan: &mut Plan, input: &Input<'_>, id: &ResourceId, claim: &Claim, resource: &Resource) {
    let settle = |plan: &mut Plan, kind, differences, reason| {
        plan.settled.push(outcome::of_claim(id, claim, kind, differences, reason));
    };
    let ending = claim.common.not_after.is_some_and(|end| end <= input.now);
    let desired = match (ending, resource.ended()) {
        (false, _) => resource.desired(),
        (true, Some(ended)) => ended,
        (true, None) => match input.records.get(id) {
            Some(record) => return plan_ended(plan, input, id, claim, record),
            None => {
                return settle(
                    plan,
                    OutcomeKind::NotApplicable,
                    vec![],
                    Some("its not_after has passed".to_owned()),
                );
            }
        },
    };
    let observed = match input.observed.get(id) {
        Some(Ok(observed)) => observed,
        Some(Err(reason)) => return settle(plan, OutcomeKind::Failed, vec![], Some(reason.clone())),
        None => return settle(plan, OutcomeKind::Failed, vec![], Some("it was not read".to_owned())),
    };
    // An account that never was need not be locked.
    if ending && *observed == Condition::Absent {
        return settle(plan, OutcomeKind::Kept, vec![], None);
    }
    match (observed.towards(&desired), claim.source.mode) {
        (None, _) => settle(plan, OutcomeKind::Kept, vec![], None),
        (Some((_, differences)), Mode::Audit) => {
            let reason = "audit mode: left as it is".to_owned();
            settle(plan, OutcomeKind::Drifted, differences, Some(reason));
        }
        (Some((action, differences)), Mode::Enforce) => plan.steps.push(Step {
            id: id.clone(),
            action,
            from: observed.clone(),
            to: desired,
            differences,
            claim: Some(claim.clone()),
            restart: false,
            ending,
        }),
    }
}

/// A lease that ended by taking back what was written: afterwards the claim asks for nothing.
fn plan_ended(plan: &mut Plan, input: &Input<'_>, id: &ResourceId, claim: &Claim, record: &Record) {
    if claim.source.mode == Mode::Enforce {
        plan_reversal(plan, input, id, record, true);
    } else {
        plan.settled.push(outcome::of_claim(id, claim, OutcomeKind::NotApplicable, vec![], None));
    }
}

fn plan_reversal(plan: &mut Plan, input: &Input<'_>, id: &ResourceId, record: &Record, ending: bool) {
    if !ending {
        if let Some(reason) = input.composition.unsupported.get(&record.profile) {
            let reason = format!("profile {} can't be read by this agent: {reason}", record.profile);
            plan.settled.push(outcome::of_record(id, record, OutcomeKind::Unsupported, vec![], Some(reason)));
            return;
        }
        if record.on_removal == OnRemoval::Keep {
            plan.forget.push(id.clone());
            return;
        }
    }
    let observed = match input.observed.get(id) {
        Some(Ok(observed)) => observed,
        Some(Err(reason)) => {
            plan.settled.push(outcome::of_record(
                id,
                record,
                OutcomeKind::Failed,
                vec![],
                Some(reason.clone()),
            ));
            return;
        }
        None => return,
    };
    let target = reversal_target(record);
    if observed.towards(&target).is_none() {
        plan.forget.push(id.clone());
        return;
    }
    if let Some(differences) = foreign(observed, record) {
        let reason = "someone changed it after Muster last wrote it: left as it is".to_owned();
        plan.settled.push(outcome::of_record(id, record, OutcomeKind::Drifted, differences, Some(reason)));
        return;
    }
    if let Some((action, differences)) = observed.towards(&target) {
        plan.steps.push(Step {
            id: id.clone(),
            action,
            from: observed.clone(),
            to: target,
            differences,
            claim: None,
            restart: false,
            ending,
        });
    }
}

/// What is there that Muster did not put there: neither what it wrote, nor what it was about to write, nor what was
/// there before. `None` when all of it is accounted for.
fn foreign(observed: &Condition, record: &Record) -> Option<Vec<Difference>> {
    let (_, differences) = observed.towards(&record.wrote)?;
    let known = |condition: &Condition, difference: &Difference| match (condition, observed) {
        (Condition::Absent, Condition::Absent) => true,
        (Condition::Present(known), Condition::Present(_)) => {
            known.get(&difference.attribute).cloned().unwrap_or_default() == difference.from
        }
        (Condition::Absent, Condition::Present(_)) | (Condition::Present(_), Condition::Absent) => false,
    };
    let foreign: Vec<_> = differences
        .into_iter()
        .filter(|d| !known(&record.before, d) && !record.intended.as_ref().is_some_and(|i| known(i, d)))
        .collect();
    (!foreign.is_empty()).then_some(foreign)
}

/// What a record is taken back to. An account that Muster made is locked and its home kept, never deleted.
pub fn reversal_target(record: &Record) -> Condition {
    match (&record.before, &record.wrote) {
        (Condition::Absent, Condition::Present(wrote)) if wrote.contains_key("locked") => {
            Condition::present([("locked", true.into())])
        }
        (before, _) => before.clone(),
    }
}

/// A service restarts when something it names changes now, or still owes a restart from an earlier cycle.
fn add_restarts(plan: &mut Plan, input: &Input<'_>) {
    let changing: BTreeSet<_> = plan.steps.iter().map(|step| step.id.clone()).collect();
    for (id, claim) in &input.composition.claims {
        let Claimed::Apply(resource @ Resource::Service(service)) = &claim.claimed else { continue };
        let due =
            input.restarts_due.contains(id) || resource.restart_on().iter().any(|on| changing.contains(on));
        if !due || claim.source.mode == Mode::Audit || service.running == Some(false) {
            continue;
        }
        if let Some(step) = plan.steps.iter_mut().find(|step| step.id == *id) {
            step.restart = true;
            continue;
        }
        let settled = plan.settled.iter().position(|o| o.resource == *id && o.outcome == OutcomeKind::Kept);
        let (Some(settled), Some(Ok(observed))) = (settled, input.observed.get(id)) else { continue };
        plan.settled.remove(settled);
        plan.steps.push(Step {
            id: id.clone(),
            action: Action::Change,
            from: observed.clone(),
            to: resource.desired(),
            differences: vec![],
            claim: Some(claim.clone()),
            restart: true,
            ending: false,
        });
    }
}

/// Removals first, from what depends to what is depended on; then the rest the other way round.
fn sort(steps: &mut [Step]) {
    let removes = |step: &Step| step.claim.is_none() || step.action == Action::Remove || step.ending;
    steps.sort_by(|a, b| match (removes(a), removes(b)) {
        (true, false) => std::cmp::Ordering::Less,
        (false, true) => std::cmp::Ordering::Greater,
        (true, true) => order::applying(&b.id, &a.id),
        (false, false) => order::applying(&a.id, &b.id),
    });
}
