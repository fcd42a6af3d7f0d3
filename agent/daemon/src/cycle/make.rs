//! Making it so: the stages of one turn, from reading to what was found afterwards.
//!
//! Removals come first, from what depends to what is depended on; then what is to be there, the other way round. After a
//! stage has written, the next one is read and planned anew, since a package may have brought the very file that a later
//! resource manages. What was there before is in the ledger before it is changed.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use anyhow::{Context as _, Result};
use muster_converge::order;
use muster_converge::outcome::Tried;
use muster_converge::plan::{self, Input, Observed, Plan, Record, Step};
use muster_converge::schedule;
use muster_converge::trial::{self, Trial};
use muster_converge::{fight, foresee};
use muster_proto::compose::Composition;
use muster_proto::condition::{Condition, Difference};
use muster_proto::report::{Event, Outcome, Secret};
use muster_proto::{Digest, ResourceId};

use super::barred::Barred;
use super::hands::Hands;
use super::leases::Leases;
use super::machine::Machine;
use super::outcomes::Outcomes;
use super::reading::{Asks, freshen, input, read, read_as, read_long, replan};
use super::rest::Rest;
use super::settling::{self, agrees, joined, leaves_nothing, settle};
use super::stages::{Stage, stages};
use super::texts;
use crate::ledger::{Ledger, Records, Settlement, cant_be_written};
use crate::resource::{self, Prepared, Written};
use crate::watch::Watch;

/// No kind of resource: nothing else is busy with one.
pub(super) const NO_KIND: &str = "";

/// Before what went wrong with the ledger.
const NOTHING_CHANGED: &str = "nothing is changed while the agent's ledger can't be written";

/// Reads and plans, and changes nothing.
pub(super) async fn look<M: Machine>(hands: &mut Hands<M>, composition: &Composition) -> Result<Plan> {
    let records = hands.ledger.records()?;
    let composition = &*schedule::applicable(composition, &records, hands.clock.now());
    let observed = read_as(hands, composition, &records, &|_| true, Asks::Nothing).await;
    let restarts_due = hands.restarts_due()?;
    // Who asks would assign a new state, and with that all is put right again that others kept changing.
    let (none, fights) = (BTreeMap::new(), &fight::Fights::default());
    let input = Input { fights, ..input(hands, composition, &records, &observed, &restarts_due, &none) };
    let mut plan = foresee::foresee(&input);
    texts::show(hands, composition, differences(&mut plan.steps));
    texts::show(hands, composition, plan.settled.iter_mut().map(|o| (&o.resource, &mut o.differences)));
    plan.notes = hands.host.foretell(&plan.steps, &records).await;
    Ok(plan)
}

/// What a turn came to.
pub(super) struct Converged {
    /// The outcome of everything; `None` where all is as it was at rest.
    pub(super) outcomes: Option<Vec<Outcome>>,
    /// By what the next turn knows that there is nothing to do, where there was nothing.
    pub(super) rest: Option<Rest>,
}

/// What a turn is about.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scope<'a> {
    /// All of the state, and all that was ever made.
    Whole,
    /// These claims, with which nothing else hangs together.
    Part(&'a Composition),
}

impl Scope<'_> {
    fn records(self, ledger: &Ledger) -> Result<Rc<Records>> {
        match self {
            Self::Whole => ledger.records(),
            Self::Part(part) => ledger.records_of(part.claims.keys()).map(Rc::new),
        }
    }
}

