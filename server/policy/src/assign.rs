//! Which assignments hold for a device.
//!
//! All that reach it hold, and composition decides by precedence between what they ask for. One exception keeps a
//! profile from contradicting itself: at equal precedence and mode an assignment of the same profile to something
//! narrower (this device, then a label, then everyone) takes the place of the wider one. So `base@3` on the label
//! `canary` needs no precedence beside `base@2` on everyone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use muster_proto::profile::Profile;
use muster_proto::state::{Applied, Mode};
use muster_proto::{DeviceId, Digest, ProfileName, RevisionNumber};

/// A revision pinned to something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// Its id.
    pub id: String,
    /// The profile.
    pub profile: ProfileName,
    /// The revision it pins.
    pub revision: RevisionNumber,
    /// That revision's document.
    pub digest: Digest,
    /// For which devices.
    pub target: Target,
    /// Higher wins.
    pub precedence: i32,
    /// Enforce or audit.
    pub mode: Mode,
    /// Parameters it gives.
    pub params: BTreeMap<String, String>,
    /// The part of its target that it holds for.
    pub share: Share,
}

/// The part of its target that an assignment holds for: less than the whole while a rollout puts another in its place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Share {
    /// All of it.
    #[default]
    Whole,
    /// These devices of it.
    Only(Arc<BTreeSet<DeviceId>>),
    /// All but these devices.
    AllBut(Arc<BTreeSet<DeviceId>>),
    /// Nothing of it.
    Nobody,
}

impl Share {
    /// Whether a device of the target is in it.
    pub fn has(&self, device: DeviceId) -> bool {
        match self {
            Self::Whole => true,
            Self::Only(devices) => devices.contains(&device),
            Self::AllBut(devices) => !devices.contains(&device),
            Self::Nobody => false,
        }
    }
}

/// For which devices. In order: the narrower, the greater.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// All of them.
    Everyone,
    /// Those with this label.
    Label(String),
    /// This one.
    Device(DeviceId),
}

impl Target {
    /// Whether a device with these labels is meant.
    pub fn reaches(&self, device: DeviceId, labels: &BTreeSet<String>) -> bool {
        match self {
            Self::Everyone => true,
            Self::Label(label) => labels.contains(label),
            Self::Device(id) => *id == device,
        }
    }

    /// How narrow it is; two labels are equally narrow.
    fn narrowness(&self) -> u8 {
        match self {
            Self::Everyone => 0,
            Self::Label(_) => 1,
            Self::Device(_) => 2,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everyone => f.write_str("everyone"),
            Self::Label(label) => write!(f, "label:{label}"),
            Self::Device(id) => write!(f, "device:{id}"),
        }
    }
}

/// What holds for a device, in an order that depends on nothing but what holds.
pub fn holding(assignments: &[Assignment], device: DeviceId, labels: &BTreeSet<String>) -> Vec<Applied> {
    let reaches = |a: &&Assignment| a.target.reaches(device, labels) && a.share.has(device);
    let reaching: Vec<_> = assignments.iter().filter(reaches).collect();
    let mut holding: Vec<_> = reaching
        .iter()
        .filter(|a| !reaching.iter().any(|b| b.takes_the_place_of(a)))
        .map(|a| a.applied())
        .collect();
    holding.sort_by(|a, b| {
        (&a.profile, a.revision, &a.assignment).cmp(&(&b.profile, b.revision, &b.assignment))
    });
    holding
}

/// A revision that is not saved yet, to be tried on a device.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The profile.
    pub profile: ProfileName,
    /// The number that it would be saved under.
    pub revision: RevisionNumber,
    /// Its document.
    pub digest: Digest,
    /// Parameters, over those that an assignment gives.
    pub params: BTreeMap<String, String>,
}

/// What would hold with the draft in place of each pinned revision of its profile, or, where there is none, as if it were
/// newly assigned: enforced, at precedence 0. Also gives the assignments whose revision it took the place of.
pub fn tried(mut holding: Vec<Applied>, draft: &Draft) -> (Vec<Applied>, Vec<String>) {
    let mut replaced = Vec::new();
    for applied in holding.iter_mut().filter(|applied| applied.profile == draft.profile) {
        (applied.revision, applied.digest) = (draft.revision, draft.digest);
        applied.params.extend(draft.params.clone());
        replaced.push(applied.assignment.clone());
    }
    if replaced.is_empty() {
        holding.push(Applied {
            assignment: "dry-run".to_owned(),
            profile: draft.profile.clone(),
            revision: draft.revision,
            digest: draft.digest,
            precedence: 0,
            mode: Mode::Enforce,
            params: draft.params.clone(),
        });
    }
    (holding, replaced)
}

