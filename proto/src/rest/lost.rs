//! A device that is lost: its last order, what it said of it, and what it held.

use serde::{Deserialize, Serialize};

use crate::last_order::Receipt;
use crate::timestamp::Timestamp;

/// Reports a device lost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ReportLost {
    /// Why, for whoever reads it later.
    #[serde(default)]
    pub reason: Option<String>,
}

/// A device that was reported lost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LostView {
    /// Since when.
    pub since: Timestamp,
    /// Who reported it.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
    /// When the device was first given its last order; absent while it waits for the device's next contact.
    pub given: Option<Timestamp>,
    /// When the device's receipt was recorded and its certificates were revoked.
    pub received: Option<Timestamp>,
    /// What the device did, by its own word.
    pub receipt: Option<Receipt>,
    /// What it held when it was reported.
    pub held: Holdings,
}

/// What a device held that whoever has it may be after.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Holdings {
    /// Profiles of its state, such as `base@3`.
    pub profiles: Vec<String>,
    /// Accounts that Muster managed on it.
    pub accounts: Vec<String>,
    /// Public keys of people that it let in, such as `ada: ssh-ed25519 AAAA... ada@work`.
    pub ssh_keys: Vec<String>,
    /// First-login passwords of it that somebody has seen, or that still wait to be seen.
    pub passwords: Vec<HeldPassword>,
    /// Whether its disk was encrypted at last contact.
    pub disk: DiskAtLastContact,
}

/// A first-login password that the device made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HeldPassword {
    /// Whose.
    pub account: String,
    /// Who saw it; absent when nobody did.
    pub revealed_to: Option<String>,
    /// When they did.
    pub revealed: Option<Timestamp>,
}

/// What a device's table `disk_encryption` said when it was last reported.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DiskAtLastContact {
    /// When; absent when it never said, or could not tell.
    pub reported: Option<Timestamp>,
    /// What was encrypted, such as `/dev/dm-0 (LUKS2)`; nothing was when this is empty.
    pub encrypted: Vec<String>,
    /// What was not. Beside an encrypted disk this is what it lies on, and what starts the machine.
    pub plain: Vec<String>,
}
