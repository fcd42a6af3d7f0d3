//! A profile tried on a real device.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::SourcePlace;
use crate::plan::PlanView;

/// A profile to be tried on a device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewDevicePlan {
    /// The profile's text, YAML or JSON.
    pub source: String,
    /// Parameters, over those that its assignment gives.
    #[serde(default)]
    pub params: BTreeMap<String, String>,
}

/// What a device would do with a profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DevicePlan {
    /// The device's name.
    pub device: String,
    /// The profile.
    pub profile: String,
    /// The pinned revisions whose place it took, as `base@3 to label:laptop`; none when the profile is not assigned to
    /// the device, and was tried as if it were: enforced, at precedence 0.
    pub replaces: Vec<String>,
    /// What to look at in its text before it is saved, by place.
    pub places: Vec<SourcePlace>,
    /// What to know of the device before it is assigned.
    pub warnings: Vec<String>,
    /// The whole state's plan: what other profiles ask for stands in it too.
    pub plan: PlanView,
}
