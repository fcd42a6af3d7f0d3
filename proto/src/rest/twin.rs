//! Two machines under one identity, and an identity that was put back.

use serde::{Deserialize, Serialize};

use crate::timestamp::Timestamp;

/// Two machines that use one device's identity, for which both are held.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TwinView {
    /// When it was noticed.
    pub since: Timestamp,
    /// The two, the one that was seen first first.
    pub machines: [MachineView; 2],
}

/// A running machine, told from others by the kernel that it booted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MachineView {
    /// UUID of the running kernel.
    pub boot: String,
    /// Where it called from last.
    pub address: String,
    /// When this boot was first heard of.
    pub first_seen: Timestamp,
    /// When its link last came up.
    pub last_seen: Timestamp,
}

/// A certificate that was shown after a newer one of the same device had been used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OldCertificateView {
    /// Its serial number.
    pub certificate: String,
    /// Where it was shown from last.
    pub address: String,
    /// When it was last shown.
    pub at: Timestamp,
}

/// A device that asked to come back later than it may.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LateReturnView {
    /// When its certificate ended.
    pub ended: Timestamp,
    /// Where it called from last.
    pub address: String,
    /// When it last asked.
    pub at: Timestamp,
}
