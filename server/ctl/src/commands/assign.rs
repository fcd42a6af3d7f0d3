//! `muster assign`: pin a profile revision to devices, after showing whom it reaches.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use muster_proto::report::OutcomeKind;
use muster_proto::rest::{
    AssignmentResult, AssignmentView, ConflictView, Device, DeviceState, FleetPlan, NewAssignment,
    NewRollout, Replaced, ResourceView, RolloutView, StepSize,
};
use muster_proto::state::Mode;

use super::profile::reference;
use super::rollout;
use crate::api::{Api, part};
use crate::failure::{Ending, Failure};
use crate::output;
use crate::output::{Single, count, word};
use crate::span::span;
use crate::target::target;
use crate::terminal::{self, Consent};

pub(super) mod plan;

/// Between two looks at the devices while waiting.
const LOOK: Duration = Duration::from_millis(500);

/// Assign a profile revision to a device, a label or everyone
///
/// Takes the place of an assignment of the same profile to the same target. What is not named is kept of that: parameters, mode and
/// precedence; and it goes on to follow, unless a revision is named. Without --yes the devices are asked what they would do, and
/// nothing is done before you agreed.
#[derive(Args)]
#[command(
    after_help = "Example:\n  muster assign base@3 --to label:laptop --param ntp=ntp.corp.example\n  muster assign base --to everyone --mode audit --yes --wait 5m\n  muster assign base --to label:test --follow\n  muster assign base@4 --to label:laptop --rollout --canary 2 --then 10% --then 50% --soak 30m"
)]
pub(crate) struct Assign {
    /// The profile and its revision as base@3; base alone pins the newest
    profile: String,
    /// label:NAME, device:NAME or everyone; NAME alone is a device
    #[arg(long, value_name = "TARGET", value_parser = target)]
    to: String,
    /// enforce makes it so, and is what is meant the first time; audit only looks
    #[arg(long, value_enum)]
    mode: Option<How>,
    /// A parameter of the profile; may be given several times
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = param)]
    params: Vec<(String, String)>,
    /// The higher one wins where two profiles claim the same resource; 0 the first time
    #[arg(long, allow_negative_numbers = true)]
    precedence: Option<i32>,
    /// Reach the devices step by step: a canary, then a tenth, then all; stops at the first failure
    #[arg(long)]
    rollout: bool,
    /// How many devices come first, as a number or a share such as 5%
    #[arg(long, value_name = "SIZE", default_value = "1", requires = "rollout")]
    canary: StepSize,
    /// How many have it after the next step, those before included; may be given several times
    #[arg(long, value_name = "SIZE", default_value = "10%", requires = "rollout")]
    then: Vec<StepSize>,
    /// How long all is to be well before the next step
    #[arg(long, value_name = "TIME", default_value = "10m", requires = "rollout", value_parser = span)]
    soak: Duration,
    /// Only say what the devices would do; exits with 2 when there are changes, or a device did not say
    #[arg(long, conflicts_with_all = ["rollout", "yes", "wait"])]
    dry_run: bool,
    /// Take each revision of the profile that is saved from now on, without being asked
    #[arg(long, conflicts_with = "dry_run")]
    follow: bool,
    #[command(flatten)]
    consent: Consent,
    /// Wait until the devices have converged, at most this long
    #[arg(long, value_name = "TIME", num_args = 0..=1, default_missing_value = "10m", value_parser = span)]
    wait: Option<Duration>,
    #[command(flatten)]
    output: Single,
}

#[derive(Clone, Copy, ValueEnum)]
enum How {
    Enforce,
    Audit,
}

impl From<How> for Mode {
    fn from(how: How) -> Self {
        match how {
            How::Enforce => Self::Enforce,
            How::Audit => Self::Audit,
        }
    }
}

