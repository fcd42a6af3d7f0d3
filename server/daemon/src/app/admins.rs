//! The list of admins: who is on it, what they may do, and how one who is locked out gets in again.

use muster_policy::rights::{self, AdminRight, Identity, ViewRight};
use muster_proto::Timestamp;
use muster_proto::rest::{AdminLink, AdminView, Ended, NewAdmin, Role};
use muster_store::admin::{self, AdminRow};
use muster_store::{StoreError, Tx, api_token, session, totp};
use serde_json::json;

use super::admin::{LINK_SECONDS, check_name};
use super::audit::{self, Act};
use super::{App, AppError, secret};
use crate::config::ADMIN_PORT;

impl App {
    /// All admins, by name.
    pub(crate) async fn list_admins(&self, _right: &ViewRight) -> Result<Vec<AdminView>, AppError> {
        let now = self.now();
        Ok(self.store().read(move |tx| admin::list(tx, now)).await?)
    }

    /// Adds an admin, who chooses a password by the link in the answer.
    pub(crate) async fn add_admin(&self, right: &AdminRight, new: NewAdmin) -> Result<AdminLink, AppError> {
        check_name(&new.name)?;
        let (app, at, actor) = (self.clone(), self.now(), right.actor().to_owned());
        self.store()
            .write(move |tx| {
                if admin::get(tx, &new.name)?.is_some() {
                    return Err(AppError::Taken(format!(
                        "there is an admin called {0} already; for a new link: muster admin reset {0}",
                        new.name
                    )));
                }
                let row = AdminRow { name: new.name, role: new.role, password_hash: None };
                admin::insert(tx, &row, at)?;
                let act = Act { at, actor: &actor, action: "admin.create" };
                audit::write(tx, act, &row.name, json!({"role": row.role}))?;
                Ok(app.link(tx, row, Ended::default(), at)?)
            })
            .await
    }

    /// Changes what an admin may do. What they made as an admin does not outlive that: they know the secrets.
    pub(crate) async fn set_admin_role(
        &self,
        right: &AdminRight,
        name: String,
        role: Role,
    ) -> Result<AdminView, AppError> {
        let (at, actor) = (self.now(), right.actor().to_owned());
        self.store()
            .write(move |tx| {
                let admin = find(tx, &name)?;
                if admin.role == Role::Admin && role == Role::Auditor {
                    keep_one(tx, &name)?;
                    let actors = acting_for(tx, &name)?;
                    end_tokens(tx, &actors, at)?;
                    end_api_tokens(tx, &actors, Role::Admin)?;
                }
                if admin.role != role {
                    admin::set_role(tx, &name, role)?;
                    let act = Act { at, actor: &actor, action: "admin.role" };
                    audit::write(tx, act, &name, json!({"from": admin.role, "to": role}))?;
                }
                let view = admin::list(tx, at)?.into_iter().find(|view| view.name == name);
                view.ok_or_else(|| AppError::not_found("admin", name))
            })
            .await
    }

    /// Takes an admin away, with their logins and the API and enrollment tokens that they made.
    pub(crate) async fn remove_admin(&self, right: &AdminRight, name: String) -> Result<Ended, AppError> {
        let (at, actor) = (self.now(), right.actor().to_owned());
        self.store()
            .write(move |tx| {
                find(tx, &name)?;
                keep_one(tx, &name)?;
                let mut ended = end_logins(tx, &name)?;
                end_made(tx, &name, Made::Ends, &mut ended, at)?;
                admin::remove(tx, &name)?;
                let act = Act { at, actor: &actor, action: "admin.remove" };
                audit::write(tx, act, &name, json!(ended))?;
                Ok(ended)
            })
            .await
    }

    /// Takes an admin's password and codes away and logs them out; the link in the answer lets them choose anew.
    pub(crate) async fn reset_admin(&self, right: &AdminRight, name: String) -> Result<AdminLink, AppError> {
        let (app, at, actor) = (self.clone(), self.now(), right.actor().to_owned());
        self.store()
            .write(move |tx| {
                let row = find(tx, &name)?;
                let ended = end_logins(tx, &name)?;
                admin::set_password(tx, &name, "")?;
                totp::remove(tx, &name)?;
                let act = Act { at, actor: &actor, action: "admin.reset" };
                audit::write(tx, act, &name, json!({"logins": ended.logins}))?;
                Ok(app.link(tx, row, ended, at)?)
            })
            .await
    }

