//! One device in depth: why it is not compliant, its resources, checks, history and tables.

use muster_policy::rights::ViewRight;
use muster_proto::rest::{CheckView, DeviceDetail, HistoryEntry, Page, ResourceView, TableView};

use super::{App, AppError};

impl App {
    /// A device with what keeps it from being compliant.
    pub(crate) async fn show_device(&self, right: &ViewRight, called: String) -> Result<DeviceDetail, AppError> {
        todo!()
    }

    /// What became of each of its resources.
    pub(crate) async fn device_resources(
        &self,
        right: &ViewRight,
        called: String,
    ) -> Result<Vec<ResourceView>, AppError> {
        todo!()
    }

    /// The results of its checks.
    pub(crate) async fn device_checks(
        &self,
        right: &ViewRight,
        called: String,
    ) -> Result<Vec<CheckView>, AppError> {
        todo!()
    }

    /// What happened on it, the newest first.
    pub(crate) async fn device_history(
        &self,
        right: &ViewRight,
        called: String,
        cursor: Option<String>,
        limit: u32,
    ) -> Result<Page<HistoryEntry>, AppError> {
        todo!()
    }

    /// A table as it was last reported.
    pub(crate) async fn device_table(
        &self,
        right: &ViewRight,
        called: String,
        table: String,
    ) -> Result<TableView, AppError> {
        todo!()
    }
}
