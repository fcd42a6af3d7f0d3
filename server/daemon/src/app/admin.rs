//! Who administers: the first admin, logins, sessions and API tokens.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use muster_policy::rights::{AdminRight, Identity, ViewRight};
use muster_proto::Timestamp;
use muster_proto::rest::{ApiToken, CreatedApiToken, Login, NewApiToken, Role, Setup};
use muster_store::admin::AdminRow;
use muster_store::session::SessionRow;
use muster_store::{StoreError, Tx};
use serde_json::json;

use super::audit::{self, Act};
use super::{App, AppError, secret};

const HOUR: i64 = 3_600;
/// How long a setup link can be used.
const LINK_SECONDS: i64 = HOUR;
/// A session ends after a working day.
const SESSION_SECONDS: i64 = 12 * HOUR;
/// Days of an API token that does not say, and the most it may say.
const TOKEN_DAYS: u32 = 90;
const MAX_TOKEN_DAYS: u32 = 366;
/// NIST SP 800-63B asks for length, not for kinds of characters; the upper bound keeps hashing cheap.
const PASSWORD_LENGTH: std::ops::RangeInclusive<usize> = 12..=256;

/// A session, found by its secret or just begun.
#[derive(Clone)]
pub(crate) struct SessionInfo {
    /// Who, for operations.
    pub(crate) identity: Identity,
    /// The admin's login name.
    pub(crate) name: String,
    /// What they may do.
    pub(crate) role: Role,
    /// What changes must carry beside the cookie.
    pub(crate) csrf: String,
    /// When it ends.
    pub(crate) expires: Timestamp,
}

/// A session just begun, with the secret that goes into the cookie.
pub(crate) struct NewSession {
    /// The session.
    pub(crate) session: SessionInfo,
    /// 256 bits; only its digest is stored.
    pub(crate) secret: String,
}

impl App {
    /// Makes a one-time setup link (its secret part) that ends in an hour; earlier ones end now. Refused once there
    /// is an admin.
    pub(crate) async fn create_setup_link(&self, right: &AdminRight) -> Result<String, AppError> {
        let (at, actor) = (self.now(), right.actor().to_owned());
        self.store()
            .write(move |tx| {
                if muster_store::admin::count(tx)? > 0 {
                    return Err(AppError::Taken("there is an admin already: log in as them".to_owned()));
                }
                let link = secret::secret("");
                muster_store::admin::clear_setup_links(tx)?;
                let expires = at.plus_seconds(LINK_SECONDS);
                muster_store::admin::insert_setup_link(tx, secret::digest(&link), at, expires)?;
                let act = Act { at, actor: &actor, action: "setup.link" };
                audit::write(tx, act, "server", json!({"expires": expires}))?;
                Ok(link)
            })
            .await
    }

    /// Makes the first admin by the setup link, and logs them in.
    pub(crate) async fn set_up(&self, request: Setup) -> Result<NewSession, AppError> {
        check_name(&request.name)?;
        if !PASSWORD_LENGTH.contains(&request.password.chars().count()) {
            return Err(AppError::Invalid(format!(
                "password: expected {} to {} characters",
                PASSWORD_LENGTH.start(),
                PASSWORD_LENGTH.end()
            )));
        }
        // A stranger without a link does not get to spend the server's time on hashing.
        let (now, link) = (self.now(), secret::digest(&request.link));
        let valid = self.store().read(move |tx| muster_store::admin::has_setup_link(tx, link, now)).await?;
        if !valid {
            return Err(AppError::Unauthenticated);
        }
        let (name, password_hash) = (request.name, hash(request.password).await?);
        self.store()
            .write(move |tx| {
                if !muster_store::admin::use_setup_link(tx, link, now)? || muster_store::admin::count(tx)? > 0
                {
                    return Err(AppError::Unauthenticated);
                }
                let admin = AdminRow { name: name.clone(), role: Role::Admin, password_hash };
                muster_store::admin::insert(tx, &admin, now)?;
                let actor = format!("admin:{name}");
                let act = Act { at: now, actor: &actor, action: "admin.create" };
                audit::write(tx, act, &name, json!({"role": Role::Admin}))?;
                Ok(begin_session(tx, name, Role::Admin, now)?)
            })
            .await
    }

    /// Logs an admin in.
    pub(crate) async fn log_in(&self, login: Login, address: String) -> Result<NewSession, AppError> {
        let now = self.now();
        let name = login.name.clone();
        let admin = self.store().read(move |tx| muster_store::admin::get(tx, &name)).await?;
        let known = verify(login.password, admin.as_ref().map(|admin| admin.password_hash.clone())).await?;
        // The name is a stranger's: it is kept short and in one line.
        let name: String = login.name.chars().filter(|c| !c.is_control()).take(64).collect();
        self.store()
            .write(move |tx| {
                let Some(admin) = admin.filter(|_| known) else {
                    let act = Act { at: now, actor: "stranger", action: "login.refuse" };
                    audit::write(tx, act, &name, json!({"address": address}))?;
                    return Ok(Err(AppError::Unauthenticated));
                };
                let actor = format!("admin:{}", admin.name);
                let act = Act { at: now, actor: &actor, action: "login" };
                audit::write(tx, act, &admin.name, json!({"address": address}))?;
                Ok::<_, AppError>(Ok(begin_session(tx, admin.name, admin.role, now)?))
            })
            .await?
    }