/// Converges once. What happens after the last look at it is told by `watch`, and what happened before no more.
pub(super) async fn converge<M: Machine>(
    hands: &mut Hands<M>,
    leases: &Leases<'_>,
    scope: Scope<'_>,
    rest: Option<Rest>,
    mut watch: Option<&mut Watch>,
) -> Result<Converged> {
    let composition = match scope {
        Scope::Whole => leases.composition,
        Scope::Part(part) => part,
    };
    let known = scope.records(&hands.ledger)?;
    let composition = &*schedule::applicable(composition, &known, hands.clock.now());
    if matches!(scope, Scope::Whole) {
        // Before anything is read, as a lease that ends meanwhile changes what is found.
        leases.kept_during(NO_KIND, freshen(hands, composition)).await;
    }
    let mut records = scope.records(&hands.ledger)?;
    let mut observed = read_long(hands, leases, composition, &records, &|_| true).await;
    let ended = scope.records(&hands.ledger)?;
    if matches!(scope, Scope::Whole) && !Rc::ptr_eq(&ended, &records) {
        // What ended meanwhile may have been read before.
        records = ended;
        observed = read_long(hands, leases, composition, &records, &|_| true).await;
    }
    if let Some(rest) = rest
        && rest.holds(hands, &observed, &records)?
    {
        return Ok(Converged { outcomes: None, rest: Some(rest) });
    }
    let mut outcomes = Outcomes::default();
    let mut plan = replan(hands, composition, &records, &observed, outcomes.given_up())?;
    if plan.steps.is_empty() {
        hands.settle(forgotten(&plan))?;
        texts::show(hands, composition, plan.settled.iter_mut().map(|o| (&o.resource, &mut o.differences)));
        let rest = match scope {
            Scope::Whole => Rest::of(hands, leases.composition, &plan, &observed, &records)?,
            Scope::Part(_) => None,
        };
        return Ok(Converged { outcomes: Some(outcomes.complete(&plan)), rest });
    }
    // Now rather than at the end: what this turn puts on the way to their places may keep them from being read then.
    hands.settle(Settlement { forgotten: plan.forget.clone(), ..Settlement::default() })?;
    records = scope.records(&hands.ledger)?;
    let mut written = false;
    // What was found at paths after the last thing was written: nothing that this turn does changes it any more.
    let mut verified = Observed::new();
    // What waits for something of its own kind or a later one is made in another round. It keeps to the round that was planned,
    // although what it waits for may turn out not to be needed: who saw the plan has seen the order.
    let planned = foreseen_rounds(hands, composition, &records, &observed, &plan)?;
    let last = planned.values().max().copied().unwrap_or_default();
    let stages: Vec<Stage> = stages(composition, &records).collect();
    for round in 0.. {
        let before = outcomes.count();
        for stage in stages.iter().filter(|stage| round == 0 || !stage.removing) {
            // Once, or for directories within directories as often as they are deep.
            loop {
                if written {
                    plan =
                        look_anew(hands, leases, composition, &records, &mut observed, &outcomes, stage.kind)
                            .await?;
                }
                let left: Vec<&Step> = plan.steps.iter().filter(|step| !outcomes.tried(&step.id)).collect();
                let waiting = order::predecessors(composition, &records, left.iter().copied());
                let is_ready = |step: &&Step| {
                    stage.has(step)
                        && !waiting.contains_key(&step.id)
                        && planned.get(&step.id).is_none_or(|planned| *planned <= round)
                };
                let ready = left.iter().copied().filter(is_ready);
                let mut steps = stage.first(ready.cloned().collect());
                if steps.is_empty() {
                    break;
                }
                let is_last = steps.len() == left.len();
                for step in &mut steps {
                    step.restart &= !order::is_told_later(composition, &records, &plan.steps, step);
                }
                texts::show(hands, composition, differences(&mut steps));
                written = true;
                let watch = watch.as_deref_mut().filter(|_| is_last);
                let made = make(hands, composition, &steps, &records, &mut outcomes, watch);
                verified = leases.kept_during(stage.kind, made).await?;
                verified.retain(|id, _| is_last && plan::is_path(id));
                records = scope.records(&hands.ledger)?;
                if !stage.goes_inside_out() {
                    break;
                }
            }
        }
        if verified.is_empty()
            && let Some(watch) = watch.as_deref_mut()
        {
            watch.begin_anew(composition).await.context("inotify failed")?;
        }
        let is_unseen = |id: &ResourceId| !verified.contains_key(id);
        observed = read_long(hands, leases, composition, &records, &is_unseen).await;
        observed.append(&mut verified);
        plan = replan(hands, composition, &records, &observed, outcomes.given_up())?;
        let is_left = |step: &Step| !step.takes_away() && !outcomes.tried(&step.id);
        let is_stuck = outcomes.count() == before && round >= last;
        if is_stuck || !plan.steps.iter().any(is_left) {
            break;
        }
    }
    hands.settle(forgotten(&plan))?;
    texts::show(hands, composition, plan.settled.iter_mut().map(|o| (&o.resource, &mut o.differences)));
    // Services that were made in this turn and have yet to read what was changed after them.
    let due = hands.restarts_due()?;
    let is_owed = |step: &&Step| {
        step.is_restart_alone() && due.contains(&step.id) && !outcomes.given_up().contains_key(&step.id)
    };
    let owed: Vec<Step> = plan.steps.iter().filter(is_owed).cloned().collect();
    if !owed.is_empty() {
        let made = make(hands, composition, &owed, &records, &mut outcomes, None);
        leases.kept_during("service", made).await?;
    }
    Ok(Converged { outcomes: Some(outcomes.complete(&plan)), rest: None })
}

