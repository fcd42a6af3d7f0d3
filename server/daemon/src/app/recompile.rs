//! Keeps desired states true to what is assigned: whenever labels, owners, names or assignments change, the states of
//! the devices concerned are compiled anew in the same transaction. What [`super::hold`] keeps as it is waits. After a
//! restore all go on above every earlier generation.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use muster_policy::assign::{self, Assignment, Share};
use muster_policy::{compile, comply};
use muster_proto::compose;
use muster_proto::resource::value::{AccountName, FullName, PeopleGroup, SshPublicKey};
use muster_proto::rest::{DeviceState, PersonView};
use muster_proto::state::{Bindings, DesiredState, Person};
use muster_proto::when::Facts;
use muster_proto::{DeviceId, Digest, Generation, LANGUAGE_VERSION, Timestamp};
use muster_store::assignment::AssignmentRow;
use muster_store::device::DeviceRow;
use muster_store::{Change, StoreError, Tx};

use super::group::Roster;
use super::hold::{Holds, Settled};
use super::{AppError, rollout, waiver};

/// All assignments and what rollouts bring, as the policy takes them.
pub(super) fn assignments(tx: &mut Tx<'_>) -> Result<Vec<Assignment>, AppError> {
    let mut all = muster_store::assignment::list(tx)?.iter().map(assignment).collect::<Result<_, _>>()?;
    let open = muster_store::rollout::open(tx)?;
    rollout::share_out(tx, &mut all, &open)?;
    Ok(all)
}

/// A stored assignment, as the policy takes it.
pub(super) fn assignment(row: &AssignmentRow) -> Result<Assignment, AppError> {
    let defect = |what: &str| AppError::Defect(format!("assignment {}: {what}", row.id));
    let target =
        super::assign::target(&row.target_kind, &row.target).ok_or_else(|| defect("not a target"))?;
    Ok(Assignment {
        id: row.id.clone(),
        profile: row.profile.parse().map_err(|_| defect("not a profile name"))?,
        revision: row.revision,
        digest: row.digest,
        target,
        precedence: row.precedence,
        mode: row.mode,
        params: row.params.clone(),
        share: Share::Whole,
    })
}

/// What these assignments come to for a device.
pub(super) struct Compiled {
    /// Its labels.
    pub(super) labels: BTreeSet<String>,
    /// The state it has.
    pub(super) current: Option<DesiredState>,
    /// The state it should have; `None` when its present one says the same.
    pub(super) next: Option<DesiredState>,
}

/// The state that these assignments give a device; `None` when its present one says the same.
pub(super) fn proposal(
    tx: &mut Tx<'_>,
    device: &DeviceRow,
    assignments: &[Assignment],
    now: Timestamp,
) -> Result<Option<DesiredState>, AppError> {
    Ok(compiled(tx, device, assignments, now)?.next)
}

/// The state that these assignments give a device, beside the one it has.
pub(super) fn compiled(
    tx: &mut Tx<'_>,
    device: &DeviceRow,
    assignments: &[Assignment],
    now: Timestamp,
) -> Result<Compiled, AppError> {
    compiled_for(tx, device, assignments, &mut Roster::default(), now)
}

fn compiled_for(
    tx: &mut Tx<'_>,
    device: &DeviceRow,
    assignments: &[Assignment],
    roster: &mut Roster,
    now: Timestamp,
) -> Result<Compiled, AppError> {
    let labels = muster_store::label::of_device(tx, device.id)?;
    let holding = assign::holding(assignments, device.id, &labels);
    let groups = roster.of(tx, holding.iter().map(|applied| applied.digest))?;
    let (bindings, current) = (bindings(tx, device, groups)?, current(tx, device.id)?);
    let next = compile::compile(device.id, holding, bindings, current.as_ref(), floor(tx)?, now);
    Ok(Compiled { labels, current, next })
}

/// The state that a device would have with a draft that names these groups, and the assignments whose revision the draft
/// took the place of.
pub(super) fn what_if(
    tx: &mut Tx<'_>,
    device: &DeviceRow,
    draft: &assign::Draft,
    named: BTreeSet<String>,
    now: Timestamp,
) -> Result<(DesiredState, Vec<String>), AppError> {
    let labels = muster_store::label::of_device(tx, device.id)?;
    let holding = assign::holding(&assignments(tx)?, device.id, &labels);
    let (revisions, replaced) = assign::tried(holding, draft);
    let mut roster = Roster::default();
    let mut groups = roster.of(tx, revisions.iter().map(|applied| applied.digest))?;
    // Nobody has saved yet which groups the draft names.
    for group in named {
        roster.add(tx, &mut groups, group)?;
    }
    let (bindings, current) = (bindings(tx, device, groups)?, current(tx, device.id)?);
    Ok((compile::next(device.id, revisions, bindings, current.as_ref(), floor(tx)?, now), replaced))
}

