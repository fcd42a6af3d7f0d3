//! `muster assignments`: which profile revisions apply where.

use clap::Args;
use muster_proto::rest::AssignmentView;

use crate::api::Api;
use crate::failure::{Ending, Failure};
use crate::output::{Output, moment, word};

/// List assignments
#[derive(Args)]
#[command(after_help = "Example:\n  muster assignments -o json")]
pub(crate) struct Assignments {
    #[command(flatten)]
    output: Output,
}

impl Assignments {
    pub(crate) async fn run(self, api: &Api) -> Result<Ending, Failure> {
        let assignments: Vec<AssignmentView> = api.get("/assignments").await?;
        let header =
            ["profile", "follows", "to", "mode", "precedence", "devices", "params", "made by", "made", "id"];
        self.output.list(&assignments, &header, |assignment| {
            let params: Vec<_> = assignment.params.iter().map(|(n, v)| format!("{n}={v}")).collect();
            vec![
                format!("{}@{}", assignment.profile, assignment.revision),
                if assignment.follow { "yes" } else { "no" }.to_owned(),
                assignment.target.clone(),
                word(&assignment.mode),
                assignment.precedence.to_string(),
                assignment.devices.to_string(),
                params.join(" "),
                assignment.created_by.clone(),
                moment(assignment.created),
                assignment.id.clone(),
            ]
        })?;
        self.output.where_none(
            &assignments,
            "No profile is assigned yet. Assign one: muster assign PROFILE --to TARGET",
        );
        Ok(Ending::Fine)
    }
}
