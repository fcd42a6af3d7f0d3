//! Assignments: a revision for a device, a label or everyone.

use std::collections::{BTreeMap, BTreeSet};

use muster_policy::assign::{self, Assignment, Target};
use muster_policy::rights::{AdminRight, ViewRight};
use muster_policy::{compile, name};
use muster_proto::profile::Profile;
use muster_proto::rest::{AssignmentResult, AssignmentView, ConflictView, NewAssignment, Replaced};
use muster_proto::state::{COMPOSITION_WITH_GROUPS, DesiredState};
use muster_proto::when::Facts;
use muster_proto::{DeviceId, RevisionNumber, Timestamp};
use muster_store::Tx;
use muster_store::assignment::AssignmentRow;
use muster_store::device::DeviceRow;
use serde_json::json;

use super::audit::{self, Act};
use super::import::Trial;
use super::{App, AppError, artifact, device, group, hold, profile, question, recompile, rollout, secret};

/// How many names of devices an answer lists: enough to see that the target is right.
pub(super) const NAMES: usize = 1_000;

/// What an assignment would do.
pub(super) struct Preview {
    pub(super) row: AssignmentRow,
    /// Assignments of the same profile to the same target, which it takes the place of.
    pub(super) replaced: Vec<AssignmentRow>,
    pub(super) replaces: Option<Replaced>,
    /// All assignments as they would be.
    pub(super) all: Vec<Assignment>,
    pub(super) devices: Vec<DeviceRow>,
    resources: u64,
    pub(super) conflicts: Vec<ConflictView>,
    pub(super) warnings: Vec<String>,
}

impl App {
    /// Assigns, and compiles the states of the devices it reaches anew. An assignment of the same profile to the same
    /// target is replaced. On a dry run nothing is assigned and the answer says what would be; `Real` with conflicts is
    /// `AppError::Conflicts`.
    pub(crate) async fn assign(
        &self,
        right: &AdminRight,
        request: NewAssignment,
        trial: Trial,
    ) -> Result<AssignmentResult, AppError> {
        let (now, actor) = (self.now(), right.actor().to_owned());
        let run = move |tx: &mut Tx<'_>| -> Result<AssignmentResult, AppError> {
            let preview = preview(tx, &request, &actor, now)?;
            if trial == Trial::Dry {
                return Ok(preview.result(None));
            }
            if !preview.conflicts.is_empty() {
                return Err(AppError::Conflicts(preview.conflicts));
            }
            preview.carry_out(tx, Act { at: now, actor: &actor, action: "assignment.create" })?;
            let id = preview.row.id.clone();
            let view = views(tx, |row| row.id == id)?.pop();
            Ok(preview.result(view))
        };
        match trial {
            Trial::Dry => self.store().read(run).await,
            Trial::Real => self.store().write(run).await,
        }
    }

    /// Ends an assignment.
    pub(crate) async fn unassign(&self, right: &AdminRight, id: String) -> Result<(), AppError> {
        let (at, actor) = (self.now(), right.actor().to_owned());
        self.store()
            .write(move |tx| {
                let row = muster_store::assignment::get(tx, &id)?
                    .ok_or_else(|| AppError::not_found("assignment", &id))?;
                end(tx, &row, Act { at, actor: &actor, action: "assignment.end" })
            })
            .await
    }

    /// All assignments, the oldest first.
    pub(crate) async fn list_assignments(&self, _right: &ViewRight) -> Result<Vec<AssignmentView>, AppError> {
        self.store().read(|tx| views(tx, |_| true)).await
    }
}

/// Ends an assignment; refused while a rollout of the same profile to the same target is open.
pub(super) fn end(tx: &mut Tx<'_>, row: &AssignmentRow, act: Act<'_>) -> Result<(), AppError> {
    rollout::refuse_open(tx, row)?;
    let reached = reached(tx, &recompile::assignment(row)?.target)?;
    muster_store::assignment::remove(tx, &row.id)?;
    muster_store::pin::forget(tx, row)?;
    recompile::devices(tx, &reached, act.at)?;
    audit::write(tx, act, &row.id, describe(row))?;
    Ok(())
}