/// Parameters of an assignment that takes the place of another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// What the new assignment gives: what was named, and what the old one gave beside it.
    pub params: BTreeMap<String, String>,
    /// Names that come from the old one.
    pub kept: Vec<String>,
    /// Names that the old one gave and the new revision has no more.
    pub gone: Vec<String>,
}

/// Carries parameters over: whoever assigns a newer revision means the same values unless they name others.
pub fn carry_over(
    profile: &Profile,
    named: &BTreeMap<String, String>,
    before: &BTreeMap<String, String>,
) -> Carried {
    let mut carried = Carried { params: named.clone(), ..Carried::default() };
    for (name, value) in before.iter().filter(|(name, _)| !named.contains_key(*name)) {
        if profile.params.keys().any(|param| param.as_str() == name) {
            carried.params.insert(name.clone(), value.clone());
            carried.kept.push(name.clone());
        } else {
            carried.gone.push(name.clone());
        }
    }
    carried
}

impl Assignment {
    fn takes_the_place_of(&self, other: &Self) -> bool {
        self.profile == other.profile
            && (self.precedence, self.mode) == (other.precedence, other.mode)
            && self.target.narrowness() > other.target.narrowness()
    }

    fn applied(&self) -> Applied {
        Applied {
            assignment: self.id.clone(),
            profile: self.profile.clone(),
            revision: self.revision,
            digest: self.digest,
            precedence: self.precedence,
            mode: self.mode,
            params: self.params.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assignment(id: &str, profile: &str, revision: u32, target: Target) -> Assignment {
        Assignment {
            id: id.into(),
            profile: profile.parse().unwrap(),
            revision: RevisionNumber(revision),
            digest: Digest::of(format!("{profile}@{revision}").as_bytes()),
            target,
            precedence: 0,
            mode: Mode::Enforce,
            params: BTreeMap::new(),
            share: Share::Whole,
        }
    }

    fn held(assignments: &[Assignment], labels: &[&str]) -> Vec<String> {
        let device = DeviceId(uuid::Uuid::from_u128(1));
        let labels = labels.iter().map(|l| (*l).to_owned()).collect();
        holding(assignments, device, &labels).into_iter().map(|a| a.assignment).collect()
    }

    #[test]
    fn an_assignment_reaches_its_label_its_device_or_everyone() {
        let here = Target::Device(DeviceId(uuid::Uuid::from_u128(1)));
        let elsewhere = Target::Device(DeviceId(uuid::Uuid::from_u128(2)));
        let all = [
            assignment("everyone", "a", 1, Target::Everyone),
            assignment("laptops", "b", 1, Target::Label("laptop".into())),
            assignment("servers", "c", 1, Target::Label("server".into())),
            assignment("here", "d", 1, here),
            assignment("elsewhere", "e", 1, elsewhere),
        ];
        assert_eq!(held(&all, &["laptop"]), ["everyone", "laptops", "here"]);
    }

    #[test]
    fn a_narrower_assignment_of_the_same_profile_takes_the_place_of_a_wider_one() {
        let wide = assignment("wide", "base", 2, Target::Everyone);
        let narrow = assignment("narrow", "base", 3, Target::Label("canary".into()));
        assert_eq!(held(&[wide.clone(), narrow.clone()], &["canary"]), ["narrow"]);
        assert_eq!(held(&[wide.clone(), narrow.clone()], &[]), ["wide"]);
        let looking = Assignment { mode: Mode::Audit, ..narrow.clone() };
        assert_eq!(
            held(&[wide.clone(), looking], &["canary"]),
            ["wide", "narrow"],
            "audit never overrides enforce"
        );
        let weighty = Assignment { precedence: 5, ..wide };
        assert_eq!(
            held(&[weighty, narrow], &["canary"]),
            ["wide", "narrow"],
            "precedence decides before narrowness"
        );
    }

    #[test]
    fn while_a_rollout_is_under_way_one_revision_holds_for_each_device() {
        let here: Arc<BTreeSet<_>> = Arc::new([DeviceId(uuid::Uuid::from_u128(1))].into());
        let elsewhere: Arc<BTreeSet<_>> = Arc::new([DeviceId(uuid::Uuid::from_u128(2))].into());
        let laptops = Target::Label("laptop".into());
        let shared = |given: &Arc<BTreeSet<DeviceId>>| {
            let old = assignment("old", "base", 3, laptops.clone());
            let new = assignment("new", "base", 4, laptops.clone());
            let share = [Share::AllBut(Arc::clone(given)), Share::Only(Arc::clone(given))];
            let [all_but, only] = share;
            held(&[Assignment { share: all_but, ..old }, Assignment { share: only, ..new }], &["laptop"])
        };
        assert_eq!(shared(&here), ["new"]);
        assert_eq!(shared(&elsewhere), ["old"]);
        let wide = assignment("wide", "base", 2, Target::Everyone);
        let nobody = Assignment { share: Share::Nobody, ..assignment("old", "base", 3, laptops.clone()) };
        assert_eq!(held(&[wide, nobody], &["laptop"]), ["wide"], "who does not hold takes nobody's place");
    }

    #[test]
    fn two_labels_are_equally_narrow_and_left_to_composition() {
        let all = [
            assignment("one", "base", 2, Target::Label("a".into())),
            assignment("two", "base", 3, Target::Label("b".into())),
        ];
        assert_eq!(held(&all, &["a", "b"]), ["one", "two"]);
    }

    #[test]
    fn parameters_that_nobody_names_are_kept_as_far_as_the_new_revision_has_them() {
        let source = serde_json::json!({"muster": 1, "profile": "base", "params": {
            "ntp": {"type": "host"}, "site": {"type": "string", "default": "main"},
        }});
        let profile = Profile::parse(&source).unwrap();
        let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let before = map(&[("ntp", "old.corp.example"), ("site", "east"), ("proxy", "p.corp.example")]);
        let carried = carry_over(&profile, &map(&[("ntp", "new.corp.example")]), &before);
        assert_eq!(carried.params, map(&[("ntp", "new.corp.example"), ("site", "east")]));
        assert_eq!((carried.kept, carried.gone), (vec!["site".to_owned()], vec!["proxy".to_owned()]));
    }

    proptest::proptest! {
        #[test]
        fn what_holds_does_not_depend_on_the_order_of_assignments(seed in proptest::collection::vec((0_u32..3, 0_u32..4, 0_u8..4), 0..8)) {
            let mut all: Vec<_> = seed.iter().enumerate().map(|(i, (profile, revision, target))| {
                let target = match target {
                    0 => Target::Everyone,
                    1 => Target::Label("a".into()),
                    2 => Target::Label("b".into()),
                    _ => Target::Device(DeviceId(uuid::Uuid::from_u128(1))),
                };
                assignment(&format!("as-{i}"), &format!("p{profile}"), revision + 1, target)
            }).collect();
            let before = held(&all, &["a", "b"]);
            all.reverse();
            proptest::prop_assert_eq!(before, held(&all, &["a", "b"]));
        }
    }

    #[test]
    fn a_draft_takes_the_place_of_what_is_pinned_and_keeps_its_weight() {
        let draft = Draft {
            profile: "base".parse().unwrap(),
            revision: RevisionNumber(9),
            digest: Digest::of(b"draft"),
            params: BTreeMap::from([("ntp".to_owned(), "b".to_owned())]),
        };
        let pinned = Applied {
            assignment: "as-1".to_owned(),
            profile: "base".parse().unwrap(),
            revision: RevisionNumber(3),
            digest: Digest::of(b"pinned"),
            precedence: 7,
            mode: Mode::Audit,
            params: [("ntp", "a"), ("site", "x")].map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
        };
        let other =
            Applied { profile: "other".parse().unwrap(), assignment: "as-2".to_owned(), ..pinned.clone() };
        let (holding, replaced) = tried(vec![pinned, other.clone()], &draft);
        assert_eq!(replaced, ["as-1"]);
        assert_eq!(
            (holding[0].digest, holding[0].precedence, holding[0].mode),
            (draft.digest, 7, Mode::Audit)
        );
        assert_eq!((holding[0].params["ntp"].as_str(), holding[0].params["site"].as_str()), ("b", "x"));
        assert_eq!(holding[1], other);
        let (holding, replaced) = tried(vec![other], &draft);
        assert!(replaced.is_empty());
        assert_eq!(
            (holding[1].digest, holding[1].precedence, holding[1].mode),
            (draft.digest, 0, Mode::Enforce)
        );
    }
}
