//! The OpenAPI document, made from the handlers and the types they take and give.

use std::collections::BTreeMap;

use muster_proto::rest::{ChangeNotice, Problem};
use utoipa::OpenApi;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::ArrayItems;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa_axum::router::OpenApiRouter;

use super::session::COOKIE;

/// Where all paths of the API begin.
pub(crate) const PREFIX: &str = "/api/v1";

#[derive(OpenApi)]
#[openapi(
    info(title = "Muster", description = "Devices, profiles, assignments and proof of compliance."),
    servers((url = "/", description = "The server that is asked.")),
    components(schemas(Problem, ChangeNotice))
)]
struct Frame;

/// The whole document.
pub(crate) fn document() -> utoipa::openapi::OpenApi {
    let mut open = OpenApiRouter::new().nest(PREFIX, super::open()).into_openapi();
    let mut closed = OpenApiRouter::new().nest(PREFIX, super::closed()).into_openapi();
    for operation in operations(&mut open).chain(operations(&mut closed)) {
        operation.responses.responses.insert("4XX".to_owned(), problem());
        operation.responses.responses.insert("5XX".to_owned(), problem());
    }
    for operation in operations(&mut open) {
        operation.security = Some(Vec::new());
    }
    for operation in operations(&mut closed) {
        let none: [&str; 0] = [];
        operation.security =
            Some(vec![SecurityRequirement::new("session", none), SecurityRequirement::new("token", none)]);
    }
    let mut document = Frame::openapi();
    document.merge(open);
    document.merge(closed);
    let components = document.components.get_or_insert_default();
    refer_from_pages(&mut components.schemas);
    components.add_security_scheme(
        "session",
        SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(
            COOKIE,
            "Set by `POST /session`; changes also need the header `X-Muster-CSRF`.",
        ))),
    );
    components.add_security_scheme(
        "token",
        SecurityScheme::Http(
            HttpBuilder::new()
                .scheme(HttpAuthScheme::Bearer)
                .description(Some("An API token, made by `POST /api-tokens`."))
                .build(),
        ),
    );
    document
}

/// The document as it is committed and printed.
pub(crate) fn text() -> String {
    let mut text = document().to_pretty_json().expect("the document is plain data");
    text.push('\n');
    text
}

fn operations(document: &mut utoipa::openapi::OpenApi) -> impl Iterator<Item = &mut Operation> {
    document.paths.paths.values_mut().flat_map(|item| {
        [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch]
            .into_iter()
            .filter_map(Option::as_mut)
    })
}

/// A page of something refers to the thing rather than repeating it.
fn refer_from_pages(schemas: &mut BTreeMap<String, RefOr<Schema>>) {
    for (name, schema) in schemas {
        let Some(thing) = name.strip_prefix("Page_") else { continue };
        let RefOr::T(Schema::Object(page)) = schema else { continue };
        if let Some(RefOr::T(Schema::Array(items))) = page.properties.get_mut("items") {
            items.items = ArrayItems::RefOrSchema(Box::new(Ref::from_schema_name(thing).into()));
        }
    }
}

fn problem() -> RefOr<utoipa::openapi::Response> {
    let schema = Ref::from_schema_name("Problem");
    ResponseBuilder::new()
        .description("What went wrong.")
        .content("application/problem+json", ContentBuilder::new().schema(Some(schema)).build())
        .build()
        .into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_committed_document_is_current() {
        let committed = concat!(env!("CARGO_MANIFEST_DIR"), "/../dashboard/openapi.json");
        assert!(
            std::fs::read_to_string(committed).unwrap() == text(),
            "run: cargo run -p muster-server -- openapi > server/dashboard/openapi.json"
        );
    }

    #[test]
    fn every_type_that_is_referred_to_is_in_the_document() {
        let text = text();
        let named = text.split("#/components/schemas/").skip(1).map(|rest| rest.split('"').next().unwrap());
        let known: BTreeSet<String> = document().components.unwrap().schemas.into_keys().collect();
        let missing: Vec<_> = named.filter(|name| !known.contains(*name)).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
