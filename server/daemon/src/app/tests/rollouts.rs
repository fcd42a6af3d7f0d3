//! Rollouts: step by step, stopped by what goes wrong, and taken back.

use muster_proto::check::Verdict;
use muster_proto::report::{Outcome, OutcomeKind};
use muster_proto::rest::{
    DevicePatch, NewPause, NewRollout, NewWaiver, Rollback, RolloutStanding, RolloutState, RolloutStep,
    RolloutView, TroubleKind,
};
use muster_proto::{ResourceId, wire};

use super::reporting::{found, result};
use super::*;
use crate::app::AppError;
use crate::app::presence::Link;

const SOAK: u64 = 600;

/// A fleet of laptops that have `base@1`, with their links up, and `base@2` saved.
struct Fleet {
    rig: Rig,
    devices: Vec<DeviceId>,
    links: Vec<Option<Link>>,
}

impl Fleet {
    async fn of(number: usize) -> Self {
        let rig = rig();
        let mut devices = Vec::new();
        for n in 0..number {
            devices.push(rig.device(&format!("PF{n}"), "laptop").await);
        }
        rig.save("base", &motd("one")).await;
        rig.app.assign(&admin(), assignment("base", "label:laptop"), Trial::Real).await.unwrap();
        rig.save("base", &motd("two")).await;
        let links = devices.iter().map(|device| Some(rig.link(*device))).collect();
        let fleet = Self { rig, devices, links };
        for device in &fleet.devices {
            fleet.well(*device).await;
        }
        fleet
    }

    async fn start(&self) -> RolloutView {
        self.rig.app.start_rollout(&admin(), new("label:laptop")).await.unwrap()
    }

    /// Which of the devices have this revision.
    async fn having(&self, revision: u32) -> Vec<DeviceId> {
        let mut having = Vec::new();
        for device in &self.devices {
            if self.rig.state(*device).await.unwrap().revisions.iter().any(|r| r.revision.0 == revision) {
                having.push(*device);
            }
        }
        having
    }

    async fn said(&self, device: DeviceId, kind: OutcomeKind, checks: &[(&str, Verdict)]) {
        let state = self.rig.state(device).await.unwrap();
        let applied = &state.revisions[0];
        let outcome = Outcome {
            resource: ResourceId::new("file", "/etc/motd"),
            outcome: kind,
            profile: "base".into(),
            revision: applied.revision.0,
            assignment: applied.assignment.clone(),
            mode: Mode::Enforce,
            differences: vec![],
            reason: (kind == OutcomeKind::Failed).then(|| "no space left".to_owned()),
            note: None,
            overrides: vec![],
        };
        let checks: Vec<_> = checks
            .iter()
            .map(|(id, verdict)| muster_proto::check::CheckResult {
                revision: applied.revision.0,
                ..result(id, *verdict)
            })
            .collect();
        let generation = if kind == OutcomeKind::Failed { 0 } else { state.generation.0 };
        let report: wire::ReportRequest = found(&[outcome], &checks, generation);
        self.rig.app.report(device, report).await.unwrap();
    }

    async fn well(&self, device: DeviceId) {
        self.said(device, OutcomeKind::Repaired, &[]).await;
    }

    /// Takes rollouts on, lets the soak pass, and takes them on again.
    async fn soak(&self) {
        self.rig.app.turn_rollouts().await.unwrap();
        pass(SOAK.cast_signed());
        self.rig.app.turn_rollouts().await.unwrap();
    }

    async fn shown(&self, id: &str) -> RolloutView {
        self.rig.app.show_rollout(&viewer(), id.into()).await.unwrap().rollout
    }

    async fn pinned(&self) -> Vec<u32> {
        let all = self.rig.app.list_assignments(&viewer()).await.unwrap();
        all.into_iter().map(|assignment| assignment.revision).collect()
    }
}

impl Rig {
    fn link(&self, device: DeviceId) -> Link {
        self.app.presence().link(device, self.app.store().clone())
    }
}

fn new(target: &str) -> NewRollout {
    NewRollout { assignment: assignment("base", target), steps: None, soak: None }
}