    /// Logs an admin out everywhere.
    pub(crate) async fn log_out_admin(
        &self,
        right: &AdminRight,
        name: String,
        made: Made,
    ) -> Result<Ended, AppError> {
        let (at, actor) = (self.now(), right.actor().to_owned());
        self.store()
            .write(move |tx| {
                find(tx, &name)?;
                let mut ended = end_logins(tx, &name)?;
                end_made(tx, &name, made, &mut ended, at)?;
                let act = Act { at, actor: &actor, action: "admin.logout" };
                audit::write(tx, act, &name, json!(ended))?;
                Ok(ended)
            })
            .await
    }

    fn link(
        &self,
        tx: &mut Tx<'_>,
        admin: AdminRow,
        ended: Ended,
        at: Timestamp,
    ) -> Result<AdminLink, StoreError> {
        let (secret, expires) = (secret::secret(""), at.plus_seconds(LINK_SECONDS));
        admin::put_link(tx, &admin.name, secret::digest(&secret), at, expires)?;
        // The secret is behind the #, which browsers send to nobody.
        let link =
            format!("https://{}:{ADMIN_PORT}/setup?name={}#{secret}", self.site().server_name, admin.name);
        Ok(AdminLink { name: admin.name, role: admin.role, link, expires, ended })
    }
}

fn find(tx: &mut Tx<'_>, name: &str) -> Result<AdminRow, AppError> {
    admin::get(tx, name)?.ok_or_else(|| AppError::not_found("admin", name))
}

/// Refuses when this is the last one who can log in as an admin.
fn keep_one(tx: &mut Tx<'_>, name: &str) -> Result<(), AppError> {
    let all = admin::all(tx)?;
    let able = all.iter().filter(|admin| admin.role == Role::Admin && admin.password_hash.is_some());
    let able: Vec<&str> = able.map(|admin| admin.name.as_str()).collect();
    Ok(rights::may_step_down(&able, name)?)
}

fn end_logins(tx: &mut Tx<'_>, name: &str) -> Result<Ended, StoreError> {
    let browsers = session::remove_of(tx, name, None)?;
    let command_lines = api_token::remove_logins(tx, name, "")?;
    Ok(Ended { logins: count(browsers + command_lines), api_tokens: 0, tokens: 0 })
}

/// What becomes of the tokens that an admin made when their logins end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Made {
    /// They go on: programs and installations use them.
    GoesOn,
    /// They end too, as somebody else may have made them in the admin's name.
    Ends,
}

/// Ends API and enrollment tokens that an admin made, if they are to.
pub(super) fn end_made(
    tx: &mut Tx<'_>,
    name: &str,
    made: Made,
    ended: &mut Ended,
    at: Timestamp,
) -> Result<(), StoreError> {
    if made == Made::Ends {
        let actors = acting_for(tx, name)?;
        ended.tokens = end_tokens(tx, &actors, at)?;
        for role in [Role::Admin, Role::Auditor] {
            ended.api_tokens += end_api_tokens(tx, &actors, role)?;
        }
    }
    Ok(())
}

/// An admin, and the programs whose API tokens the admin or such a program made, those that are gone included: whoever knew one of
/// those secrets made what is recorded under the token's own name.
fn acting_for(tx: &mut Tx<'_>, name: &str) -> Result<Vec<String>, StoreError> {
    let mut actors = vec![format!("admin:{name}")];
    actors.extend(api_token::programs_of(tx, name)?);
    let mut next = 0;
    while let Some(actor) = actors.get(next) {
        for token in api_token::made_by(tx, actor)? {
            let program = Identity::token(&token.id, &token.name, token.role).view().actor().to_owned();
            if !actors.contains(&program) {
                actors.push(program);
            }
        }
        next += 1;
    }
    Ok(actors)
}

/// Ends the enrollment tokens that these made: with one, an admin who is none any more would enroll machines of their own
/// for as long as it lasts.
fn end_tokens(tx: &mut Tx<'_>, actors: &[String], at: Timestamp) -> Result<u32, StoreError> {
    let mut ended = 0;
    for actor in actors {
        ended += muster_store::token::revoke_made_by(tx, actor, at)?;
    }
    Ok(count(ended))
}

/// Ends the API tokens with a role that these made.
fn end_api_tokens(tx: &mut Tx<'_>, actors: &[String], role: Role) -> Result<u32, StoreError> {
    let mut ended = 0;
    for actor in actors {
        ended += api_token::remove_made_by(tx, actor, role)?;
    }
    Ok(count(ended))
}

fn count(rows: u64) -> u32 {
    u32::try_from(rows).unwrap_or(u32::MAX)
}