fn bindings(
    tx: &mut Tx<'_>,
    device: &DeviceRow,
    groups: BTreeMap<PeopleGroup, Vec<Person>>,
) -> Result<Bindings, AppError> {
    let owner = match &device.owner {
        // Who left still stands in the device's record, until it is another's.
        Some(owner) => {
            let owner = muster_store::person::get(tx, owner)?;
            owner.filter(|owner| owner.active).map(person).transpose()?
        }
        None => None,
    };
    Ok(Bindings { name: device.name.clone(), serial: device.serial.clone(), owner, groups })
}

fn current(tx: &mut Tx<'_>, device: DeviceId) -> Result<Option<DesiredState>, AppError> {
    muster_store::state::get(tx, device)?
        .map(|state| serde_json::from_slice(&state.bytes))
        .transpose()
        .map_err(|error| AppError::Defect(format!("desired state of {device}: {error}")))
}

/// Compiles the states of these devices anew, but of those that something keeps as they are, and judges anew those that
/// changed. Gives how many got a newer state.
pub(super) fn devices(tx: &mut Tx<'_>, ids: &[DeviceId], now: Timestamp) -> Result<usize, AppError> {
    let assignments = assignments(tx)?;
    let holds = Holds::read(tx, now)?;
    let mut roster = Roster::default();
    let by_label = muster_store::waiver::any_by_label(tx)?;
    let mut changed = Vec::new();
    for id in ids {
        let Some(device) = muster_store::device::get(tx, *id)? else { continue };
        let compiled = compiled_for(tx, &device, &assignments, &mut roster, now)?;
        let settled = holds.settle(tx, &device, &compiled)?;
        if let (Settled::Goes, Some(state)) = (settled, compiled.next) {
            put(tx, *id, &state)?;
            changed.push(*id);
        }
        // A label that came or went may bring or take a waiver.
        if settled != Settled::Same || by_label {
            judge(tx, *id, now)?;
        }
    }
    let count = changed.len();
    if count > 0 {
        tx.tell(Change::States(Arc::from(changed)));
    }
    Ok(count)
}

fn put(tx: &mut Tx<'_>, id: DeviceId, state: &DesiredState) -> Result<(), AppError> {
    let bytes = serde_json::to_vec(state)
        .map_err(|error| AppError::Defect(format!("desired state of {id}: {error}")))?;
    let documents: BTreeSet<Digest> = state.revisions.iter().map(|revision| revision.digest).collect();
    Ok(muster_store::state::put(tx, id, state.generation, &bytes, &documents)?)
}

/// Under which name the lowest generation that a restored server gives out is kept.
const FLOOR: &str = "generation_floor";

/// The lowest generation that may be given out; 0 when this server was never restored.
fn floor(tx: &mut Tx<'_>) -> Result<Generation, AppError> {
    let Some(kept) = muster_store::meta::get(tx, FLOOR)? else { return Ok(Generation(0)) };
    let floor = kept.parse().map_err(|_| AppError::Defect("the generation floor is no number".to_owned()))?;
    Ok(Generation(floor))
}

/// Gives all states as they are the generation `floor`, below which none is given out from now on, and an empty state to
/// enrolled devices that have none: since the backup they may have been given one that now is to be taken back. Gives
/// how many.
pub(super) fn lift_all(tx: &mut Tx<'_>, floor: Generation, now: Timestamp) -> Result<usize, AppError> {
    muster_store::meta::put(tx, FLOOR, &floor.to_string())?;
    let mut lifted = 0;
    for id in muster_store::device::all_ids(tx)? {
        let Some(device) = muster_store::device::get(tx, id)? else { continue };
        let state = match muster_store::state::get(tx, id)? {
            Some(state) => serde_json::from_slice(&state.bytes)
                .map_err(|error| AppError::Defect(format!("desired state of {id}: {error}")))?,
            None if matches!(device.state, DeviceState::Enrolled | DeviceState::Ready) => nothing(&device),
            None => continue,
        };
        put(tx, id, &DesiredState { generation: floor, issued: now, ..state })?;
        judge(tx, id, now)?;
        lifted += 1;
    }
    Ok(lifted)
}

