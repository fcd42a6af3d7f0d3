//! What the ledger keeps of a resource that Muster created or changed, and what follows from it for taking it back.
//!
//! A record is kept before a write and settled after it. A crash may fall anywhere between, so what is found there is
//! measured against three conditions: what was there before, what was last written, what was about to be written.

use std::collections::BTreeSet;
use std::sync::Arc;

use muster_proto::compose::Claim;
use muster_proto::condition::{Attributes, Condition, Difference, NO_FILE};
use muster_proto::resource::OnRemoval;
use muster_proto::{ResourceId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::plan::Step;

/// The attributes of an account that are lists, of which each entry is given and taken by itself.
const LISTS: [&str; 2] = ["groups", "ssh_keys"];

/// What the ledger keeps of a resource that Muster created or changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// What was there before Muster first wrote.
    pub before: Condition,
    /// What Muster last wrote, and found to be so afterwards; what was there before when it has not written yet.
    pub wrote: Condition,
    /// What Muster was about to write when the record was last kept: after a crash it may or may not be there.
    pub intended: Option<Condition>,
    /// The profile whose claim it was; its reversal waits while that profile can't be read.
    pub profile: String,
    /// The wish of its author for removal.
    pub on_removal: OnRemoval,
    /// When it ends by itself.
    pub not_after: Option<Timestamp>,
    /// The services that have to read it when it is taken back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notify: Vec<ResourceId>,
    /// What the kind needs to know to take it back, such as the packages that one transaction brought.
    pub extra: Value,
}

/// What the ledger keeps before a step is made. What was there before Muster's first write is never overwritten by what
/// was there before a later one; attributes that a later revision adds join it.
pub fn record_of(step: &Step, earlier: Option<&Record>, extra: Value) -> Record {
    if let (None, Some(earlier)) = (&step.claim, earlier) {
        let wrote = earlier.written(&step.from);
        return Record { wrote, intended: Some(step.to.clone()), ..earlier.clone() };
    }
    let (before, wrote) = match earlier {
        None => {
            let before = restricted(&step.from, &step.to);
            (before.clone(), before)
        }
        Some(earlier) => earlier.joined_by(step),
    };
    let common = step.claim.as_ref().map(|claim| &claim.common);
    Record {
        before,
        intended: Some(together(&wrote, &step.to)),
        wrote,
        profile: step.claim.as_ref().map_or_else(String::new, |claim| claim.source.profile.to_string()),
        on_removal: common.map(|c| c.on_removal).unwrap_or_default(),
        not_after: common.and_then(|c| c.not_after),
        notify: common.map(|c| c.notify.clone()).unwrap_or_default(),
        extra: if extra.is_null() { earlier.map(|r| r.extra.clone()).unwrap_or_default() } else { extra },
    }
}

/// What a record is taken back to. An account that Muster made is locked and its home kept, never deleted; what it was given goes, so
/// that who unlocks it does not give it back.
pub fn reversal_target(record: &Record) -> Condition {
    let account = |condition: &Condition| condition.attributes().is_some_and(|a| a.contains_key("locked"));
    match &record.before {
        Condition::Absent if account(&record.wrote) || record.intended.as_ref().is_some_and(account) => {
            record.and_nothing_dropped(Condition::present([("locked", true.into())]))
        }
        before => before.clone(),
    }
}

/// What the end of a lease comes to, for a resource that this agent can't ask: an account is locked, whoever made it, and a rule
/// lets nobody in.
pub(crate) fn end_target(id: &ResourceId, record: &Record) -> Condition {
    match id.kind() {
        "account" => Condition::present([("locked", true.into())]),
        "login_rule" => Condition::present([("lets_in", NO_FILE.into())]),
        _ => reversal_target(record),
    }
}

impl Record {
    /// Whether the lease by which it was made is over and `claim` is another profile's, so that what that asks for takes the place of
    /// what has to go.
    pub(crate) fn is_followed_by(&self, claim: &Claim, now: Timestamp) -> bool {
        self.not_after.is_some_and(|end| end <= now)
            && claim.common.not_after.is_none_or(|end| end > now)
            && self.profile != claim.source.profile.to_string()
    }

