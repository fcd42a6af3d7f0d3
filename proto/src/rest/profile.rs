//! Profiles and their revisions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{AssignmentView, SourcePlace};
use crate::timestamp::Timestamp;

/// A profile in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProfileView {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Its newest revision.
    pub newest: u32,
    /// When that was saved.
    pub saved: Timestamp,
    /// Who saved it.
    pub saved_by: String,
    /// Enrolled devices that have it.
    pub devices: u64,
    /// Of those, compliant ones.
    pub compliant: u64,
}

/// A profile on its own page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProfileDetail {
    /// As in the list.
    pub profile: ProfileView,
    /// Its revisions, the newest first and at most a hundred.
    pub revisions: Vec<RevisionSummary>,
    /// Where each is pinned.
    pub assignments: Vec<AssignmentView>,
    /// Outcomes over its devices, by kind.
    pub outcomes: BTreeMap<String, u64>,
}

/// A revision in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RevisionSummary {
    /// Its number.
    pub number: u32,
    /// `sha256:` of its document.
    pub digest: String,
    /// When it was saved.
    pub saved: Timestamp,
    /// Who saved it.
    pub saved_by: String,
    /// Assignments that pin it.
    pub pinned: u64,
}

/// A revision whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RevisionView {
    /// As in the list.
    pub revision: RevisionSummary,
    /// The text as its author wrote it.
    pub source: String,
    /// The document that devices get.
    pub document: Value,
}

/// A revision just saved (or, on a dry run, one that could be).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SavedRevision {
    /// The profile.
    pub profile: String,
    /// Its number; that of the newest one when nothing changed.
    pub number: u32,
    /// `sha256:` of its document.
    pub digest: String,
    /// False when the newest revision already says exactly this.
    pub new: bool,
    /// What its author should know.
    pub warnings: Vec<SourcePlace>,
    /// Assignments that follow the profile, and whether they took (or, on a dry run, are to take) this revision.
    #[serde(default)]
    pub followers: Vec<Follower>,
}

/// An assignment that takes each revision that is saved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Follower {
    /// `label:laptop`, `device:lap-ada` or `everyone`.
    pub target: String,
    /// Devices it reaches.
    pub devices: u64,
    /// Why it stays at the revision that it has.
    pub stays: Option<String>,
}

/// Two revisions of a profile side by side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RevisionDiff {
    /// The older.
    pub from: u32,
    /// The newer.
    pub to: u32,
    /// A unified diff of the sources.
    pub unified: String,
}
