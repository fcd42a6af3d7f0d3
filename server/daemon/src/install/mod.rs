//! `/install`: the agent's packages as a signed apt repository, and what brings them onto devices.
//!
//! Public on purpose: packages hold no secret, and a machine that is not a device yet has nothing to show. What holds a
//! token is made by `POST /tokens` alone. [`snippet`] writes what an admin copies, [`page`] shows it; [`repository`] is
//! the index, signed by [`openpgp`] with the [`key`] of this server.

mod key;
mod openpgp;
mod page;
mod repository;
pub(crate) mod snippet;

use std::sync::Arc;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use data_encoding::BASE64;
use muster_proto::Timestamp;
use tower_http::services::ServeDir;

use crate::ca::Authority;
use crate::config::{ADMIN_PORT, Config, DataFolder};
use openpgp::Key;
use repository::Repository;
use snippet::Origin;

/// Everything below `/install`; cheap to clone.
#[derive(Clone)]
pub(crate) struct Install(Arc<Parts>);

struct Parts {
    origin: Origin,
    repository: Repository,
    key: Key,
    page: String,
    clock: fn() -> Timestamp,
}

/// The architectures that a folder really has packages for: those of whose index the packages are there.
pub(crate) fn offered(folder: &std::path::Path) -> Result<Vec<String>> {
    Ok(Repository::open(folder)?.offered())
}

/// Opens or makes the key of the repository, and says how devices reach it.
pub(crate) fn origin(
    folder: &DataFolder,
    config: &Config,
    authority: &Authority,
    now: Timestamp,
) -> Result<Origin> {
    let key = key::open_or_create(folder, now)?;
    Ok(Origin {
        host: config.name.clone(),
        packages: format!("https://{}:{ADMIN_PORT}/install/apt", config.name),
        root: config.tls.is_none().then(|| pem(authority.root())),
        key: key.certificate(&format!("Muster packages of {}", config.name)),
    })
}

impl Install {
    /// Reads what can be installed. `join_file` is one without a token, to be shown.
    pub(crate) fn open(
        folder: &DataFolder,
        config: &Config,
        origin: Origin,
        join_file: &str,
        clock: fn() -> Timestamp,
    ) -> Result<Self> {
        let repository = Repository::open(config.packages()).context("can't offer packages")?;
        let key = key::open_or_create(folder, clock())?;
        let page = page::page(&origin, &repository.architectures(), join_file);
        Ok(Self(Arc::new(Parts { origin, repository, key, page, clock })))
    }
}

/// The page, the repository, and what they rest on.
pub(crate) fn router<S: Clone + Send + Sync + 'static>(install: Install) -> Router<S> {
    let pool = ServeDir::new(install.0.repository.pool()).append_index_html_on_directories(false);
    Router::new()
        .route("/install", get(page))
        .route("/install/root.crt", get(root))
        .route("/install/muster.asc", get(certificate))
        .route("/install/muster.sources", get(sources))
        .route("/install/agent.sh", get(shell))
        .route("/install/apt/dists/stable/InRelease", get(release))
        .route("/install/apt/dists/stable/main/{folder}/Packages", get(index))
        .nest_service("/install/apt/pool", pool)
        .with_state(install)
}

async fn page(State(Install(parts)): State<Install>) -> Html<String> {
    Html(parts.page.clone())
}

async fn root(State(Install(parts)): State<Install>) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/x-pem-file")];
    parts.origin.root.clone().map_or(StatusCode::NOT_FOUND.into_response(), |pem| (kind, pem).into_response())
}

async fn certificate(State(Install(parts)): State<Install>) -> Response {
    ([(header::CONTENT_TYPE, "application/pgp-keys")], parts.origin.key.clone()).into_response()
}

async fn sources(State(Install(parts)): State<Install>) -> String {
    snippet::sources(&parts.origin)
}

async fn shell(State(Install(parts)): State<Install>) -> String {
    snippet::shell(&parts.origin, None)
}

async fn release(State(Install(parts)): State<Install>) -> String {
    let now = (parts.clock)();
    parts.key.sign_in_the_clear(&parts.repository.release(now), repository::dated(now))
}

async fn index(State(Install(parts)): State<Install>, Path(folder): Path<String>) -> Response {
    let found = parts.repository.index(&folder).map(<[u8]>::to_vec);
    found.map_or(StatusCode::NOT_FOUND.into_response(), IntoResponse::into_response)
}

/// A certificate as text.
fn pem(der: &[u8]) -> String {
    let text = BASE64.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

#[cfg(test)]
mod tests;