impl Assign {
    pub(crate) async fn run(self, api: &Api) -> Result<Ending, Failure> {
        self.refuse_following_by_steps()?;
        let there = self.there(api).await?;
        let mut asked = self.asked(there.as_ref())?;
        let becomes = there.as_ref().map(|there| becomes(there, &asked)).unwrap_or_default();
        becomes.iter().for_each(|change| output::note(format!("note: {change}")));
        if self.dry_run {
            return self.say(&plan::ask(api, &asked).await?);
        }
        let preview: AssignmentResult = api.post("/assignments?dry_run=true", &asked).await?;
        refuse_conflicts(&preview.conflicts)?;
        preview.warnings.iter().for_each(|warning| output::note(format!("warning: {warning}")));
        let summary = summary(&preview);
        if !self.consent.is_given() {
            // What was shown is what is assigned, also when a newer revision was saved meanwhile.
            asked.revision = Some(confirm(api, &self.consent, &asked, &summary).await?);
        }
        if self.rollout { self.roll_out(api, asked).await } else { self.assign(api, &asked, &summary).await }
    }

    /// The assignment whose place this one takes.
    async fn there(&self, api: &Api) -> Result<Option<AssignmentView>, Failure> {
        let (profile, _) = reference(&self.profile)?;
        let all: Vec<AssignmentView> = api.get("/assignments").await?;
        Ok(all.into_iter().find(|one| one.profile == profile && one.target == self.to))
    }

    /// What is asked for, with what is kept of the assignment that is there.
    fn asked(&self, there: Option<&AssignmentView>) -> Result<NewAssignment, Failure> {
        let (profile, revision) = reference(&self.profile)?;
        let follows = there.is_some_and(|there| there.follow) && revision.is_none() && !self.rollout;
        Ok(NewAssignment {
            profile: profile.to_owned(),
            revision,
            target: self.to.clone(),
            precedence: self.precedence.or(there.map(|there| there.precedence)).unwrap_or_default(),
            mode: self.mode.map(Mode::from).or(there.map(|there| there.mode)).unwrap_or(Mode::Enforce),
            params: self.params.iter().cloned().collect::<BTreeMap<_, _>>(),
            follow: self.follow || follows,
        })
    }

    fn refuse_following_by_steps(&self) -> Result<(), Failure> {
        if !(self.follow && self.rollout) {
            return Ok(());
        }
        let again = format!("muster assign {} --to {}", self.profile, self.to);
        Err(Failure::new("--follow can't be combined with --rollout, which brings one revision step by step")
            .next(format!(
                "first {again} --rollout; once it is done, {again} --follow for what is saved later"
            )))
    }

    async fn assign(&self, api: &Api, asked: &NewAssignment, summary: &str) -> Result<Ending, Failure> {
        let done: AssignmentResult = api.post("/assignments?dry_run=false", asked).await?;
        refuse_conflicts(&done.conflicts)?;
        self.output.one(&done, |done| match &done.assignment {
            Some(assignment) => output::line(format!(
                "{}@{} is assigned to {} ({summary}){}",
                assignment.profile,
                assignment.revision,
                assignment.target,
                if assignment.follow { "; it takes each revision that is saved" } else { "" }
            )),
            None => Ok(()),
        })?;
        match self.wait {
            Some(limit) => {
                let brings = |there: &AssignmentView| format!("{}@{}", there.profile, there.revision);
                // What was assigned before has outcomes of before.
                let again = done.replaces.as_ref().map(|replaced| replaced.revision.clone());
                let revision = done.assignment.as_ref().map(brings).filter(|new| again.as_ref() != Some(new));
                wait(api, &done.devices, revision.as_deref(), limit).await
            }
            None => Ok(Ending::Fine),
        }
    }

    async fn roll_out(self, api: &Api, assignment: NewAssignment) -> Result<Ending, Failure> {
        let steps = Some([vec![self.canary], self.then].concat());
        let asked = NewRollout { assignment, steps, soak: Some(self.soak.as_secs()) };
        let started: RolloutView = api.post("/rollouts", &asked).await?;
        self.output.one(&started, |started| {
            output::line(format!("{} ({})", rollout::sentence(started), rollout::course(started)))
        })?;
        match self.wait {
            Some(limit) => rollout::wait(api, &started.id, limit).await,
            None => Ok(Ending::Fine),
        }
    }

