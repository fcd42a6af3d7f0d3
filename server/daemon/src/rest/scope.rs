//! What the paths of the API are about, and who may go there.

use axum::http::Method;
use muster_policy::scope::{self, Access, Noun};

use super::caller::Caller;
use super::openapi::PREFIX;
use super::problem::Refusal;
use crate::app::AppError;

/// What a path asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    /// Nothing but to be somebody: it is about the caller.
    Own,
    /// To reach this noun, and to change it the role of an admin.
    Reach(Noun),
    /// The same, and changes are for people: a program that could make secrets would outlive its own.
    Person(Noun),
}

/// What the path of this route asks; `None` for one that nobody has decided on, which tokens with scopes don't get.
pub(super) fn needs(route: &str) -> Option<Needs> {
    if route == "/metrics" {
        return Some(Needs::Reach(Noun::Metrics));
    }
    let path = route.strip_prefix(PREFIX)?;
    let mut parts = path.trim_start_matches('/').split('/');
    Some(Needs::Reach(match parts.next()? {
        "session" | "account" => return Some(Needs::Own),
        "admins" | "api-tokens" => return Some(Needs::Person(Noun::Access)),
        "devices" if path.contains("/first-login-passwords/") => Noun::Passwords,
        "devices" => Noun::Devices,
        "tokens" => Noun::Enrollment,
        "people" | "groups" => Noun::People,
        "profiles" if path.ends_with("/rollback") => Noun::Assignments,
        "profiles" | "schema" => Noun::Profiles,
        "artifacts" => Noun::Artifacts,
        "assignments" | "rollouts" | "pauses" | "removals" => Noun::Assignments,
        "overview" | "compliance" | "checks" | "controls" | "outcomes" | "waivers" => Noun::Compliance,
        "audit" => Noun::Audit,
        "events" => Noun::Events,
        _ => return None,
    }))
}

/// Lets the caller on this route, or says why not.
pub(super) fn admit(caller: &Caller, method: &Method, route: &str) -> Result<(), Refusal> {
    let access = if matches!(*method, Method::GET | Method::HEAD) { Access::Read } else { Access::Write };
    let needs = needs(route);
    if needs == Some(Needs::Own) {
        return Ok(());
    }
    if access == Access::Write {
        caller.identity.administer().map_err(AppError::from)?;
    }
    if access == Access::Write && matches!(needs, Some(Needs::Person(_))) && caller.account.is_none() {
        return Err(AppError::Nobody.into());
    }
    let reaches = match needs {
        Some(Needs::Reach(noun) | Needs::Person(noun)) => scope::reach(&caller.scopes, noun, access),
        Some(Needs::Own) | None => caller.scopes.is_empty(),
    };
    if reaches {
        return Ok(());
    }
    let named = needs.map_or_else(String::new, |needs| format!(" ({})", word(needs, access)));
    Err(Refusal::forbidden(format!(
        "The scopes of this API token do not reach that{named}: make another one with muster api-token create."
    )))
}

/// What the refusal names, such as `devices:write`.
fn word(needs: Needs, access: Access) -> String {
    let noun = match needs {
        Needs::Own => "own".to_owned(),
        Needs::Reach(noun) | Needs::Person(noun) => format!("{noun:?}").to_lowercase(),
    };
    let access = match access {
        Access::Read => "read",
        Access::Write => "write",
    };
    format!("{noun}:{access}")
}
