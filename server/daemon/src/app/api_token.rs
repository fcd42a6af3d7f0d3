//! API tokens: secrets of programs, and those that keep a command line logged in.

use muster_policy::rights::{AdminRight, Identity, ViewRight};
use muster_policy::scope;
use muster_proto::Timestamp;
use muster_proto::rest::{ApiToken, CreatedApiToken, NewApiToken, Role, Scope};
use muster_store::{StoreError, Tx, api_token};
use serde_json::json;

use super::admin::SessionInfo;
use super::audit::{self, Act};
use super::{App, AppError, secret};

const DAY: i64 = 86_400;
/// Days of a token that does not say, and the most it may say.
const DAYS: u32 = 90;
const MAX_DAYS: u32 = 366;
/// When a token was used last is written down no more often than this: reading must not cost a write each time.
const USED_EVERY: i64 = 600;

/// Who holds a token.
#[derive(Clone)]
pub(crate) struct Holder {
    /// Who, for operations.
    pub(crate) identity: Identity,
    /// The admin, when it keeps one logged in.
    pub(crate) account: Option<String>,
    /// What it reaches; everything when empty.
    pub(crate) scopes: Vec<Scope>,
}

impl App {
    /// Who holds this API token; `Unauthenticated` when nobody does (any more).
    pub(crate) async fn token_holder(&self, secret: &str) -> Result<Holder, AppError> {
        let (now, digest) = (self.now(), secret::digest(secret));
        let token = self.store().read(move |tx| api_token::get(tx, digest, now)).await?;
        let token = token.ok_or(AppError::Unauthenticated)?;
        if token.last_used.is_none_or(|last| now.seconds() - last.seconds() >= USED_EVERY) {
            self.note_use(token.id.clone(), now).await;
        }
        let identity = match &token.login {
            Some(admin) => Identity::admin(admin, token.role),
            None => Identity::token(&token.id, &token.name, token.role),
        };
        Ok(Holder { identity, account: token.login, scopes: token.scopes })
    }

    /// Writes down that a token is used. Where that fails, such as on a full disk, what can be read is still read.
    async fn note_use(&self, id: String, now: Timestamp) {
        let noted: Result<(), StoreError> = self.store().write(move |tx| api_token::used(tx, &id, now)).await;
        if let Err(error) = noted {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "when an API token was used is not written down"
            );
        }
    }

    /// All API tokens, the newest first.
    pub(crate) async fn list_api_tokens(&self, _right: &ViewRight) -> Result<Vec<ApiToken>, AppError> {
        Ok(self.store().read(api_token::list).await?)
    }

    /// Makes an API token for a program.
    pub(crate) async fn create_api_token(
        &self,
        right: &AdminRight,
        request: NewApiToken,
    ) -> Result<CreatedApiToken, AppError> {
        check_purpose(&request.name)?;
        let days = request.days.unwrap_or(DAYS);
        if !(1..=MAX_DAYS).contains(&days) {
            return Err(AppError::Invalid(format!("days: expected 1 to {MAX_DAYS}")));
        }
        let scopes = check_scopes(request.scopes, request.role)?;
        let token = ApiToken { scopes, ..fresh(request.name, request.role, right.actor(), self.now(), days) };
        self.insert_api_token(token, "api_token.create").await
    }

    /// Keeps a command line logged in, beyond the session in which it asks.
    pub(crate) async fn keep_logged_in(
        &self,
        session: &SessionInfo,
        host: &str,
    ) -> Result<CreatedApiToken, AppError> {
        let name = format!("{} on {host}", session.name);
        check_purpose(&name)?;
        let actor = format!("admin:{}", session.name);
        let token = fresh(name, session.role, &actor, self.now(), DAYS);
        let token = ApiToken { login: Some(session.name.clone()), ..token };
        self.insert_api_token(token, "login.keep").await
    }

    async fn insert_api_token(
        &self,
        token: ApiToken,
        action: &'static str,
    ) -> Result<CreatedApiToken, AppError> {
        self.store()
            .write(move |tx| {
                let secret = secret::secret("muster-api-");
                api_token::insert(tx, &token, secret::digest(&secret))?;
                note_program(tx, &token)?;
                let act = Act { at: token.created, actor: &token.created_by, action };
                let ApiToken { name, role, scopes, expires, .. } = &token;
                let detail = json!({"name": name, "role": role, "scopes": scopes, "expires": expires});
                audit::write(tx, act, &token.id, detail)?;
                Ok(CreatedApiToken { token, secret })
            })
            .await
    }

    /// Takes an API token away.
    pub(crate) async fn delete_api_token(&self, right: &AdminRight, id: &str) -> Result<(), AppError> {
        let (at, actor, id) = (self.now(), right.actor().to_owned(), id.to_owned());
        self.store()
            .write(move |tx| {
                if !api_token::remove(tx, &id)? {
                    return Err(AppError::not_found("API token", &id));
                }
                audit::write(tx, Act { at, actor: &actor, action: "api_token.delete" }, &id, json!({}))?;
                Ok(())
            })
            .await
    }

    /// Logs the command line with this token out.
    pub(crate) async fn end_login(&self, secret: &str) -> Result<(), AppError> {
        let (at, digest) = (self.now(), secret::digest(secret));
        self.store()
            .write(move |tx| {
                let token = api_token::get(tx, digest, at)?;
                let Some(ApiToken { id, login: Some(admin), .. }) = token else { return Ok(()) };
                api_token::remove(tx, &id)?;
                audit_logout(tx, at, &admin)
            })
            .await
    }
}

