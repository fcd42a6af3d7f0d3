//! Who logs in: by a one-time link, or with a name, a password and where it is on a code; and the session that begins.

use muster_policy::password::Factor;
use muster_policy::rights::{AdminRight, Identity};
use muster_proto::rest::{Login, Role, Setup};
use muster_proto::{Digest, Timestamp};
use muster_store::admin::{self, AdminRow};
use muster_store::session::SessionRow;
use muster_store::{StoreError, Tx};
use serde_json::json;

use super::audit::{self, Act};
use super::{App, AppError, code, hash, secret};

const HOUR: i64 = 3_600;
/// How long a link to choose a password can be used.
pub(super) const LINK_SECONDS: i64 = HOUR;
/// A session ends after a working day.
const SESSION_SECONDS: i64 = 12 * HOUR;

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

/// How many logins from where this one comes were refused lately.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusals {
    /// Each is audited.
    Few,
    /// More are not: a stranger would fill the record with them.
    Many,
}

/// Whose link it is.
#[derive(Clone, PartialEq, Eq)]
enum Link {
    /// The first admin's.
    First,
    /// That of an admin who is there already.
    Of(String),
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
                if admin::count(tx)? > 0 {
                    return Err(AppError::Taken("there is an admin already: log in as them".to_owned()));
                }
                let link = secret::secret("");
                admin::clear_setup_links(tx)?;
                let expires = at.plus_seconds(LINK_SECONDS);
                admin::insert_setup_link(tx, secret::digest(&link), at, expires)?;
                let act = Act { at, actor: &actor, action: "setup.link" };
                audit::write(tx, act, "server", json!({"expires": expires}))?;
                Ok(link)
            })
            .await
    }

    /// Lets an admin choose a password by a one-time link, and logs them in: the first admin, who is made by it, or the one
    /// whom the link was made for.
    pub(crate) async fn set_up(&self, request: Setup) -> Result<NewSession, AppError> {
        check_name(&request.name)?;
        // A stranger without a link does not get to spend the server's time on hashing.
        let (now, link, name) = (self.now(), secret::digest(&request.link), request.name);
        let link_of = self.store().read(move |tx| find_link(tx, link, now)).await?;
        let link_of = link_of.ok_or(AppError::Unauthenticated)?;
        if let Link::Of(of) = &link_of
            && *of != name
        {
            return Err(AppError::Invalid(format!("name: this link is for {of}")));
        }
        let about = vec![name.clone(), self.site().server_name.clone()];
        let password_hash = hash::check_and_hash(request.password, Factor::Only, about).await?;
        self.store()
            .write(move |tx| {
                if find_link(tx, link, now)?.as_ref() != Some(&link_of) {
                    return Err(AppError::Unauthenticated);
                }
                let actor = format!("admin:{name}");
                let role = match link_of {
                    Link::First => {
                        admin::use_setup_link(tx, link, now)?;
                        let role = Role::Admin;
                        let row = AdminRow { name: name.clone(), role, password_hash: Some(password_hash) };
                        admin::insert(tx, &row, now)?;
                        let act = Act { at: now, actor: &actor, action: "admin.create" };
                        audit::write(tx, act, &name, json!({"role": role}))?;
                        role
                    }
                    Link::Of(_) => {
                        let row = admin::get(tx, &name)?.ok_or(AppError::Unauthenticated)?;
                        admin::remove_link(tx, &name)?;
                        admin::set_password(tx, &name, &password_hash)?;
                        let act = Act { at: now, actor: &actor, action: "admin.password" };
                        audit::write(tx, act, &name, json!({"by": "link"}))?;
                        row.role
                    }
                };
                Ok(begin_session(tx, name, role, now)?)
            })
            .await
    }

    /// Logs an admin in.
    pub(crate) async fn log_in(
        &self,
        login: Login,
        address: String,
        refusals: Refusals,
    ) -> Result<NewSession, AppError> {
        let Login { name, password, code } = login;
        let known = self.know(name.clone(), password).await?;
        let (app, now) = (self.clone(), self.now());
        // The name is a stranger's: it is kept short and in one line.
        let name: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
        self.store()
            .write(move |tx| {
                let refuse = |tx: &mut Tx<'_>, reason: &str| {
                    let act = Act { at: now, actor: "stranger", action: "login.refuse" };
                    audit::write(tx, act, &name, json!({"address": address, "reason": reason}))
                };
                // Looked at again: it may have changed while the password was hashed.
                let admin = match known {
                    Some(known) if admin::get(tx, &known.name)?.as_ref() == Some(&known) => known,
                    _ => {
                        if refusals == Refusals::Few {
                            refuse(tx, "password")?;
                        }
                        return Ok(Err(AppError::Unauthenticated));
                    }
                };
                let judged = code::judge(tx, &app.0.sealing_key, &admin.name, code.as_deref(), now)?;
                if let Some(refusal) = judged.refusal() {
                    if !matches!(refusal, AppError::CodeNeeded) {
                        refuse(tx, "code")?;
                    }
                    return Ok(Err(refusal));
                }
                let actor = format!("admin:{}", admin.name);
                let act = Act { at: now, actor: &actor, action: "login" };
                audit::write(tx, act, &admin.name, json!({"address": address}))?;
                Ok::<_, AppError>(Ok(begin_session(tx, admin.name, admin.role, now)?))
            })
            .await?
    }

    /// The admin of this name, if this is their password.
    pub(super) async fn know(&self, name: String, password: String) -> Result<Option<AdminRow>, AppError> {
        let admin = self.store().read(move |tx| admin::get(tx, &name)).await?;
        let hash = admin.as_ref().and_then(|admin| admin.password_hash.clone());
        let right = hash::verify(password, hash).await?;
        Ok(admin.filter(|_| right))
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
    admin::logged_in(tx, &row.admin, now)?;
    Ok(NewSession { session: info(row), secret })
}

fn info(row: SessionRow) -> SessionInfo {
    let identity = Identity::admin(&row.admin, row.role);
    SessionInfo { identity, name: row.admin, role: row.role, csrf: row.csrf, expires: row.expires }
}

fn find_link(tx: &mut Tx<'_>, link: Digest, now: Timestamp) -> Result<Option<Link>, StoreError> {
    if admin::has_setup_link(tx, link, now)? {
        return Ok((admin::count(tx)? == 0).then_some(Link::First));
    }
    Ok(admin::of_link(tx, link, now)?.map(Link::Of))
}

/// Checks a login name. What it begins with must not be taken for an option, nor for a formula.
pub(super) fn check_name(name: &str) -> Result<(), AppError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-@".contains(&b);
    let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if name.len() <= 64 && begins && name.bytes().all(plain) {
        Ok(())
    } else {
        let expected = "name: expected 1 to 64 letters, digits and . _ - @, beginning with a letter or digit";
        Err(AppError::Invalid(expected.to_owned()))
    }
}