    /// Says what the devices would do, and nothing else.
    fn say(&self, plan: &FleetPlan) -> Result<Ending, Failure> {
        plan.warnings.iter().for_each(|warning| output::note(format!("warning: {warning}")));
        self.output.one(plan, |plan| {
            plan::lines(plan).iter().try_for_each(output::line)?;
            output::line(format!("{}.", plan::sentence(plan)))
        })?;
        refuse_conflicts(&plan.conflicts)?;
        Ok(if plan::changes(plan) { Ending::Changes } else { Ending::Fine })
    }
}

/// Shows what the devices would do, and asks whether they shall; gives the revision that was shown.
async fn confirm(api: &Api, consent: &Consent, asked: &NewAssignment, summary: &str) -> Result<u32, Failure> {
    consent.needs_somebody(&format!("{summary}."))?;
    let plan = plan::ask(api, asked).await?;
    refuse_conflicts(&plan.conflicts)?;
    plan::lines(&plan).iter().for_each(output::note);
    if terminal::confirm(&format!("{}. Apply?", output::escape(&plan::sentence(&plan))))? {
        Ok(plan.revision)
    } else {
        Err(Failure::new("nothing was assigned"))
    }
}

fn summary(result: &AssignmentResult) -> String {
    const NAMED: usize = 5;
    let devices = result.devices.len();
    let names = result.devices.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    let more = if devices > NAMED { ", ..." } else { "" };
    let named = if devices == 0 { String::new() } else { format!(" ({names}{more})") };
    format!(
        "{}{named}: {}, {}{}",
        count(devices, "device"),
        count(result.resources, "resource"),
        count(result.conflicts.len(), "conflict"),
        result.replaces.as_ref().map(replaces).unwrap_or_default()
    )
}

/// What becomes another of an assignment whose place this one takes.
fn becomes(there: &AssignmentView, asked: &NewAssignment) -> Vec<String> {
    let word = |mode| match mode {
        Mode::Enforce => "enforce",
        Mode::Audit => "audit",
    };
    let mut changes = vec![];
    if there.mode != asked.mode {
        changes.push(format!("its mode was {}, and becomes {}", word(there.mode), word(asked.mode)));
    }
    if there.precedence != asked.precedence {
        changes.push(format!("its precedence was {}, and becomes {}", there.precedence, asked.precedence));
    }
    if there.follow && !asked.follow {
        changes.push(format!(
            "it followed {}, and no longer takes revisions that are saved later: --follow has it go on",
            there.profile
        ));
    }
    changes
}

fn replaces(replaced: &Replaced) -> String {
    let params = |names: &[String], what: &str| {
        let word = if names.len() == 1 { "param" } else { "params" };
        (!names.is_empty()).then(|| format!("{word} {} {what}", names.join(", ")))
    };
    let parts = [params(&replaced.kept, "kept"), params(&replaced.gone, "no longer in the profile")];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    let detail = if parts.is_empty() { String::new() } else { format!(" ({})", parts.join("; ")) };
    format!("; replaces {}{detail}", replaced.revision)
}

fn refuse_conflicts(conflicts: &[ConflictView]) -> Result<(), Failure> {
    for conflict in conflicts {
        output::note(format!(
            "conflict: {} is claimed by {} with equal precedence, on {}",
            conflict.resource,
            conflict.profiles.join(" and "),
            conflict.devices.join(", ")
        ));
    }
    if conflicts.is_empty() {
        return Ok(());
    }
    Err(Failure::new("nothing was assigned: profiles contradict each other")
        .next("give one of them a higher --precedence, or take the resource out of one profile"))
}

