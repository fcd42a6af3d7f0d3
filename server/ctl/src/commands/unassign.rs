//! `muster unassign`: end an assignment; devices reverse what it brought.

use std::time::Duration;

use clap::Args;
use muster_proto::rest::{AssignmentView, Device};

use super::assign;
use super::profile::reference;
use crate::api::{Api, part};
use crate::failure::{Ending, Failure};
use crate::output;
use crate::span::span;
use crate::target::target;
use crate::terminal::Consent;

/// End an assignment; its devices reverse what it brought
#[derive(Args)]
#[command(
    after_help = "Example:\n  muster unassign base --from label:laptop\n  muster unassign base --from label:test --yes --wait 5m"
)]
pub(crate) struct Unassign {
    /// The profile, with its revision if it matters (base@3), or the assignment's id
    assignment: String,
    /// label:NAME, device:NAME or everyone; NAME alone is a device. Needed when the profile is assigned more than once
    #[arg(long, alias = "to", value_name = "TARGET", value_parser = target)]
    from: Option<String>,
    #[command(flatten)]
    consent: Consent,
    /// Wait until the devices have taken back what it brought, at most this long
    #[arg(long, value_name = "TIME", num_args = 0..=1, default_missing_value = "10m", value_parser = span)]
    wait: Option<Duration>,
}

/// Whether an assignment to this target, as it is shown, is for a device.
fn is_reached(target: &str, device: &Device) -> bool {
    match target.split_once(':') {
        Some(("label", label)) => device.labels.iter().any(|one| one == label),
        Some((_, name)) => device.name == name,
        None => true,
    }
}

impl Unassign {
    pub(crate) async fn run(self, api: &Api) -> Result<Ending, Failure> {
        let all: Vec<AssignmentView> = api.get("/assignments").await?;
        let (name, revision) = reference(&self.assignment)?;
        let meant: Vec<_> = all
            .iter()
            .filter(|a| {
                a.id == self.assignment || (a.profile == name && revision.is_none_or(|r| r == a.revision))
            })
            .filter(|a| self.from.as_ref().is_none_or(|from| *from == a.target))
            .collect();
        let assignment = match meant.as_slice() {
            [one] => one,
            [] => return Err(self.unknown(&all, name)),
            several => {
                let targets: Vec<_> = several.iter().map(|a| a.target.as_str()).collect();
                return Err(Failure::new(format!("{name} is assigned {} times", several.len()))
                    .next(format!("say which with --from: {}", targets.join(", "))));
            }
        };
        let what = format!(
            "{}@{} to {} ({} {})",
            assignment.profile,
            assignment.revision,
            assignment.target,
            assignment.devices,
            if assignment.devices == 1 { "device" } else { "devices" }
        );
        let about = format!("{what} ends, and devices reverse what it brought.");
        self.consent.ask(&about, "Go on?", "nothing was changed")?;
        api.delete(&format!("/assignments/{}", part(&assignment.id))).await?;
        output::line(format!("Ended: {what}"))?;
        match self.wait {
            Some(limit) => {
                let all: Vec<Device> = api.get_all("/devices").await?;
                let reached = all.iter().filter(|device| is_reached(&assignment.target, device));
                let names: Vec<_> = reached.map(|device| device.name.clone()).collect();
                assign::wait(api, &names, None, limit).await
            }
            None => Ok(Ending::Fine),
        }
    }

    fn unknown(&self, all: &[AssignmentView], name: &str) -> Failure {
        let from = self.from.as_ref().map(|from| format!(" from {from}")).unwrap_or_default();
        let failure = Failure::new(format!("there is no assignment {}{from}", self.assignment));
        let ones = all.iter().filter(|a| a.profile == name);
        let ones: Vec<_> = ones.map(|a| format!("{}@{} to {}", a.profile, a.revision, a.target)).collect();
        match ones.as_slice() {
            [] => failure.next("muster assignments lists them"),
            ones => failure.next(format!("there is: {}", ones.join(", "))),
        }
    }
}
