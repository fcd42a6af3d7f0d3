//! Groups of people: what profiles name to give each member an account.

use std::collections::BTreeMap;

use muster_policy::people;
use muster_policy::rights::{AdminRight, ViewRight};
use muster_proto::Digest;
use muster_proto::profile::Profile;
use muster_proto::resource::value::PeopleGroup;
use muster_proto::rest::{GroupChange, GroupView, NewGroup};
use muster_proto::state::Person;
use muster_store::{Tx, people_group};
use serde_json::json;

use super::audit::{self, Act};
use super::{App, AppError, person, recompile, secret};

/// Whether a person comes into a group or leaves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Membership {
    /// They come in.
    Begins,
    /// They leave.
    Ends,
}

impl App {
    /// All groups by name.
    pub(crate) async fn list_groups(&self, _right: &ViewRight) -> Result<Vec<GroupView>, AppError> {
        Ok(self.store().read(people_group::list).await?)
    }

    /// A group.
    pub(crate) async fn show_group(&self, _right: &ViewRight, name: String) -> Result<GroupView, AppError> {
        self.store().read(move |tx| find(tx, &name)).await
    }

    /// Makes a group. Profiles may have named it before: its members get their accounts at once.
    pub(crate) async fn create_group(
        &self,
        right: &AdminRight,
        new: NewGroup,
    ) -> Result<GroupChange, AppError> {
        people::group(&new.name)
            .and_then(|()| people::description(&new.description))
            .map_err(|error| AppError::Invalid(error.to_string()))?;
        let (at, actor) = (self.now(), right.actor().to_owned());
        self.store()
            .write(move |tx| {
                if people_group::exists(tx, &new.name)? {
                    return Err(AppError::Taken(format!("there is a group called {} already", new.name)));
                }
                let group = GroupView {
                    name: new.name,
                    id: secret::id("gr-"),
                    description: new.description,
                    created: at,
                    devices: 0,
                    members: Vec::new(),
                };
                people_group::insert(tx, &group)?;
                for username in &new.members {
                    let joined = find(tx, &group.name)?;
                    let member = person::find_active(tx, username)?;
                    people::has_room(joined.members.len())
                        .map_err(|error| AppError::Invalid(error.to_string()))?;
                    people_group::add_member(tx, &group.name, &member.username, at)?;
                }
                let act = Act { at, actor: &actor, action: "group.create" };
                let detail =
                    json!({"id": group.id, "description": group.description, "members": new.members});
                audit::write(tx, act, &group.name, detail)?;
                changed(tx, &group.name, act)
            })
            .await
    }

    /// Removes a group that no assigned profile gives accounts to.
    pub(crate) async fn remove_group(&self, right: &AdminRight, name: String) -> Result<(), AppError> {
        let (at, actor) = (self.now(), right.actor().to_owned());
        self.store()
            .write(move |tx| {
                let group = find(tx, &name)?;
                let used = people_group::assigned_by(tx, &name)?;
                if !used.is_empty() {
                    return Err(AppError::Taken(format!(
                        "{} gives accounts to the members of {name}: unassign it, or take the members out one by one",
                        used.join(", ")
                    )));
                }
                people_group::remove(tx, &name)?;
                let act = Act { at, actor: &actor, action: "group.remove" };
                audit::write(tx, act, &name, json!({"id": group.id, "members": group.members}))?;
                Ok(())
            })
            .await
    }

    /// Puts a person into a group or takes them out; devices that give its members accounts are compiled anew.
    pub(crate) async fn change_member(
        &self,
        right: &AdminRight,
        name: String,
        username: String,
        membership: Membership,
    ) -> Result<GroupChange, AppError> {
        let (at, actor) = (self.now(), right.actor().to_owned());
        self.store()
            .write(move |tx| {
                let group = find(tx, &name)?;
                let (new, action) = match membership {
                    Membership::Begins => {
                        let member = person::find_active(tx, &username)?;
                        if !group.members.contains(&username) {
                            people::has_room(group.members.len())
                                .map_err(|error| AppError::Invalid(error.to_string()))?;
                        }
                        (people_group::add_member(tx, &name, &member.username, at)?, "group.join")
                    }
                    Membership::Ends => {
                        person::find(tx, &username)?;
                        (people_group::remove_member(tx, &name, &username)?, "group.leave")
                    }
                };
                if !new {
                    return Ok(GroupChange { group, devices: 0 });
                }
                let act = Act { at, actor: &actor, action };
                audit::write(tx, act, &name, json!({"person": username}))?;
                changed(tx, &name, act)
            })
            .await
    }
}

fn find(tx: &mut Tx<'_>, name: &str) -> Result<GroupView, AppError> {
    people_group::get(tx, name)?.ok_or_else(|| AppError::not_found("group", name))
}

/// Compiles anew the devices that give its members accounts.
fn changed(tx: &mut Tx<'_>, name: &str, act: Act<'_>) -> Result<GroupChange, AppError> {
    let reached = people_group::devices(tx, name)?;
    let devices = recompile::devices(tx, &reached, act.at)? as u64;
    Ok(GroupChange { group: find(tx, name)?, devices })
}

/// What an admin should know who is about to assign this profile: groups that nobody made yet.
pub(super) fn warnings(tx: &mut Tx<'_>, profile: &Profile) -> Result<Vec<String>, AppError> {
    let mut warnings = Vec::new();
    for name in profile.groups() {
        if !people_group::exists(tx, &name)? {
            warnings.push(format!(
                "there is no group {name} yet, so that its accounts are Blocked: muster group add {name}"
            ));
        }
    }
    Ok(warnings)
}

/// Who is in which group now, read once for many devices.
#[derive(Default)]
pub(super) struct Roster(BTreeMap<String, Option<Vec<Person>>>);

impl Roster {
    /// The groups that these documents give accounts to, of those that there are.
    pub(super) fn of(
        &mut self,
        tx: &mut Tx<'_>,
        documents: impl IntoIterator<Item = Digest>,
    ) -> Result<BTreeMap<PeopleGroup, Vec<Person>>, AppError> {
        let mut groups = BTreeMap::new();
        for document in documents {
            for name in people_group::used_by(tx, document)? {
                self.add(tx, &mut groups, name)?;
            }
        }
        Ok(groups)
    }

    /// Adds a group, if there is one of this name, with who is in it.
    pub(super) fn add(
        &mut self,
        tx: &mut Tx<'_>,
        groups: &mut BTreeMap<PeopleGroup, Vec<Person>>,
        name: String,
    ) -> Result<(), AppError> {
        let parsed = PeopleGroup::parse(&name).map_err(|_| AppError::Defect(format!("group {name:?}")))?;
        if !self.0.contains_key(&name) {
            let members = match people_group::exists(tx, &name)? {
                true => Some(members(tx, &name)?),
                false => None,
            };
            self.0.insert(name.clone(), members);
        }
        if let Some(Some(members)) = self.0.get(&name) {
            groups.insert(parsed, members.clone());
        }
        Ok(())
    }
}

fn members(tx: &mut Tx<'_>, name: &str) -> Result<Vec<Person>, AppError> {
    let members = muster_store::person::active_members(tx, name)?;
    members.into_iter().map(recompile::person).collect()
}
