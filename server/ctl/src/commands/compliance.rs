//! `muster compliance`: how the fleet stands.

use clap::Args;
use muster_proto::rest::{ComplianceReport, StandingCounts, StandingDay, StandingsBy};
use serde::Serialize;

use super::device;
use crate::api::{Api, PAGE, part};
use crate::failure::{Ending, Failure};
use crate::output::{self, Output};

/// Say how many enrolled devices comply, then show them, the worst first
#[derive(Args)]
#[command(
    after_help = "Example:\n  muster compliance\n  muster compliance --label laptop -o csv\n  muster compliance --by control --days 30"
)]
pub(crate) struct Compliance {
    /// Only devices with this label
    #[arg(long)]
    label: Option<String>,
    /// Count what checks found, a row for each of these
    #[arg(long, value_parser = ["device", "profile", "check", "control", "label"])]
    by: Option<String>,
    /// Show the end of each of the last days, today included
    #[arg(long, requires = "by", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=366))]
    days: Option<u32>,
    #[command(flatten)]
    output: Output,
}

impl Compliance {
    pub(crate) async fn run(self, api: &Api) -> Result<Ending, Failure> {
        if let Some(by) = &self.by {
            return self.by(api, by).await;
        }
        let label = self.label.as_ref().map(|label| format!("&label={}", part(label))).unwrap_or_default();
        let path = format!("/compliance?limit={PAGE}{label}");
        let mut report: ComplianceReport = api.get(&path).await?;
        while let Some(next) = report.next.take() {
            let more: ComplianceReport = api.get(&format!("{path}&cursor={}", part(&next))).await?;
            report.devices.extend(more.devices);
            report.next = more.next;
        }
        self.output.whole(&report, |report| {
            if self.output.is_table() {
                output::line(&report.sentence)?;
            }
            device::list(&self.output, &report.devices)
        })?;
        if let Some(label) = self.label.filter(|_| report.devices.is_empty() && self.output.is_table()) {
            output::note(format!(
                "No enrolled device has the label {label}. All devices: muster device list"
            ));
        }
        Ok(Ending::Fine)
    }

    async fn by(&self, api: &Api, by: &str) -> Result<Ending, Failure> {
        let label = self.label.as_ref().map(|label| format!("&label={}", part(label))).unwrap_or_default();
        let days = self.days.unwrap_or(1);
        let standings: StandingsBy =
            api.get(&format!("/compliance/standings?by={by}&days={days}{label}")).await?;
        match self.days {
            None => self.output.list(&standings.rows, &HEADER, |row| {
                self.cells(&row.name, row.days.last().map_or("", |day| day.date.as_str()), Some(&row.counts))
            })?,
            Some(_) => {
                let days = standings
                    .rows
                    .iter()
                    .flat_map(|row| row.days.iter().map(move |day| Dated { name: &row.name, day }));
                let days: Vec<_> = days.collect();
                self.output.list(&days, &HEADER, |Dated { name, day }| {
                    self.cells(name, &day.date, day.counts.as_ref())
                })?;
            }
        }
        if standings.rows.is_empty() && self.output.is_table() {
            output::note(
                "No device was asked any check. Assign a profile with checks: muster assign PROFILE --to TARGET",
            );
        }
        Ok(Ending::Fine)
    }

    /// A day without data is a gap: empty for programs, said for people.
    fn cells(&self, name: &str, date: &str, counts: Option<&StandingCounts>) -> Vec<String> {
        let numbers = counts.map(|counts| {
            [counts.passing, counts.failing, counts.unknown, counts.waived, counts.not_applicable]
        });
        let gap = if self.output.is_table() { "no data" } else { "" };
        let numbers = numbers.map_or_else(|| [gap; 5].map(str::to_owned), |all| all.map(|n| n.to_string()));
        [name.to_owned(), date.to_owned()].into_iter().chain(numbers).collect()
    }
}

const HEADER: [&str; 7] = ["name", "date", "passing", "failing", "unknown", "waived", "not applicable"];

/// A row of a day.
#[derive(Serialize)]
struct Dated<'a> {
    name: &'a str,
    #[serde(flatten)]
    day: &'a StandingDay,
}
