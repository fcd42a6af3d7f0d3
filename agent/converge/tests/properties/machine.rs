//! A machine that is a map from resources to their attributes, and the agent's cycle on it with a crash at any point.

use std::collections::{BTreeMap, BTreeSet};

use muster_converge::fight::Fights;
use muster_converge::order;
use muster_converge::plan::{Input, Plan, Record, Step, plan, record_of};
use muster_converge::schedule;
use muster_converge::trial::Trials;
use muster_proto::compose::{Composition, compose};
use muster_proto::condition::{Action, Attributes, Condition};
use muster_proto::state::DesiredState;
use muster_proto::{Digest, ResourceId, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::generate::{Story, facts};

/// What is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Machine(pub(crate) BTreeMap<ResourceId, Attributes>);

/// Where the power goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Crash {
    /// The intents are kept and nothing is written.
    AfterIntents,
    /// That many steps are written, and of the next one that many attributes.
    Writing { steps: usize, attributes: usize },
    /// All is written, and the ledger does not know.
    BeforeSettling,
}

impl Arbitrary for Crash {
    type Parameters = ();
    type Strategy = BoxedStrategy<Self>;

    fn arbitrary_with((): ()) -> Self::Strategy {
        prop_oneof![
            Just(Self::AfterIntents),
            (0..6usize, 0..4usize).prop_map(|(steps, attributes)| Self::Writing { steps, attributes }),
            Just(Self::BeforeSettling),
        ]
        .boxed()
    }
}

/// A machine, its ledger, and the documents it has fetched.
pub(crate) struct Device {
    pub(crate) machine: Machine,
    pub(crate) records: BTreeMap<ResourceId, Record>,
    restarts_due: BTreeSet<ResourceId>,
    documents: BTreeMap<Digest, Vec<u8>>,
}

impl Device {
    pub(crate) fn new(story: &Story) -> Self {
        Self {
            machine: story.machine.clone(),
            records: BTreeMap::new(),
            restarts_due: BTreeSet::new(),
            documents: story.documents.clone(),
        }
    }

    pub(crate) fn composition(&self, state: &DesiredState) -> Composition {
        compose(state, &self.documents, &facts()).unwrap()
    }

    pub(crate) fn plan(&self, state: &DesiredState, now: Timestamp) -> Plan {
        let composition = self.composition(state);
        let composition = schedule::applicable(&composition, &self.records, now);
        let ids = composition.claims.keys().chain(self.records.keys());
        let observed = ids.map(|id| (id.clone(), Ok(self.machine.read(id)))).collect();
        plan(&Input {
            composition: &composition,
            observed: &observed,
            records: &self.records,
            restarts_due: &self.restarts_due,
            given_up: &Default::default(),
            deny_kinds: &BTreeSet::new(),
            fights: &Fights::default(),
            trials: &Trials::new(),
            now,
        })
    }

    /// One turn of the agent: intents, writes, settlement.
    pub(crate) fn cycle(&mut self, state: &DesiredState, now: Timestamp, crash: Option<Crash>) {
        let plan = self.plan(state, now);
        for step in plan.steps.iter().filter(|step| !only_restarts(step)) {
            let record = record_of(step, self.records.get(&step.id), Value::Null);
            self.records.insert(step.id.clone(), record);
        }
        self.restarts_due.extend(order::told(&self.composition(state), &self.records, &plan.steps, now));
        if matches!(crash, Some(Crash::AfterIntents)) {
            return;
        }
        for (index, step) in plan.steps.iter().enumerate() {
            match crash {
                Some(Crash::Writing { steps, attributes }) if steps == index => {
                    // What is new appears whole, as a renamed file does.
                    if step.action == Action::Change {
                        self.machine.write(step, attributes);
                    }
                    return;
                }
                _ => self.machine.write(step, usize::MAX),
            }
        }
        if crash.is_none() {
            self.settle(plan);
        }
    }

