//! Taking back, one story at a time: what is kept, renewed, ended, or left because it is someone else's.

#![expect(clippy::unwrap_used, reason = "what can not go on fails the test")]

mod accounts;

use std::collections::{BTreeMap, BTreeSet};

use muster_converge::fight::Fights;
use muster_converge::plan::{Input, Plan, Record, plan, record_of, record_of_left, reversal_target};
use muster_converge::schedule::applicable;
use muster_converge::trial::{Trial, Trials};
use muster_proto::compose::{Claimed, Composition, compose};
use muster_proto::condition::{Action, Condition, NO_FILE};
use muster_proto::report::OutcomeKind;
use muster_proto::state::DesiredState;
use muster_proto::when::Facts;
use muster_proto::{Digest, ResourceId, Timestamp};
use serde_json::{Value, json};

/// Composes one document per profile, all enforced at precedence 0.
fn composed(documents: &[Value]) -> Composition {
    composed_in("enforce", documents)
}

/// As [`composed`], in audit mode.
fn audited(documents: &[Value]) -> Composition {
    composed_in("audit", documents)
}

fn composed_in(mode: &str, documents: &[Value]) -> Composition {
    let bytes: Vec<_> = documents.iter().map(|document| serde_json::to_vec(document).unwrap()).collect();
    let revisions: Vec<_> = documents
        .iter()
        .zip(&bytes)
        .map(|(document, bytes)| {
            json!({"assignment": "a", "profile": document["profile"], "revision": 1, "precedence": 0,
                   "digest": Digest::of(bytes), "mode": mode})
        })
        .collect();
    let state: DesiredState = serde_json::from_value(json!({
        "muster": 1, "composition": 1, "device": "6c8e7f0a-0d0c-4b0a-9d5e-0a1b2c3d4e5f", "generation": 1,
        "issued": "2026-01-01T00:00:00Z", "revisions": revisions, "bindings": {"name": "d", "serial": "s"},
    }))
    .unwrap();
    let documents = bytes.into_iter().map(|bytes| (Digest::of(&bytes), bytes)).collect();
    compose(&state, &documents, &Facts::default()).unwrap()
}

const MOTD: &str = "file:/etc/motd";

fn profile(name: &str, resource: &Value) -> Value {
    json!({"muster": 1, "profile": name, "resources": [resource]})
}

fn motd(more: &Value) -> Value {
    let mut file = json!({"path": "/etc/motd", "content": "ours"});
    file.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"file": file})
}

fn content(text: &str) -> Condition {
    Condition::present([("content", Digest::of(text.as_bytes()).to_string().into())])
}

fn planned(composition: &Composition, id: &str, there: Condition, record: Option<&Record>, now: i64) -> Plan {
    planned_with(composition, id, there, record, &Trials::new(), now)
}

fn planned_with(
    composition: &Composition,
    id: &str,
    there: Condition,
    record: Option<&Record>,
    trials: &Trials,
    now: i64,
) -> Plan {
    let (kind, key) = id.split_once(':').unwrap();
    let id = ResourceId::new(kind, key);
    plan(&Input {
        composition,
        observed: &BTreeMap::from([(id.clone(), Ok(there))]),
        records: &record.map(|record| (id, record.clone())).into_iter().collect(),
        restarts_due: &BTreeSet::new(),
        given_up: &Default::default(),
        deny_kinds: &BTreeSet::new(),
        fights: &Fights::default(),
        trials,
        now: Timestamp::default().plus_seconds(now),
    })
}

/// The record of a motd that Muster made where there was none.
fn made(resource: &Value) -> Record {
    made_as(MOTD, resource)
}

fn made_as(id: &str, resource: &Value) -> Record {
    let plan = planned(&composed(&[profile("base", resource)]), id, Condition::Absent, None, 0);
    let record = record_of(&plan.steps[0], None, Value::Null);
    Record { wrote: record.intended.clone().unwrap(), intended: None, ..record }
}

