//! Choosing a password by a one-time link: the first admin's, or that of one who was added or reset.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use muster_proto::rest::{Session, Setup};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::caller::refuse_foreign_origin;
use super::extract::Body;
use super::problem::Refusal;
use super::session;
use crate::listen;

pub(super) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(set_up))
}

/// Chooses a password by a one-time link, and logs in. The first admin is made by it.
#[utoipa::path(post, path = "/setup", tag = "session", request_body = Setup,
    responses((status = 201, description = "The admin has a password and is logged in.", body = Session)))]
async fn set_up(
    State(api): State<Api>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    uri: Uri,
    headers: HeaderMap,
    Body(asked): Body<Setup>,
) -> Result<Response, Refusal> {
    refuse_foreign_origin(&uri, &headers)?;
    let name = asked.name.clone();
    let set_up = async { Ok(api.app.set_up(asked).await?) };
    let begun = api.attempts.run(&name, listen::site(address.ip()), set_up).await?;
    Ok(session::begin(&api, begun))
}