    fn settle(&mut self, plan: Plan) {
        for step in plan.steps {
            if step.restart {
                self.restarts_due.remove(&step.id);
            }
            if step.forgets() {
                self.records.remove(&step.id);
            } else if let Some(record) = self.records.get_mut(&step.id)
                && let Some(intended) = record.intended.take()
            {
                record.wrote = intended;
            }
        }
        self.records.extend(plan.renew);
        for id in plan.forget {
            self.records.remove(&id);
        }
    }
}

fn only_restarts(step: &Step) -> bool {
    step.restart && step.differences.is_empty()
}

impl Machine {
    fn read(&self, id: &ResourceId) -> Condition {
        self.0.get(id).map_or(Condition::Absent, |attributes| attributes.clone().into_iter().collect())
    }

    fn write(&mut self, step: &Step, attributes: usize) {
        match &step.to {
            Condition::Absent => drop(self.0.remove(&step.id)),
            Condition::Present(to) => {
                let there = self.0.entry(step.id.clone()).or_insert_with(|| fresh(step.id.kind()));
                there.extend(to.iter().take(attributes).map(|(name, value)| (name.clone(), value.clone())));
            }
        }
    }
}

/// What something of this kind is when nobody says more.
pub(crate) fn fresh(kind: &str) -> Attributes {
    let attributes = match kind {
        "file" | "sudo" => {
            json!({"content": Digest::of(b"").to_string(), "owner": "root", "group": "root", "mode": "0644"})
        }
        "directory" => json!({"owner": "root", "group": "root", "mode": "0755"}),
        "link" => json!({"target": "/nowhere"}),
        "package" => json!({"version": "1.5", "artifact": "none"}),
        "group" => json!({"gid": 999}),
        "account" => json!({
            "locked": false, "full_name": "", "uid": 1000, "shell": "/bin/sh", "home": "/home/x", "groups": [],
            "ssh_keys": [], "password": "none",
        }),
        "service" => json!({"running": false, "enabled": false}),
        "certificate" => json!({"file": "none", "trusted": false}),
        "browser_policy" => json!({"file": "none"}),
        "dconf" => json!({"file": "none", "locks": "none", "compiled": true}),
        "firewall" => json!({"file": "none", "table": "none"}),
        "network" => {
            json!({"file": "none", "keyfile": "none", "netdev": "none", "key": "none", "loaded": true})
        }
        "proxy" => {
            json!({"services": "none", "logins": "none", "sessions": "none", "apt": "none", "loaded": true})
        }
        "login_rule" => json!({"lets_in": "none", "keeps_out": "none", "asked": false}),
        "ssh_server" => json!({"file": "none", "loaded": true}),
        "line" => json!({"line": Digest::of(b"Port 22").to_string()}),
        "hosts_entry" => json!({"line": "10.0.0.5 old"}),
        "hostname" => json!({"running": "debian", "file": Digest::of(b"debian\n").to_string()}),
        "kernel_module" => json!({"modprobe": "none", "modules_load": "none", "loaded": false}),
        "sysctl" => json!({"value": "0", "file": "none"}),
        "time" => json!({"localtime": "/usr/share/zoneinfo/Etc/UTC", "timezone": "none", "servers": "none"}),
        "locale" => json!({"file": "none", "generated": [], "listed": []}),
        "script" => json!({"ran": "before"}),
        "mount" => json!({"unit": "none", "enabled": false, "mounted": false}),
        "timer" => json!({"timer": "none", "service": "none", "enabled": false, "running": false}),
        "repository" => json!({"sources": "", "key": ""}),
        "archive" => json!({"artifact": "none", "owner": "root", "group": "root"}),
        "updates" => json!({"to_install": ["curl 1 -> 2"]}),
        other => panic!("no such kind: {other}"),
    };
    attributes.as_object().unwrap().clone().into_iter().collect()
}

/// A machine without what reversal leaves: accounts that Muster made stay, locked.
pub(crate) fn exceptions(machine: &Machine) -> Machine {
    let mut machine = machine.clone();
    machine
        .0
        .retain(|id, attributes| !(id.kind() == "account" && attributes.get("locked") == Some(&json!(true))));
    machine
}
