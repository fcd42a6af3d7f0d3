//! Logging in and out with the browser cookie.

use std::net::SocketAddr;

use axum::Json;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{AppendHeaders, IntoResponse, Response};
use muster_proto::rest::{CreatedApiToken, Login, NewLogin, Session};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::caller::{Caller, Credential, InBrowser, refuse_foreign_origin};
use super::extract::Body;
use super::problem::Refusal;
use crate::app::admin::{NewSession, SessionInfo};
use crate::listen;

/// The cookie's name. `__Host-` makes browsers refuse it from anything but this host over TLS.
pub(super) const COOKIE: &str = "__Host-muster-session";

pub(super) fn open() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(log_in))
}

pub(super) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(get_session, log_out)).routes(routes!(keep_logged_in))
}

/// Logs in and sets the session cookie.
#[utoipa::path(post, path = "/session", tag = "session", request_body = Login,
    responses((status = 201, description = "Logged in.", body = Session)))]
async fn log_in(
    State(api): State<Api>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    uri: Uri,
    headers: HeaderMap,
    Body(asked): Body<Login>,
) -> Result<Response, Refusal> {
    refuse_foreign_origin(&uri, &headers)?;
    let name = asked.name.clone();
    let place = listen::site(address.ip());
    let login = async {
        let refusals = api.attempts.refusals_from(place);
        Ok(api.app.log_in(asked, address.ip().to_string(), refusals).await?)
    };
    let begun = api.attempts.run(&name, place, login).await?;
    Ok(begin(&api, begun))
}

/// Says who is logged in.
#[utoipa::path(get, path = "/session", tag = "session",
    responses((status = 200, description = "Who is logged in.", body = Session)))]
async fn get_session(State(api): State<Api>, caller: Caller) -> Result<Json<Session>, Refusal> {
    let session = caller.session.ok_or_else(|| {
        Refusal::not_found(
            "An API token has no session. It is for programs; log in with a name and password.",
        )
    })?;
    Ok(Json(view(&api, session)))
}

/// Keeps a command line logged in: the token in the answer goes on after this session, and ends with its admin.
#[utoipa::path(post, path = "/session/token", tag = "session", request_body = NewLogin,
    responses((status = 201, description = "The token, with its secret.", body = CreatedApiToken)))]
async fn keep_logged_in(
    State(api): State<Api>,
    InBrowser(session): InBrowser,
    Body(asked): Body<NewLogin>,
) -> Result<(StatusCode, Json<CreatedApiToken>), Refusal> {
    Ok((StatusCode::CREATED, Json(api.app.keep_logged_in(&session, &asked.host).await?)))
}

/// Ends the session, or the login of the command line that asks.
#[utoipa::path(delete, path = "/session", tag = "session",
    responses((status = 204, description = "The session has ended.")))]
async fn log_out(State(api): State<Api>, caller: Caller) -> Result<Response, Refusal> {
    match &caller.credential {
        Credential::Session(secret) => api.app.log_out(secret).await?,
        Credential::Token(secret) => api.app.end_login(secret).await?,
    }
    Ok((StatusCode::NO_CONTENT, AppendHeaders([(header::SET_COOKIE, cookie("", 0))])).into_response())
}

/// Answers with a session just begun.
pub(super) fn begin(api: &Api, begun: NewSession) -> Response {
    let seconds = begun.session.expires.seconds() - api.app.now().seconds();
    let headers = AppendHeaders([(header::SET_COOKIE, cookie(&begun.secret, seconds.max(0)))]);
    (StatusCode::CREATED, headers, Json(view(api, begun.session))).into_response()
}

fn view(api: &Api, session: SessionInfo) -> Session {
    Session {
        name: session.name,
        role: session.role,
        server: api.app.site().server_name.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        csrf: session.csrf,
        expires: session.expires,
    }
}

fn cookie(secret: &str, seconds: i64) -> HeaderValue {
    let text = format!("{COOKIE}={secret}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Strict");
    let mut value = HeaderValue::from_str(&text).expect("secrets are base64url");
    value.set_sensitive(true);
    value
}
