//! One's own account: password, codes, and other logins.

use std::net::SocketAddr;

use axum::Json;
use axum::extract::{ConnectInfo, State};
use axum::http::StatusCode;
use muster_proto::rest::{Account, Ended, NewPassword, NewTotp, TotpCode, TotpEnd, TotpSecret};
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::caller::Person;
use super::extract::{Body, Query};
use super::problem::Refusal;
use crate::app::admins::Made;
use crate::listen;

pub(super) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(get_account))
        .routes(routes!(change_password))
        .routes(routes!(log_out_others))
        .routes(routes!(begin_totp))
        .routes(routes!(confirm_totp))
        .routes(routes!(end_totp))
}

/// Says how one's own account stands.
#[utoipa::path(get, path = "/account", tag = "account",
    responses((status = 200, description = "The account.", body = Account)))]
async fn get_account(State(api): State<Api>, person: Person) -> Result<Json<Account>, Refusal> {
    Ok(Json(api.app.account(person.name).await?))
}

/// Changes one's own password; every other login ends.
#[utoipa::path(post, path = "/account/password", tag = "account", request_body = NewPassword,
    responses((status = 200, description = "What ended.", body = Ended)))]
async fn change_password(
    State(api): State<Api>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    person: Person,
    Body(asked): Body<NewPassword>,
) -> Result<Json<Ended>, Refusal> {
    let Person { name, current } = person;
    let change = async { Ok(api.app.change_password(name.clone(), current, asked).await?) };
    Ok(Json(api.attempts.run(&name, listen::site(address.ip()), change).await?))
}

/// What ends beside logins.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LogoutQuery {
    /// Whether API and enrollment tokens that the admin made end too; false when left out.
    #[serde(default)]
    tokens: bool,
}

impl LogoutQuery {
    pub(super) fn made(&self) -> Made {
        if self.tokens { Made::Ends } else { Made::GoesOn }
    }
}

/// Ends every other login of oneself.
#[utoipa::path(post, path = "/account/logout", tag = "account", params(LogoutQuery),
    responses((status = 200, description = "What ended.", body = Ended)))]
async fn log_out_others(
    State(api): State<Api>,
    person: Person,
    Query(query): Query<LogoutQuery>,
) -> Result<Json<Ended>, Refusal> {
    Ok(Json(api.app.log_out_others(person.name, person.current, query.made()).await?))
}

/// Makes a secret for codes; it counts once it is confirmed, and is shown in this answer only.
#[utoipa::path(post, path = "/account/totp", tag = "account", request_body = NewTotp,
    responses((status = 201, description = "The secret and the recovery codes.", body = TotpSecret)))]
async fn begin_totp(
    State(api): State<Api>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    person: Person,
    Body(asked): Body<NewTotp>,
) -> Result<(StatusCode, Json<TotpSecret>), Refusal> {
    let begin = async { Ok(api.app.begin_totp(person.name.clone(), asked.password).await?) };
    let secret = api.attempts.run(&person.name, listen::site(address.ip()), begin).await?;
    Ok((StatusCode::CREATED, Json(secret)))
}

/// Turns codes on by the first of them.
#[utoipa::path(post, path = "/account/totp/confirm", tag = "account", request_body = TotpCode,
    responses((status = 200, description = "The account; its logins need a code.", body = Account)))]
async fn confirm_totp(
    State(api): State<Api>,
    person: Person,
    Body(asked): Body<TotpCode>,
) -> Result<Json<Account>, Refusal> {
    Ok(Json(api.app.confirm_totp(person.name, asked.code).await?))
}

/// Turns codes off.
#[utoipa::path(post, path = "/account/totp/end", tag = "account", request_body = TotpEnd,
    responses((status = 200, description = "The account; its logins need no code.", body = Account)))]
async fn end_totp(
    State(api): State<Api>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    person: Person,
    Body(asked): Body<TotpEnd>,
) -> Result<Json<Account>, Refusal> {
    let end = async { Ok(api.app.end_totp(person.name.clone(), asked).await?) };
    Ok(Json(api.attempts.run(&person.name, listen::site(address.ip()), end).await?))
}
