//! Turns and dry runs over a real ledger, on a machine that is a folder.

mod artifacts;
mod exceptions;
mod one_place;
mod plan_is_result;
mod room;
mod since;
mod tables;

use std::path::Path;

use muster_converge::plan::Record;
use muster_proto::ResourceId;
use muster_proto::RevisionNumber;
use muster_proto::condition::Condition;
use muster_proto::dry_run::Question;
use muster_proto::plan::PlanView;
use muster_proto::report::Pause;
use muster_proto::resource::OnRemoval;
use muster_proto::state::{Applied, Mode};
use muster_proto::wire::answer_request::Answer;

use super::*;
use crate::watch::{Happened, Watch};

const PROFILE: &str =
    r#"{"muster":1,"profile":"motd","resources":[{"file":{"path":"/etc/motd","content":"ours\n"}}]}"#;

const VISIT: &str = r#"{"muster":1,"profile":"visit","resources":[{"file":{"path":"/etc/visit","content":"here\n","not_after":"2020-01-01T00:00:00Z"}}]}"#;

/// A machine with a foreign `/etc/motd`, in a folder. Tables are not due: reading them takes the agent's own program.
fn cycle(folder: &Path) -> Cycle {
    let root = folder.join("root");
    for dir in ["etc", "var/lib/dpkg"] {
        std::fs::create_dir_all(root.join(dir)).unwrap();
    }
    let files = [("passwd", "root:x:0:0::/root:/bin/sh\n"), ("group", "root:x:0:\n"), ("motd", "theirs\n")];
    for (file, text) in files {
        std::fs::write(root.join("etc").join(file), text).unwrap();
    }
    let config = Config { state_dir: folder.to_owned(), ..Config::default() };
    let ledger = Ledger::open(&config.ledger()).unwrap();
    let host = Host::at(&root, &folder.join("run"), folder).unwrap();
    let mut cycle = Cycle::start(device(), config, ledger, host).unwrap();
    cycle.inspected = Some(cycle.now());
    cycle.hands.tabulated = cycle.inspected;
    cycle
}

fn device() -> DeviceId {
    DeviceId(uuid::Uuid::from_u128(1))
}

fn state(device: DeviceId, profile: &str, document: &str) -> DesiredState {
    let applied = Applied {
        assignment: "as-1".to_owned(),
        profile: profile.parse().unwrap(),
        revision: RevisionNumber(1),
        digest: Digest::of(document.as_bytes()),
        precedence: 0,
        mode: Mode::Enforce,
        params: Default::default(),
    };
    DesiredState {
        muster: 1,
        composition: 1,
        device,
        generation: Generation(1),
        issued: Timestamp::default(),
        revisions: vec![applied],
        bindings: Default::default(),
    }
}

fn asked(device: DeviceId, document: &str) -> DryRun {
    asked_of(state(device, "motd", PROFILE), document)
}

fn asked_of(what_if: DesiredState, document: &str) -> DryRun {
    DryRun::received(wire::DryRun {
        id: "dry-1".to_owned(),
        question: serde_json::to_vec(&Question { what_if }).unwrap().into(),
        document: document.as_bytes().to_vec().into(),
        patience: 30,
    })
}

fn failure(answer: Option<wire::AnswerRequest>) -> String {
    match answer.unwrap().answer.unwrap() {
        Answer::Failed(reason) => reason,
        Answer::Plan(_) => panic!("it was planned"),
    }
}

fn accept(cycle: &mut Cycle, profile: &str, document: &str) {
    let state = state(device(), profile, document);
    assert!(cycle.offer(&serde_json::to_vec(&state).unwrap()).unwrap());
    cycle.keep(&[(Digest::of(document.as_bytes()), document.as_bytes().to_vec())]).unwrap();
}

fn pause(cycle: &mut Cycle, seconds: i64) -> Pause {
    let now = cycle.now();
    let pause = Pause { since: now, until: now.plus_seconds(seconds), reason: "a fair".to_owned() };
    cycle.hands.ledger.begin_pause(&pause).unwrap();
    pause
}

