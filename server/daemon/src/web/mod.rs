//! The dashboard: its built files, carried in this binary. Paths that no file has belong to the page's own router.

use std::borrow::Cow;

use axum::Router;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "../dashboard/dist"]
struct Files;

/// Where the build puts files whose names carry a hash of their content.
const HASHED: &str = "assets/";

/// Serves the dashboard, whatever the path.
pub(crate) fn router() -> Router {
    Router::new().fallback_service(get(file))
}

async fn file(uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/');
    let gzip = takes_gzip(&headers);
    if !path.is_empty()
        && let Some(response) = respond(path, gzip, embedded)
    {
        return response;
    }
    // A missing asset must not be answered with a page: a browser would cache it as the asset.
    if path.starts_with(HASHED) {
        return StatusCode::NOT_FOUND.into_response();
    }
    respond("index.html", gzip, embedded).unwrap_or_else(|| StatusCode::NOT_FOUND.into_response())
}

fn embedded(path: &str) -> Option<Cow<'static, [u8]>> {
    Files::get(path).map(|file| file.data)
}

/// Whether the caller takes gzip; one that says how much it likes it likes it unless that is nothing.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.parse().ok());
        name.trim().eq_ignore_ascii_case("gzip") && weight.is_some_and(|weight: f32| weight > 0.0)
    })
}

/// The file, in the form that the build compressed where there is one: compressing for each caller would let a stranger
/// keep the server busy.
fn respond(path: &str, gzip: bool, get: impl Fn(&str) -> Option<Cow<'static, [u8]>>) -> Option<Response> {
    let compressed = if gzip { get(&format!("{path}.gz")) } else { None };
    let is_compressed = compressed.is_some();
    let data = compressed.or_else(|| get(path))?;
    let kind = mime_guess::from_path(path).first_or_octet_stream();
    let kind = if kind.type_() == "text" { format!("{kind}; charset=utf-8") } else { kind.to_string() };
    let caching = if path.starts_with(HASHED) { "public, max-age=31536000, immutable" } else { "no-cache" };
    let headers = [
        (header::CONTENT_TYPE, kind.as_str()),
        (header::CACHE_CONTROL, caching),
        (header::VARY, "accept-encoding"),
    ];
    let mut response = (headers, data).into_response();
    if is_compressed {
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Some(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepting(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(value))])
    }

    #[test]
    fn gzip_is_taken_by_those_who_say_so() {
        for value in ["gzip", "gzip, deflate, br, zstd", "br, GZIP;q=0.5"] {
            assert!(takes_gzip(&accepting(value)), "{value}");
        }
        for value in ["", "br", "gzip;q=0", "br;q=1, gzip; q=0.000", "x-gzip-ish"] {
            assert!(!takes_gzip(&accepting(value)), "{value}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }

    #[test]
    fn a_file_comes_as_the_build_compressed_it_or_as_it_is_and_never_compressed_for_the_caller() {
        let of = |name: &str| {
            ["app.js", "app.js.gz", "plain.js"].contains(&name).then(|| Cow::Owned(name.as_bytes().to_vec()))
        };
        let encoding = |path, gzip| {
            let response = respond(path, gzip, of).unwrap();
            assert_eq!(response.headers()["vary"], "accept-encoding");
            assert_eq!(response.headers()["content-type"], "text/javascript; charset=utf-8");
            response.headers().get("content-encoding").cloned()
        };
        assert_eq!(encoding("app.js", true).unwrap(), "gzip");
        assert_eq!(encoding("app.js", false), None);
        assert_eq!(encoding("plain.js", true), None);
        assert!(respond("none.js", true, of).is_none());
    }
}
