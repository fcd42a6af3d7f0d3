//! `/docs`: the documentation of this very version, rendered from `docs/` when the server is built.

#[cfg(test)]
mod reference;
pub(crate) mod sheet;

use axum::Router;
use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;

/// One page.
struct Page {
    /// The file's name without its ending, and the last part of the page's path.
    name: &'static str,
    title: &'static str,
    body: &'static str,
}

include!(concat!(env!("OUT_DIR"), "/docs.rs"));

const STYLE: &str = include_str!("style.css");

/// The pages and their style.
pub(crate) fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/docs", get(|| async { Redirect::temporary("/docs/start") }))
        .route("/docs/style.css", get(style))
        .route("/docs/{name}", get(page))
}

async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")], STYLE)
        .into_response()
}

async fn page(Path(name): Path<String>) -> Response {
    match PAGES.iter().find(|page| page.name == name) {
        Some(page) => Html(sheet::whole(page.title, page.name, page.body)).into_response(),
        None => {
            let body = "<h1>There is no such page</h1>\n";
            (StatusCode::NOT_FOUND, Html(sheet::whole("There is no such page", "", body))).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_has_a_title_and_links_only_to_pages_that_are_there() {
        assert_eq!(PAGES[0].name, "start");
        for Page { name, title, body } in PAGES {
            assert!(!title.is_empty(), "{name}");
            for link in body.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
                if link.starts_with("https://") || link.starts_with("#") || link == "/install" {
                    continue;
                }
                let (page, anchor) = link.split_once('#').unwrap_or((link, ""));
                let target = PAGES.iter().find(|other| other.name == page);
                let target = target.unwrap_or_else(|| panic!("{name} links to {link}"));
                assert!(
                    anchor.is_empty() || target.body.contains(&format!("id=\"{anchor}\"")),
                    "{name} links to {link}"
                );
            }
        }
    }

    #[test]
    fn nothing_in_a_page_needs_a_script_or_an_inline_style() {
        for Page { name, body, .. } in PAGES {
            assert!(!body.contains("<script") && !body.contains("style="), "{name}");
        }
    }
}