#[tokio::test]
async fn a_dry_run_gives_the_plan_and_leaves_machine_and_ledger_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let mut cycle = cycle(folder.path());
    let ledger = || std::fs::read(folder.path().join("ledger.db-wal")).unwrap();
    let before = ledger();
    let answer = cycle.answer(asked(device(), PROFILE)).await.unwrap();
    assert_eq!(answer.id, "dry-1");
    let Some(Answer::Plan(bytes)) = answer.answer else { panic!("there is a plan") };
    let plan: PlanView = serde_json::from_slice(&bytes).unwrap();
    assert!(plan.to_string().starts_with("~ file:/etc/motd\n    content: \"sha256:"), "{plan}");
    assert!(plan.to_string().ends_with("Plan: +0 ~1 -0, 0 as they should be.\n"), "{plan}");
    assert_eq!(ledger(), before);
    assert_eq!(std::fs::read_to_string(folder.path().join("root/etc/motd")).unwrap(), "theirs\n");
    assert_eq!(cycle.generation().unwrap(), Generation(0));
}

#[tokio::test]
async fn what_changes_in_a_file_that_all_may_read_is_shown_and_of_a_private_one_only_that_it_changes() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let mut cycle = cycle(folder.path());
    let plan = async |cycle: &mut Cycle| {
        let Some(Answer::Plan(bytes)) = cycle.answer(asked(device(), PROFILE)).await.unwrap().answer else {
            panic!("there is a plan")
        };
        serde_json::from_slice::<PlanView>(&bytes).unwrap().steps.remove(0).differences
    };
    let motd = folder.path().join("root/etc/motd");
    std::fs::set_permissions(&motd, std::fs::Permissions::from_mode(0o644)).unwrap();
    let diff = "@@ -1 +1 @@\n-theirs\n+ours\n".to_owned();
    assert_eq!(plan(&mut cycle).await[0].diff, Some(diff.clone()));
    std::fs::set_permissions(&motd, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(plan(&mut cycle).await[0].diff, None);

    std::fs::set_permissions(&motd, std::fs::Permissions::from_mode(0o644)).unwrap();
    accept(&mut cycle, "motd", PROFILE);
    cycle.turn(None).await.unwrap();
    assert_eq!(cycle.outcomes[0].differences[0].diff, Some(diff), "what was done is shown like the plan");
}

#[tokio::test]
async fn a_question_for_another_device_or_without_its_document_has_no_plan() {
    let folder = tempfile::tempdir().unwrap();
    let mut cycle = cycle(folder.path());
    let other = DeviceId(uuid::Uuid::from_u128(2));
    assert!(failure(cycle.answer(asked(other, PROFILE)).await).contains("is for device"));
    let missing = failure(cycle.answer(asked(device(), "{}")).await);
    assert!(missing.contains("is missing"), "{missing}");
}

#[tokio::test]
async fn a_question_offered_as_a_state_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut cycle = cycle(folder.path());
    let DryRun { asked, .. } = asked(device(), PROFILE);
    assert!(!cycle.offer(&asked.question).unwrap());
    assert_eq!(cycle.generation().unwrap(), Generation(0));
}

#[tokio::test]
async fn while_paused_a_state_is_accepted_and_nothing_is_made_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut cycle = cycle(folder.path());
    let pause = pause(&mut cycle, 7_200);
    accept(&mut cycle, "motd", PROFILE);
    let next = cycle.turn(None).await.unwrap();
    assert_eq!(std::fs::read_to_string(folder.path().join("root/etc/motd")).unwrap(), "theirs\n");
    assert_eq!(cycle.generation().unwrap(), Generation(1));
    assert_eq!(cycle.hands.ledger.applied().unwrap(), Generation(0));
    assert_eq!(next.next_end, Some(pause.until), "the loop wakes when the pause is over");
}

