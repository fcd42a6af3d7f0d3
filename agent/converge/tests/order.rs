//! In which order things are made, what keeps them back, and who is told of them.

#![expect(clippy::unwrap_used, reason = "what can not go on fails the test")]

use std::collections::{BTreeMap, BTreeSet};

use muster_converge::fight::Fights;
use muster_converge::order;
use muster_converge::plan::{Input, Observed, Plan, Record, plan, record_of};
use muster_converge::trial::Trials;
use muster_proto::compose::{Claimed, Composition, compose};
use muster_proto::condition::{Condition, WAITS};
use muster_proto::report::{Outcome, OutcomeKind};
use muster_proto::state::DesiredState;
use muster_proto::when::Facts;
use muster_proto::{Digest, ResourceId, Timestamp};
use serde_json::{Value, json};

fn composed(resources: &Value) -> Composition {
    let bytes = serde_json::to_vec(&json!({"muster": 1, "profile": "web", "resources": resources})).unwrap();
    let state: DesiredState = serde_json::from_value(json!({
        "muster": 1, "composition": 1, "device": "6c8e7f0a-0d0c-4b0a-9d5e-0a1b2c3d4e5f", "generation": 1,
        "issued": "2026-01-01T00:00:00Z", "bindings": {"name": "d", "serial": "s"},
        "revisions": [{"assignment": "a", "profile": "web", "revision": 1, "precedence": 0,
                       "digest": Digest::of(&bytes), "mode": "enforce"}],
    }))
    .unwrap();
    compose(&state, &BTreeMap::from([(Digest::of(&bytes), bytes)]), &Facts::default()).unwrap()
}

fn id(id: &str) -> ResourceId {
    let (kind, key) = id.split_once(':').unwrap();
    ResourceId::new(kind, key)
}

/// The plan where nothing is there but what `there` says.
fn planned(composition: &Composition, there: &Observed, records: &BTreeMap<ResourceId, Record>) -> Plan {
    let ids = composition.claims.keys().chain(records.keys());
    let mut observed: Observed = ids.map(|id| (id.clone(), Ok(Condition::Absent))).collect();
    observed.extend(there.clone());
    plan(&Input {
        composition,
        observed: &observed,
        records,
        restarts_due: &BTreeSet::new(),
        given_up: &BTreeMap::new(),
        deny_kinds: &BTreeSet::new(),
        fights: &Fights::default(),
        trials: &Trials::new(),
        now: Timestamp::default(),
    })
}

fn steps(plan: &Plan) -> Vec<&str> {
    plan.steps.iter().map(|step| step.id.as_str()).collect()
}

fn settled(plan: &Plan) -> Vec<(&str, OutcomeKind, &str)> {
    fn told(told: &Outcome) -> (&str, OutcomeKind, &str) {
        (told.resource.as_str(), told.outcome, told.reason.as_deref().unwrap_or_default())
    }
    plan.settled.iter().map(told).collect()
}

fn chain() -> Composition {
    composed(&json!([
        {"file": {"path": "/srv/a", "content": "a", "after": ["file:/srv/b", "file:/elsewhere"]}},
        {"file": {"path": "/srv/b", "content": "b", "after": ["script:format"]}},
        {"file": {"path": "/srv/c", "content": "c"}},
        {"script": {"name": "format", "body": "true", "after": ["directory:/srv"]}},
        {"directory": {"path": "/srv"}},
    ]))
}

#[test]
fn what_is_to_come_after_something_does_whatever_their_kinds() {
    let plan = planned(&chain(), &Observed::new(), &BTreeMap::new());
    assert_eq!(
        steps(&plan),
        ["directory:/srv", "file:/srv/c", "script:format", "file:/srv/b", "file:/srv/a"]
    );
}

#[test]
fn one_failure_keeps_back_what_comes_after_it_and_nothing_else() {
    let unreadable = Observed::from([(id("script:format"), Err("no interpreter".to_owned()))]);
    let plan = planned(&chain(), &unreadable, &BTreeMap::new());
    assert_eq!(steps(&plan), ["directory:/srv", "file:/srv/c"]);
    let mut told = settled(&plan);
    told.sort_unstable_by_key(|(id, ..)| *id);
    assert_eq!(
        told,
        [
            ("file:/srv/a", OutcomeKind::Blocked, "it comes after file:/srv/b, which is blocked"),
            ("file:/srv/b", OutcomeKind::Blocked, "it comes after script:format, which failed"),
            ("script:format", OutcomeKind::Failed, "no interpreter"),
        ]
    );
}

