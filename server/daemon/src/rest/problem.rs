//! Every error of the REST API as RFC 9457 `application/problem+json`.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use muster_proto::rest::{CODE_NEEDED, Problem, SourcePlace};

use muster_store::StoreError;

use crate::app::AppError;

/// Seconds after which a device that was busy may be asked again.
const ASK_AGAIN: u64 = 10;

/// What an admin reads while nothing can be recorded.
const FULL: &str = "The server's disk is full: nothing of this was recorded. Devices go on as they are, and keep what they have to \
    say. Make room on the disk of the server's data folder, then try again; muster-server doctor says how much there is.";

/// A refusal or failure on its way to the caller.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    title: &'static str,
    detail: String,
    errors: Vec<SourcePlace>,
    /// What programs tell it by, where the status is not enough.
    kind: &'static str,
    /// Seconds after which asking again makes sense.
    retry_after: Option<u64>,
    /// Whether the caller was refused for what comes after the right password.
    knows_password: bool,
}

impl Refusal {
    /// A refusal of this status; `detail` says what happened and what to do next.
    pub(crate) fn new(status: StatusCode, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            title,
            detail: detail.into(),
            errors: Vec::new(),
            kind: "about:blank",
            retry_after: None,
            knows_password: false,
        }
    }

    /// The request can't be understood.
    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Bad request", detail)
    }

    /// Nobody is logged in.
    pub(crate) fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Not logged in", detail)
    }

    /// The caller may not do that.
    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "Not allowed", detail)
    }

    /// The named thing does not exist.
    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "Not found", detail)
    }

    /// Too much at once; the caller should wait.
    pub(crate) fn too_many(detail: impl Into<String>, retry_after: u64) -> Self {
        let mut refusal = Self::new(StatusCode::TOO_MANY_REQUESTS, "Too many requests", detail);
        refusal.retry_after = Some(retry_after);
        refusal
    }

    /// Whether the caller showed that they know the password. A server that was too busy or could not record anything
    /// never looked at it: what is refused for that shows nothing.
    pub(super) fn is_no_guess(&self) -> bool {
        self.knows_password
    }

    /// The request is understood and what it asks for is wrong at these places.
    pub(crate) fn invalid(detail: impl Into<String>, errors: Vec<SourcePlace>) -> Self {
        let mut refusal = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", detail);
        refusal.errors = errors;
        refusal
    }
}

/// A defect or a broken record is told without its inside; that is in the log, under the reference.
impl From<AppError> for Refusal {
    fn from(error: AppError) -> Self {
        let detail = sentence(&error.to_string());
        match error {
            AppError::NotFound { .. } | AppError::Missing(_) => Self::not_found(detail),
            AppError::Invalid(_) => Self::invalid(detail, Vec::new()),
            AppError::Source(places) => Self::invalid(detail, places),
            AppError::Taken(_) => Self::new(StatusCode::CONFLICT, "Taken", detail),
            AppError::Away(_) => Self::new(StatusCode::CONFLICT, "Not connected", detail),
            AppError::Busy(_) => Self::too_many(detail, ASK_AGAIN),
            AppError::NoAnswer(_) => Self::new(StatusCode::GATEWAY_TIMEOUT, "No answer", detail),
            AppError::Conflicts(conflicts) => {
                let places = conflicts.iter().map(|conflict| SourcePlace {
                    line: 0,
                    column: 0,
                    message: format!(
                        "{} is claimed by {} on {}",
                        conflict.resource,
                        conflict.profiles.join(" and "),
                        conflict.devices.join(", ")
                    ),
                });
                let errors = places.collect();
                Self { errors, ..Self::new(StatusCode::CONFLICT, "Conflict", detail) }
            }
            AppError::Unauthenticated => Self::unauthorized(detail),
            AppError::WrongCode => Self::unauthorized(detail),
            AppError::CodeNeeded => {
                Self { kind: CODE_NEEDED, knows_password: true, ..Self::unauthorized(detail) }
            }
            // Of codes, which only who knows the password gets to give.
            AppError::TooManyGuesses { seconds } => {
                Self { knows_password: true, ..Self::too_many(detail, seconds) }
            }
            AppError::LastAdmin(_) => Self::new(StatusCode::CONFLICT, "Last admin", detail),
            AppError::Forbidden(_) | AppError::Nobody => Self::forbidden(detail),
            AppError::Store(StoreError::Full(_)) => {
                tracing::error!("a request was refused: there is no room on the disk of the database");
                Self::new(StatusCode::INSUFFICIENT_STORAGE, "Disk full", FULL)
            }
            AppError::NoRoom(_) => Self::new(StatusCode::INSUFFICIENT_STORAGE, "No room", detail),
            AppError::Artifacts(_) | AppError::Store(_) | AppError::Defect(_) => {
                let reference = uuid::Uuid::now_v7();
                tracing::error!(%reference, error = &error as &dyn std::error::Error, "a request failed");
                let detail = format!("The server could not do this; its log says why, under {reference}.");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Server error", detail)
            }
        }
    }
}

/// An error's text as a sentence. One that begins with a name, such as lap-ada or base@1, keeps it as it is written.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let word = text.split(' ').next().unwrap_or_default().trim_end_matches([',', ':']);
    let named = !word.chars().all(char::is_alphabetic);
    let first =
        letters.next().map(|first| if named { first.to_string() } else { first.to_uppercase().to_string() });
    let first = first.unwrap_or_default();
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let problem = Problem {
            kind: self.kind.to_owned(),
            title: self.title.to_owned(),
            status: self.status.as_u16(),
            detail: self.detail,
            errors: self.errors,
        };
        let mut response = (self.status, Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