fn refusal<T: std::fmt::Debug>(result: Result<T, AppError>) -> String {
    match result {
        Err(AppError::Invalid(message) | AppError::Taken(message)) => message,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_revision_that_is_well_goes_through_all_steps_and_becomes_the_assignment() {
    let fleet = Fleet::of(20).await;
    let rollout = fleet.start().await;
    let planned: Vec<_> = rollout.steps.iter().map(|step| step.devices).collect();
    assert_eq!((planned, rollout.replaces.as_deref()), (vec![1, 1, 18], Some("base@1")));
    for (having, step) in [(1, 1), (2, 2), (20, 3)] {
        let devices = fleet.having(2).await;
        assert_eq!(devices.len(), having);
        assert_eq!(fleet.having(1).await.len(), 20 - having, "each device has exactly one of them");
        fleet.soak().await;
        assert_eq!(fleet.shown(&rollout.id).await.step, step, "nobody has answered");
        for device in devices {
            fleet.well(device).await;
        }
        assert_eq!(fleet.pinned().await, [1], "it is no assignment before it is done");
        fleet.soak().await;
    }
    let done = fleet.shown(&rollout.id).await;
    assert_eq!((done.state, done.steps[2].passed), (RolloutState::Done, 18));
    assert_eq!(fleet.pinned().await, [2]);
    let generations = fleet.rig.state(fleet.devices[0]).await.unwrap().generation;
    assert_eq!(generations, Generation(2), "becoming an assignment changes no state");
    fleet.rig.app.roll_back(&admin(), "base".into(), Rollback::default(), Trial::Real).await.unwrap();
    assert_eq!(fleet.having(1).await.len(), 20, "it can be rolled back like any other");
    let actions: Vec<_> = fleet.rig.audited().await.into_iter().map(|entry| entry.action).collect();
    for action in ["rollout.start", "rollout.step", "rollout.done", "assignment.replace"] {
        assert!(actions.contains(&action.to_owned()), "{action}");
    }
}

#[tokio::test]
async fn the_first_failure_stops_it_with_its_cause_and_a_rollback_takes_it_back() {
    let fleet = Fleet::of(20).await;
    let rollout = fleet.start().await;
    let canary = fleet.having(2).await[0];
    fleet.said(canary, OutcomeKind::Failed, &[]).await;
    fleet.soak().await;
    fleet.soak().await;
    let stopped = fleet.shown(&rollout.id).await;
    let cause = stopped.cause.clone().unwrap();
    assert_eq!((stopped.state, stopped.step, stopped.steps[0].failed), (RolloutState::Stopped, 1, 1));
    assert_eq!((cause.kind, cause.subject.as_str()), (TroubleKind::Failed, "file:/etc/motd"));
    assert_eq!(cause.error, "failed: no space left");
    assert_eq!(fleet.having(2).await, [canary]);
    let refused = refusal(fleet.rig.app.resume_rollout(&admin(), rollout.id.clone()).await);
    assert!(refused.contains("no space left") && refused.contains("muster rollout cancel"), "{refused}");
    let needs = fleet.rig.app.overview(&viewer()).await.unwrap().needs_you;
    assert!(needs.iter().any(|need| need.text.contains(&rollout.id)), "{needs:?}");

    let rollback =
        async |trial| fleet.rig.app.roll_back(&admin(), "base".into(), Rollback::default(), trial).await;
    let dry = rollback(Trial::Dry).await.unwrap();
    let moved = &dry.moves[0];
    assert_eq!(
        (dry.moves.len(), moved.from.as_str(), moved.to.as_str(), moved.devices),
        (1, "base@2", "base@1", 1)
    );
    assert_eq!(fleet.having(2).await.len(), 1, "a dry run changes nothing");
    rollback(Trial::Real).await.unwrap();
    assert_eq!((fleet.having(1).await.len(), fleet.pinned().await), (20, vec![1]));
    let cancelled = fleet.shown(&rollout.id).await;
    assert_eq!((cancelled.state, cancelled.cause.as_ref()), (RolloutState::Cancelled, Some(&cause)));
    assert_eq!((cancelled.ended_by.as_deref(), cancelled.ended.is_some()), (Some(admin().actor()), true));
    let nothing = refusal(rollback(Trial::Real).await);
    assert!(nothing.contains("pinned no other revision"), "it goes no further back unasked: {nothing}");
}

#[tokio::test]
async fn a_rollout_that_was_taken_back_still_says_what_came_of_each_step_and_device() {
    let fleet = Fleet::of(20).await;
    let rollout = fleet.start().await;
    let canary = fleet.having(2).await[0];
    fleet.well(canary).await;
    fleet.soak().await;
    let second = fleet.having(2).await.into_iter().find(|one| *one != canary).unwrap();
    fleet.said(second, OutcomeKind::Failed, &[]).await;
    fleet.soak().await;
    let before = fleet.shown(&rollout.id).await;
    let counts = |step: &RolloutStep| {
        (step.began.is_some(), step.passed, step.failed, step.not_answered, step.working)
    };
    let all = |view: &RolloutView| view.steps.iter().map(counts).collect::<Vec<_>>();
    assert_eq!(all(&before), [(true, 1, 0, 0, 0), (true, 0, 1, 0, 0), (false, 0, 0, 0, 0)]);
    fleet.rig.app.cancel_rollout(&admin(), rollout.id.clone()).await.unwrap();
    // Back at what it had, the device is well; that says nothing of what the rollout brought.
    fleet.well(second).await;
    assert_eq!(all(&fleet.shown(&rollout.id).await), all(&before));
    let devices = fleet.rig.app.show_rollout(&viewer(), rollout.id).await.unwrap().devices;
    let stood: Vec<_> = devices.iter().map(|device| device.standing).take(2).collect();
    assert_eq!(stood, [RolloutStanding::Passed, RolloutStanding::Failed]);
    assert!(devices[1].trouble.as_ref().unwrap().contains("no space left"), "{devices:?}");
}

#[tokio::test]
async fn what_is_mended_lets_it_be_resumed_and_soaks_anew() {
    let fleet = Fleet::of(2).await;
    let rollout = fleet.start().await;
    let canary = fleet.having(2).await[0];
    fleet.said(canary, OutcomeKind::Failed, &[]).await;
    fleet.rig.app.turn_rollouts().await.unwrap();
    fleet.well(canary).await;
    fleet.soak().await;
    assert_eq!(fleet.shown(&rollout.id).await.state, RolloutState::Stopped, "an admin decides");
    let resumed = fleet.rig.app.resume_rollout(&admin(), rollout.id.clone()).await.unwrap();
    assert_eq!((resumed.state, resumed.step, resumed.cause), (RolloutState::Running, 1, None));
    fleet.rig.app.turn_rollouts().await.unwrap();
    assert_eq!(fleet.shown(&rollout.id).await.step, 1);
    fleet.soak().await;
    assert_eq!(fleet.shown(&rollout.id).await.step, 2);
    assert!(refusal(fleet.rig.app.resume_rollout(&admin(), rollout.id).await).contains("running"));
}

#[tokio::test]
async fn a_check_that_fails_since_then_stops_it_and_one_that_failed_before_does_not() {
    let fleet = Fleet::of(2).await;
    for device in &fleet.devices {
        fleet.said(*device, OutcomeKind::Kept, &[("old", Verdict::Fail), ("new", Verdict::Pass)]).await;
    }
    pass(10);
    let rollout = fleet.start().await;
    let canary = fleet.having(2).await[0];
    fleet.said(canary, OutcomeKind::Repaired, &[("old", Verdict::Fail), ("new", Verdict::Pass)]).await;
    fleet.rig.app.turn_rollouts().await.unwrap();
    let shown = fleet.shown(&rollout.id).await;
    assert_eq!(
        (shown.state, shown.steps[0].passed, shown.next_at.is_some()),
        (RolloutState::Running, 1, true)
    );
    pass(10);
    fleet.said(canary, OutcomeKind::Kept, &[("old", Verdict::Fail), ("new", Verdict::Fail)]).await;
    fleet.rig.app.turn_rollouts().await.unwrap();
    let cause = fleet.shown(&rollout.id).await.cause.unwrap();
    assert_eq!((cause.kind, cause.subject.as_str()), (TroubleKind::Check, "new"), "while it soaked");

    let resume = async || fleet.rig.app.resume_rollout(&admin(), rollout.id.clone()).await;
    assert!(refusal(resume().await).contains("still has new"));
    let accepted = NewWaiver {
        check: "new".into(),
        target: "label:laptop".into(),
        reason: "new disks come in May".into(),
        seconds: Some(3_600),
        ..NewWaiver::default()
    };
    assert_eq!(fleet.rig.app.waive(&admin(), accepted).await.unwrap().devices, 1);
    resume().await.unwrap();
    fleet.rig.app.turn_rollouts().await.unwrap();
    assert_eq!(fleet.shown(&rollout.id).await.state, RolloutState::Running, "what is accepted stops nothing");
}

#[tokio::test]
async fn who_is_off_does_not_hold_a_step_and_who_fell_silent_does() {
    let mut fleet = Fleet::of(4).await;
    fleet.links[2..].iter_mut().for_each(|link| *link = None);
    let steps = Some(vec!["3".parse().unwrap()]);
    let request = NewRollout { steps, ..new("label:laptop") };
    let rollout = fleet.rig.app.start_rollout(&admin(), request).await.unwrap();
    fleet.well(fleet.devices[0]).await;
    fleet.soak().await;
    let detail = fleet.rig.app.show_rollout(&viewer(), rollout.id.clone()).await.unwrap();
    assert_eq!(
        (detail.rollout.step, detail.rollout.steps[0].working, detail.rollout.steps[0].not_answered),
        (1, 1, 1)
    );
    fleet.links[1] = None;
    fleet.soak().await;
    assert_eq!(fleet.shown(&rollout.id).await.step, 1, "perhaps the revision silenced it");
    pass(muster_policy::rollout::SILENCE);
    fleet.soak().await;
    let detail = fleet.rig.app.show_rollout(&viewer(), rollout.id).await.unwrap();
    assert_eq!(detail.rollout.step, 2);
    let standing = |index: usize| {
        let name = format!("dev-pf{index}");
        detail.devices.iter().find(|device| device.device == name).unwrap().standing
    };
    assert_eq!((standing(0), standing(1)), (RolloutStanding::Passed, RolloutStanding::NotAnswered));
}

#[tokio::test]
async fn a_paused_device_is_not_given_it_and_does_not_hold_the_step() {
    let fleet = Fleet::of(3).await;
    let pause = NewPause { target: "device:dev-pf0".into(), seconds: None, reason: None };
    fleet.rig.app.pause(&admin(), pause).await.unwrap();
    let rollout = fleet.start().await;
    let canary = fleet.having(2).await[0];
    assert_ne!(canary, fleet.devices[0], "others come first");
    fleet.well(canary).await;
    fleet.soak().await;
    assert_eq!((fleet.shown(&rollout.id).await.step, fleet.having(2).await.len()), (2, 2));
    for device in &fleet.devices[1..] {
        fleet.well(*device).await;
    }
    fleet.soak().await;
    fleet.soak().await;
    assert_eq!(fleet.shown(&rollout.id).await.state, RolloutState::Done);
    fleet.rig.app.resume(&admin(), "device:dev-pf0".into()).await.unwrap();
    assert_eq!(fleet.having(2).await.len(), 3, "it gets what waited");
}

#[tokio::test]
async fn what_something_narrower_takes_the_place_of_is_in_no_early_step() {
    let fleet = Fleet::of(3).await;
    for device in ["device:dev-pf0", "device:dev-pf1"] {
        let old = NewAssignment { revision: Some(1), ..assignment("base", device) };
        fleet.rig.app.assign(&admin(), old, Trial::Real).await.unwrap();
    }
    let rollout = fleet.start().await;
    assert_eq!((fleet.having(2).await, rollout.steps.len()), (vec![fleet.devices[2]], 1));
    fleet.well(fleet.devices[2]).await;
    fleet.soak().await;
    let done = fleet.shown(&rollout.id).await;
    assert_eq!((done.state, done.steps[0].passed), (RolloutState::Done, 1));
}

#[tokio::test]
async fn who_joins_the_target_meanwhile_gets_it_with_the_last_step() {
    let mut fleet = Fleet::of(2).await;
    fleet.start().await;
    let canary = fleet.having(2).await[0];
    let late = fleet.rig.device("LATE", "").await;
    let patch = DevicePatch { name: None, owner: None, labels: Some(vec!["laptop".into()]) };
    fleet.rig.app.change_device(&admin(), "LATE".into(), patch).await.unwrap();
    fleet.devices.push(late);
    assert_eq!(fleet.having(2).await, [canary], "it has what was assigned before");
    fleet.well(canary).await;
    fleet.soak().await;
    assert_eq!(fleet.having(2).await.len(), 3);
}

#[tokio::test]
async fn a_failure_of_another_profile_from_before_does_not_hold_or_stop_it() {
    let fleet = Fleet::of(1).await;
    let device = fleet.devices[0];
    let state = fleet.rig.state(device).await.unwrap();
    let outcome = |profile: &str, assignment: &str, path: &str, kind| Outcome {
        resource: ResourceId::new("file", path),
        outcome: kind,
        profile: profile.into(),
        revision: 1,
        assignment: assignment.into(),
        mode: Mode::Enforce,
        differences: vec![],
        reason: None,
        note: None,
        overrides: vec![],
    };
    let broken = outcome("web", "as-web", "/web", OutcomeKind::Failed);
    let report = found(std::slice::from_ref(&broken), &[], state.generation.0);
    fleet.rig.app.report(device, report).await.unwrap();
    pass(10);
    let rollout = fleet.start().await;
    let new = fleet.rig.state(device).await.unwrap().revisions[0].assignment.clone();
    let ours = outcome("base", &new, "/etc/motd", OutcomeKind::Repaired);
    fleet.rig.app.report(device, found(&[broken, ours], &[], state.generation.0)).await.unwrap();
    fleet.soak().await;
    assert_eq!(fleet.shown(&rollout.id).await.state, RolloutState::Done);
}

#[tokio::test]
async fn while_it_is_under_way_nobody_else_changes_what_it_replaces() {
    let fleet = Fleet::of(2).await;
    let app = &fleet.rig.app;
    let rollout = fleet.start().await;
    let base = || assignment("base", "label:laptop");
    let id = app.list_assignments(&viewer()).await.unwrap().remove(0).id;
    let to = Rollback { to: Some(1), on: None, plan: None };
    for refused in [
        refusal(app.assign(&admin(), base(), Trial::Real).await),
        refusal(app.start_rollout(&admin(), new("label:laptop")).await),
        refusal(app.unassign(&admin(), id).await),
        refusal(app.roll_back(&admin(), "base".into(), to, Trial::Real).await),
    ] {
        assert!(refused.contains(&format!("muster rollout cancel {}", rollout.id)), "{refused}");
    }
    app.assign(&admin(), assignment("base", "device:dev-pf0"), Trial::Real).await.unwrap();
    app.cancel_rollout(&admin(), rollout.id.clone()).await.unwrap();
    assert_eq!(fleet.having(1).await, [fleet.devices[1]], "what was assigned to one device stays with it");
    let again = refusal(app.cancel_rollout(&admin(), rollout.id).await);
    assert!(again.contains("muster rollback base"), "{again}");
    app.assign(&admin(), base(), Trial::Real).await.unwrap();
}

#[tokio::test]
async fn what_nothing_was_assigned_before_is_taken_back_to_nothing() {
    let rig = rig();
    let device = rig.device("PF1", "laptop").await;
    rig.save("base", &motd("one")).await;
    let rollout = rig.app.start_rollout(&admin(), new("label:laptop")).await.unwrap();
    assert_eq!((rollout.replaces, rollout.steps.len()), (None, 1), "one device is all of them");
    assert_eq!(rig.state(device).await.unwrap().revisions.len(), 1);
    let back = rig.app.roll_back(&admin(), "base".into(), Rollback::default(), Trial::Real).await.unwrap();
    assert_eq!((back.assignments.len(), back.moves[0].to.as_str()), (0, "nothing"));
    assert_eq!(rig.state(device).await.unwrap().revisions.len(), 0);
}

#[tokio::test]
async fn a_server_that_starts_anew_goes_on_where_it_was() {
    let fleet = Fleet::of(2).await;
    let rollout = fleet.start().await;
    let canary = fleet.having(2).await[0];
    fleet.rig.app.turn_rollouts().await.unwrap();
    let (devices, rig) = (fleet.devices, fleet.rig);
    drop(fleet.links);
    let Rig { app, _folder: folder } = rig;
    drop(app);
    let rig = open(folder, None);
    let fleet = Fleet { rig, devices, links: vec![] };
    fleet.soak().await;
    assert_eq!(fleet.shown(&rollout.id).await.step, 1, "no link is up yet: that is not silence");
    fleet.well(canary).await;
    fleet.soak().await;
    assert_eq!((fleet.shown(&rollout.id).await.step, fleet.having(2).await.len()), (2, 2));
}

#[tokio::test]
async fn a_rollout_of_nonsense_is_refused() {
    let fleet = Fleet::of(1).await;
    let none = NewRollout { steps: Some(vec![]), ..new("label:laptop") };
    let endless = NewRollout { soak: Some(u64::MAX), ..new("label:laptop") };
    for request in [none, endless, new("laptops")] {
        assert!(matches!(fleet.rig.app.start_rollout(&admin(), request).await, Err(AppError::Invalid(_))));
    }
    let missing = fleet.rig.app.show_rollout(&viewer(), "ro-none".into()).await;
    assert!(matches!(missing, Err(AppError::NotFound { kind: "rollout", .. })));
}
