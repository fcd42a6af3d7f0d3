//! `muster report`: proof of how devices stand with their controls.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::api::{Api, part};
use crate::failure::{Ending, Failure};
use crate::output;

/// Make a report for auditors: per control its checks, how each device stands and since when, waivers, and the days
///
/// Every number in it is that of its rows; it says when, by whom and of what it was made.
#[derive(Args)]
#[command(
    after_help = "Example:\n  muster report --format html --out report.html\n  muster report --format csv --control CIS-5.4.1"
)]
pub(crate) struct Report {
    /// As what it comes
    #[arg(short = 'o', long, visible_alias = "output", value_enum, default_value_t = Format::Html)]
    format: Format,
    /// Only this control
    #[arg(long)]
    control: Option<String>,
    /// Only devices with this label
    #[arg(long)]
    label: Option<String>,
    /// Days of history, today included
    #[arg(long, default_value_t = 30)]
    days: u32,
    /// The file to write; standard output when left out
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// One page that stands alone
    Html,
    /// A row for each device and check of a control
    Csv,
    /// All of it
    Json,
}

impl Report {
    pub(crate) async fn run(self, api: &Api) -> Result<Ending, Failure> {
        let format = match self.format {
            Format::Html => "html",
            Format::Csv => "csv",
            Format::Json => "json",
        };
        let mut path = format!("/compliance/report?format={format}&days={}", self.days);
        for (name, value) in [("control", self.control), ("label", self.label)] {
            if let Some(value) = value {
                path.push_str(&format!("&{name}={}", part(&value)));
            }
        }
        let text = api.get_text(&path).await?;
        let Some(file) = self.out else {
            output::raw(&text)?;
            return Ok(Ending::Fine);
        };
        std::fs::write(&file, &text).map_err(|error| {
            Failure::new(format!("can't write {}", file.display())).because(error).next("name another file")
        })?;
        output::note(format!("The report is in {}.", file.display()));
        Ok(Ending::Fine)
    }
}
