//! `muster rollback`: take a profile back to what its assignments pinned before.

use clap::Args;
use muster_proto::rest::{Rollback as Asked, RollbackResult, RolledBack};

use crate::api::{Api, part};
use crate::failure::{Ending, Failure};
use crate::output;
use crate::target::target;
use crate::terminal::Consent;

/// Take every assignment of a profile back to the revision that it pinned before
///
/// With --on only the one to that target. Precedence, mode and parameters go back with the revision. A second rollback goes further back, not forth.
/// What follows the profile goes on to follow: the next revision that is saved goes there at once.
#[derive(Args)]
#[command(
    after_help = "Example:\n  muster rollback base\n  muster rollback base --on label:test\n  muster rollback base --to 3 --yes"
)]
pub(crate) struct Rollback {
    /// The profile
    profile: String,
    /// The revision for all of its assignments
    #[arg(long, value_name = "N")]
    to: Option<u32>,
    /// Only the assignment to this target: label:NAME, device:NAME or everyone; NAME alone is a device
    #[arg(long, value_name = "TARGET", value_parser = target)]
    on: Option<String>,
    #[command(flatten)]
    consent: Consent,
}

impl Rollback {
    pub(crate) async fn run(self, api: &Api) -> Result<Ending, Failure> {
        let path = format!("/profiles/{}/rollback", part(&self.profile));
        let mut asked = Asked { to: self.to, on: self.on, plan: None };
        let preview: RollbackResult = api.post(&format!("{path}?dry_run=true"), &asked).await?;
        refuse_conflicts(&preview)?;
        for warning in &preview.warnings {
            output::note(format!("warning: {warning}"));
        }
        follows(&preview).iter().for_each(output::note);
        let shown = effect(&preview);
        self.consent.ask(&shown, "Apply?", "nothing was rolled back")?;
        if !self.consent.is_given() {
            asked.plan = Some(preview.plan);
        }
        let done: RollbackResult = api.post(&format!("{path}?dry_run=false"), &asked).await?;
        for assignment in &done.assignments {
            output::line(format!(
                "{0}@{1} to {2} is {0}@{3} again",
                done.profile, assignment.from, assignment.target, assignment.to
            ))?;
        }
        output::line(effect(&done))?;
        Ok(Ending::Fine)
    }
}

/// Where the profile is followed, which a rollback does not end: what is saved next goes there by itself.
fn follows(result: &RollbackResult) -> Vec<String> {
    let said = |RolledBack { target, to, .. }: &RolledBack| {
        let profile = &result.profile;
        format!(
            "{target} follows {profile}, and goes on to: the next revision that is saved goes there at once. To stay at \
             {profile}@{to}: muster assign {profile}@{to} --to {target}"
        )
    };
    result.assignments.iter().filter(|assignment| assignment.follows).map(said).collect()
}

/// Such as "3 devices go from base@4 to base@3."
fn effect(result: &RollbackResult) -> String {
    let moves: Vec<_> = result
        .moves
        .iter()
        .map(|m| {
            let devices = if m.devices == 1 { "device goes" } else { "devices go" };
            format!("{} {devices} from {} to {}.", m.devices, m.from, m.to)
        })
        .collect();
    if moves.is_empty() { "No device changes.".to_owned() } else { moves.join(" ") }
}

fn refuse_conflicts(result: &RollbackResult) -> Result<(), Failure> {
    for conflict in &result.conflicts {
        output::note(format!(
            "conflict: {} is claimed by {} with equal precedence, on {}",
            conflict.resource,
            conflict.profiles.join(" and "),
            conflict.devices.join(", ")
        ));
    }
    if result.conflicts.is_empty() {
        return Ok(());
    }
    Err(Failure::new("nothing was rolled back: profiles would contradict each other")
        .next("roll the other profile back first, or go to another revision with --to N"))
}
