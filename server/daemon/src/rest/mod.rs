//! The door for admins and their programs: `/api/v1`. One file per noun, each parse -> operation -> view; what they
//! share is in [`extract`] and [`problem`].

mod api_tokens;
mod assignments;
mod audit;
mod compliance;
mod devices;
mod events;
mod extract;
pub(crate) mod openapi;
mod overview;
mod people;
pub(crate) mod problem;
mod profiles;
mod reported;
mod session;
mod setup;
mod tokens;

use utoipa_axum::router::OpenApiRouter;

/// What handlers work with.
#[derive(Clone)]
pub(crate) struct Api {}

/// Paths that a caller may use before anyone is known.
fn open() -> OpenApiRouter<Api> {
    OpenApiRouter::new().merge(setup::router()).merge(session::open())
}

/// Paths that need a session or an API token.
fn closed() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .merge(session::router())
        .merge(api_tokens::router())
        .merge(overview::router())
        .merge(devices::router())
        .merge(reported::router())
        .merge(tokens::router())
        .merge(people::router())
        .merge(profiles::router())
        .merge(assignments::router())
        .merge(compliance::router())
        .merge(audit::router())
        .merge(events::router())
}
