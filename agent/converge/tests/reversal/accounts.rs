//! Taking back what accounts were given.

use muster_converge::plan::{Record, record_of};
use muster_converge::schedule::applicable;
use muster_proto::compose::Composition;
use muster_proto::condition::Condition;
use muster_proto::report::OutcomeKind;
use muster_proto::{ResourceId, Timestamp};
use serde_json::{Value, json};

use super::{audited, composed, made, made_as, motd, planned, profile};

#[test]
fn what_a_profile_brought_goes_with_it_though_another_one_looks_at_it() {
    let account = |more: Value| {
        let mut account = json!({"name": "eve", "groups": ["video"]});
        account.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "account": account })
    };
    let has = |locked: bool, groups: &[&str]| {
        Condition::present([("locked", locked.into()), ("groups", json!(groups))])
    };
    let lent = account(json!({"not_after": "1970-01-01T00:01:00Z"}));
    let made = made_as("account:eve", &lent);
    let found = Record { before: has(false, &[]), ..made.clone() };
    let next = |mode: fn(&[Value]) -> Composition, profiles: &[Value], record: &Record, now| {
        let (composition, id) = (mode(profiles), ResourceId::new("account", "eve"));
        let records = [(id, record.clone())].into();
        let composition = applicable(&composition, &records, Timestamp::default().plus_seconds(now));
        planned(&composition, "account:eve", has(false, &["video"]), Some(record), now).steps
    };
    let other = profile("other", &account(json!({})));
    for now in [59, 60] {
        let steps = next(audited, std::slice::from_ref(&other), &made, now);
        assert_eq!(steps[0].to, Condition::present([("locked", true.into()), ("groups", json!([]))]));
        let steps = next(audited, std::slice::from_ref(&other), &found, now);
        assert_eq!(steps[0].to, has(false, &[]), "who was there before is as before");
        assert_eq!(next(composed, std::slice::from_ref(&other), &made, now), vec![], "it is another's now");
    }
    let same = account(json!({}));
    let both = [profile("other", &same), profile("base", &same)];
    assert_eq!(next(audited, &both, &made, 59), vec![], "who wrote it only looks now");
}

#[test]
fn who_changes_their_shell_or_is_half_locked_by_hand_keeps_nothing_of_what_they_were_given() {
    let has = |locked: Value, shell: &str, groups: &[&str]| {
        Condition::present([("locked", locked), ("shell", shell.into()), ("groups", json!(groups))])
    };
    let eve = json!({"account": {"name": "eve", "shell": "/bin/sh", "groups": ["sudo"]}});
    let made = made_as("account:eve", &eve);
    let found = Record { before: has(false.into(), "/bin/bash", &[]), ..made.clone() };
    let back = |there, record| planned(&composed(&[]), "account:eve", there, Some(record), 0);
    let step = back(has("password only".into(), "/bin/zsh", &["sudo"]), &made).steps.remove(0);
    assert_eq!(step.to, Condition::present([("locked", true.into()), ("groups", json!([]))]));
    let step = back(has(false.into(), "/bin/zsh", &["sudo"]), &found).steps.remove(0);
    assert_eq!(step.to, Condition::present([("locked", false.into()), ("groups", json!([]))]));
    let plan = back(has(false.into(), "/bin/zsh", &[]), &found);
    assert_eq!((plan.steps, plan.settled[0].outcome), (vec![], OutcomeKind::Drifted), "the shell is theirs");
}

#[test]
fn an_account_that_somebody_removed_is_not_made_to_be_locked_at_its_end() {
    let lent = json!({"account": {"name": "eve", "not_after": "1970-01-01T00:01:00Z"}});
    let record = made_as("account:eve", &lent);
    let audit = audited(&[profile("other", &json!({"account": {"name": "eve"}})), profile("base", &lent)]);
    let plan = planned(&audit, "account:eve", Condition::Absent, Some(&record), 60);
    assert_eq!((plan.steps, plan.forget.len()), (vec![], 1));
    let before = Condition::present([("locked", false.into())]);
    let found = Record { before, ..record };
    let plan = planned(&composed(&[]), "account:eve", Condition::Absent, Some(&found), 0);
    assert_eq!((plan.steps, plan.settled[0].outcome), (vec![], OutcomeKind::Drifted), "nor to be given back");
}

#[test]
fn an_account_that_muster_made_is_locked_without_what_it_was_given_when_its_profile_goes() {
    let eve = json!({"account": {"name": "eve", "shell": "/bin/sh", "groups": ["video"]}});
    let record = made_as("account:eve", &eve);
    let has = |locked: bool, groups: &[&str]| {
        Condition::present([
            ("locked", locked.into()),
            ("shell", "/bin/sh".into()),
            ("groups", json!(groups)),
        ])
    };
    let back = |there, record: &Record| planned(&composed(&[]), "account:eve", there, Some(record), 0);
    let gone = Condition::present([("locked", true.into()), ("groups", json!([]))]);
    let step = back(has(false, &["video"]), &record).steps.remove(0);
    assert_eq!(step.to, gone);
    // A crash came between the lock and the rest.
    let cut_off = record_of(&step, Some(&record), Value::Null);
    assert_eq!(back(has(true, &["video"]), &cut_off).steps[0].to, gone);
    assert_eq!(back(has(true, &[]), &cut_off).forget.len(), 1);
}

