//! `muster check`: what devices find, check by check.

use clap::{Args, Subcommand, ValueEnum};
use muster_proto::rest::{CheckDetail, CheckSummary, CheckedDevice, Waived};

use crate::api::{Api, part};
use crate::failure::{Ending, Failure};
use crate::output::{self, Output};

/// Show checks over all devices
#[derive(Subcommand)]
#[command(after_help = "Example:\n  muster check show no-empty-passwords --verdict fail")]
pub(crate) enum Check {
    List(List),
    Show(Show),
}

/// List checks with what devices find
#[derive(Args)]
#[command(after_help = "Example:\n  muster check list -o json")]
pub(crate) struct List {
    /// Only checks that give evidence for this control
    #[arg(long)]
    control: Option<String>,
    #[command(flatten)]
    output: Output,
}

/// Show what each device finds for a check, the worst first
#[derive(Args)]
#[command(
    after_help = "Example:\n  muster check show no-empty-passwords --verdict fail -o csv\n  muster check show no-empty-passwords --verdict waived"
)]
pub(crate) struct Show {
    /// The check, as `muster check list` names it
    check: String,
    /// Only devices that find this; of those that fail, waived are those where that is accepted, and unwaived all others
    #[arg(long, value_enum)]
    verdict: Option<Found>,
    #[command(flatten)]
    output: Output,
}

/// A result as it is typed.
#[derive(Clone, Copy, ValueEnum)]
enum Found {
    Pass,
    Fail,
    Waived,
    Unwaived,
    Unknown,
    NotApplicable,
}

impl Check {
    pub(crate) async fn run(self, api: &Api) -> Result<Ending, Failure> {
        match self {
            Self::List(list) => list.run(api).await,
            Self::Show(show) => show.run(api).await,
        }
    }
}

impl List {
    async fn run(self, api: &Api) -> Result<Ending, Failure> {
        let mut checks: Vec<CheckSummary> = api.get("/checks").await?;
        if let Some(control) = &self.control {
            checks.retain(|check| check.controls.contains(control));
        }
        let header =
            ["check", "severity", "fail", "waived", "unknown", "pass", "not applicable", "profiles", "title"];
        self.output.list(&checks, &header, |check| {
            let counts = check.counts;
            vec![
                check.id.clone(),
                output::word(&check.severity),
                counts.fail.to_string(),
                check.waived.to_string(),
                counts.unknown.to_string(),
                counts.pass.to_string(),
                counts.not_applicable.to_string(),
                check.profiles.join(","),
                check.title.clone(),
            ]
        })?;
        self.output.where_none(
            &checks,
            if self.control.is_some() {
                "No check is for this control. All checks: muster check list"
            } else {
                "No device is asked any check. Assign a profile with checks: muster assign PROFILE --to TARGET"
            },
        );
        Ok(Ending::Fine)
    }
}

impl Show {
    async fn run(self, api: &Api) -> Result<Ending, Failure> {
        let path = format!("/checks/{}", part(&self.check));
        if self.output.is_table() {
            let detail: CheckDetail = api.get(&path).await?;
            head(&detail)?;
        }
        let verdict = match self.verdict {
            None => "",
            Some(Found::Pass) => "?verdict=pass",
            Some(Found::Fail) => "?verdict=fail",
            Some(Found::Waived) => "?verdict=waived",
            Some(Found::Unwaived) => "?verdict=unwaived",
            Some(Found::Unknown) => "?verdict=unknown",
            Some(Found::NotApplicable) => "?verdict=not_applicable",
        };
        let devices: Vec<CheckedDevice> = api.get_all(&format!("{path}/devices{verdict}")).await?;
        let header = ["device", "result", "since", "profile", "evidence", "waived"];
        self.output.list(&devices, &header, |row| {
            let evidence = match (&row.reason, row.evidence.len()) {
                (Some(reason), _) => reason.clone(),
                (None, 0) => String::new(),
                (None, rows) => output::count(rows as u64, "row"),
            };
            vec![
                row.device.clone(),
                output::word(&row.verdict),
                output::moment(row.since),
                row.profile.clone(),
                evidence,
                row.waived.as_ref().map(waived).unwrap_or_default(),
            ]
        })?;
        self.output.where_none(
            &devices,
            if self.verdict.is_some() {
                "No device has this result. Those with any: muster check show CHECK"
            } else {
                "No device was asked this check. Assign its profile: muster assign PROFILE --to TARGET"
            },
        );
        Ok(Ending::Fine)
    }
}

/// Such as `ada until 2026-05-01T00:00:00Z: new disks come`.
fn waived(waived: &Waived) -> String {
    format!("{} until {}: {}", waived.owner, output::moment(waived.until), waived.reason)
}

fn head(detail: &CheckDetail) -> Result<(), Failure> {
    let counts = detail.check.counts;
    output::line(&detail.check.title)?;
    output::fields(&[
        ("severity", output::word(&detail.check.severity)),
        ("controls", detail.check.controls.join(", ")),
        ("asked by", detail.check.profiles.join(", ")),
        (
            "devices",
            format!(
                "{} fail ({} waived), {} unknown, {} pass, {} not applicable",
                counts.fail, detail.check.waived, counts.unknown, counts.pass, counts.not_applicable
            ),
        ),
        ("remedy", detail.remediation.clone().unwrap_or_default()),
    ])
}
