//! `muster rollout`: assignments that reach their devices step by step.

use std::time::Duration;

use clap::{Args, Subcommand};
use indicatif::ProgressBar;
use muster_proto::rest::{RolloutDetail, RolloutState, RolloutStep, RolloutView};

use crate::api::{Api, part};
use crate::failure::{Ending, Failure};
use crate::output::{self, Output, Single, count, word};
use crate::terminal::Consent;

/// Between two looks at a rollout while waiting.
const LOOK: Duration = Duration::from_millis(500);

/// Look at rollouts, and decide on those that stopped
///
/// `muster assign --rollout` starts one. It stops at the first failure and stays so until it is resumed, cancelled or rolled back.
#[derive(Subcommand)]
#[command(after_help = "Example:\n  muster rollout list\n  muster rollout show ro-3f2a9c1b04de")]
pub(crate) enum Rollout {
    List(List),
    Show(Show),
    Resume(Resume),
    Cancel(Cancel),
}

/// List rollouts, the newest first
#[derive(Args)]
#[command(after_help = "Example:\n  muster rollout list -o json")]
pub(crate) struct List {
    #[command(flatten)]
    output: Output,
}

/// Show a rollout: its steps, what stopped it, and its devices
#[derive(Args)]
#[command(
    after_help = "Example:\n  muster rollout show ro-3f2a9c1b04de\n  muster rollout show ro-3f2a9c1b04de -o json"
)]
pub(crate) struct Show {
    /// Its id, as `muster rollout list` shows it
    id: String,
    #[command(flatten)]
    output: Single,
}

/// Let a stopped rollout go on, once what stopped it is mended
#[derive(Args)]
#[command(after_help = "Example:\n  muster rollout resume ro-3f2a9c1b04de")]
pub(crate) struct Resume {
    /// Its id, as `muster rollout list` shows it
    id: String,
}

/// Take a rollout back: its devices have again what they had before
#[derive(Args)]
#[command(after_help = "Example:\n  muster rollout cancel ro-3f2a9c1b04de --yes")]
pub(crate) struct Cancel {
    /// Its id, as `muster rollout list` shows it
    id: String,
    #[command(flatten)]
    consent: Consent,
}

impl Rollout {
    pub(crate) async fn run(self, api: &Api) -> Result<Ending, Failure> {
        match self {
            Self::List(command) => command.run(api).await,
            Self::Show(command) => command.run(api).await,
            Self::Resume(Resume { id }) => {
                let view: RolloutView = api.act(&format!("/rollouts/{}/resume", part(&id))).await?;
                output::line(sentence(&view))?;
                Ok(Ending::Fine)
            }
            Self::Cancel(Cancel { id, consent }) => cancel(api, &id, &consent).await,
        }
    }
}

impl List {
    async fn run(self, api: &Api) -> Result<Ending, Failure> {
        let rollouts: Vec<RolloutView> = api.get("/rollouts").await?;
        let header = ["id", "what", "target", "state", "step", "passed", "cause", "by", "started"];
        self.output.list(&rollouts, &header, |view| {
            let (passed, all) = totals(view);
            vec![
                view.id.clone(),
                brings(view),
                view.target.clone(),
                word(&view.state),
                format!("{} of {}", view.step, view.steps.len()),
                format!("{passed} of {all}"),
                view.cause
                    .as_ref()
                    .map(|cause| format!("{}: {}", cause.device, cause.subject))
                    .unwrap_or_default(),
                view.created_by.clone(),
                self.output.time(Some(view.created)),
            ]
        })?;
        self.output.where_none(
            &rollouts,
            "There was no rollout yet. Begin one: muster assign PROFILE --to TARGET --rollout",
        );
        Ok(Ending::Fine)
    }
}

impl Show {
    async fn run(self, api: &Api) -> Result<Ending, Failure> {
        let detail: RolloutDetail = api.get(&format!("/rollouts/{}", part(&self.id))).await?;
        self.output.one(&detail, |detail| {
            fields(&detail.rollout)?;
            output::line("")?;
            let header = ["device", "step", "standing", "trouble"];
            output::rows(&detail.devices, &header, |device| {
                vec![
                    device.device.clone(),
                    device.step.to_string(),
                    word(&device.standing),
                    device.trouble.clone().unwrap_or_default(),
                ]
            })
        })?;
        Ok(Ending::Fine)
    }
}

fn fields(view: &RolloutView) -> Result<(), Failure> {
    let names: Vec<_> = view.steps.iter().map(|step| format!("Step {}", step.number)).collect();
    let open = matches!(view.state, RolloutState::Running | RolloutState::Stopped);
    let mut fields = vec![
        ("Rollout", sentence(view)),
        ("Replaces", view.replaces.clone().unwrap_or_default()),
        ("Started", format!("{} by {}", output::moment(view.created), view.created_by)),
        ("Ended", ended(view)),
        (if open { "Cause" } else { "Had stopped" }, cause(view).unwrap_or_default()),
    ];
    fields.extend(names.iter().map(String::as_str).zip(view.steps.iter().map(|step| standing(view, step))));
    fields.push(("Next", next(view)));
    output::fields(&fields)
}