#[test]
fn what_comes_after_something_that_waits_is_waiting_too_and_not_blocked() {
    let waits = [("body", "".into()), (WAITS, "its artifact is to be fetched".into())];
    let there = Observed::from([(id("script:format"), Ok(Condition::present(waits)))]);
    let plan = planned(&chain(), &there, &BTreeMap::new());
    assert_eq!(steps(&plan), ["directory:/srv", "file:/srv/c"]);
    let mut told = settled(&plan);
    told.sort_unstable_by_key(|(id, ..)| *id);
    assert_eq!(
        told,
        [
            ("file:/srv/a", OutcomeKind::Waiting, "it comes after file:/srv/b, which is still waiting"),
            ("file:/srv/b", OutcomeKind::Waiting, "it comes after script:format, which is still waiting"),
            ("script:format", OutcomeKind::Waiting, "its artifact is to be fetched"),
        ]
    );
}

#[test]
fn what_is_there_already_needs_no_order() {
    let composition = composed(&json!([
        {"file": {"path": "/srv/b", "content": "b", "after": ["script:format"]}},
        {"script": {"name": "format", "body": "true"}},
    ]));
    let Claimed::Apply(file) = &composition.claims[&id("file:/srv/b")].claimed else { panic!("not applied") };
    let there = Observed::from([
        (id("file:/srv/b"), Ok(file.desired())),
        (id("script:format"), Err("no interpreter".to_owned())),
    ]);
    let plan = planned(&composition, &there, &BTreeMap::new());
    assert!(settled(&plan).contains(&("file:/srv/b", OutcomeKind::Kept, "")), "{:?}", plan.settled);
}

#[test]
fn what_would_come_after_itself_is_a_conflict() {
    let composition = composed(&json!([
        {"file": {"path": "/a", "after": ["file:/b"]}},
        {"file": {"path": "/b", "after": ["file:/a"]}},
        {"file": {"path": "/c", "after": ["file:/b"]}},
    ]));
    let plan = planned(&composition, &Observed::new(), &BTreeMap::new());
    assert_eq!(plan.steps, []);
    let told = settled(&plan);
    assert_eq!(
        told[0],
        ("file:/a", OutcomeKind::Blocked, "conflict: it is to come after file:/b, which comes after it")
    );
    assert_eq!(told[2], ("file:/c", OutcomeKind::Blocked, "it comes after file:/b, which is blocked"));
}

#[test]
fn a_service_is_told_of_what_names_it_and_of_its_going() {
    let service = json!({"service": {"name": "web", "running": true}});
    let file =
        json!({"file": {"path": "/etc/web.conf", "content": "x", "notify": ["service:web", "service:none"]}});
    let runs = Observed::from([(id("service:web"), Ok(Condition::present([("running", true.into())])))]);

    let with_file = composed(&json!([service, file]));
    let plan = planned(&with_file, &runs, &BTreeMap::new());
    assert_eq!(steps(&plan), ["file:/etc/web.conf", "service:web"]);
    assert!(plan.steps[1].restart);

    let record = record_of(&plan.steps[0], None, Value::Null);
    let made = Record { wrote: record.intended.clone().unwrap(), intended: None, ..record };
    let there = Observed::from([(id("file:/etc/web.conf"), Ok(made.wrote.clone()))]);
    let there = there.into_iter().chain(runs).collect();
    let records = BTreeMap::from([(id("file:/etc/web.conf"), made)]);
    assert_eq!(steps(&planned(&with_file, &there, &records)), Vec::<&str>::new());
    let plan = planned(&composed(&json!([service])), &there, &records);
    assert_eq!(steps(&plan), ["file:/etc/web.conf", "service:web"]);
    assert!(plan.steps[1].restart);
}

#[test]
fn a_service_that_runs_restarts_once_after_all_that_it_is_told_of_also_what_comes_after_it() {
    let composition = composed(&json!([
        {"file": {"path": "/etc/web.conf", "content": "x"}},
        {"service": {"name": "web", "running": true, "restart_on": ["file:/etc/web.conf", "file:/srv/made"]}},
        {"file": {"path": "/srv/made", "content": "x", "after": ["script:ask"]}},
        {"script": {"name": "ask", "body": "true", "after": ["service:web"]}},
        {"file": {"path": "/srv/last", "content": "x", "after": ["service:web"]}},
    ]));
    let web = |running: bool| {
        Observed::from([(id("service:web"), Ok(Condition::present([("running", running.into())])))])
    };
    let plan = planned(&composition, &web(true), &BTreeMap::new());
    let restarted_last =
        ["file:/etc/web.conf", "script:ask", "file:/srv/made", "service:web", "file:/srv/last"];
    assert_eq!(steps(&plan), restarted_last);
    // Whatever of it is made already, or of which nothing came.
    let left = plan.steps.iter().filter(|step| step.id != id("file:/etc/web.conf"));
    let waits = order::predecessors(&composition, &BTreeMap::new(), left);
    assert!(!waits.contains_key(&id("script:ask")), "{waits:?}");
    assert_eq!(waits[&id("service:web")], [id("file:/srv/made")].into());

    let plan = planned(&composition, &web(false), &BTreeMap::new());
    let started_first =
        ["file:/etc/web.conf", "service:web", "script:ask", "file:/srv/last", "file:/srv/made"];
    let started: Vec<_> = steps(&plan);
    assert_eq!(started, started_first);
}
