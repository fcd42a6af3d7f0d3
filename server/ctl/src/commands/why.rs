//! `muster why`: the chain from what is wrong on a device to who asked for it.

use clap::Args;
use muster_proto::rest::{Cause, Compliance, DeviceDetail, DevicePause};

use crate::api::{Api, part};
use crate::failure::{Ending, Failure};
use crate::output::{self, Output, word};

/// Say why a device is not compliant: what is wrong, which profile asks for it, who assigned it, what to do
#[derive(Args)]
#[command(after_help = "Example:\n  muster why lap-ada")]
pub(crate) struct Why {
    /// Its name, serial or id
    device: String,
    #[command(flatten)]
    output: Output,
}

impl Why {
    pub(crate) async fn run(self, api: &Api) -> Result<Ending, Failure> {
        let detail: DeviceDetail = api.get(&format!("/devices/{}", part(&self.device))).await?;
        if self.output.is_table() {
            print(&detail)?;
        } else {
            self.output.list(&detail.causes, &HEADER, cells)?;
        }
        Ok(Ending::Fine)
    }
}

const HEADER: [&str; 8] =
    ["kind", "subject", "problem", "profile", "assignment", "assigned by", "since", "remedy"];

fn cells(cause: &Cause) -> Vec<String> {
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    vec![
        cause.kind.clone(),
        cause.subject.clone(),
        cause.problem.clone(),
        text(&cause.profile),
        text(&cause.assignment),
        text(&cause.assigned_by),
        cause.since.map(|t| t.to_string()).unwrap_or_default(),
        text(&cause.remedy),
    ]
}

/// Prints the causes as sentences, one under the other, and whether it is paused.
pub(crate) fn print(detail: &DeviceDetail) -> Result<(), Failure> {
    if let Some(paused) = &detail.paused {
        output::line(pause(&detail.device.name, paused))?;
    }
    let device = &detail.device;
    if detail.causes.is_empty() {
        let sentence = match device.compliance {
            Compliance::Compliant => "is compliant",
            Compliance::Unmanaged => {
                "is unmanaged: nothing is assigned to it (muster assign PROFILE --to ...)"
            }
            Compliance::Failing | Compliance::Unknown | Compliance::Stale => "names no cause yet",
        };
        return output::line(format!("{} {sentence}.", device.name));
    }
    output::line(format!("{} is {} because:", device.name, word(&device.compliance)))?;
    for cause in &detail.causes {
        output::line(format!("  {}: {}", cause.subject, cause.problem))?;
        if let Some(since) = cause.since {
            output::line(format!("    since {since}"))?;
        }
        if let Some(profile) = &cause.profile {
            let assignment =
                cause.assignment.as_ref().map(|a| format!(", assigned as {a}")).unwrap_or_default();
            let who = cause.assigned_by.as_ref().map(|who| format!(" by {who}")).unwrap_or_default();
            let when = cause.assigned_at.map(|at| format!(" at {at}")).unwrap_or_default();
            output::line(format!("    asked for by {profile}{assignment}{who}{when}"))?;
        }
        if let Some(remedy) = &cause.remedy {
            output::line(format!("    to do: {remedy}"))?;
        }
    }
    Ok(())
}

/// Such as "lap-ada is paused since ... by admin:kim (label:laptop), 2 changes wait."
fn pause(name: &str, paused: &DevicePause) -> String {
    let DevicePause { pause, waiting } = paused;
    let until = pause.until.map(|until| format!(" until {until}")).unwrap_or_default();
    let reason = pause.reason.as_ref().map(|reason| format!(", {reason:?}")).unwrap_or_default();
    let changes = match waiting.len() {
        1 => "1 change waits".to_owned(),
        changes => format!("{changes} changes wait"),
    };
    format!(
        "{name} is paused since {}{until} by {} ({}{reason}), {changes}.",
        pause.since, pause.by, pause.target
    )
}
