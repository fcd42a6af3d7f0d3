//! Who administers: the first admin, logins, sessions and API tokens.

use muster_policy::rights::{AdminRight, Identity, ViewRight};
use muster_proto::Timestamp;
use muster_proto::rest::{ApiToken, CreatedApiToken, Login, NewApiToken, Role, Setup};

use super::{App, AppError};

/// A session just begun, or found by its secret.
#[derive(Clone)]
pub(crate) struct SessionInfo {
    /// Who, for operations.
    pub(crate) identity: Identity,
    /// The admin's login name.
    pub(crate) name: String,
    /// What they may do.
    pub(crate) role: Role,
    /// What changes must carry beside the cookie.
    pub(crate) csrf: String,
    /// When it ends.
    pub(crate) expires: Timestamp,
}

/// A session just begun, with the secret that goes into the cookie.
pub(crate) struct NewSession {
    /// The session.
    pub(crate) session: SessionInfo,
    /// 256 bits; only its digest is stored.
    pub(crate) secret: String,
}

impl App {
    /// Makes a one-time setup link (its secret part) that ends in an hour; earlier ones end now. Refused once there
    /// is an admin.
    pub(crate) async fn create_setup_link(&self, right: &AdminRight) -> Result<String, AppError> {
        todo!()
    }

    /// Makes the first admin by the setup link, and logs them in.
    pub(crate) async fn set_up(&self, request: Setup) -> Result<NewSession, AppError> {
        todo!()
    }

    /// Logs an admin in.
    pub(crate) async fn log_in(&self, login: Login, address: String) -> Result<NewSession, AppError> {
        todo!()
    }

    /// The session with this secret; `Unauthenticated` when there is none (any more).
    pub(crate) async fn session(&self, secret: &str) -> Result<SessionInfo, AppError> {
        todo!()
    }

    /// Ends a session.
    pub(crate) async fn log_out(&self, secret: &str) -> Result<(), AppError> {
        todo!()
    }

    /// Who holds this API token; `Unauthenticated` when nobody does (any more).
    pub(crate) async fn token_identity(&self, secret: &str) -> Result<(Identity, ApiToken), AppError> {
        todo!()
    }

    /// All API tokens, the newest first.
    pub(crate) async fn list_api_tokens(&self, right: &ViewRight) -> Result<Vec<ApiToken>, AppError> {
        todo!()
    }

    /// Makes an API token.
    pub(crate) async fn create_api_token(
        &self,
        right: &AdminRight,
        request: NewApiToken,
    ) -> Result<CreatedApiToken, AppError> {
        todo!()
    }

    /// Takes an API token away.
    pub(crate) async fn delete_api_token(&self, right: &AdminRight, id: &str) -> Result<(), AppError> {
        todo!()
    }
}
