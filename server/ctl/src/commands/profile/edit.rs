//! What an edit would come to: a profile that is saved anew, on the devices that have an older revision of it.

use muster_proto::rest::{AssignmentView, FleetPlan, NewAssignment, ProfileDetail, SavedRevision};
use muster_proto::state::Mode;

use crate::api::{Api, part};
use crate::commands::assign::plan;
use crate::failure::Failure;
use crate::output;

/// Asks the devices of every assignment that pins an older revision what they would do with the new one, and says it.
/// Saving has been done by then: what can't be asked is said as well, and is no failure.
pub(super) async fn show(api: &Api, saved: &SavedRevision) -> Result<(), Failure> {
    let detail: ProfileDetail = api.get(&format!("/profiles/{}", part(&saved.profile))).await?;
    for assignment in older(&detail.assignments, saved.number) {
        output::line(format!(
            "{} has {}@{}. With {}@{}:",
            assignment.target, assignment.profile, assignment.revision, saved.profile, saved.number
        ))?;
        let asked = moved(assignment, saved.number);
        match plan::ask(api, &asked).await {
            Ok(plan) => said(&plan).iter().try_for_each(|line| output::line(format!("    {line}")))?,
            Err(failure) => output::line(format!("    no plan: {failure}"))?,
        }
        output::line(format!("    To do so: {}", command(&asked, saved.number)))?;
    }
    Ok(())
}

/// The command that moves an assignment to its new revision and leaves the rest of it as it is.
fn command(asked: &NewAssignment, revision: u32) -> String {
    let mut command = format!("muster assign {}@{revision} --to {}", asked.profile, asked.target);
    if asked.mode == Mode::Audit {
        command.push_str(" --mode audit");
    }
    if asked.precedence != 0 {
        command.push_str(&format!(" --precedence {}", asked.precedence));
    }
    if asked.follow {
        command.push_str(" --follow");
    }
    command
}

fn older(assignments: &[AssignmentView], newest: u32) -> Vec<&AssignmentView> {
    assignments.iter().filter(|assignment| assignment.revision < newest).collect()
}

/// An assignment as it would be with another revision; the server carries over its parameters.
fn moved(assignment: &AssignmentView, revision: u32) -> NewAssignment {
    NewAssignment {
        profile: assignment.profile.clone(),
        revision: Some(revision),
        target: assignment.target.clone(),
        precedence: assignment.precedence,
        mode: assignment.mode,
        params: Default::default(),
        follow: assignment.follow,
    }
}

fn said(plan: &FleetPlan) -> Vec<String> {
    let conflicts = plan.conflicts.iter().map(|conflict| {
        format!(
            "conflict: {} is claimed by {}, on {}",
            conflict.resource,
            conflict.profiles.join(" and "),
            conflict.devices.join(", ")
        )
    });
    let warnings = plan.warnings.iter().map(|warning| format!("warning: {warning}"));
    let sum = format!("{}.", plan::sentence(plan));
    plan::lines(plan).into_iter().chain(conflicts).chain(warnings).chain([sum]).collect()
}

#[cfg(test)]
mod tests {
    use muster_proto::Timestamp;

    use super::*;

    fn pinned(revision: u32, target: &str) -> AssignmentView {
        AssignmentView {
            id: "as-1".into(),
            profile: "base".into(),
            revision,
            target: target.into(),
            precedence: 7,
            mode: Mode::Audit,
            params: [("ntp".to_owned(), "a.example".to_owned())].into(),
            follow: false,
            created_by: "root".into(),
            created: Timestamp::default(),
            devices: 3,
        }
    }

    #[test]
    fn an_assignment_is_asked_about_as_it_is_with_nothing_but_its_revision_changed() {
        let asked = moved(&pinned(3, "label:laptop"), 4);
        assert_eq!((asked.revision, asked.target.as_str()), (Some(4), "label:laptop"));
        assert_eq!((asked.precedence, asked.mode), (7, Mode::Audit));
        assert_eq!(command(&asked, 4), "muster assign base@4 --to label:laptop --mode audit --precedence 7");
        let followed = moved(&AssignmentView { follow: true, ..pinned(3, "everyone") }, 4);
        assert!(command(&followed, 4).ends_with(" --follow"), "what follows goes on to");
    }

    #[test]
    fn only_what_pins_an_older_revision_would_be_touched() {
        let all = [pinned(3, "label:laptop"), pinned(4, "everyone"), pinned(1, "device:lap-ada")];
        let targets: Vec<_> = older(&all, 4).into_iter().map(|one| one.target.as_str()).collect();
        assert_eq!(targets, ["label:laptop", "device:lap-ada"]);
    }
}
