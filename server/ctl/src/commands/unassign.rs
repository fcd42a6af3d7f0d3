//! `muster unassign`: end an assignment; devices reverse what it brought.

use clap::Args;
use muster_proto::rest::AssignmentView;

use super::profile::reference;
use crate::api::{Api, part};
use crate::failure::{Ending, Failure};
use crate::output;
use crate::terminal::Consent;

/// End an assignment; its devices reverse what it brought
#[derive(Args)]
#[command(after_help = "Example:\n  muster unassign base --from label:laptop")]
pub(crate) struct Unassign {
    /// The profile, with its revision if it matters (base@3), or the assignment's id
    assignment: String,
    /// label:NAME, device:NAME or everyone; needed when the profile is assigned more than once
    #[arg(long)]
    from: Option<String>,
    #[command(flatten)]
    consent: Consent,
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
        Ok(Ending::Fine)
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