#[test]
fn of_a_file_that_someone_made_or_changed_before_the_write_nothing_is_kept_of_how_it_was_before_that() {
    let resource = json!({"sysctl": {"name": "net.ipv4.ip_forward", "value": 1}});
    let composition = composed(&[profile("base", &resource)]);
    let step = |from: &Condition| {
        planned(&composition, "sysctl:net.ipv4.ip_forward", from.clone(), None, 0).steps.remove(0)
    };
    let there = |value: &str, file: &str| {
        let file = if file == NO_FILE { file.to_owned() } else { Digest::of(file.as_bytes()).to_string() };
        Condition::present([("value", value.into()), ("file", file.into())])
    };
    for planned in [NO_FILE, "theirs"] {
        let step_then = step(&there("0", planned));
        let kept = record_of(&step_then, None, Value::Null);
        // Nothing was written.
        assert_eq!(record_of_left(&kept, &step_then, None, &there("0", "newer")), None);
        // The other part was. The next step takes the file that is there by then for the one before Muster.
        let partly = record_of_left(&kept, &step_then, None, &there("1", "newer")).unwrap();
        assert_eq!(partly.before, Condition::present([("value", "0".into())]));
        let next = record_of(&step(&there("1", "newer")), Some(&partly), Value::Null);
        assert_eq!(next.before, there("0", "newer"));
    }
    // What Muster made long ago, and someone changed since, was not there before Muster.
    let first = step(&there("0", NO_FILE));
    let made = record_of(&first, None, Value::Null);
    let made = Record { wrote: first.to, intended: None, ..made };
    let repair = step(&there("1", "drifted"));
    let kept = record_of(&repair, Some(&made), Value::Null);
    assert_eq!(record_of_left(&kept, &repair, Some(&made), &there("1", "again")), None);
    let partly = record_of_left(&kept, &repair, Some(&made), &there("2", "again")).unwrap();
    assert_eq!(partly.before, there("0", NO_FILE));
}

#[test]
fn what_was_given_up_is_undone_although_it_is_as_the_profile_says_and_is_then_left_alone() {
    let (there, resource) = (content("theirs"), motd(&json!({})));
    let composition = composed(&[profile("base", &resource)]);
    let change = planned(&composition, MOTD, there.clone(), None, 0).steps.remove(0);
    let trial =
        Trial { back: there.clone(), wanted: change.to.clone(), given_up: Some(Timestamp::default()) };
    let trials = Trials::from([(change.id, trial)]);
    let planned = |there| planned_with(&composition, MOTD, there, Some(&made(&resource)), &trials, 0);
    let undoing = planned(change.to);
    assert!(undoing.steps[0].undoes && undoing.steps[0].to == there, "{:?}", undoing.steps);
    let undone = planned(there);
    assert_eq!((undone.steps, undone.settled[0].outcome), (vec![], OutcomeKind::Blocked));
}

#[test]
fn taking_back_is_undone_too_where_it_was_given_up() {
    let record = made(&motd(&json!({})));
    let trial = Trial {
        back: content("ours"),
        wanted: reversal_target(&record),
        given_up: Some(Timestamp::default()),
    };
    let trials = Trials::from([(ResourceId::new("file", "/etc/motd"), trial)]);
    let planned = |there| planned_with(&composed(&[]), MOTD, there, Some(&record), &trials, 0);
    let undoing = planned(Condition::Absent);
    assert!(undoing.steps[0].undoes && undoing.steps[0].to == content("ours"), "{:?}", undoing.steps);
    let undone = planned(content("ours"));
    assert_eq!((undone.steps, undone.forget), (vec![], vec![]));
    assert_eq!(undone.settled[0].outcome, OutcomeKind::Blocked);
}

#[test]
fn what_someone_changed_after_muster_is_left_and_said() {
    let plan = planned(&composed(&[]), MOTD, content("theirs"), Some(&made(&motd(&json!({})))), 0);
    assert_eq!(plan.steps, vec![]);
    assert_eq!(plan.settled[0].outcome, OutcomeKind::Drifted);
    assert_eq!(plan.settled[0].differences[0].attribute, "content");
}

