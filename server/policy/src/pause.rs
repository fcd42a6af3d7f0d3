//! Whether a device keeps its desired state for now, and what waits for it meanwhile.
//!
//! A pause keeps the server from giving out states; it takes nothing from the device, where leases end by themselves,
//! and it never stands in the way of a revocation.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use muster_proto::state::{Applied, Bindings, DesiredState};
use muster_proto::{DeviceId, ProfileName, Timestamp};

use crate::assign::Target;

/// What is paused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Devices.
    Devices(Target),
    /// Every device that has a profile or would get it. The device is paused as a whole: half a state was never
    /// reviewed by anybody.
    Profile(ProfileName),
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Devices(target) => target.fmt(f),
            Self::Profile(profile) => write!(f, "profile:{profile}"),
        }
    }
}

/// A pause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// Of what.
    pub scope: Scope,
    /// Who made it.
    pub by: String,
    /// When.
    pub since: Timestamp,
    /// When it ends by itself.
    pub until: Option<Timestamp>,
    /// Why.
    pub reason: Option<String>,
}

impl Pause {
    /// Whether it is over.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

/// A device, as far as pauses look at it.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Which.
    pub device: DeviceId,
    /// Its labels.
    pub labels: &'a BTreeSet<String>,
    /// The state it has.
    pub current: Option<&'a DesiredState>,
    /// The state it would get.
    pub next: Option<&'a DesiredState>,
}

impl Subject<'_> {
    fn has_or_gets(&self, profile: &ProfileName) -> bool {
        let states = [self.current, self.next].into_iter().flatten();
        states.flat_map(|state| &state.revisions).any(|applied| applied.profile == *profile)
    }
}

/// The pause that keeps a device as it is: of several, the one that ends last.
pub fn over<'a>(pauses: &'a [Pause], subject: &Subject<'_>, now: Timestamp) -> Option<&'a Pause> {
    pauses
        .iter()
        .filter(|pause| !pause.is_over(now))
        .filter(|pause| match &pause.scope {
            Scope::Devices(target) => target.reaches(subject.device, subject.labels),
            Scope::Profile(profile) => subject.has_or_gets(profile),
        })
        .max_by_key(|pause| pause.until.unwrap_or(Timestamp::MAX))
}

/// What waits for a device, a sentence each; never empty, as the states differ in something.
pub fn changes(current: Option<&DesiredState>, next: &DesiredState) -> Vec<String> {
    let of_state = |state: Option<&DesiredState>| by_profile(state.map_or(&[][..], |state| &state.revisions));
    let (before, after) = (of_state(current), of_state(Some(next)));
    let profiles: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let mut changes: Vec<_> = profiles
        .into_iter()
        .filter_map(|profile| change(profile, before.get(profile), after.get(profile)))
        .collect();
    if let Some(current) = current {
        if current.bindings.groups != next.bindings.groups {
            changes.push("who is in the groups of its profiles changes".to_owned());
        }
        let plain = |bindings: &Bindings| Bindings { groups: BTreeMap::new(), ..bindings.clone() };
        if plain(&current.bindings) != plain(&next.bindings) {
            changes.push("the device's name or owner changes".to_owned());
        }
    }
    if changes.is_empty() {
        changes.push("the state is composed anew".to_owned());
    }
    changes
}

type Held = BTreeMap<ProfileName, Vec<Applied>>;

fn by_profile(revisions: &[Applied]) -> Held {
    let mut held = Held::new();
    for applied in revisions {
        held.entry(applied.profile.clone()).or_default().push(applied.clone());
    }
    held
}

fn change(
    profile: &ProfileName,
    before: Option<&Vec<Applied>>,
    after: Option<&Vec<Applied>>,
) -> Option<String> {
    let named = |held: &Vec<Applied>| crate::rollback::revisions(held, profile);
    match (before, after) {
        (before, after) if before == after => None,
        (Some(before), Some(after)) if terms(before) == terms(after) => {
            Some(format!("{} is assigned anew", named(after)))
        }
        (Some(before), Some(after)) if named(before) == named(after) => {
            Some(format!("{} is applied on other terms", named(after)))
        }
        (Some(before), Some(after)) => Some(format!("{} becomes {}", named(before), named(after))),
        (Some(before), None) => Some(format!("{} goes", named(before))),
        (None, Some(after)) => Some(format!("{} comes", named(after))),
        (None, None) => None,
    }
}

/// What holds, whichever assignments brought it.
fn terms(held: &[Applied]) -> Vec<Applied> {
    held.iter().map(|applied| Applied { assignment: String::new(), ..applied.clone() }).collect()
}

