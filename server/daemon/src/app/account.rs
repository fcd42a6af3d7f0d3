//! What an admin does with their own account. The password is asked for again: a login that was left open is not enough
//! to take an account over.

use muster_policy::password::{self, Factor};
use muster_proto::rest::{Account, Ended, NewPassword, TotpEnd, TotpSecret};
use muster_store::admin::{self, AdminRow};
use muster_store::{Tx, api_token, session, totp};
use serde_json::json;

use super::admins::{self, Made};
use super::audit::{self, Act};
use super::code::{self, Judged};
use super::{App, AppError, hash, secret};

/// The login that somebody acts by; it goes on where others end.
#[derive(Clone)]
pub(crate) enum Current {
    /// A session, by its secret.
    Session(String),
    /// A command line's token, by its secret.
    Token(String),
}

impl App {
    /// Says how one's own account stands.
    pub(crate) async fn account(&self, name: String) -> Result<Account, AppError> {
        self.store().read(move |tx| view(tx, &name)).await
    }

    /// Changes one's own password, and ends every other login.
    pub(crate) async fn change_password(
        &self,
        name: String,
        current: Current,
        new: NewPassword,
    ) -> Result<Ended, AppError> {
        let known = self.know(name.clone(), new.current).await?.ok_or(AppError::Unauthenticated)?;
        let with_code = {
            let name = name.clone();
            self.store().read(move |tx| code::is_on(tx, &name)).await?
        };
        let about = vec![name.clone(), self.site().server_name.clone()];
        let hash = hash::check_and_hash(new.new, factor(with_code), about).await?;
        let (app, now) = (self.clone(), self.now());
        self.store()
            .write(move |tx| {
                same(tx, &known)?;
                let judged = code::judge(tx, &app.0.sealing_key, &name, new.code.as_deref(), now)?;
                if let Some(refusal) = judged.refusal() {
                    return Ok(Err(refusal));
                }
                // Codes may have been ended while the password was hashed, and the shorter one is too short then.
                if code::is_on(tx, &name)? != with_code {
                    return Err(AppError::Taken(
                        "codes were turned on or off meanwhile: try again".to_owned(),
                    ));
                }
                admin::set_password(tx, &name, &hash)?;
                let ended = end_others(tx, &name, &current, now)?;
                let actor = format!("admin:{name}");
                let act = Act { at: now, actor: &actor, action: "admin.password" };
                audit::write(tx, act, &name, json!({"logins_ended": ended.logins}))?;
                Ok::<_, AppError>(Ok(ended))
            })
            .await?
    }

    /// Ends every login of oneself but this one.
    pub(crate) async fn log_out_others(
        &self,
        name: String,
        current: Current,
        made: Made,
    ) -> Result<Ended, AppError> {
        let now = self.now();
        self.store()
            .write(move |tx| {
                let mut ended = end_others(tx, &name, &current, now)?;
                admins::end_made(tx, &name, made, &mut ended, now)?;
                let actor = format!("admin:{name}");
                let act = Act { at: now, actor: &actor, action: "admin.logout" };
                audit::write(tx, act, &name, json!(ended))?;
                Ok(ended)
            })
            .await
    }

    /// Makes a secret for codes, which counts once it is confirmed.
    pub(crate) async fn begin_totp(&self, name: String, password: String) -> Result<TotpSecret, AppError> {
        let known = self.know(name.clone(), password).await?.ok_or(AppError::Unauthenticated)?;
        let (app, now) = (self.clone(), self.now());
        self.store()
            .write(move |tx| {
                same(tx, &known)?;
                if code::is_on(tx, &name)? {
                    return Err(AppError::Taken(
                        "codes are on already; for another authenticator end them first: muster admin totp --off"
                            .to_owned(),
                    ));
                }
                let made = code::make(&app.0.sealing_key, &app.site().server_name, &name, now);
                totp::put(tx, &name, &made.row)?;
                let (recovery_codes, digests) = code::recovery_codes(&name);
                totp::put_recovery_codes(tx, &name, &digests)?;
                let actor = format!("admin:{name}");
                audit::write(tx, Act { at: now, actor: &actor, action: "totp.begin" }, &name, json!({}))?;
                Ok(TotpSecret { secret: made.secret, uri: made.uri, recovery_codes })
            })
            .await
    }

