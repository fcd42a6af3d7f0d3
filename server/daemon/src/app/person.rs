//! People, by hand: added, changed, and gone. Whoever leaves keeps their record, so that neither name nor uid is ever
//! another's; their accounts end on every device.

use std::collections::BTreeSet;

use muster_policy::people;
use muster_policy::rights::{AdminRight, ViewRight};
use muster_proto::DeviceId;
use muster_proto::rest::{NewPerson, PersonChange, PersonDetail, PersonPatch, PersonView};
use muster_store::{Tx, people_group, person};
use serde_json::{Map, Value, json};

use super::audit::{self, Act};
use super::{App, AppError, recompile, secret};

impl App {
    /// All people by name, those who left too.
    pub(crate) async fn list_people(&self, _right: &ViewRight) -> Result<Vec<PersonView>, AppError> {
        Ok(self.store().read(person::list).await?)
    }

    /// A person, and the devices that know them.
    pub(crate) async fn show_person(
        &self,
        _right: &ViewRight,
        username: String,
    ) -> Result<PersonDetail, AppError> {
        self.store()
            .read(move |tx| {
                let person = find(tx, &username)?;
                let mut through_groups = BTreeSet::new();
                for group in &person.groups {
                    through_groups.extend(people_group::devices(tx, group)?);
                }
                Ok(PersonDetail {
                    owns: owned_names(tx, &username)?,
                    through_groups: names(tx, through_groups)?,
                    person,
                })
            })
            .await
    }

    /// Adds a person; gives them with their uid.
    pub(crate) async fn create_person(
        &self,
        right: &AdminRight,
        new: NewPerson,
    ) -> Result<PersonView, AppError> {
        people::person(&new).map_err(|error| AppError::Invalid(error.to_string()))?;
        let (at, actor) = (self.now(), right.actor().to_owned());
        self.store()
            .write(move |tx| {
                if let Some(known) = person::get(tx, &new.username)? {
                    return Err(AppError::Taken(taken(&known)));
                }
                if let Some(uid) = new.uid
                    && let Some(holder) = person::holder_of(tx, uid)?
                {
                    return Err(AppError::Taken(format!(
                        "uid {uid} was given to {holder}, and is never given again"
                    )));
                }
                create(tx, new, Act { at, actor: &actor, action: "person.create" })
            })
            .await
    }

    /// Changes a person, or brings them back; what hangs on them is compiled anew.
    pub(crate) async fn change_person(
        &self,
        right: &AdminRight,
        username: String,
        patch: PersonPatch,
    ) -> Result<PersonChange, AppError> {
        people::patch(&patch).map_err(|error| AppError::Invalid(error.to_string()))?;
        let (at, actor) = (self.now(), right.actor().to_owned());
        self.store()
            .write(move |tx| {
                let before = find(tx, &username)?;
                let (after, changed) = patched(before, patch);
                if changed.is_empty() {
                    return change(tx, after, 0);
                }
                person::update(tx, &after)?;
                let known_to = known_to(tx, &after)?;
                let devices = recompile::devices(tx, &known_to, at)?;
                let act = Act { at, actor: &actor, action: "person.change" };
                audit::write(tx, act, &username, changed.into())?;
                change(tx, after, devices)
            })
            .await
    }

    /// Somebody leaves: they are in no group any more, and their accounts end on every device.
    pub(crate) async fn remove_person(
        &self,
        right: &AdminRight,
        username: String,
    ) -> Result<PersonChange, AppError> {
        let (at, actor) = (self.now(), right.actor().to_owned());
        self.store()
            .write(move |tx| {
                let before = find(tx, &username)?;
                if let Some(left) = before.left {
                    return Err(AppError::Invalid(format!("{username} left already, at {left}")));
                }
                let known_to = known_to(tx, &before)?;
                for group in &before.groups {
                    people_group::remove_member(tx, group, &username)?;
                }
                let detail =
                    json!({"uid": before.uid, "groups": before.groups, "owns": owned_names(tx, &username)?});
                let after = PersonView { active: false, left: Some(at), groups: Vec::new(), ..before };
                person::update(tx, &after)?;
                let devices = recompile::devices(tx, &known_to, at)?;
                audit::write(tx, Act { at, actor: &actor, action: "person.leave" }, &username, detail)?;
                change(tx, after, devices)
            })
            .await
    }
}

