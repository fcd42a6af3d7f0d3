//! `muster profile`: write, check, save, list, show and compare profiles.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clap::{Args, Subcommand};
use muster_proto::Timestamp;
use muster_proto::profile::Profile as Document;
use muster_proto::rest::{
    Follower, ProfileDetail, ProfileView, RevisionDiff, RevisionView, RolloutView, SavedRevision, SourcePlace,
};
use muster_proto::review::{Review, review};
use muster_proto::yaml::{SourceError, parse_profile};
use reqwest::Method;

use crate::api::{Api, part};
use crate::arguments::Global;
use crate::failure::{Ending, Failure};
use crate::key_from;
use crate::output::{self, Output, Single, word};
use crate::terminal::Consent;

mod check;
mod edit;
mod plan;

use check::Check;
use plan::Plan;

/// Write, check and save profiles
#[derive(Subcommand)]
#[command(
    after_help = "Example:\n  muster profile init base > base.yaml\n  muster profile check base.yaml\n  muster profile plan base.yaml --on srv-db1\n  muster profile apply base.yaml"
)]
pub(crate) enum Profile {
    Init(Init),
    Check(Check),
    Plan(Plan),
    Apply(Apply),
    List(List),
    Show(Show),
    Diff(Diff),
    Schema(Schema),
}

/// Print a profile to begin with
#[derive(Args)]
#[command(after_help = "Example:\n  muster profile init base > base.yaml")]
pub(crate) struct Init {
    /// Its name
    name: String,
}

/// Save a revision of a profile; it goes to no device but where it was assigned with --follow
///
/// Where an older revision is assigned, its devices are asked what they would do with the new one.
#[derive(Args)]
#[command(after_help = "Example:\n  muster profile apply base.yaml --dry-run")]
pub(crate) struct Apply {
    /// The file; `-` for standard input
    file: PathBuf,
    /// Save nothing; say what would be
    #[arg(long)]
    dry_run: bool,
    /// Don't ask devices what they would do with it
    #[arg(long)]
    no_plan: bool,
    #[command(flatten)]
    consent: Consent,
    #[command(flatten)]
    output: Single,
}

/// List profiles
#[derive(Args)]
#[command(after_help = "Example:\n  muster profile list")]
pub(crate) struct List {
    #[command(flatten)]
    output: Output,
}

/// Show a profile's revisions and where they are pinned, or with @N the text of one
#[derive(Args)]
#[command(after_help = "Example:\n  muster profile show base\n  muster profile show base@3 > base.yaml")]
pub(crate) struct Show {
    /// Its name, or its name and a revision as base@3
    profile: String,
    #[command(flatten)]
    output: Output,
}

/// Compare two revisions; the newest two when none are named
#[derive(Args)]
#[command(after_help = "Example:\n  muster profile diff base --from 2 --to 3")]
pub(crate) struct Diff {
    /// The profile
    profile: String,
    /// The older revision
    #[arg(long)]
    from: Option<u32>,
    /// The newer revision
    #[arg(long)]
    to: Option<u32>,
}

/// Print the JSON Schema of the profile language, for editors
#[derive(Args)]
#[command(after_help = "Example:\n  muster profile schema > profile.schema.json")]
pub(crate) struct Schema {}

impl Profile {
    pub(crate) async fn run(self, global: &Global) -> Result<Ending, Failure> {
        match self {
            Self::Init(command) => command.run(),
            Self::Check(command) => command.run(),
            Self::Plan(command) => command.run(&global.api()?).await,
            Self::Apply(command) => command.run(&global.api()?).await,
            Self::List(command) => command.run(&global.api()?).await,
            Self::Show(command) => command.run(&global.api()?).await,
            Self::Diff(command) => command.run(&global.api()?).await,
            Self::Schema(Schema {}) => {
                output::raw(&format!("{:#}\n", Document::schema()))?;
                Ok(Ending::Fine)
            }
        }
    }
}

impl Init {
    fn run(self) -> Result<Ending, Failure> {
        let name: muster_proto::ProfileName = self.name.parse().map_err(|error| {
            Failure::new(format!("{} can't be a profile's name", self.name)).because(error)
        })?;
        output::raw(&format!(
            "muster: 1\nprofile: {name}\ndescription: What every device has\nresources:\n  - packages: [curl, jq]\n  - file: {{ path: /etc/motd, content: \"Managed by Muster.\\n\", mode: \"0644\" }}\nchecks:\n  - id: no-empty-passwords\n    title: No account has an empty password\n    violations: SELECT username FROM shadow WHERE password_status = 'empty'\n    severity: high\n    remediation: Lock the account or set a password.\n"
        ))?;
        Ok(Ending::Fine)
    }
}