/// Reads what is of `kind`, and what could not be read before something went that was in its place, and plans anew.
async fn look_anew<M: Machine>(
    hands: &mut Hands<M>,
    leases: &Leases<'_>,
    composition: &Composition,
    records: &BTreeMap<ResourceId, Record>,
    observed: &mut Observed,
    outcomes: &Outcomes,
    kind: &str,
) -> Result<Plan> {
    let was_unread = |id: &ResourceId| plan::is_path(id) && matches!(observed.get(id), Some(Err(_)));
    let is_due = |id: &ResourceId| id.kind() == kind || was_unread(id);
    let found = read_long(hands, leases, composition, records, &is_due).await;
    observed.extend(found);
    replan(hands, composition, records, observed, outcomes.given_up())
}

/// In which round each step is made by a plan that is shown to who asks now.
fn foreseen_rounds<M>(
    hands: &Hands<M>,
    composition: &Composition,
    records: &BTreeMap<ResourceId, Record>,
    observed: &Observed,
    plan: &Plan,
) -> Result<BTreeMap<ResourceId, usize>> {
    let (restarts_due, none) = (hands.restarts_due()?, BTreeMap::new());
    let input = input(hands, composition, records, observed, &restarts_due, &none);
    let foreseen = foresee::once_cleared(&input, plan);
    Ok(order::rounds(composition, records, &foreseen.as_ref().unwrap_or(plan).steps))
}

fn differences(steps: &mut [Step]) -> impl Iterator<Item = (&ResourceId, &mut Vec<Difference>)> {
    steps.iter_mut().map(|step| (&step.id, &mut step.differences))
}

/// Ends the leases that are over, undoes what cut the device off, and nothing else: for when the turn is `busy` with changes of
/// one kind. What it came to is found by the turn when it looks again.
pub(super) async fn end_leases(hands: &mut Hands, composition: &Composition, busy: &str) -> Result<()> {
    let (records, now) = (hands.ledger.records()?, hands.clock.now());
    let composition = &*schedule::applicable(composition, &records, now);
    let over = schedule::over(composition, &records, now);
    let given_up = |id: &ResourceId| hands.trials.get(id).is_some_and(|trial| trial.given_up.is_some());
    let due: BTreeSet<ResourceId> =
        over.into_iter().chain(hands.trials.keys().filter(|id| given_up(id)).cloned()).collect();
    let due = |id: &ResourceId| id.kind() != busy && due.contains(id);
    let observed = read(hands, composition, &records, &due).await;
    let plan = replan(hands, composition, &records, &observed, &BTreeMap::new())?;
    for stage in stages(composition, &records) {
        let steps: Vec<Step> = plan
            .steps
            .iter()
            .filter(|step| step.ends_lease() || step.undoes)
            .filter(|step| due(&step.id) && stage.has(step))
            .cloned()
            .collect();
        if !steps.is_empty() {
            make(hands, composition, &steps, &records, &mut Outcomes::default(), None).await?;
        }
    }
    Ok(())
}

fn forgotten(plan: &Plan) -> Settlement {
    Settlement { forgotten: plan.forget.clone(), written: plan.renew.clone(), ..Settlement::default() }
}

