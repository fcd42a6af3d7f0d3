//! `muster compliance`: how the fleet stands.

use clap::Args;
use muster_proto::rest::ComplianceReport;

use super::device;
use crate::api::{Api, PAGE, part};
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
        let label = self.label.map(|label| format!("&label={}", part(&label))).unwrap_or_default();
        let path = format!("/compliance?limit={PAGE}{label}");
        let mut report: ComplianceReport = api.get(&path).await?;
        while let Some(next) = report.next.take() {
            let more: ComplianceReport = api.get(&format!("{path}&cursor={}", part(&next))).await?;
            report.devices.extend(more.devices);
            report.next = more.next;
        }
        self.output.one(&report, |report| {
            if self.output.is_table() {
                output::line(&report.sentence)?;
            }
            device::list(&self.output, &report.devices)
        })?;
        Ok(Ending::Fine)
    }
}