/// Looks at what an assignment would do; refused while a rollout of the same profile to the same target is open.
pub(super) fn preview(
    tx: &mut Tx<'_>,
    request: &NewAssignment,
    actor: &str,
    now: Timestamp,
) -> Result<Preview, AppError> {
    let newest = muster_store::profile::get(tx, &request.profile)?
        .ok_or_else(|| AppError::not_found("profile", &request.profile))?
        .newest;
    let number = request.revision.map_or(newest, RevisionNumber);
    let revision = profile::find_revision(tx, &request.profile, number.0)?;
    let profile = read_profile(tx, &revision.profile, revision.digest)?;
    artifact::require_still(tx, &format!("{}@{}", revision.profile, revision.number), revision.digest)?;
    let (target_kind, target) = read_target(tx, &request.target)?;
    let same = |other: &AssignmentRow| {
        other.profile == request.profile && other.target_kind == target_kind && other.target == target
    };
    let replaced: Vec<_> = muster_store::assignment::list(tx)?.into_iter().filter(same).collect();
    let (params, replaces) = carry_over(&profile, &request.params, &replaced);
    profile.bind_params(&params).map_err(AppError::Invalid)?;
    let row = AssignmentRow {
        id: secret::id("as-"),
        profile: request.profile.clone(),
        revision: number,
        digest: revision.digest,
        target_kind,
        target,
        precedence: request.precedence,
        mode: request.mode,
        params,
        follows: request.follow,
        created_by: actor.to_owned(),
        created: now,
    };
    rollout::refuse_open(tx, &row)?;
    let assignment = recompile::assignment(&row)?;
    let mut all = recompile::assignments(tx)?;
    all.retain(|other| (&other.profile, &other.target) != (&assignment.profile, &assignment.target));
    all.push(assignment.clone());
    let mut devices = Vec::new();
    for id in reached(tx, &assignment.target)? {
        devices.extend(muster_store::device::get(tx, id)?);
    }
    Ok(Preview {
        conflicts: conflicts(tx, &devices, &all, &row.profile, now)?,
        warnings: [
            nobody(&row, &devices),
            warnings(&devices, &profile),
            group::warnings(tx, &profile)?,
            question::warnings(&profile)?,
            hold::warnings(tx, &devices, now)?,
        ]
        .concat(),
        resources: profile.resources.len() as u64,
        row,
        replaced,
        replaces,
        all,
        devices,
    })
}

/// Puts an assignment in the place of those of the same profile to the same target.
pub(super) fn put_in_place(
    tx: &mut Tx<'_>,
    new: &AssignmentRow,
    replaced: &[AssignmentRow],
    actor: &str,
    at: Timestamp,
) -> Result<(), AppError> {
    for row in replaced {
        muster_store::assignment::remove(tx, &row.id)?;
        let act = Act { at, actor, action: "assignment.replace" };
        audit::write(tx, act, &row.id, json!({"by": new.id}))?;
    }
    muster_store::assignment::insert(tx, new)?;
    muster_store::pin::push(tx, new)?;
    Ok(())
}

impl Preview {
    pub(super) fn carry_out(&self, tx: &mut Tx<'_>, act: Act<'_>) -> Result<(), AppError> {
        put_in_place(tx, &self.row, &self.replaced, act.actor, act.at)?;
        let reached: Vec<_> = self.devices.iter().map(|device| device.id).collect();
        recompile::devices(tx, &reached, act.at)?;
        audit::write(tx, act, &self.row.id, describe(&self.row))?;
        Ok(())
    }

    fn result(self, assignment: Option<AssignmentView>) -> AssignmentResult {
        AssignmentResult {
            assignment,
            devices: self.devices.into_iter().take(NAMES).map(|device| device.name).collect(),
            resources: self.resources,
            replaces: self.replaces,
            conflicts: self.conflicts,
            warnings: self.warnings,
        }
    }
}

/// The parameters of an assignment, with those of the one it takes the place of; there is never more than one.
fn carry_over(
    profile: &Profile,
    named: &BTreeMap<String, String>,
    replaced: &[AssignmentRow],
) -> (BTreeMap<String, String>, Option<Replaced>) {
    let Some(old) = replaced.first() else { return (named.clone(), None) };
    let carried = assign::carry_over(profile, named, &old.params);
    let revision = format!("{}@{}", old.profile, old.revision);
    (carried.params, Some(Replaced { revision, kept: carried.kept, gone: carried.gone }))
}