/// Waits until every device of these has applied its newest state, or what `revision` brings to it, or has failed to.
pub(super) async fn wait(
    api: &Api,
    names: &[String],
    revision: Option<&str>,
    limit: Duration,
) -> Result<Ending, Failure> {
    let all: Vec<Device> = api.get_all("/devices").await?;
    let wanted = to_wait_for(&all, names);
    let bar = ProgressBar::new(wanted.len() as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos} of {len} devices converged {msg}") {
        bar.set_style(style);
    }
    let deadline = tokio::time::Instant::now() + limit;
    loop {
        let devices: Vec<Device> = api.get_all("/devices").await?;
        let waiting: BTreeSet<&str> = devices
            .iter()
            .filter(|d| wanted.contains(d.name.as_str()) && d.generation_applied < d.generation_wanted)
            .map(|d| d.name.as_str())
            .collect();
        let news = news(api, &wanted, &waiting, revision).await?;
        let left: Vec<_> = waiting.iter().filter(|name| !news.converged.contains(*name)).collect();
        bar.set_position((wanted.len() - left.len()) as u64);
        let is_over = tokio::time::Instant::now() >= deadline;
        if left.iter().any(|name| !news.failed.contains_key(**name)) && !is_over {
            tokio::time::sleep(LOOK).await;
            continue;
        }
        bar.finish_and_clear();
        let held: Vec<_> = devices.iter().filter(|d| d.held && wanted.contains(d.name.as_str())).collect();
        let not = left.iter().filter(|name| !news.failed.contains_key(***name)).count();
        let converged = wanted.len() - held.len() - news.failed.len() - not;
        output::line(format!("{converged} of {} devices have converged", wanted.len()))?;
        if let Some(first) = news.failed.keys().next() {
            return Err(Failure::new(format!("it failed on {}", count(news.failed.len(), "device")))
                .of_parts(news.failed.values().cloned().collect())
                .next(format!("muster why {first} says more")));
        }
        if let Some(first) = left.first() {
            let names = left.iter().map(|name| **name).collect::<Vec<_>>().join(", ");
            return Err(Failure::new(format!("not yet converged: {names}"))
                .next(format!("muster why {first} says what stands in the way")));
        }
        return match held.first() {
            None => Ok(Ending::Fine),
            Some(first) => {
                let were = if held.len() == 1 { "was" } else { "were" };
                let who = count(held.len(), "device");
                Err(Failure::new(format!("{who} {were} not given it and will stay as before until then"))
                    .next(format!("see muster why {}", first.name)))
            }
        };
    }
}

/// What devices say of the resources that a revision brings.
#[derive(Default)]
struct News<'a> {
    /// Those on which all of them are as they should be, whatever else is wrong there.
    converged: BTreeSet<&'a str>,
    /// Those on which some are not, each with which and why.
    failed: BTreeMap<&'a str, String>,
}

/// Asks each of `wanted` how the resources of the revision are; nothing where these are too many to be looked at one by one.
async fn news<'a>(
    api: &Api,
    wanted: &BTreeSet<&'a str>,
    waiting: &BTreeSet<&str>,
    revision: Option<&str>,
) -> Result<News<'a>, Failure> {
    const LOOKED_AT: usize = 20;
    let mut news = News::default();
    let Some(revision) = revision.filter(|_| wanted.len() <= LOOKED_AT) else { return Ok(news) };
    for name in wanted {
        let all: Vec<ResourceView> = api.get(&format!("/devices/{}/resources", part(name))).await?;
        let ours: Vec<_> = all
            .iter()
            .filter(|one| {
                format!("{}@{}", one.profile, one.revision) == revision && one.mode == Mode::Enforce
            })
            .collect();
        let bad: Vec<_> = ours.iter().filter(|one| has_failed(one.outcome)).collect();
        if let Some(first) = bad.first() {
            let reason = first.reason.as_deref().unwrap_or("no reason was given");
            let more = if bad.len() > 1 { format!(", and {} more", bad.len() - 1) } else { String::new() };
            let what = word(&first.outcome);
            news.failed.insert(name, format!("{name}: {} {what}: {reason}{more}", first.resource));
        } else if waiting.contains(name) && !ours.is_empty() && ours.iter().all(|one| is_settled(one.outcome))
        {
            news.converged.insert(name);
        }
    }
    Ok(news)
}

