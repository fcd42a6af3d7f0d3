//! How devices stand with checks, controls and profiles, now and day by day, from results that are intervals.
//!
//! Of several checks the worst counts. Unknown, stale and not reported never count as a pass. Whether a device was silent on
//! a past day is not kept, so that past days are counted as it last reported.

use std::collections::{BTreeMap, BTreeSet};

use muster_proto::Timestamp;
use muster_proto::check::Verdict;
use muster_proto::rest::{Standing, StandingCounts, StandingDay};

const DAY: i64 = 86_400;

/// From when to when a check had a result on a device. Devices are numbered by who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Which device.
    pub device: usize,
    /// Which check.
    pub check: String,
    /// From when.
    pub from: Timestamp,
    /// To when; none while it lasts.
    pub to: Option<Timestamp>,
    /// The result.
    pub verdict: Verdict,
}

/// From when to when a failure was waived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Covered {
    /// From when.
    pub from: Timestamp,
    /// To when; none while it is.
    pub to: Option<Timestamp>,
    /// By which waiver.
    pub waiver: String,
}

/// All that is known of results.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// Results.
    pub found: Vec<Found>,
    /// Covers by device and check.
    pub covered: BTreeMap<(usize, String), Vec<Covered>>,
    /// Checks that a device is asked and has no result of now.
    pub missing: BTreeSet<(usize, String)>,
    /// Devices that have been silent for too long.
    pub stale: BTreeSet<usize>,
}

/// One device and one check now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Now<'a> {
    /// Which device.
    pub device: usize,
    /// Which check.
    pub check: &'a str,
    /// How it stands.
    pub standing: Standing,
    /// Since when the device reports this result.
    pub since: Option<Timestamp>,
    /// The waiver that covers it.
    pub waiver: Option<&'a str>,
    /// Why it is unknown though something else was reported.
    pub note: Option<&'static str>,
}

fn spans(from: Timestamp, to: Option<Timestamp>, at: Timestamp) -> bool {
    from <= at && to.is_none_or(|to| at < to)
}

impl Record {
    /// How every device stands with every check now.
    pub fn now(&self) -> Vec<Now<'_>> {
        let reported = self.found.iter().filter(|found| found.to.is_none()).map(|found| {
            let waiver = self.waiver(found, Timestamp::MAX);
            let standing = standing(found.verdict, waiver.is_some());
            let silent = self.stale.contains(&found.device) && standing != Standing::Failing;
            Now {
                device: found.device,
                check: &found.check,
                standing: if silent { Standing::Unknown } else { standing },
                since: Some(found.from),
                waiver: waiver.filter(|_| !silent),
                note: silent.then_some("the device has been silent for too long"),
            }
        });
        let missing = self.missing.iter().map(|(device, check)| Now {
            device: *device,
            check,
            standing: Standing::Unknown,
            since: None,
            waiver: None,
            note: Some("not reported yet"),
        });
        reported.chain(missing).collect()
    }

    /// How devices stood with checks at a moment, as they last reported.
    fn at(&self, at: Timestamp) -> impl Iterator<Item = (usize, &str, Standing)> {
        self.found.iter().filter(move |found| spans(found.from, found.to, at)).map(move |found| {
            let waived = self.waiver(found, at).is_some();
            (found.device, found.check.as_str(), standing(found.verdict, waived))
        })
    }

    /// The waiver that covers a failure at a moment; [`Timestamp::MAX`] is now.
    fn waiver(&self, found: &Found, at: Timestamp) -> Option<&str> {
        if found.verdict != Verdict::Fail {
            return None;
        }
        let covers = self.covered.get(&(found.device, found.check.clone()))?;
        covers.iter().find(|cover| spans(cover.from, cover.to, at)).map(|cover| cover.waiver.as_str())
    }

    /// The last days in groups, today as it is now: `group` names the groups that a device's check is in, each with the number
    /// of what is counted there.
    pub fn days<G: Ord + Clone>(
        &self,
        now: Timestamp,
        days: u32,
        group: impl Fn(usize, &str) -> Vec<(G, usize)>,
    ) -> BTreeMap<G, Vec<StandingDay>> {
        let past = (1..i64::from(days)).rev().map(|back| {
            let day = midnight(now).plus_seconds(-back * DAY);
            (date(day), worst(self.at(last_moment(day)), &group))
        });
        let mut dated: Vec<_> = past.collect();
        let today = self.now();
        let today = today.iter().map(|now| (now.device, now.check, now.standing));
        dated.push((date(now), worst(today, &group)));
        let groups: BTreeSet<G> = dated.iter().flat_map(|(_, counts)| counts.keys().cloned()).collect();
        let history = |name: G| {
            let day = |(date, counts): &(String, BTreeMap<G, StandingCounts>)| StandingDay {
                date: date.clone(),
                counts: counts.get(&name).copied(),
            };
            let days = dated.iter().map(day).collect();
            (name, days)
        };
        groups.into_iter().map(history).collect()
    }
}

/// Counts by group what stands how; of several checks of one thing in a group, the worst.
pub fn worst<'a, G: Ord>(
    standings: impl Iterator<Item = (usize, &'a str, Standing)>,
    group: impl Fn(usize, &str) -> Vec<(G, usize)>,
) -> BTreeMap<G, StandingCounts> {
    let mut worst: BTreeMap<(G, usize), Standing> = BTreeMap::new();
    for (device, check, standing) in standings {
        for key in group(device, check) {
            let least = worst.entry(key).or_insert(standing);
            *least = standing.min(*least);
        }
    }
    let mut counts: BTreeMap<G, StandingCounts> = BTreeMap::new();
    for ((group, _), standing) in worst {
        counts.entry(group).or_default().add(standing);
    }
    counts
}

fn standing(verdict: Verdict, waived: bool) -> Standing {
    match verdict {
        Verdict::Pass => Standing::Passing,
        Verdict::Fail if waived => Standing::Waived,
        Verdict::Fail => Standing::Failing,
        Verdict::Unknown => Standing::Unknown,
        Verdict::NotApplicable => Standing::NotApplicable,
    }
}

/// When the history of so many days begins, today the last of them.
pub fn begin(now: Timestamp, days: u32) -> Timestamp {
    midnight(now).plus_seconds(-(i64::from(days) - 1) * DAY)
}

/// The first moment of a day (UTC).
fn midnight(at: Timestamp) -> Timestamp {
    Timestamp::default().plus_seconds(at.seconds() - at.seconds().rem_euclid(DAY))
}

/// The last moment of the day that begins here.
fn last_moment(midnight: Timestamp) -> Timestamp {
    let next = midnight.plus_seconds(DAY);
    Timestamp::from_micros(next.micros() - 1).unwrap_or(next)
}

/// The date of a time, in UTC, such as `2026-11-23`.
fn date(at: Timestamp) -> String {
    at.to_string().chars().take("2026-11-23".len()).collect()
}

#[cfg(test)]
mod tests;