/// What a revision does where the profile is followed.
fn followed(follower: &Follower, name: &str, dry_run: bool) -> String {
    let devices = output::count(follower.devices, "device");
    let target = output::escape(&follower.target);
    match &follower.stays {
        Some(why) => format!("{target} ({devices}) stays as it is: {}", output::escape(why)),
        None if dry_run => format!("{target} ({devices}) follows the profile and would take {name} at once"),
        None => format!("{target} ({devices}) follows the profile and has {name} now"),
    }
}

/// Asks before devices change by nothing more than a save.
fn confirm_followers(trial: &SavedRevision, consent: &Consent) -> Result<(), Failure> {
    let name = format!("{}@{}", trial.profile, trial.number);
    let taking: Vec<&Follower> = trial.followers.iter().filter(|follower| follower.stays.is_none()).collect();
    if taking.is_empty() {
        return Ok(());
    }
    taking.iter().for_each(|follower| output::note(followed(follower, &name, true)));
    let devices = output::count(taking.iter().map(|follower| follower.devices).sum::<u64>(), "device");
    let about = format!("Saving gives {name} to {devices} at once.");
    let undone = "nothing was saved; assign without --follow, and then with --rollout, to give it to a few devices first";
    consent.ask(&about, "Go on?", undone)
}

impl Apply {
    async fn run(self, api: &Api) -> Result<Ending, Failure> {
        let Written { text, profile, .. } = read_or_say(&self.file)?;
        let path = |dry_run| format!("/profiles/{}?dry_run={dry_run}", part(profile.name.as_str()));
        if !self.dry_run && !self.consent.is_given() {
            let trial: SavedRevision =
                api.send_text(Method::PUT, &path(true), "application/yaml", text.clone()).await?;
            confirm_followers(&trial, &self.consent)?;
        }
        let path = path(self.dry_run);
        let saved: SavedRevision = api.send_text(Method::PUT, &path, "application/yaml", text).await?;
        for SourcePlace { line, column, message } in &saved.warnings {
            warn(&self.file, *line, *column, message);
        }
        self.output.one(&saved, |saved| {
            let name = format!("{}@{}", saved.profile, saved.number);
            output::line(match (saved.new, self.dry_run) {
                (false, _) => format!("{name} says exactly this already"),
                (true, true) => format!("{name} would be saved"),
                (true, false) if saved.followers.is_empty() => {
                    format!("{name} is saved. Assign it: muster assign {name} --to label:...")
                }
                (true, false) => format!("{name} is saved"),
            })?;
            saved
                .followers
                .iter()
                .try_for_each(|follower| output::line(followed(follower, &name, self.dry_run)))
        })?;
        if saved.new && self.output.is_table() && !self.dry_run && !self.no_plan {
            edit::show(api, &saved).await?;
        }
        Ok(if self.dry_run && saved.new { Ending::Changes } else { Ending::Fine })
    }
}

impl List {
    async fn run(self, api: &Api) -> Result<Ending, Failure> {
        let profiles: Vec<ProfileView> = api.get("/profiles").await?;
        let header = ["name", "newest", "devices", "compliant", "saved", "saved by", "description"];
        self.output.list(&profiles, &header, |profile| {
            vec![
                profile.name.clone(),
                profile.newest.to_string(),
                profile.devices.to_string(),
                format!("{} of {}", profile.compliant, profile.devices),
                output::moment(profile.saved),
                profile.saved_by.clone(),
                profile.description.clone(),
            ]
        })?;
        self.output.where_none(
            &profiles,
            "There is no profile yet. Write one: muster profile init base > base.yaml, and then \
             muster profile apply base.yaml",
        );
        Ok(Ending::Fine)
    }
}

/// A source text as it is shown. In a terminal nothing in it, such as marks that turn the direction of writing, makes it
/// look like another; into a file it goes as it is.
fn shown(source: &str) -> String {
    if !std::io::stdout().is_terminal() {
        return source.to_owned();
    }
    source.lines().map(|line| format!("{}\n", output::escape(line))).collect()
}

impl Show {
    async fn run(self, api: &Api) -> Result<Ending, Failure> {
        let (name, revision) = reference(&self.profile)?;
        if let Some(number) = revision {
            let output = self.output.single()?;
            let path = format!("/profiles/{}/revisions/{number}", part(name));
            let revision: RevisionView = api.get(&path).await?;
            output.one(&revision, |revision| output::raw(&shown(&revision.source)))?;
            return Ok(Ending::Fine);
        }
        let detail: ProfileDetail = api.get(&format!("/profiles/{}", part(name))).await?;
        if !self.output.is_table() {
            self.output.whole(&detail, |detail| revisions(&self.output, detail))?;
            return Ok(Ending::Fine);
        }
        let profile = &detail.profile;
        output::fields(&[
            ("name", profile.name.clone()),
            ("description", profile.description.clone()),
            ("compliant", format!("{} of {} devices", profile.compliant, profile.devices)),
        ])?;
        for assignment in &detail.assignments {
            output::line(format!(
                "{}@{} to {} ({}, {} devices)",
                assignment.profile,
                assignment.revision,
                assignment.target,
                word(&assignment.mode),
                assignment.devices
            ))?;
        }
        let rollouts: Vec<RolloutView> = api.get("/rollouts").await?;
        for rollout in
            rollouts.iter().filter(|rollout| rollout.profile == profile.name && rollout.ended.is_none())
        {
            output::line(format!(
                "{}@{} to {}, step {} of {} of a rollout that is {}: muster rollout show {}",
                rollout.profile,
                rollout.revision,
                rollout.target,
                rollout.step,
                rollout.steps.len(),
                word(&rollout.state),
                rollout.id
            ))?;
        }
        revisions(&self.output, &detail)?;
        Ok(Ending::Fine)
    }
}