    /// Whether the profile that wrote it says nothing of it any more, not even where `claim` outweighs it.
    pub(crate) fn is_unclaimed_beside(&self, claim: &Claim) -> bool {
        self.profile != claim.source.profile.to_string() && !claim.beside.contains(&self.profile)
    }

    /// Whether what makes a file as `desired` takes the place of all that is written of it. Otherwise it would leave an owner, a mode or
    /// a content that was lent, or depend on what the user of a file that was only lent holds in it.
    pub(crate) fn is_replaced_by(&self, desired: &Condition) -> bool {
        let mut written = self.brought_about().filter_map(Condition::attributes);
        match (self.wrote.attributes(), desired.attributes()) {
            (Some(wrote), Some(desired)) => {
                wrote.contains_key("content") == desired.contains_key("content")
                    && written.all(|written| written.keys().all(|name| desired.contains_key(name)))
            }
            (Some(wrote), None) => wrote.contains_key("content"),
            (None, desired) => desired.is_none(),
        }
    }

    /// The conditions that Muster brought about, or may have when a crash came between.
    pub fn brought_about(&self) -> impl Iterator<Item = &Condition> {
        [Some(&self.wrote), self.intended.as_ref()].into_iter().flatten()
    }

    /// The entries of a list that are there by Muster, or may be after a crash: what was there before is none of them.
    pub fn brought(&self, name: &str) -> BTreeSet<&str> {
        let before: BTreeSet<&str> = entries(&self.before, name).collect();
        self.brought_about()
            .flat_map(|written| entries(written, name))
            .filter(|entry| !before.contains(entry))
            .collect()
    }

    /// What a claim asks for, and of lists of which it says nothing, that none of the entries is there by Muster: who no longer names
    /// any group or key of an account wants these gone, as one who names others does.
    pub(crate) fn and_nothing_dropped(&self, desired: Condition) -> Condition {
        let Condition::Present(mut attributes) = desired else { return desired };
        for name in LISTS {
            if !attributes.contains_key(name) && !self.brought(name).is_empty() {
                Arc::make_mut(&mut attributes).insert(name.to_owned(), Value::Array(vec![]));
            }
        }
        Condition::Present(attributes)
    }

    /// What a claim asks for, and of what only the lease before it wrote, that it is as it was before that; of a directory that this
    /// made, as one that nobody says more of. Where the claim does not follow a lease any more, what a step to that had yet to write:
    /// its intent does not tell of the lease.
    pub(crate) fn and_nothing_lent(
        &self,
        id: &ResourceId,
        claim: &Claim,
        now: Timestamp,
        desired: Condition,
    ) -> Condition {
        let follows = self.is_followed_by(claim, now);
        let Condition::Present(mut attributes) = desired else { return desired };
        if !follows && self.intended.is_none() {
            return Condition::Present(attributes);
        }
        let fresh =
            Condition::present([("owner", "root".into()), ("group", "root".into()), ("mode", "0755".into())]);
        let before = match &self.before {
            Condition::Absent if id.kind() == "directory" => &fresh,
            before => before,
        };
        let value =
            |of: &Condition, name: &str| of.attributes().and_then(|attributes| attributes.get(name)).cloned();
        for (name, was) in before.attributes().into_iter().flatten() {
            let wrote = value(&self.wrote, name);
            let intended = self.intended.as_ref().and_then(|intended| value(intended, name));
            let is_due =
                wrote.is_some() && (follows || (intended.as_ref() == Some(was) && wrote != intended));
            if is_due && !attributes.contains_key(name) {
                Arc::make_mut(&mut attributes).insert(name.clone(), was.clone());
            }
        }
        Condition::Present(attributes)
    }