#[cfg(test)]
mod tests {
    use muster_proto::state::{Bindings, Mode};
    use muster_proto::{Digest, Generation, RevisionNumber};

    use super::*;

    const DEVICE: DeviceId = DeviceId(uuid::Uuid::from_u128(1));

    fn at(seconds: i64) -> Timestamp {
        Timestamp::default().plus_seconds(seconds)
    }

    fn pause(scope: Scope, until: Option<i64>) -> Pause {
        Pause { scope, by: "admin:kim".into(), since: at(0), until: until.map(at), reason: None }
    }

    fn label(label: &str) -> Scope {
        Scope::Devices(Target::Label(label.into()))
    }

    fn state(revisions: &[(&str, u32)]) -> DesiredState {
        let applied = |(profile, revision): &(&str, u32)| Applied {
            assignment: format!("as-{profile}"),
            profile: profile.parse().unwrap(),
            revision: RevisionNumber(*revision),
            digest: Digest::of(format!("{profile}@{revision}").as_bytes()),
            precedence: 0,
            mode: Mode::Enforce,
            params: BTreeMap::new(),
        };
        DesiredState {
            muster: 1,
            composition: 1,
            device: DEVICE,
            generation: Generation(1),
            issued: at(0),
            revisions: revisions.iter().map(applied).collect(),
            bindings: Bindings::default(),
        }
    }

    fn found<'a>(pauses: &'a [Pause], next: &DesiredState, now: i64) -> Option<&'a Pause> {
        let labels = ["laptop".to_owned()].into();
        let subject = Subject { device: DEVICE, labels: &labels, current: None, next: Some(next) };
        over(pauses, &subject, at(now))
    }

    #[test]
    fn a_pause_keeps_the_devices_of_its_target_and_no_others() {
        let base = state(&[("base", 1)]);
        let other = DeviceId(uuid::Uuid::from_u128(2));
        for (scope, kept) in [
            (Scope::Devices(Target::Everyone), true),
            (label("laptop"), true),
            (label("server"), false),
            (Scope::Devices(Target::Device(DEVICE)), true),
            (Scope::Devices(Target::Device(other)), false),
            (Scope::Profile("base".parse().unwrap()), true),
            (Scope::Profile("web".parse().unwrap()), false),
        ] {
            assert_eq!(found(&[pause(scope.clone(), None)], &base, 1).is_some(), kept, "{scope}");
        }
    }

    #[test]
    fn a_profile_that_would_go_is_kept_by_its_pause_too() {
        let (base, nothing) = (state(&[("base", 1)]), state(&[]));
        let pauses = [pause(Scope::Profile("base".parse().unwrap()), None)];
        let labels = BTreeSet::new();
        let subject = Subject { device: DEVICE, labels: &labels, current: Some(&base), next: Some(&nothing) };
        assert!(over(&pauses, &subject, at(1)).is_some());
    }

    #[test]
    fn a_pause_is_over_when_its_time_has_come() {
        let base = state(&[("base", 1)]);
        let pauses = [pause(label("laptop"), Some(10))];
        assert!(found(&pauses, &base, 9).is_some());
        assert!(found(&pauses, &base, 10).is_none());
    }

    #[test]
    fn of_several_pauses_the_one_that_ends_last_is_named() {
        let base = state(&[("base", 1)]);
        let pauses = [pause(label("laptop"), Some(10)), pause(Scope::Devices(Target::Everyone), None)];
        assert_eq!(
            found(&pauses, &base, 1).map(|pause| pause.scope.to_string()).as_deref(),
            Some("everyone")
        );
    }

    #[test]
    fn what_waits_is_said_profile_by_profile() {
        let current = state(&[("base", 3), ("old", 1), ("same", 1)]);
        let mut next = state(&[("base", 4), ("new", 2), ("same", 1)]);
        next.bindings.name = "lap-ada".into();
        assert_eq!(
            changes(Some(&current), &next),
            ["base@3 becomes base@4", "new@2 comes", "old@1 goes", "the device's name or owner changes"]
        );
        let mut audited = state(&[("base", 3)]);
        audited.revisions[0].mode = Mode::Audit;
        assert_eq!(changes(Some(&state(&[("base", 3)])), &audited), ["base@3 is applied on other terms"]);
        let mut again = state(&[("base", 3)]);
        again.revisions[0].assignment = "as-2".into();
        assert_eq!(changes(Some(&state(&[("base", 3)])), &again), ["base@3 is assigned anew"]);
        assert_eq!(changes(None, &state(&[("base", 1)])), ["base@1 comes"]);
    }
}