/// Makes the steps of one stage so; what is found of them afterwards, by when `watch` tells of what happens to them.
pub(super) async fn make<M: Machine>(
    hands: &mut Hands<M>,
    composition: &Composition,
    steps: &[Step],
    records: &BTreeMap<ResourceId, Record>,
    outcomes: &mut Outcomes,
    watch: Option<&mut Watch>,
) -> Result<Observed> {
    let all: Vec<&Step> = steps.iter().collect();
    let mut prepared = hands.host.prepare(&all, records).await;
    let barred = Barred::of(hands, composition, &all);
    let (mut ready, mut intents, mut blobs) = (Vec::new(), BTreeMap::new(), Vec::new());
    for step in &all {
        if let Some(reason) = barred.reason(step, composition, records) {
            outcomes.note(step, records, Tried::Blocked(reason));
            continue;
        }
        match prepared.remove(&step.id) {
            Some(Ok(Prepared::Ready(preserved))) => {
                intents
                    .insert(step.id.clone(), plan::record_of(step, records.get(&step.id), preserved.extra));
                blobs.extend(preserved.blobs);
                ready.push(*step);
            }
            Some(Ok(Prepared::Blocked(reason))) => outcomes.note(step, records, Tried::Blocked(reason)),
            Some(Err(reason)) => outcomes.note(step, records, not_made(step, reason)),
            None => outcomes.note(step, records, Tried::Failed("it was not prepared".to_owned())),
        }
    }
    let kept: Vec<(ResourceId, Record)> = ready
        .iter()
        .filter(|step| !step.is_restart_alone())
        .filter_map(|step| Some((step.id.clone(), intents.get(&step.id)?.clone())))
        .collect();
    let (owed, now) = (hands.restarts_due()?, hands.clock.now());
    let mut restarts = order::told(composition, records, ready.iter().copied(), now);
    let trials: Vec<(ResourceId, Trial)> =
        ready.iter().filter_map(|step| on_trial(hands, step, records)).collect();
    let mut put_on_trial = BTreeMap::new();
    match hands.pay().and_then(|()| hands.ledger.intend(&kept, &blobs, &restarts, &trials)) {
        Err(error) if cant_be_written(&error) => {
            ready = without_room(ready, records, outcomes, &error);
            restarts = order::told(composition, records, ready.iter().copied(), now);
            hands.owe_restarts(restarts.clone());
        }
        intended => {
            intended?;
            hands.trials_begun += u64::from(!trials.is_empty());
            for (id, trial) in trials {
                let earlier = hands.trials.insert(id.clone(), trial);
                put_on_trial.insert(id, earlier);
            }
        }
    }
    drop(blobs);

    // Before they are made: afterwards what was open is another file.
    let suspects = suspects(hands, &ready, records);
    let contents = contents(&ready);
    let ledger = &hands.ledger;
    let content = |digest: &Digest| contents.get(digest).cloned().or_else(|| ledger.blob(digest));
    let mut results = hands.host.write(&ready, records, &content).await;
    if ready.iter().any(|step| is_tabulated(&step.id)) {
        hands.tabulated = None;
    }
    keep_secrets(hands, &mut results)?;
    for (id, written) in &mut results {
        if let (Some(record), Some(extra)) = (intents.get_mut(id), written.extra.take()) {
            record.extra = joined(std::mem::take(&mut record.extra), extra);
        }
    }
    if let Some(watch) = watch {
        watch.begin_anew(composition).await.context("inotify failed")?;
    }
    let observed = verify(hands, composition, &ready, &intents).await;
    let mut settlement = Settlement::default();
    let mut changed = Vec::new();
    for step in ready {
        let found = observed.get(&step.id);
        let written = results.remove(&step.id);
        let failed = written.as_ref().is_none_or(|written| written.result.is_err());
        let left = written
            .as_ref()
            .is_some_and(|written| written.result.as_ref().is_err_and(|reason| resource::is_left(reason)));
        let unchanged = match found {
            Some(Ok(found)) => *found == step.from,
            // A path is written at once or never: something else is in its place, then as now.
            _ => failed && step.from == Condition::Absent && plan::is_path(&step.id),
        };
        let intent = intents.remove(&step.id);
        // What someone else made of it meanwhile is what was there before Muster, and no service has that to read from here.
        let unmade = intent.as_ref().filter(|_| failed);
        let partly = settling::partly(step, unmade, records.get(&step.id), found, left);
        let is_untouched = left && partly.is_none();
        if !unchanged && !is_untouched {
            changed.push(step);
            if let (Some(record), true) = (&partly, put_on_trial.contains_key(&step.id)) {
                let trial = hands.trials.remove(&step.id).map(|trial| trial.told_by(record));
                hands.keep_trial(&step.id, trial)?;
            }
        } else if let Some(earlier) = put_on_trial.remove(&step.id) {
            // Nothing came of it that could cut anybody off.
            hands.keep_trial(&step.id, earlier)?;
        }
        let result = written.map_or_else(|| Err("it was not written".to_owned()), |written| written.result);
        let tried = match result {
            Ok(()) => agrees(step, found),
            Err(reason) => not_made(step, reason),
        };
        match (partly, records.get(&step.id)) {
            (Some(record), _) => settlement.written.push((step.id.clone(), record)),
            (None, Some(record)) if left => settlement.written.push((step.id.clone(), record.clone())),
            (None, None) if left => settlement.forgotten.push(step.id.clone()),
            _ if unchanged && tried != Tried::Done && leaves_nothing(step, records) => {
                settlement.forgotten.push(step.id.clone());
            }
            _ => {}
        }
        if tried == Tried::Done && fight::is_repair(step, records.get(&step.id)) {
            let suspects = suspects.get(&step.id).cloned().unwrap_or_default();
            hands.fights.repaired(&step.id, hands.clock.now(), suspects);
        }
        settle(&mut settlement, step, intent, &tried, hands.trials.contains_key(&step.id));
        outcomes.note(step, records, tried);
    }
    // Where nothing came of a change, no service has anything new to read; it would restart with every turn that tries.
    let needed = order::told(composition, records, changed.iter().copied(), now);
    settlement.restarted.extend(restarts.into_iter().filter(|id| !needed.contains(id) && !owed.contains(id)));
    hands.settle(settlement)?;
    Ok(observed)
}

