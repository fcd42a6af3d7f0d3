//! Who is calling. Every path but the few open ones passes [`admit`], which knows the caller or refuses; handlers take
//! the right they need as [`Viewer`] or [`Administrator`].

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Uri, header};
use axum::middleware::Next;
use axum::response::Response;
use muster_policy::rights::{AdminRight, Identity, ViewRight};
use muster_proto::rest::Scope;
use subtle::ConstantTimeEq;

use super::Api;
use super::problem::Refusal;
use super::scope;
use super::session::COOKIE;
use crate::app::account::Current;
use crate::app::admin::SessionInfo;
use crate::app::api_token::Holder;
use crate::app::{App, AppError};

/// Carried by changes that are made with the cookie; a foreign page can't read it.
const CSRF: &str = "x-muster-csrf";

/// What the caller showed. Kept so that a long answer can look again whether it still holds.
#[derive(Clone)]
pub(super) enum Credential {
    /// The secret of the session cookie.
    Session(String),
    /// The secret of an API token.
    Token(String),
}

/// A caller who was let in.
#[derive(Clone)]
pub(super) struct Caller {
    /// Who it is.
    pub(super) identity: Identity,
    /// What they showed.
    pub(super) credential: Credential,
    /// The session, when there is one.
    pub(super) session: Option<SessionInfo>,
    /// The admin, when a person is calling and not a program.
    pub(super) account: Option<String>,
    /// What is reached of what the role allows; everything when empty.
    pub(super) scopes: Vec<Scope>,
}

/// A person who is logged in, and by what.
pub(super) struct Person {
    /// The login name.
    pub(super) name: String,
    /// This login, among others.
    pub(super) current: Current,
}

/// A person by a session; a token does not have one.
pub(super) struct InBrowser(pub(super) SessionInfo);

/// The right to read.
pub(super) struct Viewer(pub(super) ViewRight);

/// The right to change.
pub(super) struct Administrator(pub(super) AdminRight);

/// Lets known callers through. Changes are refused here too, whatever the handler asks for: with the cookie they need
/// the page's own origin and CSRF secret, and always the role; so is what a token's scopes do not reach.
pub(super) async fn admit(State(api): State<Api>, request: Request, next: Next) -> Result<Response, Refusal> {
    let (mut parts, body) = request.into_parts();
    match caller(&api, &parts).await {
        Ok(caller) => {
            parts.extensions.insert(caller);
            Ok(next.run(Request::from_parts(parts, body)).await)
        }
        Err(refusal) => {
            read_to_end(body).await;
            Err(refusal)
        }
    }
}

/// Reads what a refused caller still sends, as many programs that are cut off there lose the refusal. What is longer, or takes its
/// time, is not waited for.
async fn read_to_end(body: Body) {
    const LONGEST: usize = 64 * 1024;
    const PATIENCE: Duration = Duration::from_secs(2);
    tokio::time::timeout(PATIENCE, axum::body::to_bytes(body, LONGEST)).await.ok();
}

async fn caller(api: &Api, parts: &Parts) -> Result<Caller, Refusal> {
    let credential = Credential::shown(&parts.headers)
        .ok_or_else(|| Refusal::unauthorized("Log in, or send an API token as Authorization: Bearer."))?;
    let caller = credential.check(&api.app).await?;
    if !matches!(parts.method, Method::GET | Method::HEAD)
        && let Some(session) = &caller.session
    {
        require_origin(&parts.uri, &parts.headers)?;
        require_csrf(&parts.headers, &session.csrf)?;
    }
    let route = parts.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
    scope::admit(&caller, &parts.method, route)?;
    Ok(caller)
}

impl Credential {
    fn shown(headers: &HeaderMap) -> Option<Self> {
        if let Some(value) = headers.get(header::AUTHORIZATION) {
            let (scheme, secret) = value.to_str().ok()?.split_once(' ')?;
            return scheme.eq_ignore_ascii_case("bearer").then(|| Self::Token(secret.trim().to_owned()));
        }
        cookie(headers).map(Self::Session)
    }

    /// Whether it holds (still), and whose it is.
    pub(super) async fn check(self, app: &App) -> Result<Caller, AppError> {
        Ok(match &self {
            Self::Session(secret) => {
                let session = app.session(secret).await?;
                let (identity, account) = (session.identity.clone(), Some(session.name.clone()));
                Caller { identity, credential: self, session: Some(session), account, scopes: Vec::new() }
            }
            Self::Token(secret) => {
                let Holder { identity, account, scopes } = app.token_holder(secret).await?;
                Caller { identity, credential: self, session: None, account, scopes }
            }
        })
    }
}

/// The secret in the session cookie.
fn cookie(headers: &HeaderMap) -> Option<String> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE)
        .map(|(_, secret)| secret.to_owned())
}

/// Refuses a request that a page of another site sent.
pub(super) fn require_origin(uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
    let foreign = || {
        Refusal::forbidden(
            "The request does not say that it comes from this server's own pages (header Origin).",
        )
    };
    let host = uri
        .authority()
        .map(|authority| authority.as_str())
        .or_else(|| headers.get(header::HOST).and_then(|host| host.to_str().ok()))
        .ok_or_else(foreign)?;
    let origin = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok()).ok_or_else(foreign)?;
    let same = origin.strip_prefix("https://").is_some_and(|origin| origin.eq_ignore_ascii_case(host));
    if same { Ok(()) } else { Err(foreign()) }
}

/// The same for requests that programs send too, which name no origin; browsers always do.
pub(super) fn refuse_foreign_origin(uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
    if headers.contains_key(header::ORIGIN) { require_origin(uri, headers) } else { Ok(()) }
}

fn require_csrf(headers: &HeaderMap, expected: &str) -> Result<(), Refusal> {
    let given = headers.get(CSRF).map(|value| value.as_bytes()).unwrap_or_default();
    if bool::from(given.ct_eq(expected.as_bytes())) {
        return Ok(());
    }
    Err(Refusal::forbidden("The header X-Muster-CSRF does not belong to this session: load the page again."))
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| Refusal::unauthorized("Log in first."))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Person {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let caller = Caller::from_request_parts(parts, state).await?;
        let name = caller.account.ok_or(AppError::Nobody)?;
        let current = match caller.credential {
            Credential::Session(secret) => Current::Session(secret),
            Credential::Token(secret) => Current::Token(secret),
        };
        Ok(Self { name, current })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for InBrowser {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let caller = Caller::from_request_parts(parts, state).await?;
        Ok(Self(caller.session.ok_or(AppError::Nobody)?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Viewer {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        Ok(Self(Caller::from_request_parts(parts, state).await?.identity.view()))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Administrator {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let caller = Caller::from_request_parts(parts, state).await?;
        Ok(Self(caller.identity.administer().map_err(AppError::from)?))
    }
}