/// Contradictions of this profile with others, on any of these devices. Devices with the same revisions, owner and facts
/// compose alike, and are composed once.
pub(super) fn conflicts(
    tx: &mut Tx<'_>,
    devices: &[DeviceRow],
    all: &[Assignment],
    profile: &str,
    now: Timestamp,
) -> Result<Vec<ConflictView>, AppError> {
    let mut alike: BTreeMap<String, (DesiredState, Facts, Vec<String>)> = BTreeMap::new();
    for device in devices {
        let Some(state) = recompile::proposal(tx, device, all, now)? else { continue };
        let facts: Facts = serde_json::from_str(&device.facts).unwrap_or_default();
        let when = [&facts.os, &facts.os_version, &facts.chassis, &facts.arch];
        let key = json!([state.revisions, state.bindings.owner, when]).to_string();
        alike.entry(key).or_insert_with(|| (state, facts, Vec::new())).2.push(device.name.clone());
    }
    let states: Vec<_> = alike.values().map(|(state, _, _)| state.clone()).collect();
    let documents = recompile::documents(tx, &states)?;
    let mut found: BTreeMap<(String, Vec<String>), Vec<String>> = BTreeMap::new();
    for (state, facts, names) in alike.into_values() {
        let conflicts = compile::conflicts_in(&state, &documents, &facts)
            .map_err(|error| AppError::Defect(error.to_string()))?;
        for conflict in conflicts.into_iter().filter(|c| c.profiles.iter().any(|p| p == profile)) {
            let key = (conflict.resource.to_string(), conflict.profiles);
            found.entry(key).or_default().extend(names.iter().take(NAMES).cloned());
        }
    }
    Ok(found
        .into_iter()
        .map(|((resource, profiles), devices)| ConflictView { resource, profiles, devices })
        .collect())
}

/// Says that a target has no devices: it may be meant for those to come, or be mistyped.
fn nobody(row: &AssignmentRow, devices: &[DeviceRow]) -> Vec<String> {
    if !devices.is_empty() || row.target_kind != "label" {
        return Vec::new();
    }
    vec![format!("no device has the label {} yet: devices that get it later get the profile too", row.target)]
}

/// What agents of these devices do not know of a profile: kinds of resource, and the rules that it is composed by.
pub(super) fn warnings(devices: &[DeviceRow], profile: &Profile) -> Vec<String> {
    let wanted: BTreeSet<&str> = profile.resources.iter().map(|declared| declared.id.kind()).collect();
    let groups = !profile.groups().is_empty();
    let mut lacking: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut older = Vec::new();
    for device in devices {
        let known: BTreeSet<String> = serde_json::from_str(&device.kinds).unwrap_or_default();
        // One that never called has not said what it knows.
        for kind in wanted.iter().filter(|kind| !known.is_empty() && !known.contains(**kind)) {
            lacking.entry(kind).or_default().push(&device.name);
        }
        if groups && (1..COMPOSITION_WITH_GROUPS).contains(&device.composition) {
            older.push(device.name.as_str());
        }
    }
    let unknown = lacking.into_iter().map(|(kind, names)| {
        format!("the agents of {} do not know {kind}: upgrade them ({})", counted(&names), some(&names))
    });
    let behind = (!older.is_empty()).then(|| {
        format!(
            "the agents of {} do not know accounts from groups and would keep all that they have as it is: upgrade them \
             first ({})",
            counted(&older),
            some(&older)
        )
    });
    unknown.chain(behind).collect()
}

fn counted(names: &[&str]) -> String {
    if names.len() == 1 { "1 device".to_owned() } else { format!("{} devices", names.len()) }
}

fn some(names: &[&str]) -> String {
    let more = if names.len() > 5 { ", ..." } else { "" };
    format!("{}{more}", names.iter().take(5).copied().collect::<Vec<_>>().join(", "))
}

/// The profile of a document that is stored.
pub(super) fn read_profile(
    tx: &mut Tx<'_>,
    name: &str,
    digest: muster_proto::Digest,
) -> Result<Profile, AppError> {
    let bytes = muster_store::profile::document(tx, digest)?
        .ok_or_else(|| AppError::Defect(format!("document {digest} of profile {name} is missing")))?;
    let (profile, _) =
        Profile::read(&bytes).map_err(|error| AppError::Defect(format!("profile {name}: {error}")))?;
    Ok(profile)
}