#[tokio::test]
async fn what_is_changed_again_after_each_of_three_repairs_is_left_alone_until_someone_says_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let mut cycle = cycle(folder.path());
    let motd = folder.path().join("root/etc/motd");
    accept(&mut cycle, "motd", PROFILE);
    cycle.turn(None).await.unwrap();
    let after_meddling = async |cycle: &mut Cycle| {
        std::fs::write(&motd, "theirs again\n").unwrap();
        cycle.turn(None).await.unwrap();
        (cycle.outcomes[0].outcome, std::fs::read_to_string(&motd).unwrap())
    };
    for _ in 0..3 {
        assert_eq!(after_meddling(&mut cycle).await, (OutcomeKind::Repaired, "ours\n".to_owned()));
    }
    for _ in 0..2 {
        assert_eq!(after_meddling(&mut cycle).await, (OutcomeKind::Blocked, "theirs again\n".to_owned()));
    }
    let reason = cycle.outcomes[0].reason.clone().unwrap();
    assert!(reason.starts_with("put right 3 times within 10 min"), "{reason}");
    cycle.begin_anew().unwrap();
    assert_eq!(after_meddling(&mut cycle).await, (OutcomeKind::Repaired, "ours\n".to_owned()));
}

#[tokio::test]
async fn what_is_to_begin_later_begins_by_itself_and_the_loop_wakes_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut cycle = cycle(folder.path());
    let begin = cycle.now().plus_seconds(2);
    let document = format!(
        r#"{{"muster":1,"profile":"motd","resources":[{{"file":{{"path":"/etc/motd","content":"ours\n","not_before":"{begin}"}}}}]}}"#
    );
    let motd = || std::fs::read_to_string(folder.path().join("root/etc/motd")).unwrap();
    accept(&mut cycle, "motd", &document);
    let next = cycle.turn(None).await.unwrap();
    assert_eq!((next.next_end, motd()), (Some(begin), "theirs\n".to_owned()));
    assert_eq!(cycle.outcomes[0].outcome, OutcomeKind::NotApplicable);
    assert_eq!(cycle.outcomes[0].reason, Some(format!("it begins at {begin}")));
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    let next = cycle.turn(None).await.unwrap();
    assert_eq!((next.next_end, motd()), (None, "ours\n".to_owned()));
}

#[tokio::test]
async fn a_lease_ends_while_paused() {
    let folder = tempfile::tempdir().unwrap();
    let mut cycle = cycle(folder.path());
    let visit = folder.path().join("root/etc/visit");
    std::fs::write(&visit, "here\n").unwrap();
    let record = Record {
        before: Condition::Absent,
        wrote: Condition::present([("content", Digest::of(b"here\n").to_string().into())]),
        intended: None,
        profile: "visit".to_owned(),
        on_removal: OnRemoval::default(),
        not_after: Some(Timestamp::default()),
        notify: vec![],
        extra: serde_json::Value::Null,
    };
    let id = ResourceId::new("file", "/etc/visit");
    cycle.hands.ledger.intend(&[(id, record)], &[], &BTreeSet::new(), &[]).unwrap();
    pause(&mut cycle, 7_200);
    accept(&mut cycle, "visit", VISIT);
    cycle.turn(None).await.unwrap();
    assert!(!visit.exists());
}

/// A lease that is over, and a file that differs.
const BOTH: &str = r#"{"muster":1,"profile":"both","resources":[{"file":{"path":"/etc/motd","content":"ours\n"}},
    {"file":{"path":"/etc/visit","content":"here\n","not_after":"2020-01-01T00:00:00Z"}}]}"#;

