//! Shows a first-login password, once.

use muster_policy::rights::AdminRight;
use muster_proto::rest::RevealedPassword;

use super::{App, AppError};

impl App {
    /// Takes the account's first-login password out of the record. It is audited, and can't be had again.
    pub(crate) async fn reveal_password(
        &self,
        right: &AdminRight,
        called: String,
        account: String,
    ) -> Result<RevealedPassword, AppError> {
        todo!()
    }
}