#[test]
fn of_what_was_cut_off_as_it_came_or_went_the_rest_goes_and_what_someone_took_a_part_of_stays() {
    let both = Condition::present([("key", "k".into()), ("sources", "s".into())]);
    let left = Condition::present([("sources", "s".into())]);
    let record = |wrote: &Condition, intended: Option<&Condition>| Record {
        before: Condition::Absent,
        wrote: wrote.clone(),
        intended: intended.cloned(),
        ..made(&motd(&json!({})))
    };
    let planned = |record: Record| planned(&composed(&[]), "repository:corp", left.clone(), Some(&record), 0);
    for cut_off in [record(&both, Some(&Condition::Absent)), record(&Condition::Absent, Some(&both))] {
        assert_eq!(planned(cut_off).steps[0].action, Action::Remove);
    }
    let taken = planned(record(&both, None));
    assert_eq!((taken.steps, taken.settled[0].outcome), (vec![], OutcomeKind::Drifted));
}

#[test]
fn changing_a_file_in_the_last_moment_of_its_lease_does_not_keep_it() {
    let leased = motd(&json!({"not_after": "1970-01-01T00:01:00Z"}));
    let composition = composed(&[profile("base", &leased)]);
    let plan = planned(&composition, MOTD, content("theirs"), Some(&made(&leased)), 60);
    assert_eq!((plan.steps[0].action, plan.steps[0].ending), (Action::Remove, true));
}

#[test]
fn a_lease_that_audit_mode_keeps_from_being_ended_is_said_to_be_left() {
    let leased = motd(&json!({"not_after": "1970-01-01T00:01:00Z"}));
    let composition = audited(&[profile("base", &leased)]);
    let planned = |there, now| planned(&composition, MOTD, there, Some(&made(&leased)), now);
    let outcome = |there, now| {
        let plan: Plan = planned(there, now);
        assert_eq!((plan.steps, plan.forget, plan.renew), (vec![], vec![], vec![]));
        (plan.settled[0].outcome, plan.settled[0].reason.clone().unwrap_or_default())
    };
    let left = "its not_after has passed; audit mode leaves it".to_owned();
    assert_eq!(outcome(content("ours"), 59), (OutcomeKind::Kept, String::new()));
    assert_eq!(outcome(content("ours"), 60), (OutcomeKind::Drifted, left.clone()));
    assert_eq!(outcome(content("theirs"), 60), (OutcomeKind::Drifted, left.clone()));
    assert_eq!(outcome(Condition::Absent, 60).0, OutcomeKind::NotApplicable);

    let account = json!({"account": {"name": "eve", "not_after": "1970-01-01T00:01:00Z"}});
    let composition = audited(&[profile("base", &account)]);
    let open = Condition::present([("locked", false.into())]);
    let plan = self::planned(&composition, "account:eve", open, None, 60);
    assert_eq!((plan.steps, plan.settled[0].outcome), (vec![], OutcomeKind::Drifted));
    assert_eq!(plan.settled[0].reason, Some(left));
}