#[tokio::test]
async fn without_room_in_the_ledger_only_what_ends_is_done_and_all_is_told_once_there_is_some() {
    let folder = tempfile::tempdir().unwrap();
    let mut cycle = cycle(folder.path());
    let (motd, visit) = (folder.path().join("root/etc/motd"), folder.path().join("root/etc/visit"));
    std::fs::write(&visit, "here\n").unwrap();
    let record = Record {
        before: Condition::Absent,
        wrote: Condition::present([("content", Digest::of(b"here\n").to_string().into())]),
        intended: None,
        profile: "both".to_owned(),
        on_removal: OnRemoval::default(),
        not_after: Some(Timestamp::default()),
        notify: vec![],
        extra: serde_json::Value::Null,
    };
    let id = ResourceId::new("file", "/etc/visit");
    cycle.hands.ledger.intend(&[(id.clone(), record)], &[], &BTreeSet::new(), &[]).unwrap();
    accept(&mut cycle, "both", BOTH);

    cycle.hands.ledger.refuse_writes(true);
    for _ in 0..2 {
        let next = cycle.turn(None).await.unwrap();
        assert!(next.wait > Duration::ZERO, "it is not tried again at once");
        assert!(!visit.exists());
        assert_eq!(std::fs::read_to_string(&motd).unwrap(), "theirs\n");
    }
    let note = Note::read(&cycle.hands.host.scratch).unwrap().unwrap();
    assert!(note.outcomes.unwrap().contains("can't be written"));
    let report = cycle.report().unwrap().unwrap();
    let outcomes: Vec<Outcome> = serde_json::from_slice(
        &report.sections.iter().find(|section| section.name == "outcomes").unwrap().document,
    )
    .unwrap();
    assert!(outcomes.iter().any(|one| one.outcome == OutcomeKind::Failed), "{outcomes:?}");
    assert!(!cycle.acknowledged(&report, 0, 0).unwrap(), "nothing is sent again at once");

    cycle.hands.ledger.refuse_writes(false);
    cycle.inspected = Some(cycle.now());
    cycle.turn(None).await.unwrap();
    assert_eq!(std::fs::read_to_string(&motd).unwrap(), "ours\n");
    assert_eq!(Note::read(&cycle.hands.host.scratch).unwrap(), None);
    let report = cycle.report().unwrap().unwrap();
    let events: Vec<Event> =
        report.events.iter().map(|event| serde_json::from_slice(&event.document).unwrap()).collect();
    assert_eq!(events.iter().filter(|event| **event == Event::Ended { resource: id.clone() }).count(), 1);
    let numbers: Vec<_> = report.events.iter().map(|event| event.sequence).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "no number is missing");
    assert!(!cycle.hands.ledger.records().unwrap().contains_key(&id));
}

#[tokio::test]
async fn a_pause_whose_time_is_over_ends_and_is_said_to() {
    let folder = tempfile::tempdir().unwrap();
    let mut cycle = cycle(folder.path());
    pause(&mut cycle, -1);
    assert_eq!(cycle.paused().unwrap(), None);
    let report = cycle.report().unwrap().unwrap();
    let last: Event = serde_json::from_slice(&report.events.last().unwrap().document).unwrap();
    assert_eq!(last, Event::Resumed { early: false });
}

#[tokio::test]
async fn directories_within_directories_go_in_the_turn_that_ends_them() {
    const DIRECTORIES: &str = r#"{"muster":1,"profile":"dirs","resources":[{"directory":{"path":"/etc/a"}},{"directory":{"path":"/etc/a/b"}},{"directory":{"path":"/etc/a/b/c"}}]}"#;
    let folder = tempfile::tempdir().unwrap();
    let mut cycle = cycle(folder.path());
    accept(&mut cycle, "dirs", DIRECTORIES);
    cycle.turn(None).await.unwrap();
    assert!(folder.path().join("root/etc/a/b/c").is_dir());
    let nothing =
        DesiredState { generation: Generation(2), revisions: vec![], ..state(device(), "dirs", DIRECTORIES) };
    assert!(cycle.offer(&serde_json::to_vec(&nothing).unwrap()).unwrap());
    cycle.turn(None).await.unwrap();
    assert!(!folder.path().join("root/etc/a").exists(), "{:?}", cycle.outcomes);
}

