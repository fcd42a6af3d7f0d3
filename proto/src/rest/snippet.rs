//! What brings the agent and a join file onto a machine while it is installed.

use serde::{Deserialize, Serialize};

/// A join file in each form in which machines are installed, with what installs the agent. Secret, as the join file is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Snippets {
    /// A script for a machine that runs.
    pub shell: String,
    /// User data for cloud-init.
    pub cloud_init: String,
    /// Lines for the preseed file of Debian's installer.
    pub preseed: String,
    /// An autoinstall file for Ubuntu's installer.
    pub autoinstall: String,
}
