//! Parts of a request as types; what does not fit is refused with a problem that names it.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use serde::de::DeserializeOwned;

use super::problem::Refusal;

/// A JSON body.
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        require_type(&request, &["application/json"])?;
        let bytes = read(request, state).await?;
        serde_json::from_slice(&bytes)
            .map(Self)
            .map_err(|error| Refusal::bad_request(format!("The body is not what this path takes: {error}.")))
    }
}

/// A body of text, of one of the types that the path takes.
pub(super) struct Text(pub(super) String);

impl<S: Send + Sync> FromRequest<S> for Text {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        require_type(&request, &["application/yaml", "application/json", "text/csv", "text/plain"])?;
        let bytes = read(request, state).await?;
        String::from_utf8(bytes.into()).map(Self).map_err(|_| {
            Refusal::bad_request("The body is not UTF-8: save the file as UTF-8 and send it again.")
        })
    }
}

/// A body of plain bytes, taken as they come: it may have any size.
pub(super) struct Octets(pub(super) axum::body::Body);

impl<S: Send + Sync> FromRequest<S> for Octets {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        require_type(&request, &["application/octet-stream"])?;
        Ok(Self(request.into_body()))
    }
}

/// The query, strictly: the type refuses names that it does not know.
pub(super) struct Query<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let axum::extract::Query(query) = axum::extract::Query::from_request_parts(parts, state)
            .await
            .map_err(|error| Refusal::bad_request(format!("{}.", error.body_text())))?;
        Ok(Self(query))
    }
}

/// The variable parts of the path.
pub(super) struct Path<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let axum::extract::Path(path) = axum::extract::Path::from_request_parts(parts, state)
            .await
            .map_err(|error| Refusal::not_found(format!("{}.", error.body_text())))?;
        Ok(Self(path))
    }
}

fn require_type(request: &Request, accepted: &[&str]) -> Result<(), Refusal> {
    let given =
        request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = given.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    if accepted.contains(&essence.as_str()) {
        return Ok(());
    }
    Err(Refusal::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "Unsupported media type",
        format!("Send the body with Content-Type {}.", accepted.join(" or ")),
    ))
}

async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Refusal> {
    Bytes::from_request(request, state).await.map_err(|error| match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "Too large",
            "The body is larger than this path takes: send less at once.",
        ),
        _ => Refusal::bad_request(format!("The body can't be read: {}.", error.body_text())),
    })
}
