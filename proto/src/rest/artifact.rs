//! Artifacts: files that profiles name by their digest, kept on the server and fetched by devices.

use serde::{Deserialize, Serialize};

use crate::timestamp::Timestamp;

/// A file that is to be put on the server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewArtifact {
    /// SHA-256 of its bytes: `sha256:` and 64 lower-case hex digits.
    pub digest: String,
    /// Its bytes: 1 to what the server takes.
    pub size: u64,
    /// What it is called among people, such as its file name; nothing on a device goes by it.
    pub name: String,
}

/// How far an artifact is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ArtifactState {
    /// Some of its bytes are still to come, or they are being checked.
    Uploading,
    /// All of it is there, and its digest was right.
    Stored,
    /// It was stored, and its file is not there any more: it has to be put again.
    Missing,
}

/// A file that profiles can name by its digest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ArtifactView {
    /// SHA-256 of its bytes: what profiles name it by.
    pub digest: String,
    /// What it is called among people.
    pub name: String,
    /// Its bytes.
    pub size: u64,
    /// How far it is.
    pub state: ArtifactState,
    /// Bytes that the server has of it: where an upload goes on.
    pub received: u64,
    /// Who began to put it there.
    pub put_by: String,
    /// When they began.
    pub begun: Timestamp,
    /// When all of it was there last and was right.
    pub stored: Option<Timestamp>,
    /// The revisions that need it, such as `base@3`: the newest of their profile, those that are assigned or in a rollout, and
    /// those that a device has. While there are some, it is not deleted.
    pub named_by: Vec<String>,
}
