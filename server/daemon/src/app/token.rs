//! Enrollment tokens.

use muster_policy::rights::{AdminRight, ViewRight};
use muster_proto::rest::{CreatedToken, NewToken, Token};

use super::{App, AppError};

impl App {
    /// Makes a token; the join file in the answer holds its secret, which can't be had again.
    pub(crate) async fn create_token(
        &self,
        right: &AdminRight,
        request: NewToken,
    ) -> Result<CreatedToken, AppError> {
        todo!()
    }

    /// All tokens, the newest first.
    pub(crate) async fn list_tokens(&self, right: &ViewRight) -> Result<Vec<Token>, AppError> {
        todo!()
    }

    /// Makes a token useless.
    pub(crate) async fn revoke_token(&self, right: &AdminRight, id: String) -> Result<(), AppError> {
        todo!()
    }
}