    /// Turns codes on by the first of them.
    pub(crate) async fn confirm_totp(&self, name: String, given: String) -> Result<Account, AppError> {
        let (app, now) = (self.clone(), self.now());
        self.store()
            .write(move |tx| {
                let judged = code::confirm(tx, &app.0.sealing_key, &name, &given, now)?;
                if let Some(refusal) = judged.refusal() {
                    return Ok(Err(refusal));
                }
                let actor = format!("admin:{name}");
                audit::write(tx, Act { at: now, actor: &actor, action: "totp.on" }, &name, json!({}))?;
                Ok::<_, AppError>(Ok(view(tx, &name)?))
            })
            .await?
    }

    /// Turns codes off, for which a password and a code are needed.
    pub(crate) async fn end_totp(&self, name: String, end: TotpEnd) -> Result<Account, AppError> {
        let length = password::normal(&end.password).chars().count();
        let known = self.know(name.clone(), end.password).await?.ok_or(AppError::Unauthenticated)?;
        if length < Factor::Only.min_length() {
            return Err(AppError::Invalid(format!(
                "without codes a password has at least {} characters: choose a longer one first (muster admin \
                 password)",
                Factor::Only.min_length()
            )));
        }
        let (app, now) = (self.clone(), self.now());
        self.store()
            .write(move |tx| {
                same(tx, &known)?;
                if !code::is_on(tx, &name)? {
                    return Err(AppError::Missing("codes are off already".to_owned()));
                }
                let judged = code::judge(tx, &app.0.sealing_key, &name, Some(&end.code), now)?;
                if judged != Judged::Taken {
                    return Ok(Err(judged.refusal().unwrap_or(AppError::WrongCode)));
                }
                totp::remove(tx, &name)?;
                let actor = format!("admin:{name}");
                audit::write(tx, Act { at: now, actor: &actor, action: "totp.off" }, &name, json!({}))?;
                Ok::<_, AppError>(Ok(view(tx, &name)?))
            })
            .await?
    }
}

fn view(tx: &mut Tx<'_>, name: &str) -> Result<Account, AppError> {
    let admin = admin::get(tx, name)?.ok_or(AppError::Unauthenticated)?;
    let totp = code::is_on(tx, name)?;
    let recovery_codes = if totp { totp::recovery_codes(tx, name)? } else { 0 };
    let password_length = u32::try_from(factor(totp).min_length()).unwrap_or(u32::MAX);
    Ok(Account { name: admin.name, role: admin.role, totp, recovery_codes, password_length })
}

fn factor(with_code: bool) -> Factor {
    if with_code { Factor::WithCode } else { Factor::Only }
}

/// Refuses when the admin's password has changed since it was looked at.
fn same(tx: &mut Tx<'_>, known: &AdminRow) -> Result<(), AppError> {
    let now = admin::get(tx, &known.name)?;
    let same = now.is_some_and(|now| now.password_hash == known.password_hash);
    if same { Ok(()) } else { Err(AppError::Unauthenticated) }
}

fn end_others(
    tx: &mut Tx<'_>,
    name: &str,
    current: &Current,
    now: muster_proto::Timestamp,
) -> Result<Ended, AppError> {
    let (session, token) = match current {
        Current::Session(secret) => (Some(secret::digest(secret)), None),
        Current::Token(secret) => (None, api_token::get(tx, secret::digest(secret), now)?),
    };
    let browsers = session::remove_of(tx, name, session)?;
    let but = token.map(|token| token.id).unwrap_or_default();
    let command_lines = api_token::remove_logins(tx, name, &but)?;
    let logins = u32::try_from(browsers + command_lines).unwrap_or(u32::MAX);
    Ok(Ended { logins, api_tokens: 0, tokens: 0 })
}
