//! What a device tells: events, each recorded once by its number, and sections of state, of which the latest wins.

use serde::{Deserialize, Serialize};

use crate::condition::{Action, Difference};
use crate::id::{Digest, Generation, ResourceId};
use crate::state::Mode;
use crate::timestamp::Timestamp;

/// What became of one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum OutcomeKind {
    /// It was as it should be.
    Kept,
    /// It was not, and now is.
    Repaired,
    /// It is not, and was left alone: audit mode, or not as Muster left it.
    Drifted,
    /// It is not yet, and comes to be so by itself: what it needs is on its way here, or somebody else is at work on the same.
    Waiting,
    /// It could not be made so.
    Failed,
    /// It was not tried: a conflict, a dependency that failed, or the owner's veto.
    Blocked,
    /// It does not hold for this device.
    NotApplicable,
    /// This agent does not know it.
    Unsupported,
}

/// The outcome of one resource in the last cycle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Outcome {
    /// Which resource.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub resource: ResourceId,
    /// What became of it.
    pub outcome: OutcomeKind,
    /// The profile that claims it; empty for what is being reversed.
    pub profile: String,
    /// The profile's revision.
    pub revision: u32,
    /// The assignment that brought it.
    pub assignment: String,
    /// Enforce or audit.
    pub mode: Mode,
    /// What is not as it should be (Drifted, Waiting, Failed), or what was changed (Repaired).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Difference>,
    /// Why, for Failed, Blocked, Drifted, Waiting and Unsupported; for what is Kept, what there is to tell of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The author's note.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Profiles whose claim on the same resource this one overrides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<String>,
}

/// Something that happened on a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A newer desired state was taken.
    Accepted {
        /// Its generation.
        generation: Generation,
        /// The digest of its bytes.
        digest: Digest,
    },
    /// A desired state was not taken.
    Refused {
        /// Its generation.
        generation: Generation,
        /// Why.
        reason: String,
    },
    /// A resource was changed.
    Changed {
        /// Which.
        resource: ResourceId,
        /// How.
        action: Action,
        /// In what.
        differences: Vec<Difference>,
        /// True when this put back what was there before Muster.
        reversal: bool,
        /// How many changes this stands for, of which it was the last: a fast series is counted.
        #[serde(default = "once", skip_serializing_if = "is_once")]
        times: u32,
    },
    /// A resource could not be changed.
    Failed {
        /// Which.
        resource: ResourceId,
        /// Why.
        reason: String,
        /// How many failures this stands for, of which it was the last.
        #[serde(default = "once", skip_serializing_if = "is_once")]
        times: u32,
    },
    /// A resource was left as it is, since to change it would do damage, or may not be.
    Blocked {
        /// Which.
        resource: ResourceId,
        /// Why.
        reason: String,
        /// How many times this stands for, of which it was the last.
        #[serde(default = "once", skip_serializing_if = "is_once")]
        times: u32,
    },
    /// A lease came to its end.
    Ended {
        /// Which resource.
        resource: ResourceId,
    },
    /// The device's owner stopped convergence on the device.
    Paused(Pause),
    /// Convergence goes on.
    Resumed {
        /// Whether the owner ended the pause before its time.
        early: bool,
    },
    /// A password was made. Sealed for the server at rest; never logged.
    FirstLoginPassword {
        /// Whose.
        account: String,
        /// The password.
        password: Secret,
    },
}

/// A time in which the device's owner lets nothing be changed there. Leases still end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Pause {
    /// When it began.
    pub since: Timestamp,
    /// When it ends by itself.
    pub until: Timestamp,
    /// Why, in the owner's words.
    pub reason: String,
}

impl Pause {
    /// The name of the section that tells of it: a pause, or null.
    pub const SECTION: &'static str = "pause";
}

fn once() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_once(times: &u32) -> bool {
    *times == 1
}

/// A text that is never shown by Debug.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(secret)")
    }
}