/// Reads `everyone`, `label:laptop` or `device:lap-ada` into the kind and what is stored.
pub(super) fn read_target(tx: &mut Tx<'_>, text: &str) -> Result<(String, String), AppError> {
    let stored = match text.split_once(':') {
        None if text == "everyone" => ("everyone", String::new()),
        Some(("label", label)) => {
            let label = name::label(label).map_err(|error| AppError::Invalid(format!("target: {error}")))?;
            ("label", label.to_owned())
        }
        Some(("device", called)) => ("device", find_device(tx, called)?.id.to_string()),
        _ => {
            return Err(AppError::Invalid(format!(
                "target: {text:?} is neither everyone nor of the form label:{text} or device:{text}: say which"
            )));
        }
    };
    Ok((stored.0.to_owned(), stored.1))
}

/// The device of a target. Where nothing but a label has its name, that is likely what was meant.
fn find_device(tx: &mut Tx<'_>, called: &str) -> Result<DeviceRow, AppError> {
    let found = device::find(tx, called);
    let is_missing = matches!(found, Err(AppError::NotFound { .. }));
    if is_missing && muster_store::device::count_with_label(tx, Some(called))? > 0 {
        return Err(AppError::Invalid(format!(
            "target: no device is called {called:?}, but devices have that label: write label:{called}"
        )));
    }
    found
}

/// What [`read_target`] made of a target, as the policy takes it.
pub(super) fn target(kind: &str, stored: &str) -> Option<Target> {
    match kind {
        "everyone" => Some(Target::Everyone),
        "label" => Some(Target::Label(stored.to_owned())),
        "device" => stored.parse().ok().map(Target::Device),
        _ => None,
    }
}

/// The devices that a target means.
pub(super) fn reached(tx: &mut Tx<'_>, target: &Target) -> Result<Vec<DeviceId>, AppError> {
    Ok(match target {
        Target::Everyone => muster_store::device::all_ids(tx)?,
        Target::Label(label) => muster_store::device::ids_with_label(tx, label)?,
        Target::Device(id) => vec![*id],
    })
}

/// An assignment as the audit has it.
pub(super) fn describe(row: &AssignmentRow) -> serde_json::Value {
    json!({
        "profile": row.profile, "revision": row.revision, "target_kind": row.target_kind, "target": row.target,
        "precedence": row.precedence, "mode": row.mode, "params": row.params,
        "follow": row.follows,
    })
}

/// The assignments that `wanted` picks, as they are shown.
pub(super) fn views(
    tx: &mut Tx<'_>,
    wanted: impl Fn(&AssignmentRow) -> bool,
) -> Result<Vec<AssignmentView>, AppError> {
    let rows = muster_store::assignment::list(tx)?;
    rows.into_iter().filter(wanted).map(|row| view(tx, row)).collect()
}

/// An assignment as it is shown.
pub(super) fn view(tx: &mut Tx<'_>, row: AssignmentRow) -> Result<AssignmentView, AppError> {
    let (target, devices) = target_view(tx, &recompile::assignment(&row)?.target)?;
    Ok(AssignmentView {
        id: row.id,
        profile: row.profile,
        revision: row.revision.0,
        target,
        precedence: row.precedence,
        mode: row.mode,
        params: row.params,
        follow: row.follows,
        created_by: row.created_by,
        created: row.created,
        devices,
    })
}

/// A target by the name that admins know, such as `device:lap-ada`.
pub(super) fn target_name(tx: &mut Tx<'_>, row: &AssignmentRow) -> Result<String, AppError> {
    Ok(target_view(tx, &recompile::assignment(row)?.target)?.0)
}

/// A target by the name that admins know, and how many devices it means.
pub(super) fn target_view(tx: &mut Tx<'_>, target: &Target) -> Result<(String, u64), AppError> {
    Ok(match target {
        Target::Everyone => ("everyone".to_owned(), muster_store::device::count_with_label(tx, None)?),
        Target::Label(label) => {
            (format!("label:{label}"), muster_store::device::count_with_label(tx, Some(label))?)
        }
        Target::Device(id) => {
            let name =
                muster_store::device::get(tx, *id)?.map_or_else(|| id.to_string(), |device| device.name);
            (format!("device:{name}"), 1)
        }
    })
}
