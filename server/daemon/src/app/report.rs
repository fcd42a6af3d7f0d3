//! Takes in what a device reports: events once each, sections whole, and judges the device anew.

use muster_proto::{DeviceId, wire};
use muster_store::StoreError;

use super::App;

/// A report was not taken in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReportError {
    /// A part of it can't be read; nothing of it was recorded.
    #[error("{part}: {reason}")]
    Invalid {
        /// Which part, such as `events[3].document`.
        part: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The record could not be read or written.
    #[error("the server's record could not be read or written")]
    Store(#[from] StoreError),
}

impl App {
    /// Takes in a report; gives the highest sequence of its epoch up to which everything is durable here.
    pub(crate) async fn report(
        &self,
        device: DeviceId,
        request: wire::ReportRequest,
    ) -> Result<u64, ReportError> {
        todo!()
    }
}