/// Whether a later turn found it as it should be. What was made just now may still be on trial.
fn is_settled(outcome: OutcomeKind) -> bool {
    matches!(outcome, OutcomeKind::Kept | OutcomeKind::NotApplicable)
}

/// Whether it will not come to be as it should by itself. What is Drifted where it is enforced may: its artifact is tried again.
fn has_failed(outcome: OutcomeKind) -> bool {
    matches!(outcome, OutcomeKind::Failed | OutcomeKind::Blocked | OutcomeKind::Unsupported)
}

/// Those of the named devices that can take a state; says how many can't. A machine that nobody has unpacked yet is not
/// waited for.
fn to_wait_for<'a>(all: &[Device], names: &'a [String]) -> BTreeSet<&'a str> {
    let states: BTreeMap<&str, DeviceState> = all.iter().map(|d| (d.name.as_str(), d.state)).collect();
    let in_state =
        |name: &&str, wanted: fn(DeviceState) -> bool| states.get(name).copied().is_some_and(wanted);
    let names = || names.iter().map(String::as_str);
    let enrolled: BTreeSet<_> = names()
        .filter(|name| in_state(name, |state| matches!(state, DeviceState::Enrolled | DeviceState::Ready)))
        .collect();
    let held = names().filter(|name| in_state(name, |state| state == DeviceState::Held)).count();
    let missing = names().count() - enrolled.len() - held;
    for (number, what) in [(missing, "not enrolled"), (held, "held, as two machines use its identity")] {
        if number > 0 {
            let are = if number == 1 { "is" } else { "are" };
            output::note(format!("{} {are} {what}, and not waited for", count(number, "device")));
        }
    }
    enrolled
}

/// Reads `NAME=VALUE`.
pub(crate) fn param(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .ok_or_else(|| "write it as NAME=VALUE".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use muster_proto::Timestamp;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        assign: Assign,
    }

    fn typed(words: &str) -> Assign {
        Line::parse_from(format!("assign {words}").split(' ')).assign
    }

    #[test]
    fn what_is_not_named_is_kept_and_what_becomes_another_is_said() {
        let there = AssignmentView {
            id: "as-1".to_owned(),
            profile: "base".to_owned(),
            revision: 1,
            target: "everyone".to_owned(),
            precedence: 7,
            mode: Mode::Audit,
            params: BTreeMap::new(),
            follow: true,
            created_by: "admin:kim".to_owned(),
            created: Timestamp::default(),
            devices: 3,
        };
        let asked = |words: &str| typed(words).asked(Some(&there)).unwrap();
        let kept = asked("base --to everyone");
        assert_eq!((kept.mode, kept.precedence, kept.follow), (Mode::Audit, 7, true));
        assert_eq!(becomes(&there, &kept), Vec::<String>::new());
        let pinned = asked("base@2 --to everyone --mode enforce --precedence 0");
        assert_eq!((pinned.mode, pinned.precedence, pinned.follow), (Mode::Enforce, 0, false));
        assert_eq!(becomes(&there, &pinned).len(), 3);
        let first = typed("base --to everyone").asked(None).unwrap();
        assert_eq!((first.mode, first.precedence, first.follow), (Mode::Enforce, 0, false));
    }

    #[test]
    fn the_summary_says_what_is_replaced_and_what_is_kept_of_it() {
        let revision = "base@3".to_owned();
        let replaced = |kept: &[&str], gone: &[&str]| {
            let own = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
            replaces(&Replaced { revision: revision.clone(), kept: own(kept), gone: own(gone) })
        };
        assert_eq!(replaced(&[], &[]), "; replaces base@3");
        assert_eq!(replaced(&["ntp"], &[]), "; replaces base@3 (param ntp kept)");
        assert_eq!(
            replaced(&["ntp", "site"], &["proxy"]),
            "; replaces base@3 (params ntp, site kept; param proxy no longer in the profile)"
        );
    }
}
