//! `muster profile plan`: what a real device would do.

use std::path::PathBuf;

use clap::Args;
use muster_proto::rest::{DevicePlan, NewDevicePlan, SourcePlace};

use super::{read_or_say, warn};
use crate::api::{Api, part};
use crate::commands::assign;
use crate::failure::{Ending, Failure};
use crate::output::{self, Single};

/// Ask a real device what it would do with a profile; nothing is saved
///
/// The profile is tried in place of the revision that is pinned for the device. Where it is not assigned to the device, it
/// is tried as if it were: enforced, at precedence 0. Exits with 2 when there are changes.
#[derive(Args)]
#[command(after_help = "Example:\n  muster profile plan base.yaml --on srv-db1 --param ntp=ntp.corp.example")]
pub(crate) struct Plan {
    /// The file; `-` for standard input
    file: PathBuf,
    /// The device: its name, serial or id
    #[arg(long, value_name = "DEVICE")]
    on: String,
    /// A parameter of the profile, over what its assignment gives; may be given several times
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = assign::param)]
    params: Vec<(String, String)>,
    #[command(flatten)]
    output: Single,
}

impl Plan {
    pub(super) async fn run(self, api: &Api) -> Result<Ending, Failure> {
        let source = read_or_say(&self.file)?.text;
        let asked = NewDevicePlan { source, params: self.params.into_iter().collect() };
        let answer: DevicePlan = api.post(&format!("/devices/{}/plan", part(&self.on)), &asked).await?;
        for SourcePlace { line, column, message } in &answer.places {
            warn(&self.file, *line, *column, message);
        }
        for warning in &answer.warnings {
            output::note(format!("warning: {warning}"));
        }
        self.output.one(&answer, |answer| {
            output::note(basis(answer));
            // What the device says is escaped where the plan is written out.
            output::raw(&answer.plan.to_string())
        })?;
        Ok(if answer.plan.is_empty() { Ending::Fine } else { Ending::Changes })
    }
}

fn basis(answer: &DevicePlan) -> String {
    let DevicePlan { device, profile, replaces, .. } = answer;
    if replaces.is_empty() {
        return format!(
            "On {device}, with {profile} as if newly assigned (enforced, precedence 0); nothing was saved:"
        );
    }
    format!("On {device}, with this text in place of {}; nothing was saved:", replaces.join(" and of "))
}