#[tokio::test]
async fn a_group_stays_for_as_long_as_what_it_owns_could_not_be_taken_away() {
    const SHARED: &str = r#"{"muster":1,"profile":"shared","resources":[{"directory":{"path":"/etc/a","group":"builders","mode":"2775"}}]}"#;
    let folder = tempfile::tempdir().unwrap();
    let mut cycle = cycle(folder.path());
    std::fs::write(folder.path().join("root/etc/group"), "root:x:0:\nbuilders:x:4100:\n").unwrap();
    accept(&mut cycle, "shared", SHARED);
    cycle.turn(None).await.unwrap();
    let made = Record {
        before: Condition::Absent,
        wrote: Condition::present([("gid", 4100.into())]),
        intended: None,
        profile: "shared".to_owned(),
        on_removal: OnRemoval::default(),
        not_after: None,
        notify: vec![],
        extra: serde_json::Value::Null,
    };
    let group = ResourceId::new("group", "builders");
    cycle.hands.ledger.intend(&[(group.clone(), made)], &[], &BTreeSet::new(), &[]).unwrap();
    std::fs::write(folder.path().join("root/etc/a/theirs"), "x").unwrap();
    let nothing =
        DesiredState { generation: Generation(2), revisions: vec![], ..state(device(), "shared", SHARED) };
    assert!(cycle.offer(&serde_json::to_vec(&nothing).unwrap()).unwrap());
    cycle.turn(None).await.unwrap();
    let outcome = cycle.outcomes.iter().find(|outcome| outcome.resource == group).unwrap();
    assert_eq!(outcome.outcome, OutcomeKind::Blocked);
    let reason = outcome.reason.as_deref().unwrap_or_default();
    assert!(reason.contains("it is the group of directory:/etc/a"), "{reason}");
}

fn record(before: Condition, wrote: Condition, profile: &str) -> Record {
    Record {
        before,
        wrote,
        intended: None,
        profile: profile.to_owned(),
        on_removal: OnRemoval::default(),
        not_after: None,
        notify: vec![],
        extra: serde_json::Value::Null,
    }
}

