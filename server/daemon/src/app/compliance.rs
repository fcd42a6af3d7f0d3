//! How the fleet stands.

use muster_policy::rights::ViewRight;
use muster_proto::rest::{ComplianceReport, Overview};

use super::{App, AppError};

impl App {
    /// The first page: numbers, funnel, what waits, causes, and thirty days.
    pub(crate) async fn overview(&self, right: &ViewRight) -> Result<Overview, AppError> {
        todo!()
    }

    /// A row a device, the worst first; all or those with a label.
    pub(crate) async fn compliance(
        &self,
        right: &ViewRight,
        label: Option<String>,
    ) -> Result<ComplianceReport, AppError> {
        todo!()
    }
}
