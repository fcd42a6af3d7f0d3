//! What is, and what should be, at a resource: one type for both, so that a plan is a difference between two values.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Named properties of a resource. Contents stand here as digests; secrets only as words such as `set`.
///
/// A desired condition names only what is managed. A reader that finds a constraint fulfilled (`version: ">= 4.3"`,
/// a list that must be contained in another) gives back the desired value itself, else what is really there.
pub type Attributes = BTreeMap<String, Value>;

/// What stands in place of a file's digest where a resource has a file of its own as one of several parts, and there is
/// none.
pub const NO_FILE: &str = "none";

/// The attribute of what was read with a sentence for people about it, such as what it waits for. It is never desired, and is told
/// with a resource that is Kept.
pub const TOLD: &str = "told";

/// The attribute of what was read with the reason why what differs must be left as it is for now. It is never desired; the resource
/// is Drifted with this reason as long as it has it.
pub const LEFT: &str = "left";

/// The attribute of what was read with a sentence about what has yet to come before what differs can be made so, and comes by itself. It
/// is never desired; the resource is Waiting with this reason as long as it has it.
pub const WAITS: &str = "waits";

/// The condition of one resource on one device.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// There is nothing.
    Absent,
    /// There is something with these attributes. They are shared: the plan, its steps and what is kept and told of these all hold the
    /// same ones.
    Present(Arc<Attributes>),
}

/// One attribute that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Difference {
    /// The attribute, or `state` when the resource itself has to come or go.
    pub attribute: String,
    /// What is there; null for nothing.
    pub from: Value,
    /// What should be there; null for nothing.
    pub to: Value,
    /// What that means for a text that everyone on the device may read: a unified diff, cut where it is long, in which what looks
    /// like a secret is not shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diff: Option<String>,
}

/// What kind of change a difference amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Nothing is there and something should be.
    Create,
    /// Something is there and should be different.
    Change,
    /// Something is there and nothing should be.
    Remove,
}

impl FromIterator<(String, Value)> for Condition {
    /// Something with these attributes.
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(attributes: I) -> Self {
        Self::Present(Arc::new(attributes.into_iter().collect()))
    }
}

impl Condition {
    /// Whether it is that of an account that is locked.
    pub fn locks(&self) -> bool {
        self.attributes().is_some_and(|attributes| attributes.get("locked") == Some(&Value::Bool(true)))
    }

    /// What is left of it without the attributes that differ.
    #[must_use]
    pub fn but_for(&self, differences: &[Difference]) -> Self {
        let Self::Present(attributes) = self else { return self.clone() };
        let differs = |name: &str| differences.iter().any(|difference| difference.attribute == name);
        let left = attributes.iter().filter(|(name, _)| !differs(name));
        left.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// A condition with these attributes; nulls are left out, as they say nothing.
    pub fn present<const N: usize>(attributes: [(&str, Value); N]) -> Self {
        attributes.into_iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k.to_owned(), v)).collect()
    }

    /// The attributes, none if nothing is there.
    pub fn attributes(&self) -> Option<&Attributes> {
        match self {
            Self::Absent => None,
            Self::Present(attributes) => Some(attributes),
        }
    }

    /// What there is to tell of it, see [`TOLD`].
    pub fn told(&self) -> Option<&str> {
        self.attributes()?.get(TOLD)?.as_str()
    }

    /// Why what differs is left as it is for now, see [`LEFT`].
    pub fn left(&self) -> Option<&str> {
        self.attributes()?.get(LEFT)?.as_str()
    }

    /// What has yet to come for it, see [`WAITS`].
    pub fn waits(&self) -> Option<&str> {
        self.attributes()?.get(WAITS)?.as_str()
    }

    /// What has to change for `self` to become `desired`: `None` when nothing has to.
    pub fn towards(&self, desired: &Self) -> Option<(Action, Vec<Difference>)> {
        match (self, desired) {
            (Self::Absent, Self::Absent) => None,
            (Self::Absent, Self::Present(want)) => {
                let mut all = vec![Difference::of_state("absent", "present")];
                all.extend(want.iter().map(|(k, v)| Difference::new(k, Value::Null, v.clone())));
                Some((Action::Create, all))
            }
            (Self::Present(_), Self::Absent) => {
                Some((Action::Remove, vec![Difference::of_state("present", "absent")]))
            }
            (Self::Present(have), Self::Present(want)) => {
                let all: Vec<_> = want
                    .iter()
                    .filter(|(k, v)| have.get(*k) != Some(v))
                    .map(|(k, v)| Difference::new(k, have.get(k).cloned().unwrap_or_default(), v.clone()))
                    .collect();
                (!all.is_empty()).then_some((Action::Change, all))
            }
        }
    }
}

impl Difference {
    /// A difference without a text to it.
    pub fn new(attribute: &str, from: Value, to: Value) -> Self {
        Self { attribute: attribute.to_owned(), from, to, diff: None }
    }

    fn of_state(from: &str, to: &str) -> Self {
        Self::new("state", Value::from(from), Value::from(to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_that_are_not_desired_are_not_touched() {
        let have = Condition::present([("mode", "0644".into()), ("owner", "root".into())]);
        let want = Condition::present([("mode", "0644".into())]);
        assert_eq!(have.towards(&want), None);
    }

    #[test]
    fn a_change_names_what_was_there_and_what_will_be() {
        let have = Condition::present([("mode", "0666".into())]);
        let want = Condition::present([("mode", "0644".into())]);
        let (action, differences) = have.towards(&want).unwrap();
        assert_eq!(action, Action::Change);
        assert_eq!(differences, [Difference::new("mode", "0666".into(), "0644".into())]);
    }
}
