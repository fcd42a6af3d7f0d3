//! One change of a plan.

use std::sync::Arc;

use muster_proto::ResourceId;
use muster_proto::compose::{Claim, Claimed};
use muster_proto::condition::{Action, Condition, Difference};
use muster_proto::resource::Resource;

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Of which resource.
    pub id: ResourceId,
    /// Create, change or remove.
    pub action: Action,
    /// What is there.
    pub from: Condition,
    /// What will be there; for a change only the attributes that matter.
    pub to: Condition,
    /// The difference, for people.
    pub differences: Vec<Difference>,
    /// The claim behind it; `None` when this takes back what no claim asks for any more.
    pub claim: Option<Arc<Claim>>,
    /// Set when nothing differs but the service has to be restarted.
    pub restart: bool,
    /// True when a lease ended and this carries it out.
    pub ending: bool,
    /// True when the lease of another profile ended and what this one asks for takes the place of what that brought.
    pub follows: bool,
    /// True when this brings back what was there before a change that cut the device off.
    pub undoes: bool,
}

impl Step {
    /// Whether this takes something away, and so comes before all that brings something. A reversal that makes anew what
    /// Muster had removed does not: it may need what another one brings, as a file needs its directory.
    pub fn takes_away(&self) -> bool {
        self.action != Action::Create
            && (self.claim.is_none() || self.action == Action::Remove || self.ending)
    }

    /// Whether its record goes once it is made, as nothing is left to take back. What an ended account was given is, and a rule that
    /// has ended keeps people out until it is taken back.
    pub fn forgets(&self) -> bool {
        self.claim.is_none() && !(self.ending && matches!(self.id.kind(), "account" | "login_rule"))
    }

    /// Whether it ends a lease: what that brought is taken back, or makes room for what another profile asks for. What opens an
    /// account that is locked ends nothing.
    pub fn ends_lease(&self) -> bool {
        let opens = || self.differences.iter().any(|d| d.attribute == "locked" && d.to == false);
        self.ending || (self.follows && !opens())
    }

    /// Whether it restarts a service that is as it should be otherwise. That leaves nothing to take back.
    pub fn is_restart_alone(&self) -> bool {
        self.restart && self.differences.is_empty()
    }

    /// The resource to be made so; `None` for a reversal.
    pub fn resource(&self) -> Option<&Resource> {
        match &self.claim.as_ref()?.claimed {
            Claimed::Apply(resource) => Some(resource),
            Claimed::NotApplicable | Claimed::Blocked { .. } | Claimed::Unsupported { .. } => None,
        }
    }
}
