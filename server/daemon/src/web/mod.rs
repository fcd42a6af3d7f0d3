//! The dashboard: its built files, carried in this binary. Paths that no file has belong to the page's own router.

use axum::Router;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rust_embed::{EmbeddedFile, RustEmbed};
use tower_http::compression::CompressionLayer;

#[derive(RustEmbed)]
#[folder = "../dashboard/dist"]
struct Files;

/// Where the build puts files whose names carry a hash of their content.
const HASHED: &str = "assets/";

/// Serves the dashboard, whatever the path.
pub(crate) fn router() -> Router {
    Router::new().fallback_service(get(file)).layer(CompressionLayer::new())
}

async fn file(uri: Uri) -> Response {
    let path = uri.path().trim_start_matches('/');
    if let Some(file) = Files::get(path).filter(|_| !path.is_empty()) {
        return respond(path, file);
    }
    // A missing asset must not be answered with a page: a browser would cache it as the asset.
    if path.starts_with(HASHED) {
        return StatusCode::NOT_FOUND.into_response();
    }
    Files::get("index.html")
        .map_or_else(|| StatusCode::NOT_FOUND.into_response(), |page| respond("index.html", page))
}

fn respond(path: &str, file: EmbeddedFile) -> Response {
    let kind = mime_guess::from_path(path).first_or_octet_stream();
    let kind = if kind.type_() == "text" { format!("{kind}; charset=utf-8") } else { kind.to_string() };
    let caching = if path.starts_with(HASHED) { "public, max-age=31536000, immutable" } else { "no-cache" };
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, caching.to_owned())], file.data).into_response()
}