#[tokio::test]
async fn a_dry_run_has_no_program_run_though_the_script_did_before() {
    const SCRIPT: &str = r#"{"muster":1,"profile":"motd","resources":[{"script":{"name":"once","command":["/bin/true"],"unless":["/bin/false"]}}]}"#;
    let folder = tempfile::tempdir().unwrap();
    let mut cycle = cycle(folder.path());
    let script: muster_proto::resource::script::Script =
        serde_json::from_str(r#"{"name":"once","command":["/bin/true"],"unless":["/bin/false"]}"#).unwrap();
    let ran = record(Condition::Absent, script.desired(), "motd");
    let id = ResourceId::new("script", "once");
    cycle.hands.ledger.intend(&[(id, ran)], &[], &BTreeSet::new(), &[]).unwrap();
    let Some(Answer::Plan(bytes)) =
        cycle.answer(asked_of(state(device(), "motd", SCRIPT), SCRIPT)).await.unwrap().answer
    else {
        panic!("there is a plan")
    };
    let plan: PlanView = serde_json::from_slice(&bytes).unwrap();
    // Without a service manager any program that is asked would be an error.
    assert!(plan.to_string().ends_with("Plan: +0 ~0 -0, 1 as they should be.\n"), "{plan}");
}

#[tokio::test]
async fn leases_end_and_what_was_given_up_is_undone_while_documents_of_a_newer_state_are_to_come() {
    let folder = tempfile::tempdir().unwrap();
    let mut cycle = cycle(folder.path());
    let etc = folder.path().join("root/etc");
    std::fs::write(etc.join("visit"), "here\n").unwrap();
    std::fs::write(etc.join("stays"), "ours\n").unwrap();
    let content =
        |text: &str| Condition::present([("content", Digest::of(text.as_bytes()).to_string().into())]);
    let visit = record(Condition::Absent, content("here\n"), "visit");
    let visit = Record { not_after: Some(Timestamp::default()), ..visit };
    let tried = ResourceId::new("file", "/etc/motd");
    let given_up = muster_converge::trial::Trial {
        back: content("before\n"),
        wanted: content("theirs\n"),
        given_up: Some(Timestamp::default()),
    };
    let records = [
        (ResourceId::new("file", "/etc/visit"), visit),
        (ResourceId::new("file", "/etc/stays"), record(Condition::Absent, content("ours\n"), "visit")),
        (tried.clone(), record(content("before\n"), content("theirs\n"), "visit")),
    ];
    cycle.hands.ledger.intend(&records, &[b"before\n".to_vec()], &BTreeSet::new(), &[]).unwrap();
    cycle.hands.trials.insert(tried, given_up);
    let state = state(device(), "later", "a document that does not come");
    assert!(cycle.offer(&serde_json::to_vec(&state).unwrap()).unwrap());
    let next = cycle.turn(None).await.unwrap();
    assert_eq!(next.missing.len(), 1);
    assert!(!etc.join("visit").exists(), "its lease is over");
    assert_eq!(std::fs::read_to_string(etc.join("motd")).unwrap(), "before\n");
    assert_eq!(std::fs::read_to_string(etc.join("stays")).unwrap(), "ours\n");
}

#[tokio::test]
async fn what_held_before_holds_until_all_of_a_newer_state_is_here_and_over_a_restart() {
    const CAROL: &str = r#"{"muster":1,"profile":"visit","resources":[{"account":{"name":"carol"}}]}"#;
    const LATER: [&str; 2] =
        [r#"{"muster":1,"profile":"one","resources":[]}"#, r#"{"muster":1,"profile":"two","resources":[]}"#];
    let folder = tempfile::tempdir().unwrap();
    let carol = ResourceId::new("account", "carol");
    let mut first = cycle(folder.path());
    accept(&mut first, "visit", CAROL);
    // Two documents, of which one comes; and a newer one before the other does.
    for generation in [2, 3] {
        let mut later = state(device(), "one", LATER[0]);
        later.generation = Generation(generation);
        later.revisions.extend(state(device(), "two", LATER[1]).revisions);
        assert!(first.offer(&serde_json::to_vec(&later).unwrap()).unwrap());
    }
    let came = |document: &str| [(Digest::of(document.as_bytes()), document.as_bytes().to_vec())];
    first.keep(&came(LATER[0])).unwrap();
    assert!(first.in_force().unwrap().claims.contains_key(&carol));
    drop(first);

    let mut again = cycle(folder.path());
    assert!(
        again.in_force().unwrap().claims.contains_key(&carol),
        "nothing on record tells of who was there"
    );
    again.keep(&came(LATER[1])).unwrap();
    assert!(again.in_force().unwrap().claims.is_empty());
    assert_eq!(again.hands.ledger.last_whole().unwrap(), None);
}

#[tokio::test]
async fn an_order_is_obeyed_without_room_for_it_and_gives_no_receipt_then() {
    let folder = tempfile::tempdir().unwrap();
    let mut cycle = cycle(folder.path());
    let order = format!(
        r#"{{"last_order":{{"id":"lost-1","device":"{}","ordered":"2026-11-26T00:00:00Z"}}}}"#,
        device()
    );
    cycle.hands.ledger.refuse_writes(true);
    cycle.take_last_order(order.as_bytes()).unwrap();
    assert_eq!(cycle.stage().unwrap(), Some(Stage::Due));
    assert_eq!(cycle.carry_out().await.unwrap().receipt, None);
    cycle.hands.ledger.refuse_writes(false);
    let carried = cycle.carry_out().await.unwrap();
    assert_eq!(carried.receipt.unwrap().order, "lost-1");
}

/// Whether all is settled by a look at these places.
async fn look_at<const N: usize>(cycle: &mut Cycle, places: [&str; N]) -> bool {
    let mut watch = Watch::start().await;
    cycle.look_at(Happened::At(places.into_iter().map(Into::into).collect()), &mut watch).await.unwrap()
}

#[tokio::test]
async fn drift_of_a_file_is_put_right_by_a_look_at_its_place_and_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut cycle = cycle(folder.path());
    let motd = folder.path().join("root/etc/motd");
    accept(&mut cycle, "motd", PROFILE);
    for _ in 0..2 {
        cycle.turn(None).await.unwrap();
        cycle.inspected = Some(cycle.now());
    }
    let sections = |cycle: &Cycle| cycle.hands.ledger.section_document("outcomes").unwrap();
    let before = sections(&cycle);
    let told = cycle.hands.ledger.history().unwrap().len();

    assert!(look_at(&mut cycle, ["/etc/issue", "/etc/motd2"]).await, "nobody manages these");
    std::fs::write(&motd, "drifted\n").unwrap();
    assert!(look_at(&mut cycle, ["/etc/motd"]).await);
    assert_eq!(std::fs::read_to_string(&motd).unwrap(), "ours\n");
    let history = cycle.hands.ledger.history().unwrap();
    assert_eq!((history.len(), &history[0].document["event"]), (told + 1, &"changed".into()));
    assert_eq!(sections(&cycle), before, "it is as it was before it drifted");
    assert!(look_at(&mut cycle, ["/etc/motd"]).await, "the trace of its own work asks for no turn");

    std::fs::remove_file(&motd).unwrap();
    std::fs::create_dir(&motd).unwrap();
    assert!(!look_at(&mut cycle, ["/etc/motd"]).await, "what fails is told by a whole turn");
}

#[tokio::test]
async fn a_look_at_a_place_leaves_what_does_not_stand_alone_to_a_whole_turn() {
    let folder = tempfile::tempdir().unwrap();
    let mut cycle = cycle(folder.path());
    assert!(!look_at(&mut cycle, ["/etc/motd"]).await, "nothing is accepted yet");
    accept(&mut cycle, "motd", PROFILE);
    assert!(!look_at(&mut cycle, ["/etc/motd"]).await, "the state is new");
    assert_eq!(cycle.turn(None).await.unwrap().wait, schedule::AFTER_CHANGE);
    assert!(look_at(&mut cycle, ["/etc/motd"]).await, "that it lasts is for the turn ten seconds later");
    assert!(cycle.turn(None).await.unwrap().wait > schedule::AFTER_CHANGE);
    assert!(look_at(&mut cycle, ["/etc/motd"]).await);
    let pause = pause(&mut cycle, 600);
    assert!(!look_at(&mut cycle, ["/etc/motd"]).await, "its owner paused it until {}", pause.until);
}

#[tokio::test]
async fn a_turn_that_finds_all_as_it_was_plans_nothing_and_a_later_one_still_finds_drift_and_ends_leases() {
    let folder = tempfile::tempdir().unwrap();
    let mut cycle = cycle(folder.path());
    let (motd, visit) = (folder.path().join("root/etc/motd"), folder.path().join("root/etc/visit"));
    let end = cycle.now().plus_seconds(3600);
    let document = format!(
        r#"{{"muster":1,"profile":"visit","resources":[{{"file":{{"path":"/etc/motd","content":"ours\n"}}}},
            {{"file":{{"path":"/etc/visit","content":"here\n","not_after":"{end}"}}}}]}}"#
    );
    accept(&mut cycle, "visit", &document);
    cycle.turn(None).await.unwrap();
    assert!(cycle.rest.is_none(), "something was made");
    for _ in 0..3 {
        cycle.turn(None).await.unwrap();
        assert!(cycle.rest.is_some());
        assert_eq!(cycle.outcomes.len(), 2);
    }
    std::fs::write(&motd, "drifted\n").unwrap();
    cycle.turn(None).await.unwrap();
    assert_eq!(std::fs::read_to_string(&motd).unwrap(), "ours\n");
    cycle.turn(None).await.unwrap();
    cycle.vouched(end.plus_seconds(60)).unwrap();
    cycle.turn(None).await.unwrap();
    assert!(!visit.exists(), "its lease ended although all was as it had been");
}