    /// The record under a claim that asks for nothing new.
    pub(crate) fn renewed(&self, claim: &Claim, observed: &Condition) -> Self {
        Self {
            wrote: self.without_left_groups(self.written(observed), observed),
            intended: None,
            profile: claim.source.profile.to_string(),
            on_removal: claim.common.on_removal,
            not_after: claim.common.not_after,
            notify: claim.common.notify.clone(),
            ..self.clone()
        }
    }

    /// What Muster has written, given what is there: of an unsettled intent, as much as can be found.
    fn written(&self, found: &Condition) -> Condition {
        match (&self.intended, found) {
            (Some(Condition::Absent), Condition::Absent) => Condition::Absent,
            (Some(Condition::Present(intended)), Condition::Present(found)) => {
                let is_made = |name: &String, value: &Value| found.get(name) == Some(value);
                let mut made: Attributes = intended
                    .iter()
                    .filter(|(name, value)| is_made(name, value))
                    .map(|(name, value)| (name.clone(), value.clone()))
                    .collect();
                for name in LISTS.map(str::to_owned) {
                    if intended.get(&name).is_some_and(|value| !is_made(&name, value))
                        && let Some(list) = self.list_made_in_part(&name, found.get(&name))
                    {
                        made.insert(name, list);
                    }
                }
                if made.is_empty() && !intended.is_empty() {
                    self.wrote.clone()
                } else {
                    together(&self.wrote, &Condition::Present(Arc::new(made)))
                }
            }
            (None | Some(_), _) => self.wrote.clone(),
        }
    }

    /// What is written, without the groups that the account is not in any more: who puts it in one of them by hand later does that for
    /// themselves. Keys stay, as the file of them is their user's, who may take it away and bring it back.
    fn without_left_groups(&self, wrote: Condition, observed: &Condition) -> Condition {
        let Condition::Present(mut attributes) = wrote else { return wrote };
        if let Some(Value::Array(_)) = observed.attributes().and_then(|there| there.get("groups"))
            && let Some(Value::Array(groups)) = attributes.get("groups")
        {
            let known: BTreeSet<&str> =
                [observed, &self.before].into_iter().flat_map(|c| entries(c, "groups")).collect();
            let is_left = |group: &Value| group.as_str().is_some_and(|group| !known.contains(group));
            if groups.iter().any(is_left) {
                let groups = groups.iter().filter(|group| !is_left(group)).cloned().collect();
                Arc::make_mut(&mut attributes).insert("groups".to_owned(), groups);
            }
        }
        Condition::Present(attributes)
    }

    /// What Muster has written of a list of which not all is as intended: each entry that got there, and any that may have where
    /// nobody can say what is there. `None` when that is what it had written before.
    fn list_made_in_part(&self, name: &str, found: Option<&Value>) -> Option<Value> {
        let wrote: BTreeSet<&str> = entries(&self.wrote, name).collect();
        let is_there = |entry: &&str| match found {
            Some(Value::Array(found)) => found.iter().any(|there| there == entry),
            _ => true,
        };
        let intended = self.intended.iter().flat_map(|intended| entries(intended, name)).filter(is_there);
        let all: BTreeSet<&str> = wrote.iter().copied().chain(intended).collect();
        (all != wrote).then(|| all.into_iter().collect())
    }

    /// What was there before and what is written, once a step reaches for more attributes than the record has.
    ///
    /// Both take the value that an attribute has now. So `wrote` names all that `before` does, unless Muster removed the
    /// thing in between: then what it was before says nothing of what it is since.
    fn joined_by(&self, step: &Step) -> (Condition, Condition) {
        let (mut before, mut wrote) = (self.before.clone(), self.written(&step.from));
        let (Condition::Present(was), Condition::Present(from)) = (&mut before, &step.from) else {
            return (before, wrote);
        };
        let ours: BTreeSet<&String> =
            self.brought_about().filter_map(Condition::attributes).flat_map(Attributes::keys).collect();
        let touched = |name: &String| step.to.attributes().is_none_or(|to| to.contains_key(name));
        for (name, value) in from.iter() {
            if LISTS.contains(&name.as_str()) && was.contains_key(name) {
                // Of a list that says it for each entry. It is sorted, as what is read is.
                let theirs = self.found_in_a_list(name, &step.from);
                let all: BTreeSet<&str> = entries(&self.before, name).chain(theirs).collect();
                Arc::make_mut(was).insert(name.clone(), all.into_iter().collect());
                continue;
            }
            // An attribute that Muster itself wrote has no earlier value worth keeping.
            if touched(name) && !was.contains_key(name) && !ours.contains(name) {
                Arc::make_mut(was).insert(name.clone(), value.clone());
                if let Condition::Present(wrote) = &mut wrote {
                    Arc::make_mut(wrote).entry(name.clone()).or_insert_with(|| value.clone());
                }
            }
        }
        (before, wrote)
    }