#[test]
fn a_lease_ends_before_another_profile_that_would_leave_some_of_it_takes_its_place() {
    const OVER: &str = "1970-01-01T00:01:00Z";
    let lent = json!({"file": {"path": "/etc/motd", "owner": "ada", "not_after": OVER}});
    let leased = motd(&json!({ "not_after": OVER }));
    let open = motd(&json!({ "mode": "0666", "not_after": OVER }));
    let of_mode = json!({"file": {"path": "/etc/motd", "mode": "0600"}});
    let owned = json!({"file": {"path": "/etc/motd", "owner": "root", "group": "root"}});
    let absent = json!({"file": {"path": "/etc/motd", "state": "absent"}});
    let ours = motd(&json!({}));
    let cases = [
        (composed as fn(&[Value]) -> Composition, &leased, &of_mode, true, "its content would stay"),
        (composed, &lent, &ours, true, "its user would hold off what takes the content aside"),
        (composed, &lent, &absent, true, "its user would hold off what takes the content aside"),
        (composed, &leased, &absent, false, "nothing stays"),
        (composed, &lent, &of_mode, true, "its owner would stay"),
        (composed, &open, &ours, true, "its mode would stay"),
        (composed, &lent, &owned, false, "nothing stays"),
        (audited, &leased, &ours, true, "who only looks ends nothing"),
    ];
    for (mode, over, next, ends_first, why) in cases {
        let composition = mode(&[profile("next", next)]);
        let there = |now| planned(&composition, MOTD, content("theirs"), Some(&made(over)), now);
        assert!(there(59).steps.iter().all(|step| !step.ending), "it lasts: {why}");
        let ending = there(60).steps.iter().any(|step| step.ending && step.claim.is_none());
        assert_eq!(ending, ends_first, "{why}");
    }
    let gone = Record { before: content("theirs"), wrote: Condition::Absent, ..made(&leased) };
    let next =
        |next| planned(&composed(&[profile("next", next)]), MOTD, Condition::Absent, Some(&gone), 60).steps;
    assert_eq!(next(&of_mode)[0].to, content("theirs"), "what it held would be lost");
    assert_eq!(next(&absent), vec![], "nothing stays");
    let cut_off = Record { before: Condition::Absent, wrote: Condition::Absent, ..made(&leased) };
    let of_mode = composed(&[profile("next", &of_mode)]);
    let plan = planned(&of_mode, MOTD, Condition::Absent, Some(&cut_off), 60);
    assert_eq!((plan.steps.len(), plan.forget), (1, vec![]), "what is made has a record");
}

#[test]
fn what_is_only_looked_at_waits_for_what_was_left_behind_but_not_for_a_lease_to_end() {
    let looks = audited(&[profile("next", &motd(&json!({})))]);
    let lent = made(&motd(&json!({"not_after": "1970-01-01T00:01:00Z"})));
    let id = ResourceId::new("file", "/etc/motd");
    let applies = |record: &Record, now| {
        let records = BTreeMap::from([(id.clone(), record.clone())]);
        let composition = applicable(&looks, &records, Timestamp::default().plus_seconds(now));
        composition.claims[&id].claimed != Claimed::NotApplicable
    };
    assert!(!applies(&lent, 59), "it is taken back first");
    assert!(applies(&lent, 60), "it ends as leases do, whoever changed it");
    assert!(applies(&Record { profile: "next".to_owned(), ..lent }, 59), "who wrote it looks now");
}

#[test]
fn what_a_lease_made_of_a_directory_or_a_service_is_not_left_to_the_profile_after_it() {
    let over = |kind: &str, mut lent: Value, next: Value, before: Condition| {
        lent["not_after"] = json!("1970-01-01T00:01:00Z");
        let [lent, next] = [lent, next].map(|resource| json!({ kind: resource }));
        let id = if kind == "directory" { "directory:/srv/x" } else { "service:cron" };
        let record = Record { before, ..made_as(id, &lent) };
        let there = record.wrote.clone();
        planned(&composed(&[profile("next", &next)]), id, there, Some(&record), 60).steps.remove(0).to
    };
    let was = Condition::present([("owner", "root".into()), ("mode", "0755".into())]);
    let [lent, next] = [json!({"path": "/srv/x", "owner": "ada", "mode": "0700"}), json!({"path": "/srv/x"})];
    assert_eq!(over("directory", lent.clone(), next.clone(), was.clone()), was);
    assert_eq!(over("directory", lent, next, Condition::Absent), was, "as nobody says more of it");

    // What failed half-way is tried again, and nothing else goes back with it.
    let [lent, kept] = [["ada", "0700"], ["root", "0700"]]
        .map(|[owner, mode]| Condition::present([("owner", owner.into()), ("mode", mode.into())]));
    let next = json!({"directory": {"path": "/srv/x"}});
    let record =
        Record { before: Condition::Absent, wrote: lent.clone(), ..made_as("directory:/srv/x", &next) };
    let again = |intended| {
        let record = Record { intended: Some(intended), ..record.clone() };
        let steps = planned(
            &composed(&[profile("base", &next)]),
            "directory:/srv/x",
            lent.clone(),
            Some(&record),
            60,
        )
        .steps;
        steps.first().map(|step| step.to.clone())
    };
    assert_eq!(again(kept), Some(Condition::present([("owner", "root".into())])));
    assert_eq!(again(lent.clone()), None, "a private directory stays so");
    let was = Condition::present([("running", false.into()), ("enabled", false.into())]);
    let lent = json!({"name": "cron", "running": true, "enabled": true});
    let to = over("service", lent, json!({"name": "cron", "enabled": true}), was);
    assert_eq!(to, Condition::present([("running", false.into()), ("enabled", true.into())]));
}