/// Notes for which admin the program with this token acts: the one who made it, or the one for whom its maker acts.
fn note_program(tx: &mut Tx<'_>, token: &ApiToken) -> Result<(), AppError> {
    if token.login.is_some() {
        return Ok(());
    }
    let admin = match token.created_by.strip_prefix("admin:") {
        Some(admin) => Some(admin.to_owned()),
        None => api_token::admin_of_program(tx, &token.created_by)?,
    };
    if let Some(admin) = admin {
        let program = Identity::token(&token.id, &token.name, token.role).view().actor().to_owned();
        api_token::note_program(tx, &program, &admin)?;
    }
    Ok(())
}

/// Audits that an admin left.
pub(super) fn audit_logout(tx: &mut Tx<'_>, at: Timestamp, admin: &str) -> Result<(), AppError> {
    let actor = format!("admin:{admin}");
    audit::write(tx, Act { at, actor: &actor, action: "logout" }, admin, json!({}))?;
    Ok(())
}

fn fresh(name: String, role: Role, actor: &str, at: Timestamp, days: u32) -> ApiToken {
    ApiToken {
        id: secret::id("api-"),
        name,
        role,
        created: at,
        expires: at.plus_seconds(i64::from(days) * DAY),
        created_by: actor.to_owned(),
        scopes: Vec::new(),
        last_used: None,
        login: None,
    }
}

fn check_scopes(mut scopes: Vec<Scope>, role: Role) -> Result<Vec<Scope>, AppError> {
    if let Some(scope) = scopes.iter().find(|scope| !scope::fits(**scope, role)) {
        let word = json!(scope);
        return Err(AppError::Invalid(format!(
            "scopes: {word} changes things and an auditor changes none: leave it out, or give the role admin"
        )));
    }
    scopes.sort_unstable();
    scopes.dedup();
    Ok(scopes)
}

/// What an API token is for is a person's own words, in one line.
fn check_purpose(purpose: &str) -> Result<(), AppError> {
    if (1..=128).contains(&purpose.chars().count()) && !purpose.chars().any(char::is_control) {
        Ok(())
    } else {
        Err(AppError::Invalid("name: expected 1 to 128 characters in one line".to_owned()))
    }
}