    /// The entries of a list that are there and that neither Muster put there nor were known from before.
    fn found_in_a_list<'f>(&self, name: &str, found: &'f Condition) -> Vec<&'f str> {
        let all = [Some(&self.before), Some(&self.wrote), self.intended.as_ref()];
        let known: BTreeSet<&str> =
            all.into_iter().flatten().flat_map(|known| entries(known, name)).collect();
        entries(found, name).filter(|entry| !known.contains(entry)).collect()
    }

    /// The attributes of which it tells.
    pub(crate) fn named(&self) -> impl Iterator<Item = &String> {
        let conditions = [Some(&self.before), Some(&self.wrote), self.intended.as_ref()];
        conditions.into_iter().flatten().filter_map(Condition::attributes).flat_map(Attributes::keys)
    }

    /// The record with nothing of some attributes, but those of which `earlier` told.
    fn without(&self, earlier: Option<&Self>, is_gone: impl Fn(&String) -> bool) -> Self {
        let known: BTreeSet<&String> = earlier.into_iter().flat_map(Self::named).collect();
        let mut kept = self.clone();
        for condition in [Some(&mut kept.before), Some(&mut kept.wrote), kept.intended.as_mut()] {
            if let Some(Condition::Present(attributes)) = condition {
                Arc::make_mut(attributes).retain(|name, _| known.contains(name) || !is_gone(name));
            }
        }
        kept
    }

    /// The attributes by which Muster can tell its own work from that of others.
    fn accountable(&self) -> BTreeSet<&String> {
        let claimed = match (&self.wrote, &self.intended) {
            (Condition::Present(wrote), _) => Some(wrote.as_ref()),
            (Condition::Absent, Some(intended)) => intended.attributes(),
            (Condition::Absent, None) => self.before.attributes(),
        };
        claimed.into_iter().flat_map(Attributes::keys).collect()
    }

    /// What is there that Muster did not put there and that going to `target` would destroy: neither what it wrote, nor
    /// what it was about to write, nor what was there before. `None` when all of it is accounted for.
    pub(crate) fn foreign(&self, observed: &Condition, target: &Condition) -> Option<Vec<Difference>> {
        let all = [Some(&self.wrote), self.intended.as_ref(), Some(&self.before)];
        let known: Vec<&Condition> = all.into_iter().flatten().collect();
        let Condition::Present(have) = observed else {
            return (!known.contains(&&Condition::Absent)).then(|| vec![state("absent", "present")]);
        };
        let known: Vec<&Attributes> = known.into_iter().filter_map(Condition::attributes).collect();
        if known.is_empty() {
            return Some(vec![state("present", "absent")]);
        }
        let names = self.accountable();
        let destroyed = |name: &String| {
            // An account that is to be locked is locked, whoever opened or half closed it.
            let locks =
                name == "locked" && target.attributes().and_then(|t| t.get(name)) == Some(&Value::Bool(true));
            !locks
                && target.attributes().is_none_or(|t| t.get(name).is_some_and(|v| have.get(name) != Some(v)))
        };
        // A list is read as far as Muster asks for its entries or put them there, so nothing in it is anyone else's: one
        // who takes an entry away must not keep the others by it.
        let list = |name: &String| known.iter().any(|k| k.get(name).is_some_and(Value::is_array));
        // What was cut off while it came or went as a whole has some of its parts.
        let comes_or_goes = self.brought_about().any(|condition| *condition == Condition::Absent);
        let is_known = |name: &String| {
            (comes_or_goes && !have.contains_key(name)) || known.iter().any(|k| k.get(name) == have.get(name))
        };
        let foreign: Vec<Difference> = names
            .into_iter()
            .filter(|name| destroyed(name) && !list(name) && !is_known(name))
            .map(|name| {
                let known = known.iter().find_map(|k| k.get(name)).cloned().unwrap_or_default();
                Difference::new(name, have.get(name).cloned().unwrap_or_default(), known)
            })
            .collect();
        (!foreign.is_empty()).then_some(foreign)
    }
}