#[test]
fn a_wish_to_keep_that_came_with_a_later_revision_is_heard() {
    let composition = composed(&[profile("base", &motd(&json!({"on_removal": "keep"})))]);
    let plan = planned(&composition, MOTD, content("ours"), Some(&made(&motd(&json!({})))), 0);
    assert_eq!(plan.steps, vec![]);
    let [(_, renewed)] = plan.renew.as_slice() else { panic!("{plan:?}") };
    let gone = planned(&composed(&[]), MOTD, content("ours"), Some(renewed), 0);
    assert_eq!((gone.steps, gone.forget.len()), (vec![], 1));
}

#[test]
fn what_an_unreadable_profile_claimed_is_not_handed_to_the_next_one() {
    let newer = json!({"muster": 1, "profile": "base", "of_a_newer_language": true});
    let other = profile("team", &json!({"file": {"path": "/etc/motd", "content": "team's"}}));
    let record = made(&motd(&json!({})));
    for composition in [composed(&[newer.clone(), other]), composed(&[newer])] {
        let plan = planned(&composition, MOTD, content("ours"), Some(&record), 0);
        assert_eq!(plan.steps, vec![]);
        assert_eq!(plan.settled[0].outcome, OutcomeKind::Unsupported);
    }
}

#[test]
fn a_lease_ends_although_its_profile_can_not_be_read_any_more() {
    let record = made(&motd(&json!({"not_after": "1970-01-01T00:01:00Z"})));
    let newer = composed(&[json!({"muster": 1, "profile": "base", "of_a_newer_language": true})]);
    let before = planned(&newer, MOTD, content("ours"), Some(&record), 59);
    assert_eq!(before.steps, vec![]);
    let after = planned(&newer, MOTD, content("ours"), Some(&record), 60);
    assert_eq!(after.steps[0].action, Action::Remove);
}

#[test]
fn what_was_removed_and_made_anew_is_put_back_though_the_new_one_is_otherwise_unlike_the_old() {
    let was = Condition::present([("content", "c".into()), ("mode", "0600".into())]);
    let anew = Condition::present([("content", "c".into()), ("mode", "0644".into())]);
    let empty = Condition::present([]);
    let record = Record { before: was.clone(), wrote: empty, ..made(&motd(&json!({}))) };
    let step = &planned(&composed(&[]), MOTD, anew.clone(), Some(&record), 0).steps[0];
    let cut_off = record_of(step, Some(&record), Value::Null);
    let again = planned(&composed(&[]), MOTD, anew, Some(&cut_off), 0);
    assert_eq!(again.steps.len(), 1, "{again:?}");
    assert_eq!(again.steps[0].to, was);
}

#[test]
fn what_waits_is_kept_with_its_reason_and_what_is_late_is_drifted_without_a_step() {
    let resource = json!({"updates": {"which": "all", "windows": [{"from": "02:00", "to": "04:00"}]}});
    let composition = composed(&[profile("patched", &resource)]);
    let told = |there: Value| {
        let there = Condition::Present(serde_json::from_value(there).unwrap());
        let plan = planned(&composition, "updates:updates", there, None, 0);
        assert_eq!(plan.steps, []);
        let outcome = plan.settled.into_iter().next().unwrap();
        (outcome.outcome, outcome.reason.unwrap())
    };
    let waiting = json!({"to_install": [], "told": "one waits"});
    assert_eq!(told(waiting), (OutcomeKind::Kept, "one waits".to_owned()));
    let late = json!({"to_install": ["curl 1 -> 2"], "told": "one waits", "left": "it is late"});
    assert_eq!(told(late), (OutcomeKind::Drifted, "it is late".to_owned()));
}