/// Such as "1 device: 1 failed".
fn standing(view: &RolloutView, step: &RolloutStep) -> String {
    let devices = count(step.devices, "device");
    if step.began.is_none() {
        let what = match view.state {
            // It can't be done before its last step began: they were deleted since.
            RolloutState::Done => "which are no longer here",
            RolloutState::Cancelled => "never begun",
            RolloutState::Running | RolloutState::Stopped => "not begun",
        };
        return format!("{devices}, {what}");
    }
    let parts = [
        (step.failed, "failed"),
        (step.working, "at work"),
        (step.passed, "passed"),
        (step.not_answered, "not answered"),
    ];
    let parts: Vec<_> = parts
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| format!("{number} {what}"))
        .collect();
    let soaks = match view.next_at {
        Some(at) if step.number == view.step => format!("; soaks until {}", output::moment(at)),
        _ => String::new(),
    };
    format!("{devices}: {}{soaks}", if parts.is_empty() { "none yet".to_owned() } else { parts.join(", ") })
}

/// Such as "lap-07: service:broken failed: it did not start".
fn cause(view: &RolloutView) -> Option<String> {
    view.cause.as_ref().map(|cause| format!("{}: {} {}", cause.device, cause.subject, cause.error))
}

/// Such as "2026-11-26T10:00:00Z, cancelled by admin:kim".
fn ended(view: &RolloutView) -> String {
    let Some(at) = view.ended else { return String::new() };
    match (view.state, &view.ended_by) {
        (RolloutState::Cancelled, Some(by)) => format!("{at}, cancelled by {by}"),
        _ => at.to_string(),
    }
}

fn next(view: &RolloutView) -> String {
    match view.state {
        RolloutState::Stopped => format!(
            "muster rollout resume {0} once it is mended, or muster rollout cancel {0}; muster rollback {1} does the same",
            view.id, view.profile
        ),
        RolloutState::Running | RolloutState::Done | RolloutState::Cancelled => String::new(),
    }
}

fn brings(view: &RolloutView) -> String {
    format!("{}@{}", view.profile, view.revision)
}

fn totals(view: &RolloutView) -> (u64, u64) {
    (view.steps.iter().map(|step| step.passed).sum(), view.steps.iter().map(|step| step.devices).sum())
}

/// Such as "ro-1 of base@4 to label:laptop is stopped in step 1 of 3".
pub(super) fn sentence(view: &RolloutView) -> String {
    let what = format!("{} of {} to {}", view.id, brings(view), view.target);
    let steps = view.steps.len();
    match view.state {
        RolloutState::Running => format!("{what} runs, in step {} of {steps}", view.step),
        RolloutState::Stopped => format!("{what} is stopped in step {} of {steps}", view.step),
        RolloutState::Done => format!("{what} is done: {}", reached(view)),
        RolloutState::Cancelled => format!("{what} is cancelled, in step {} of {steps}", view.step),
    }
}

/// Such as "1 device, then 1, then 18; each soaks for 600 s".
pub(super) fn course(view: &RolloutView) -> String {
    let numbers: Vec<_> = view.steps.iter().map(|step| step.devices).collect();
    let first = count(numbers.first().copied().unwrap_or(0), "device");
    let more: String = numbers.iter().skip(1).map(|number| format!(", then {number}")).collect();
    format!("{first}{more}; each step soaks for {} s", view.soak)
}

fn reached(view: &RolloutView) -> String {
    let (passed, all) = totals(view);
    format!("{passed} of {} passed", count(all, "device"))
}

async fn cancel(api: &Api, id: &str, consent: &Consent) -> Result<Ending, Failure> {
    let RolloutDetail { rollout, .. } = api.get(&format!("/rollouts/{}", part(id))).await?;
    let about = format!("{}; its devices go back to what they had before.", sentence(&rollout));
    consent.ask(&about, "Go on?", "nothing was changed")?;
    let view: RolloutView = api.act(&format!("/rollouts/{}/cancel", part(id))).await?;
    let given: u64 = view.steps.iter().filter(|step| step.began.is_some()).map(|step| step.devices).sum();
    let back = view.replaces.as_deref().unwrap_or("nothing of it");
    let verb = if given == 1 { "has" } else { "have" };
    output::line(format!("{}: {} {verb} {back} again", sentence(&view), count(given, "device")))?;
    Ok(Ending::Fine)
}

/// Waits until a rollout is done; fails when it stops or is cancelled.
pub(super) async fn wait(api: &Api, id: &str, limit: Duration) -> Result<Ending, Failure> {
    let bar = ProgressBar::new_spinner();
    let deadline = tokio::time::Instant::now() + limit;
    loop {
        let RolloutDetail { rollout: view, .. } = api.get(&format!("/rollouts/{}", part(id))).await?;
        bar.set_message(output::escape(&sentence(&view)));
        bar.tick();
        match view.state {
            RolloutState::Running if tokio::time::Instant::now() < deadline => {}
            RolloutState::Running => {
                bar.finish_and_clear();
                return Err(Failure::new(sentence(&view))
                    .next(format!("it goes on by itself; see muster rollout show {id}")));
            }
            RolloutState::Done => {
                bar.finish_and_clear();
                output::line(sentence(&view))?;
                return Ok(Ending::Fine);
            }
            RolloutState::Stopped => {
                bar.finish_and_clear();
                let why = cause(&view).map(|cause| format!(": {cause}")).unwrap_or_default();
                return Err(Failure::new(format!("{}{why}", sentence(&view))).next(next(&view)));
            }
            RolloutState::Cancelled => {
                bar.finish_and_clear();
                return Err(Failure::new(sentence(&view)));
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}