#[test]
fn who_is_put_by_hand_in_a_group_that_muster_once_gave_stays_in_it() {
    let record = made_as("account:eve", &json!({"account": {"name": "eve", "groups": ["audio", "video"]}}));
    let next = composed(&[profile("base", &json!({"account": {"name": "eve", "groups": ["audio"]}}))]);
    let has = |groups: &[&str]| Condition::present([("locked", false.into()), ("groups", json!(groups))]);
    // Someone took it out of the group before the profile stopped to name it.
    let renewed = planned(&next, "account:eve", has(&["audio"]), Some(&record), 0).renew.remove(0).1;
    assert_eq!(renewed.brought("groups"), ["audio"].into());
}

#[test]
fn what_an_account_is_no_longer_to_have_is_taken_from_it_though_nothing_else_is_asked_for_in_its_place() {
    let of = |lists: Value| {
        let mut account = json!({"name": "eve"});
        account.as_object_mut().unwrap().extend(lists.as_object().unwrap().clone());
        json!({ "account": account })
    };
    let has = |groups: &[&str]| {
        Condition::present([("locked", false.into()), ("groups", json!(groups)), ("ssh_keys", Value::Null)])
    };
    let lent = of(json!({"groups": ["sudo", "users"], "not_after": "1970-01-01T00:01:00Z"}));
    let gone = |next: &Value, found: &[&str]| {
        let steps = planned(
            &composed(&[profile("next", next)]),
            "account:eve",
            has(found),
            Some(&made_as("account:eve", &lent)),
            60,
        )
        .steps;
        steps.first().map(|step| step.to.attributes().unwrap()["groups"].clone())
    };
    assert_eq!(gone(&of(json!({})), &["sudo", "users"]), Some(json!([])));
    assert_eq!(gone(&of(json!({"groups": ["users"]})), &["sudo", "users"]), Some(json!(["users"])));
    assert_eq!(gone(&of(json!({})), &[]), None, "it is gone already");
    assert_eq!(gone(&of(json!({"groups": ["sudo", "users"]})), &["sudo", "users"]), None, "it is asked for");
}

#[test]
fn of_the_groups_of_an_account_each_goes_back_to_what_it_was_whatever_came_between() {
    let has = |groups: &[&str]| Condition::present([("locked", false.into()), ("groups", json!(groups))]);
    let wants = |groups: &[&str]| {
        composed(&[profile("base", &json!({"account": {"name": "eve", "groups": groups}}))])
    };
    let write = |record: Option<&Record>, groups: &[&str], there: &[&str]| {
        let plan = planned(&wants(groups), "account:eve", has(there), record, 0);
        record_of(&plan.steps[0], record, Value::Null)
    };
    let settled =
        |record: Record| Record { wrote: record.intended.clone().unwrap(), intended: None, ..record };

    let first = settled(write(None, &["video", "x"], &["video"]));
    let second = settled(write(Some(&first), &["audio", "video", "x", "z"], &["audio", "video", "x"]));
    let back =
        planned(&composed(&[]), "account:eve", has(&["audio", "video", "x", "z"]), Some(&second), 0).steps;
    assert_eq!(
        back[0].to,
        has(&["audio", "video"]),
        "what was found with the second revision was there before, too"
    );

    let cut_off = write(Some(&first), &["sudo", "y"], &["video", "x"]);
    let next = write(Some(&cut_off), &["y"], &["sudo", "x", "y"]);
    assert!(next.brought("groups").contains("sudo"), "it came with a step that failed half-way: {next:?}");
}

#[test]
fn an_account_that_never_was_is_not_made_to_be_locked() {
    let composition = composed(&[profile("base", &json!({"account": {"name": "eve", "state": "absent"}}))]);
    let plan = planned(&composition, "account:eve", Condition::Absent, None, 0);
    assert_eq!(plan.steps, vec![]);
    assert_eq!(plan.settled[0].outcome, OutcomeKind::Kept);
}

#[test]
fn an_account_whose_making_was_cut_off_is_locked_and_not_deleted() {
    let composition = composed(&[profile("base", &json!({"account": {"name": "eve", "shell": "/bin/sh"}}))]);
    let step = &planned(&composition, "account:eve", Condition::Absent, None, 0).steps[0];
    let unsettled = record_of(step, None, Value::Null);
    let there = Condition::present([("locked", false.into()), ("shell", "/bin/sh".into())]);
    let plan = planned(&composed(&[]), "account:eve", there, Some(&unsettled), 0);
    assert_eq!(plan.steps[0].to, Condition::present([("locked", true.into())]));
}

#[test]
fn a_key_that_its_user_took_away_does_not_keep_the_groups() {
    let with = |keys: &[&str], groups: &[&str]| {
        Condition::present([("locked", false.into()), ("ssh_keys", keys.into()), ("groups", groups.into())])
    };
    let (before, wrote) = (with(&[], &[]), with(&["k1", "k2"], &["sudo"]));
    let record = Record { before, wrote, ..made(&motd(&json!({}))) };
    let plan = planned(&Composition::default(), "account:ada", with(&["k1"], &["sudo"]), Some(&record), 0);
    assert_eq!(plan.steps.len(), 1, "{plan:?}");
}

#[test]
fn no_end_of_a_lease_opens_an_account_that_is_locked() {
    let lent = json!({"account": {"name": "eve", "shell": "/bin/sh", "not_after": "1970-01-01T00:01:00Z"}});
    let record = made_as("account:eve", &lent);
    let next = composed(&[profile("next", &json!({"account": {"name": "eve", "shell": "/bin/bash"}}))]);
    let step = |locked: bool| {
        let there = Condition::present([("locked", locked.into()), ("shell", "/bin/sh".into())]);
        planned(&next, "account:eve", there, Some(&record), 60).steps.remove(0)
    };
    assert!(step(false).ends_lease(), "it is another's now");
    assert!(!step(true).ends_lease(), "a lost device opens nothing, and only ends leases");
}
