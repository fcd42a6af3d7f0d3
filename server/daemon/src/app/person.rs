//! People, by hand.

use muster_policy::rights::{AdminRight, ViewRight};

use muster_proto::resource::value::{AccountName, FullName, SshPublicKey};
use muster_proto::rest::PersonView;
use muster_store::{StoreError, Tx};
use serde_json::json;

use super::audit::{self, Act};
use super::{App, AppError};

/// Below this uids belong to the system.
const LOWEST_UID: u32 = 1_000;
/// Above this uids mean something else to the kernel or to systemd.
const HIGHEST_UID: u32 = 60_000;

impl App {
    /// All people by name.
    pub(crate) async fn list_people(&self, _right: &ViewRight) -> Result<Vec<PersonView>, AppError> {
        Ok(self.store().read(muster_store::person::list).await?)
    }

    /// Adds a person; gives them with their uid.
    pub(crate) async fn create_person(
        &self,
        right: &AdminRight,
        person: PersonView,
    ) -> Result<PersonView, AppError> {
        check(&person)?;
        let (at, actor) = (self.now(), right.actor().to_owned());
        self.store()
            .write(move |tx| {
                if muster_store::person::get(tx, &person.username)?.is_some() {
                    return Err(AppError::Taken(format!(
                        "there is a person called {} already",
                        person.username
                    )));
                }
                if let Some(uid) = person.uid
                    && let Some(holder) = muster_store::person::holder_of(tx, uid)?
                    && holder != person.username
                {
                    return Err(AppError::Taken(format!(
                        "uid {uid} was given to {holder}, and is never given again"
                    )));
                }
                Ok(create(tx, person, Act { at, actor: &actor, action: "person.create" })?)
            })
            .await
    }
}

/// Adds a person whose fields were checked, with the next free uid unless they have one.
pub(super) fn create(tx: &mut Tx<'_>, person: PersonView, act: Act<'_>) -> Result<PersonView, StoreError> {
    let uid = match person.uid {
        Some(uid) => uid,
        None => muster_store::person::next_uid(tx)?,
    };
    muster_store::person::insert(tx, &person, uid, act.at)?;
    let detail = json!({"full_name": person.full_name, "uid": uid, "ssh_keys": person.ssh_keys});
    audit::write(tx, act, &person.username, detail)?;
    Ok(PersonView { uid: Some(uid), ..person })
}

fn check(person: &PersonView) -> Result<(), AppError> {
    let wrong = |field: &str, error: muster_proto::resource::value::InvalidValue| {
        AppError::Invalid(format!("{field}: {error}"))
    };
    AccountName::parse(&person.username).map_err(|error| wrong("username", error))?;
    if person.username == "root" {
        return Err(AppError::Invalid("username: root is not a person".to_owned()));
    }
    if let Some(name) = &person.full_name {
        FullName::parse(name).map_err(|error| wrong("full_name", error))?;
    }
    for key in &person.ssh_keys {
        SshPublicKey::parse(key).map_err(|error| wrong("ssh_keys", error))?;
    }
    match person.uid {
        Some(uid) if !(LOWEST_UID..=HIGHEST_UID).contains(&uid) => {
            Err(AppError::Invalid(format!("uid: expected a number from {LOWEST_UID} to {HIGHEST_UID}")))
        }
        _ => Ok(()),
    }
}
