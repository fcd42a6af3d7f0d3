//! Reads and extends the audit.

use muster_policy::rights::ViewRight;
use muster_proto::rest::{AuditEntry, Page};

use super::{App, AppError};

impl App {
    /// One page of the audit, the newest first.
    pub(crate) async fn list_audit(
        &self,
        right: &ViewRight,
        cursor: Option<String>,
        limit: u32,
    ) -> Result<Page<AuditEntry>, AppError> {
        todo!()
    }
}