fn revisions(output: &Output, detail: &ProfileDetail) -> Result<(), Failure> {
    output.list(&detail.revisions, &["revision", "saved", "saved by", "pinned", "digest"], |revision| {
        vec![
            revision.number.to_string(),
            output::moment(revision.saved),
            revision.saved_by.clone(),
            revision.pinned.to_string(),
            revision.digest.clone(),
        ]
    })
}

impl Diff {
    async fn run(self, api: &Api) -> Result<Ending, Failure> {
        let name = part(&self.profile);
        let to = match self.to {
            Some(to) => to,
            None => api.get::<ProfileDetail>(&format!("/profiles/{name}")).await?.profile.newest,
        };
        let from = self.from.unwrap_or_else(|| to.saturating_sub(1));
        if from == 0 {
            return Err(Failure::new(format!("{}@{to} is the first revision", self.profile))
                .next("there is nothing older to compare it with"));
        }
        let diff: RevisionDiff = api.get(&format!("/profiles/{name}/diff?from={from}&to={to}")).await?;
        let lines: Vec<_> = diff.unified.lines().map(output::escape).collect();
        output::raw(&format!("{}\n", lines.join("\n")))?;
        Ok(if diff.unified.is_empty() { Ending::Fine } else { Ending::Changes })
    }
}

/// Splits `base@3`.
pub(crate) fn reference(text: &str) -> Result<(&str, Option<u32>), Failure> {
    let Some((name, revision)) = text.split_once('@') else { return Ok((text, None)) };
    let number = revision.parse().ok().filter(|number| *number > 0);
    let number = number.ok_or_else(|| {
        Failure::new(format!("{text} names no revision")).next("write it as base@3, or base for the newest")
    })?;
    Ok((name, Some(number)))
}

enum Unread {
    Failure(Failure),
    Errors(Vec<SourceError>),
}

/// A profile as its author wrote it.
struct Written {
    /// The text to be sent, its keys put in.
    text: String,
    /// What it says.
    profile: Document,
    /// What its author should know.
    warnings: Vec<SourceError>,
}

/// Reads a profile and looks at it as the server would.
fn read(file: &Path) -> Result<Written, Unread> {
    let unread = |error: std::io::Error| {
        Unread::Failure(Failure::new(format!("can't read {}", file.display())).because(error))
    };
    let text = if file.as_os_str() == "-" {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(file)
    };
    let text = text.map_err(unread)?;
    let folder = file.parent().unwrap_or(Path::new("."));
    let text = key_from::inline(&text, folder).map_err(Unread::Errors)?;
    let (source, profile) = parse_profile(&text).map_err(Unread::Errors)?;
    let Review { errors, warnings } = review(&source.value, Timestamp::from_system(SystemTime::now()));
    let located = |errors: &[_]| errors.iter().map(|error| source.locate(error)).collect::<Vec<_>>();
    if !errors.is_empty() {
        return Err(Unread::Errors(located(&errors)));
    }
    Ok(Written { warnings: located(&warnings), text, profile })
}

/// As [`read`]; errors in the text are shown with their places.
fn read_or_say(file: &Path) -> Result<Written, Failure> {
    read(file).map_err(|unread| match unread {
        Unread::Failure(failure) => failure,
        Unread::Errors(errors) => {
            show_errors(file, &errors);
            errors_found(errors.len())
        }
    })
}

fn show_errors(file: &Path, errors: &[SourceError]) {
    for error in errors {
        output::note(format!("{}:{}:{}: {}", file.display(), error.line, error.column, error.message));
    }
}

/// Tells what an author should know of a place in a text that is right.
fn warn(file: &Path, line: u64, column: u64, message: &str) {
    output::note(format!("{}:{line}:{column}: warning: {message}", file.display()));
}

fn errors_found(count: usize) -> Failure {
    let errors = if count == 1 { "1 error".to_owned() } else { format!("{count} errors") };
    Failure::new(errors).next("correct them; `muster profile schema` is the whole language")
}
