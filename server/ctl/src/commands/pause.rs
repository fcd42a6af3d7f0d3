//! `muster pause` and `muster resume`: devices keep the state they have, until they may get what waits.

use std::time::Duration;

use clap::{Args, Subcommand};
use muster_proto::rest::{NewPause, PauseView, Resumed};

use crate::api::{Api, part};
use crate::failure::{Ending, Failure};
use crate::output::{self, Output, moment};
use crate::span::span;
use crate::target::target_or_profile;
use crate::terminal::Consent;

/// What is paused when nothing is named.
const EVERYONE: &str = "everyone";

/// Keep devices as they are: nothing new reaches them until they are resumed
///
/// Leases still end on paused devices, and revoking works.
#[derive(Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Example:\n  muster pause label:laptop --for 2h --reason 'quarter end'\n  muster pause list"
)]
pub(crate) struct Pause {
    /// label:NAME, device:NAME, profile:NAME or everyone; NAME alone is a device. Everyone, once that is confirmed, when left
    /// out
    #[arg(value_parser = target_or_profile)]
    target: Option<String>,
    /// When it ends by itself, such as 2h; it lasts until it is resumed when left out
    #[arg(long = "for", value_name = "TIME", value_parser = span)]
    time: Option<Duration>,
    /// Why, for whoever asks later
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    consent: Consent,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Subcommand)]
enum Verb {
    List(List),
}

/// List pauses
#[derive(Args)]
#[command(after_help = "Example:\n  muster pause list -o json")]
struct List {
    #[command(flatten)]
    output: Output,
}

/// End a pause; its devices get at once what waited for them
#[derive(Args)]
#[command(after_help = "Example:\n  muster resume label:laptop")]
pub(crate) struct Resume {
    /// What is paused, as `muster pause list` shows it; everyone when left out
    #[arg(value_parser = target_or_profile)]
    target: Option<String>,
}

impl Pause {
    pub(crate) async fn run(self, api: &Api) -> Result<Ending, Failure> {
        if let Some(Verb::List(list)) = self.verb {
            return list.run(api).await;
        }
        if self.target.is_none() {
            let about = "This pauses everyone: no device gets anything new until it is resumed.";
            self.consent.ask(
                about,
                "Go on?",
                "nothing was paused; name whom to pause, such as label:laptop",
            )?;
        }
        let asked = NewPause {
            target: self.target.unwrap_or_else(|| EVERYONE.to_owned()),
            seconds: self.time.map(|time| time.as_secs()),
            reason: self.reason,
        };
        let pause: PauseView = api.post("/pauses", &asked).await?;
        output::line(format!(
            "{} is paused {}: {} {} as they are.",
            pause.target,
            pause
                .until
                .map_or_else(|| "until it is resumed".to_owned(), |until| format!("until {}", moment(until))),
            pause.devices,
            if pause.devices == 1 { "device stays" } else { "devices stay" }
        ))?;
        if let Some(why) = of_nobody(&pause) {
            output::note(format!("warning: {why}"));
        }
        output::note(format!("To end it: muster resume {}", pause.target));
        Ok(Ending::Fine)
    }
}

/// Why a pause keeps no device as it is now: its target may be meant for those to come, or be mistyped.
fn of_nobody(pause: &PauseView) -> Option<String> {
    if pause.devices > 0 {
        return None;
    }
    Some(match pause.target.split_once(':') {
        Some(("label", label)) => {
            format!("no device has the label {label} now: the pause is for those that get it later")
        }
        Some(("profile", profile)) => {
            format!("no device has {profile} now: the pause is for those that get it later")
        }
        _ => "no device is there to be paused now".to_owned(),
    })
}

impl List {
    async fn run(self, api: &Api) -> Result<Ending, Failure> {
        let pauses: Vec<PauseView> = api.get("/pauses").await?;
        let header = ["target", "devices", "by", "since", "until", "reason"];
        self.output.list(&pauses, &header, |pause| {
            vec![
                pause.target.clone(),
                pause.devices.to_string(),
                pause.by.clone(),
                moment(pause.since),
                moment(pause.until),
                pause.reason.clone().unwrap_or_default(),
            ]
        })?;
        self.output.where_none(&pauses, "Nothing is paused. Pause something: muster pause TARGET --for 2h");
        Ok(Ending::Fine)
    }
}

impl Resume {
    pub(crate) async fn run(self, api: &Api) -> Result<Ending, Failure> {
        let target = self.target.unwrap_or_else(|| EVERYONE.to_owned());
        let resumed: Resumed = api.take(&format!("/pauses/{}", part(&target))).await?;
        output::line(format!("{target} is resumed: {}", outcome(&resumed)))?;
        Ok(Ending::Fine)
    }
}

/// What became of what waited, as the end of a sentence.
pub(crate) fn outcome(resumed: &Resumed) -> String {
    let got = match resumed.devices {
        0 => "nothing waited for its devices.".to_owned(),
        1 => "1 device gets what waited for it.".to_owned(),
        devices => format!("{devices} devices get what waited for them."),
    };
    match resumed.still_held {
        0 => got,
        1 => format!("{got} 1 device still waits for something else: muster pause list, muster removal list"),
        held => {
            format!(
                "{got} {held} devices still wait for something else: muster pause list, muster removal list"
            )
        }
    }
}
