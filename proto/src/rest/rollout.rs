//! Rollouts: an assignment that reaches its devices step by step.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::NewAssignment;
use crate::state::Mode;
use crate::timestamp::Timestamp;

/// How many devices have a rollout's revision once a step has begun, those of the steps before included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepSize {
    /// This many.
    Devices(u32),
    /// This share of the target, rounded up.
    Percent(u8),
}

/// The text is no size of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write a number of devices, such as 5, or a share of the target of 1% to 100%, such as 10%")]
pub struct InvalidStepSize;

impl FromStr for StepSize {
    type Err = InvalidStepSize;

    fn from_str(text: &str) -> Result<Self, InvalidStepSize> {
        let number = text.strip_suffix('%').unwrap_or(text);
        // Without this a sign would be taken, and one size would have several names.
        if !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(InvalidStepSize);
        }
        let value: u32 = number.parse().map_err(|_| InvalidStepSize)?;
        match (text.ends_with('%'), value) {
            (true, 1..=100) => Ok(Self::Percent(u8::try_from(value).map_err(|_| InvalidStepSize)?)),
            (false, 1..) => Ok(Self::Devices(value)),
            _ => Err(InvalidStepSize),
        }
    }
}

impl fmt::Display for StepSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Devices(number) => write!(f, "{number}"),
            Self::Percent(share) => write!(f, "{share}%"),
        }
    }
}

impl Serialize for StepSize {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for StepSize {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A rollout to be started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewRollout {
    /// What it assigns.
    pub assignment: NewAssignment,
    /// Sizes of the steps before the last, which has all devices: such as `1` and `10%`, which it is when left out.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<String>>))]
    pub steps: Option<Vec<StepSize>>,
    /// Seconds for which all is to be well before the next step; 600 when left out.
    #[serde(default)]
    pub soak: Option<u64>,
}

/// Where a rollout is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RolloutState {
    /// It goes on by itself.
    Running,
    /// Something failed; an admin decides.
    Stopped,
    /// All devices have it, and it is an assignment like any other.
    Done,
    /// It was taken back.
    Cancelled,
}

/// A rollout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RolloutView {
    /// Its id.
    pub id: String,
    /// The profile.
    pub profile: String,
    /// The revision it brings.
    pub revision: u32,
    /// `label:laptop`, `device:lap-ada` or `everyone`.
    pub target: String,
    /// Enforce or audit.
    pub mode: Mode,
    /// What devices have that it has not reached, such as `base@3`; none when nothing of the profile was assigned to the
    /// target.
    pub replaces: Option<String>,
    /// Where it is.
    pub state: RolloutState,
    /// The step that it is in, from 1.
    pub step: u32,
    /// All steps.
    pub steps: Vec<RolloutStep>,
    /// Seconds for which all is to be well before the next step.
    pub soak: u64,
    /// When the next step begins if nothing fails; none while devices of this one are still at work.
    pub next_at: Option<Timestamp>,
    /// Why it stopped, or had stopped when it was cancelled.
    pub cause: Option<RolloutCause>,
    /// Who started it.
    pub created_by: String,
    /// When.
    pub created: Timestamp,
    /// When it was done or cancelled.
    pub ended: Option<Timestamp>,
    /// By whom; `server` when it was done.
    #[serde(default)]
    pub ended_by: Option<String>,
}

/// A step of a rollout, with how many of its devices stand how.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RolloutStep {
    /// From 1.
    pub number: u32,
    /// How many devices it has. As to the last step, that is known for sure only when it begins.
    pub devices: u64,
    /// When it began.
    pub began: Option<Timestamp>,
    /// Devices that applied it and are well.
    pub passed: u64,
    /// Devices on which something went wrong with it.
    pub failed: u64,
    /// Devices that are at work on it.
    pub working: u64,
    /// Devices that do not hold the step though they have not applied it: off, paused, or not in the target any more.
    pub not_answered: u64,
}

/// What stopped a rollout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RolloutCause {
    /// The device's name.
    pub device: String,
    /// `file:/etc/motd`, or the id of a check.
    pub subject: String,
    /// `failed`, `blocked` or `check`.
    pub kind: TroubleKind,
    /// What the device says of it.
    pub error: String,
    /// Since when it is so.
    pub since: Timestamp,
}

/// What may stop a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum TroubleKind {
    /// A resource could not be made so.
    Failed,
    /// A resource was not tried.
    Blocked,
    /// A check of the profile fails that did not before.
    Check,
}

/// A rollout with its devices.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RolloutDetail {
    /// The rollout.
    pub rollout: RolloutView,
    /// Devices of the steps that are laid down, in the order of steps; at most a thousand.
    pub devices: Vec<RolloutDevice>,
}

/// A device of a rollout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RolloutDevice {
    /// Its name.
    pub device: String,
    /// Its step.
    pub step: u32,
    /// How it stands.
    pub standing: RolloutStanding,
    /// What went wrong.
    pub trouble: Option<String>,
    /// Since when it has the revision.
    pub given: Option<Timestamp>,
    /// When it was first seen to be well with it.
    pub passed: Option<Timestamp>,
}

/// How a device of a rollout stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RolloutStanding {
    /// Its step has not begun.
    Waiting,
    /// It applied the revision and is well.
    Passed,
    /// Something went wrong with it.
    Failed,
    /// It is at work on it.
    Working,
    /// It is off or has fallen silent, and does not hold the step.
    NotAnswered,
    /// A pause or a removal that waits keeps it as it is; it does not hold the step.
    Held,
    /// The revision does not hold for it any more: it has left the target, or something narrower takes its place.
    Gone,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_a_number_of_devices_or_a_share_of_them() {
        assert_eq!("5".parse(), Ok(StepSize::Devices(5)));
        assert_eq!("10%".parse(), Ok(StepSize::Percent(10)));
        for wrong in ["", "%", "0", "0%", "101%", "-1", "+1", "1 %", "10%%", "4294967296", "ten"] {
            assert_eq!(wrong.parse::<StepSize>(), Err(InvalidStepSize), "{wrong}");
        }
        for size in ["1", "25%"] {
            assert_eq!(size.parse::<StepSize>().unwrap().to_string(), size);
        }
    }
}
