//! What became of a profile's resources over all devices.

use axum::Json;
use axum::extract::State;
use muster_proto::report::OutcomeKind;
use muster_proto::rest::{DeviceOutcome, Page};
use muster_store::outcome::Filter;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::caller::Viewer;
use super::extract::Query;
use super::problem::Refusal;
use super::reported::page_limit;

pub(super) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list_outcomes))
}

/// Which outcomes.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct OutcomeQuery {
    /// What became of the resource.
    outcome: OutcomeKind,
    /// The profile that asks for it, as `base`, or one revision of it, as `base@3`; what no profile asks for when left
    /// out.
    profile: Option<String>,
    /// Only this resource, such as `file:/etc/motd`.
    resource: Option<String>,
    /// Where the page begins, from `next` of the page before.
    cursor: Option<String>,
    /// At most this many rows; 100 when left out.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

impl OutcomeQuery {
    fn filter(&self) -> Result<Filter, Refusal> {
        let profile = self.profile.clone().unwrap_or_default();
        let (profile, revision) = match profile.split_once('@') {
            None => (profile, None),
            Some((name, number)) => {
                let number = number.parse().map_err(|_| {
                    Refusal::bad_request(format!("profile: write {name} or, for a revision, {name}@3."))
                })?;
                (name.to_owned(), Some(number))
            }
        };
        Ok(Filter { profile, revision, outcome: self.outcome, resource: self.resource.clone() })
    }
}

/// Lists what became of a profile's resources on all devices that are not revoked, by resource.
#[utoipa::path(get, path = "/outcomes", tag = "compliance", params(OutcomeQuery),
    responses((status = 200, description = "One page of outcomes.", body = Page<DeviceOutcome>)))]
async fn list_outcomes(
    State(api): State<Api>,
    Viewer(right): Viewer,
    Query(query): Query<OutcomeQuery>,
) -> Result<Json<Page<DeviceOutcome>>, Refusal> {
    let (limit, filter) = (page_limit(query.limit)?, query.filter()?);
    Ok(Json(api.app.list_outcomes(&right, filter, query.cursor, limit).await?))
}
