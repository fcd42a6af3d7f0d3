//! `muster compliance`: how the fleet stands.

use clap::Args;
use muster_proto::rest::ComplianceReport;

use super::device;
use crate::api::{Api, part};
use crate::failure::{Ending, Failure};
use crate::output::{self, Output};

/// Say how many devices comply, then show them, the worst first
#[derive(Args)]
#[command(after_help = "Example:\n  muster compliance\n  muster compliance --label laptop -o csv")]
pub(crate) struct Compliance {
    /// Only devices with this label
    #[arg(long)]
    label: Option<String>,
    #[command(flatten)]
    output: Output,
}

impl Compliance {
    pub(crate) async fn run(self, api: &Api) -> Result<Ending, Failure> {
        let query = self.label.map(|label| format!("?label={}", part(&label))).unwrap_or_default();
        let report: ComplianceReport = api.get(&format!("/compliance{query}")).await?;
        self.output.one(&report, |report| {
            if self.output.is_table() {
                output::line(&report.sentence)?;
            }
            device::list(&self.output, &report.devices)
        })?;
        Ok(Ending::Fine)
    }
}
