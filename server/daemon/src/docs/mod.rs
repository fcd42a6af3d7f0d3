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
        .route("/docs/kinds/{name}", get(kind))
}

async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")], STYLE)
        .into_response()
}

async fn page(Path(name): Path<String>) -> Response {
    shown(PAGES.iter().find(|page| page.name == name), &name)
}

/// The page of one kind, which the list has under that of profiles.
async fn kind(Path(name): Path<String>) -> Response {
    shown(KINDS.iter().find(|page| page.name == name), "profiles")
}

/// `here` is the name of the page that the list shows as this one.
fn shown(page: Option<&Page>, here: &str) -> Response {
    match page {
        Some(page) => Html(sheet::whole(page.title, here, page.body)).into_response(),
        None => {
            let body = "<h1>There is no such page</h1>\n";
            (StatusCode::NOT_FOUND, Html(sheet::whole("There is no such page", "", body))).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every page, by the path that it is served at below `/docs/`.
    fn all() -> Vec<(String, &'static Page)> {
        let kinds = KINDS.iter().map(|page| (format!("kinds/{}", page.name), page));
        PAGES.iter().map(|page| (page.name.to_owned(), page)).chain(kinds).collect()
    }

    #[test]
    fn every_page_has_a_title_and_links_only_to_pages_that_are_there() {
        assert_eq!(PAGES[0].name, "start");
        let pages = all();
        for (path, Page { title, body, .. }) in &pages {
            assert!(!title.is_empty(), "{path}");
            for link in body.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
                if link.starts_with("https://") || link.starts_with("#") || link == "/install" {
                    continue;
                }
                let (page, anchor) = link.split_once('#').unwrap_or((link, ""));
                let beside = path.starts_with("kinds/");
                let target = match page.strip_prefix("../") {
                    Some(above) if beside => above.to_owned(),
                    _ if beside => format!("kinds/{page}"),
                    _ => page.to_owned(),
                };
                let target = pages.iter().find(|(other, _)| *other == target);
                let (_, target) = target.unwrap_or_else(|| panic!("{path} links to {link}"));
                assert!(
                    anchor.is_empty() || target.body.contains(&format!("id=\"{anchor}\"")),
                    "{path} links to {link}"
                );
            }
        }
    }

    #[test]
    fn nothing_in_a_page_needs_a_script_or_an_inline_style() {
        for (path, page) in all() {
            assert!(!page.body.contains("<script") && !page.body.contains("style="), "{path}");
        }
    }
}