/// What a device follows that nothing was ever assigned to.
fn nothing(device: &DeviceRow) -> DesiredState {
    let (name, serial) = (device.name.clone(), device.serial.clone());
    let bindings = Bindings { name, serial, ..Bindings::default() };
    DesiredState {
        muster: LANGUAGE_VERSION,
        composition: bindings.composition(),
        device: device.id,
        generation: Generation(0),
        issued: Timestamp::default(),
        revisions: Vec::new(),
        bindings,
    }
}

/// Judges a device by what is recorded of it.
pub(super) fn judge(tx: &mut Tx<'_>, id: DeviceId, at: Timestamp) -> Result<(), StoreError> {
    let Some(device) = muster_store::device::get(tx, id)? else { return Ok(()) };
    let (outcomes, checks) = (muster_store::outcome::tally(tx, id)?, muster_store::check::tally(tx, id)?);
    let heard = !outcomes.is_empty() || !checks.is_empty() || asks_for_nothing(tx, id)?;
    let judgement = comply::judge(&comply::Evidence {
        managed: !device.state.is_out() && muster_store::state::asks_for_anything(tx, id)?,
        wanted: device.generation_wanted,
        applied: device.generation_applied,
        held: muster_store::held::changes(tx, id)?.is_some(),
        paused_there: super::detail::paused_there(tx, id)?.is_some(),
        heard,
        outcomes: &outcomes,
        checks: &checks,
        waived: waiver::cover(tx, id, at)?,
    });
    muster_store::device::set_compliance(tx, id, judgement.compliance, judgement.failing)
}

/// Whether nothing of a device's state comes to a resource or a check on it, so that there is nothing to hear of: its profiles are
/// empty, or are for people that it has none of. What can't be composed here asks for something.
fn asks_for_nothing(tx: &mut Tx<'_>, id: DeviceId) -> Result<bool, StoreError> {
    let Some(row) = muster_store::state::get(tx, id)? else { return Ok(true) };
    let Ok(state) = serde_json::from_slice::<DesiredState>(&row.bytes) else { return Ok(false) };
    let documents = muster_store::state::documents(tx, id)?;
    let documents = documents.into_iter().map(|bytes| (Digest::of(&bytes), bytes)).collect();
    // Whether something applies to the device is for it to say, and it says so.
    let composed = compose::compose(&state, &documents, &Facts::default());
    Ok(composed.is_ok_and(|c| c.claims.is_empty() && c.checks.is_empty() && c.unsupported.is_empty()))
}

/// Makes these all the labels of a device, and its promise theirs.
pub(super) fn relabel(tx: &mut Tx<'_>, id: DeviceId, labels: &BTreeSet<String>) -> Result<(), StoreError> {
    muster_store::label::replace(tx, id, labels)?;
    muster_store::device::set_promise(tx, id, comply::promise(labels))
}

/// The documents that these states name.
pub(super) fn documents(
    tx: &mut Tx<'_>,
    states: &[DesiredState],
) -> Result<BTreeMap<Digest, Vec<u8>>, StoreError> {
    let mut documents = BTreeMap::new();
    for digest in states.iter().flat_map(|state| &state.revisions).map(|revision| revision.digest) {
        if let std::collections::btree_map::Entry::Vacant(vacant) = documents.entry(digest)
            && let Some(bytes) = muster_store::profile::document(tx, digest)?
        {
            vacant.insert(bytes);
        }
    }
    Ok(documents)
}

/// A person as devices need to know them. What is stored was checked when it came in.
pub(super) fn person(view: PersonView) -> Result<Person, AppError> {
    let defect = |field: &str| AppError::Defect(format!("{field} of person {}", view.username));
    Ok(Person {
        username: AccountName::parse(&view.username).map_err(|_| defect("username"))?,
        full_name: view
            .full_name
            .as_deref()
            .map(FullName::parse)
            .transpose()
            .map_err(|_| defect("full name"))?,
        uid: Some(view.uid),
        ssh_keys: view
            .ssh_keys
            .iter()
            .map(|key| SshPublicKey::parse(key))
            .collect::<Result<_, _>>()
            .map_err(|_| defect("SSH key"))?,
    })
}
