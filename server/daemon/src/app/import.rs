//! Registers devices from a CSV file, all or nothing.

use muster_policy::rights::AdminRight;
use muster_proto::rest::Import;

use super::{App, AppError};

/// Whether to do it or only to say what would be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trial {
    /// Do it.
    Real,
    /// Change nothing; say what would be.
    Dry,
}

impl App {
    /// Registers or changes devices by serial. What is wrong stands in the answer's `errors`, and then nothing was
    /// imported.
    pub(crate) async fn import_devices(
        &self,
        right: &AdminRight,
        csv: String,
        trial: Trial,
    ) -> Result<Import, AppError> {
        todo!()
    }
}