/// The person of this name, whether or not they are still here.
pub(super) fn find(tx: &mut Tx<'_>, username: &str) -> Result<PersonView, AppError> {
    person::get(tx, username)?.ok_or_else(|| AppError::not_found("person", username))
}

/// The person of this name, who is to get something new.
pub(super) fn find_active(tx: &mut Tx<'_>, username: &str) -> Result<PersonView, AppError> {
    let person = find(tx, username)?;
    match person.left {
        None => Ok(person),
        Some(left) => Err(AppError::Invalid(format!(
            "{username} left at {left}: muster person edit {username} --active brings them back"
        ))),
    }
}

fn taken(known: &PersonView) -> String {
    match known.left {
        None => format!("there is a person called {} already", known.username),
        Some(left) => format!(
            "{0} left at {left} and keeps the name: muster person edit {0} --active brings them back; for somebody else \
             choose another",
            known.username
        ),
    }
}

/// Adds a person whose fields were checked, with the next free uid unless they have one.
pub(super) fn create(tx: &mut Tx<'_>, new: NewPerson, act: Act<'_>) -> Result<PersonView, AppError> {
    let uid = match new.uid {
        Some(uid) => uid,
        None => next_uid(tx)?,
    };
    let person = PersonView {
        id: secret::id("pe-"),
        username: new.username,
        full_name: new.full_name,
        uid,
        ssh_keys: new.ssh_keys,
        active: true,
        groups: Vec::new(),
        created: act.at,
        left: None,
    };
    person::insert(tx, &person)?;
    let detail =
        json!({"id": person.id, "full_name": person.full_name, "uid": uid, "ssh_keys": person.ssh_keys});
    audit::write(tx, act, &person.username, detail)?;
    Ok(person)
}

fn next_uid(tx: &mut Tx<'_>) -> Result<u32, AppError> {
    let uid = person::next_uid(tx, &people::UIDS)?.ok_or_else(|| {
        AppError::Invalid(format!("all uids up to {} were given out, and none returns", people::UIDS.end()))
    })?;
    person::count_past(tx, uid)?;
    Ok(uid)
}

/// The person with the patch's changes, and what those are, for the audit.
fn patched(before: PersonView, patch: PersonPatch) -> (PersonView, Map<String, Value>) {
    let mut changed = Map::new();
    let mut after = before.clone();
    if let Some(name) = patch.full_name {
        after.full_name = Some(name).filter(|name| !name.is_empty());
    }
    if let Some(keys) = patch.ssh_keys {
        after.ssh_keys = keys;
    }
    if patch.active == Some(true) {
        (after.active, after.left) = (true, None);
    }
    let mut note = |field: &str, from: Value, to: Value| {
        if from != to {
            changed.insert(field.to_owned(), json!({"from": from, "to": to}));
        }
    };
    note("full_name", json!(before.full_name), json!(after.full_name));
    note("ssh_keys", json!(before.ssh_keys), json!(after.ssh_keys));
    note("active", json!(before.active), json!(after.active));
    (after, changed)
}

fn change(tx: &mut Tx<'_>, person: PersonView, devices: usize) -> Result<PersonChange, AppError> {
    Ok(PersonChange { owns: owned_names(tx, &person.username)?, person, devices: devices as u64 })
}

/// The devices whose state may name a person: theirs, and those of their groups.
fn known_to(tx: &mut Tx<'_>, person: &PersonView) -> Result<Vec<DeviceId>, AppError> {
    let mut devices: BTreeSet<_> =
        muster_store::device::ids_of_owner(tx, &person.username)?.into_iter().collect();
    for group in &person.groups {
        devices.extend(people_group::devices(tx, group)?);
    }
    Ok(devices.into_iter().collect())
}

fn owned_names(tx: &mut Tx<'_>, username: &str) -> Result<Vec<String>, AppError> {
    let owned = muster_store::device::ids_of_owner(tx, username)?;
    names(tx, owned)
}

fn names(tx: &mut Tx<'_>, devices: impl IntoIterator<Item = DeviceId>) -> Result<Vec<String>, AppError> {
    let mut names = Vec::new();
    for device in devices {
        names.extend(muster_store::device::get(tx, device)?.map(|device| device.name));
    }
    names.sort();
    Ok(names)
}