fn not_made(step: &Step, reason: String) -> Tried {
    if resource::has_to_wait(&step.id, &reason) { Tried::Waiting(reason) } else { Tried::Failed(reason) }
}

/// Whether a table that is reported may tell of it: none tells of what is at a path, but of who is in the files of the accounts.
fn is_tabulated(id: &ResourceId) -> bool {
    !plan::is_path(id) || matches!(id.key(), "/etc/group" | "/etc/passwd" | "/etc/shadow")
}

fn on_trial<M>(
    hands: &Hands<M>,
    step: &Step,
    records: &BTreeMap<ResourceId, Record>,
) -> Option<(ResourceId, Trial)> {
    let record = records.get(&step.id);
    // The end of a lease is never undone, whatever takes its place.
    if step.ends_lease() {
        return None;
    }
    let trial = trial::of(step, record, hands.trials.get(&step.id))?;
    Some((step.id.clone(), trial))
}

/// Who may be behind what is put right, where it happens so often that someone has to know.
fn suspects<M: Machine>(
    hands: &Hands<M>,
    steps: &[&Step],
    records: &BTreeMap<ResourceId, Record>,
) -> BTreeMap<ResourceId, Vec<String>> {
    let now = hands.clock.now();
    steps
        .iter()
        .filter(|step| fight::is_repair(step, records.get(&step.id)) && hands.fights.is_near(&step.id, now))
        .map(|step| (step.id.clone(), hands.host.writers(&step.id)))
        .collect()
}

/// What may be made so although the ledger can't be written: what ends, since what was there before is in the ledger from
/// when it was made, and restarts, which leave nothing to take back. An access that is over must not go on because a disk is
/// full, nor because a service has not read that it is. All else fails, with the reason.
fn without_room<'a>(
    ready: Vec<&'a Step>,
    records: &BTreeMap<ResourceId, Record>,
    outcomes: &mut Outcomes,
    error: &anyhow::Error,
) -> Vec<&'a Step> {
    let ends = |step: &Step| {
        // What an account is given instead has to be written down, or nobody would take it back.
        let makes_room = step.ending || (step.follows && step.id.kind() != "account");
        makes_room && records.contains_key(&step.id)
    };
    let (possible, others): (Vec<_>, Vec<_>) =
        ready.into_iter().partition(|step| step.is_restart_alone() || ends(step));
    for step in others {
        let reason = format!("{NOTHING_CHANGED}: {error:#}; make room on its disk");
        outcomes.note(step, records, Tried::Failed(reason));
    }
    possible
}

/// Makes first-login passwords durable, as events for the server, before the accounts count as having one.
fn keep_secrets<M: Machine>(hands: &mut Hands<M>, results: &mut BTreeMap<ResourceId, Written>) -> Result<()> {
    let secrets: Vec<_> = results.values_mut().filter_map(|written| written.secret.take()).collect();
    let event = |(account, password): &(String, Secret)| Event::FirstLoginPassword {
        account: account.clone(),
        password: password.clone(),
    };
    let events = secrets.iter().map(event).collect();
    hands.ledger.settle(&Settlement { events, ..Settlement::default() }, hands.clock.now())?;
    for (account, _) in &secrets {
        hands.host.password_is_safe(account);
    }
    Ok(())
}

/// The bytes that the steps write, by digest.
fn contents(steps: &[&Step]) -> BTreeMap<Digest, Vec<u8>> {
    let mut contents = BTreeMap::new();
    for step in steps {
        let (Some(resource), Condition::Present(to)) = (step.resource(), &step.to) else { continue };
        contents.extend(
            to.keys().filter_map(|name| resource.content(name)).map(|bytes| (Digest::of(&bytes), bytes)),
        );
    }
    contents
}

/// Reads again what was written.
async fn verify<M: Machine>(
    hands: &mut Hands<M>,
    composition: &Composition,
    steps: &[&Step],
    intents: &BTreeMap<ResourceId, Record>,
) -> Observed {
    let written: BTreeSet<_> = steps.iter().map(|step| &step.id).collect();
    read(hands, composition, intents, &|id| written.contains(id)).await
}
