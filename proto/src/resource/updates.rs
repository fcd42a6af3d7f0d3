//! `updates`: which newer versions of installed packages a device takes, and when.

use serde::{Deserialize, Serialize};

use super::InvalidResource;
use super::value::{TimeOfDay, TimeZone};
use crate::condition::Condition;

/// The key of every `updates`: a device has one.
pub const KEY: &str = "updates";

/// The attribute with what is to be installed now, each as `name old -> new`.
pub const TO_INSTALL: &str = "to_install";

/// The attribute with the reboot that is to be ordered or told of now, or [`NO_REBOOT`].
pub const REBOOT: &str = "reboot";

/// What stands there when there is none.
pub const NO_REBOOT: &str = "none";

/// More windows than anybody keeps in mind.
const MOST_WINDOWS: usize = 16;

/// The shortest window, in minutes: a device looks every quarter of an hour, and some run late.
const SHORTEST: u32 = 60;

const MINUTES_OF_DAY: u32 = 24 * 60;

/// Newer versions of installed packages, taken by themselves from the repositories that the device has. Nothing is removed, nor
/// downgraded, for an update: a package that could only be updated so is kept back, and told. Configuration files that were changed
/// on the device stay as they are. A package with a `version` in any profile is never taken past it. Whether a repository is one
/// for security updates, it says itself: to apt by a suite whose name ends in `-security`, to dnf by what it tells of its updates
/// (`updateinfo`). The lists of packages are fetched once a day.
/// With the end of the resource no package goes back to an older version. On battery at less than 30 % all waits for power. What a
/// crash cut off is brought to its end at once.
///
/// Which kernel runs and whether a reboot is needed is told. It is needed where a newer kernel is installed than the one that runs, or
/// where a package of Debian's asks for it by `/run/reboot-required`.
///
/// ```yaml
/// - updates:
///     which: security
///     windows:
///       - { days: [sat, sun], from: "22:00", to: "04:00" }
///     zone: Europe/Berlin
///     reboot: in_window
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Updates {
    /// Which updates are taken.
    pub which: Which,
    /// When they are installed, 16 windows at most; at any time when left out. Outside of them they wait, and the device tells of
    /// them. What has waited for three windows to come and go is Drifted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<Window>,
    /// The zone of the windows, such as `Europe/Berlin`; that of the device when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<TimeZone>,
    /// Whether the device reboots by itself where that is needed, `never` when left out. With `in_window` it does so in a window, once no
    /// update waits and no change is on trial, at a moment that each device draws anew in the first half of what is left of it. Who is
    /// logged in is told five minutes before, and `shutdown -c` calls it off. At most once in 24 hours, and for one kernel once.
    #[serde(default, skip_serializing_if = "Reboot::is_never")]
    pub reboot: Reboot,
}

/// When a device reboots for its updates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Reboot {
    /// Never by itself.
    #[default]
    Never,
    /// In a window: where a kernel does not start with one reboot, another one would not help either.
    InWindow,
}

impl Reboot {
    fn is_never(&self) -> bool {
        *self == Self::Never
    }
}

/// Which updates a device takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// Those that a repository for security updates has, with what they need from there. A newer version that only another
    /// repository has is not taken. With dnf, those that a repository says are for security, with what they need.
    Security,
    /// All that the repositories have.
    All,
}

/// Some hours of some days.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// The days on which it begins; every day when left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<Day>,
    /// When it begins, such as `"22:00"`.
    pub from: TimeOfDay,
    /// When it ends, an hour later at least: of the next day where that is earlier than `from`.
    pub to: TimeOfDay,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Day {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

impl Day {
    /// All of them, as a week goes.
    pub const ALL: [Self; 7] = [Self::Mon, Self::Tue, Self::Wed, Self::Thu, Self::Fri, Self::Sat, Self::Sun];
}

impl Window {
    /// When it begins in a week, each in minutes since Monday, 00:00.
    pub fn begins(&self) -> impl Iterator<Item = u32> {
        let from = self.from.minutes();
        let is_named = |day: &Day| self.days.is_empty() || self.days.contains(day);
        (0..).zip(Day::ALL).filter(move |(_, day)| is_named(day)).map(move |(n, _)| n * MINUTES_OF_DAY + from)
    }

    /// How long it is, in minutes: less than a day.
    pub fn length(&self) -> u32 {
        (self.to.minutes() + MINUTES_OF_DAY - self.from.minutes()) % MINUTES_OF_DAY
    }
}

impl Updates {
    /// That nothing is to be installed now, and no reboot is due where that is Muster's.
    pub fn desired(&self) -> Condition {
        let none: Vec<String> = vec![];
        let reboot = (!self.reboot.is_never()).then_some(NO_REBOOT);
        Condition::present([(TO_INSTALL, none.into()), (REBOOT, reboot.into())])
    }

    pub(super) fn validate(&self) -> Result<(), InvalidResource> {
        let wrong = |field: String, message: &str| {
            Err(InvalidResource::new(format!("/updates/{field}"), message.to_owned()))
        };
        if self.windows.len() > MOST_WINDOWS {
            return wrong("windows".to_owned(), "more than 16 windows");
        }
        if let Some(index) = self.windows.iter().position(|window| window.length() < SHORTEST) {
            return wrong(
                format!("windows/{index}"),
                "a window is an hour long at least, and less than a day",
            );
        }
        if self.zone.is_some() && self.windows.is_empty() {
            return wrong("zone".to_owned(), "it is the zone of the windows, and there are none");
        }
        if !self.reboot.is_never() && self.windows.is_empty() {
            return wrong("reboot".to_owned(), "say by `windows` when the device may reboot");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_that_ends_before_it_begins_ends_on_the_next_day() {
        let window: Window = serde_json::from_value(
            serde_json::json!({"days": ["fri", "sun"], "from": "22:30", "to": "04:00"}),
        )
        .unwrap();
        assert_eq!(window.begins().collect::<Vec<_>>(), [4 * 1440 + 1350, 6 * 1440 + 1350]);
        assert_eq!(window.length(), 330);
        let daily: Window =
            serde_json::from_value(serde_json::json!({"from": "02:00", "to": "05:00"})).unwrap();
        assert_eq!((daily.begins().count(), daily.length()), (7, 180));
    }
}