    /// The session with this secret; `Unauthenticated` when there is none (any more).
    pub(crate) async fn session(&self, secret: &str) -> Result<SessionInfo, AppError> {
        let (now, digest) = (self.now(), secret::digest(secret));
        let row = self.store().read(move |tx| muster_store::session::get(tx, digest, now)).await?;
        row.map(info).ok_or(AppError::Unauthenticated)
    }

    /// Ends a session.
    pub(crate) async fn log_out(&self, secret: &str) -> Result<(), AppError> {
        let (at, digest) = (self.now(), secret::digest(secret));
        self.store()
            .write(move |tx| {
                let Some(session) = muster_store::session::get(tx, digest, at)? else { return Ok(()) };
                muster_store::session::remove(tx, digest)?;
                let actor = format!("admin:{}", session.admin);
                audit::write(tx, Act { at, actor: &actor, action: "logout" }, &session.admin, json!({}))?;
                Ok(())
            })
            .await
    }

    /// Who holds this API token; `Unauthenticated` when nobody does (any more).
    pub(crate) async fn token_identity(&self, secret: &str) -> Result<(Identity, ApiToken), AppError> {
        let (now, digest) = (self.now(), secret::digest(secret));
        let token = self.store().read(move |tx| muster_store::api_token::get(tx, digest, now)).await?;
        let token = token.ok_or(AppError::Unauthenticated)?;
        Ok((Identity::token(&token.id, &token.name, token.role), token))
    }

    /// All API tokens, the newest first.
    pub(crate) async fn list_api_tokens(&self, _right: &ViewRight) -> Result<Vec<ApiToken>, AppError> {
        Ok(self.store().read(muster_store::api_token::list).await?)
    }

    /// Makes an API token.
    pub(crate) async fn create_api_token(
        &self,
        right: &AdminRight,
        request: NewApiToken,
    ) -> Result<CreatedApiToken, AppError> {
        check_purpose(&request.name)?;
        let days = request.days.unwrap_or(TOKEN_DAYS);
        if !(1..=MAX_TOKEN_DAYS).contains(&days) {
            return Err(AppError::Invalid(format!("days: expected 1 to {MAX_TOKEN_DAYS}")));
        }
        let (at, actor) = (self.now(), right.actor().to_owned());
        let token = ApiToken {
            id: secret::id("api-"),
            name: request.name,
            role: request.role,
            created: at,
            expires: at.plus_seconds(i64::from(days) * 24 * HOUR),
        };
        self.store()
            .write(move |tx| {
                let secret = secret::secret("muster-api-");
                muster_store::api_token::insert(tx, &token, secret::digest(&secret), &actor)?;
                let act = Act { at, actor: &actor, action: "api_token.create" };
                let detail = json!({"name": token.name, "role": token.role, "expires": token.expires});
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
                if !muster_store::api_token::remove(tx, &id)? {
                    return Err(AppError::not_found("API token", &id));
                }
                audit::write(tx, Act { at, actor: &actor, action: "api_token.delete" }, &id, json!({}))?;
                Ok(())
            })
            .await
    }
}

fn begin_session(
    tx: &mut Tx<'_>,
    name: String,
    role: Role,
    now: Timestamp,
) -> Result<NewSession, StoreError> {
    let secret = secret::secret("");
    let expires = now.plus_seconds(SESSION_SECONDS);
    let row = SessionRow { admin: name, role, csrf: secret::secret(""), expires };
    muster_store::session::insert(tx, secret::digest(&secret), &row, now)?;
    Ok(NewSession { session: info(row), secret })
}

fn info(row: SessionRow) -> SessionInfo {
    let identity = Identity::admin(&row.admin, row.role);
    SessionInfo { identity, name: row.admin, role: row.role, csrf: row.csrf, expires: row.expires }
}

fn check_name(name: &str) -> Result<(), AppError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-@".contains(&b);
    if (1..=64).contains(&name.len()) && name.bytes().all(plain) {
        Ok(())
    } else {
        Err(AppError::Invalid("name: expected 1 to 64 letters, digits and . _ - @".to_owned()))
    }
}

/// What an API token is for is a person's own words, in one line.
fn check_purpose(purpose: &str) -> Result<(), AppError> {
    if (1..=128).contains(&purpose.chars().count()) && !purpose.chars().any(char::is_control) {
        Ok(())
    } else {
        Err(AppError::Invalid("name: expected 1 to 128 characters in one line".to_owned()))
    }
}

async fn hash(password: String) -> Result<String, AppError> {
    let hashed = tokio::task::spawn_blocking(move || {
        Argon2::default().hash_password(password.as_bytes()).map(|hash| hash.to_string())
    });
    hashed
        .await
        .map_err(|error| AppError::Defect(error.to_string()))?
        .map_err(|error| AppError::Defect(format!("hashing: {error}")))
}

/// Whether the password has this hash. Without one it takes as long, so that names can't be told apart by time.
async fn verify(password: String, hash: Option<String>) -> Result<bool, AppError> {
    let verified = tokio::task::spawn_blocking(move || {
        let Some(hash) = hash else {
            drop(Argon2::default().hash_password(password.as_bytes()));
            return false;
        };
        PasswordHash::new(&hash)
            .is_ok_and(|parsed| Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok())
    });
    verified.await.map_err(|error| AppError::Defect(error.to_string()))
}