/// The entries of a list of names or texts; none of what is no list.
fn entries<'c>(condition: &'c Condition, name: &str) -> impl Iterator<Item = &'c str> {
    let list = condition.attributes().and_then(|attributes| attributes.get(name)).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str)
}

fn state(from: &str, to: &str) -> Difference {
    Difference::new("state", from.into(), to.into())
}

/// What the ledger keeps of a step that left files or links as they are, because someone else made or changed them after it was planned: of
/// these nothing that `earlier` did not tell, so that the next step takes what they hold by then for what was there before. `None`
/// when the step brought nothing at all: then it is as if it had not been tried.
pub fn record_of_left(
    record: &Record,
    step: &Step,
    earlier: Option<&Record>,
    found: &Condition,
) -> Option<Record> {
    let is_theirs = |name: &String| {
        let (from, to, found) = (value(&step.from, name), value(&step.to, name), value(found, name));
        found != from && found != to && [found, from].into_iter().flatten().any(is_of_file)
    };
    let is_as_it_was = |name: &String| value(found, name) == value(&step.from, name);
    let all = [&step.from, &step.to].into_iter().filter_map(Condition::attributes);
    let all: BTreeSet<&String> = all.flat_map(Attributes::keys).collect();
    if all.iter().all(|name| is_as_it_was(name) || is_theirs(name)) {
        return None;
    }
    Some(record.without(earlier, is_theirs))
}

/// What the ledger keeps of a step that failed: nothing that `earlier` did not tell of files that it has not come to, so that a later
/// step takes what they hold by then for what was there before. A file is written as a whole or not at all, and by no command that
/// may come to its end later.
pub fn record_of_failed(
    record: &Record,
    step: &Step,
    earlier: Option<&Record>,
    found: &Condition,
    is_file: impl Fn(&str) -> bool,
) -> Record {
    let is_written = |name: &String| value(found, name) != value(&step.from, name);
    let is_due = |name: &String| value(&step.from, name) != value(&step.to, name);
    record.without(earlier, |name| is_file(name) && is_due(name) && !is_written(name))
}

fn value<'c>(of: &'c Condition, name: &str) -> Option<&'c Value> {
    of.attributes()?.get(name)
}

/// Whether a value is what a file holds, where a link leads, or that there is none.
fn is_of_file(value: &Value) -> bool {
    let begins = |text: &str| ["sha256:", "/", "../"].iter().any(|beginning| text.starts_with(beginning));
    value.as_str().is_some_and(|text| text == NO_FILE || begins(text))
}

/// Of what was there, the attributes that are about to be written: only these may ever have to be put back.
pub(crate) fn restricted(from: &Condition, to: &Condition) -> Condition {
    match (from, to) {
        (Condition::Present(from), Condition::Present(to)) => from
            .iter()
            .filter(|(name, _)| to.contains_key(*name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
        (from, _) => from.clone(),
    }
}

/// What is there once `later` has been written over `earlier`: attributes that it does not name stay.
pub(crate) fn together(earlier: &Condition, later: &Condition) -> Condition {
    match (earlier, later) {
        (Condition::Present(earlier), Condition::Present(later)) => {
            let of = |condition: &Attributes| condition.clone().into_iter();
            of(earlier).chain(of(later)).collect()
        }
        (_, later) => later.clone(),
    }
}
