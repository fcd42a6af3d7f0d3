//! `muster waiver`: accepted failures of checks.

use clap::{Args, Subcommand};
use muster_proto::Timestamp;
use muster_proto::rest::{NewWaiver, WaiverView};

use crate::api::{Api, part};
use crate::failure::{Ending, Failure};
use crate::output::{self, Output, count, moment};
use crate::span::span;
use crate::target::target;
use crate::terminal::Consent;

/// Accept failures of checks for a time, with a reason
///
/// A failure that is waived does not make a device failing; it is counted and shown as waived. When the waiver ends, the
/// device fails again by itself.
#[derive(Subcommand)]
#[command(
    after_help = "Example:\n  muster waiver add disk-encrypted --to label:kiosk --reason 'no data on them' --until 90d\n  muster waiver list"
)]
pub(crate) enum Waiver {
    Add(Add),
    List(List),
    End(End),
}

/// Accept a failure
#[derive(Args)]
#[command(
    after_help = "Example:\n  muster waiver add disk-encrypted --to lap-ada --reason 'new disk ordered' --until 2027-01-31"
)]
pub(crate) struct Add {
    /// The check, as muster why shows it
    check: String,
    /// label:NAME, device:NAME or everyone; NAME alone is a device
    #[arg(long, value_name = "TARGET", value_parser = target)]
    to: String,
    /// Why it is accepted
    #[arg(long)]
    reason: String,
    /// The last day, or how long, such as 90d; a year at most
    #[arg(long, value_name = "DAY|TIME", value_parser = end)]
    until: Until,
    /// Who accepts it; you when left out
    #[arg(long)]
    owner: Option<String>,
}

/// List waivers in force, the next to end first
#[derive(Args)]
#[command(after_help = "Example:\n  muster waiver list --all -o csv")]
pub(crate) struct List {
    /// Those too that have ended
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    output: Output,
}

/// End a waiver before its time; its record stays
#[derive(Args)]
#[command(after_help = "Example:\n  muster waiver end wa-3f2a9c1b04de --yes")]
pub(crate) struct End {
    /// Its id, as `muster waiver list` shows it
    id: String,
    #[command(flatten)]
    consent: Consent,
}

/// When a waiver ends, as it was typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    At(Timestamp),
    Seconds(u64),
}

/// Reads `2027-01-31`, whose end it is in UTC, a time such as `2027-01-31T12:00:00Z`, or `90d`.
fn end(text: &str) -> Result<Until, String> {
    let day = || format!("{text}T23:59:59Z").parse();
    if let Ok(at) = text.parse().or_else(|_| day()) {
        return Ok(Until::At(at));
    }
    match span(text) {
        Ok(time) => Ok(Until::Seconds(time.as_secs())),
        Err(_) => Err("write a day such as 2027-01-31, or a time such as 90d or 12h".to_owned()),
    }
}

impl Waiver {
    pub(crate) async fn run(self, api: &Api) -> Result<Ending, Failure> {
        match self {
            Self::Add(command) => command.run(api).await,
            Self::List(command) => command.run(api).await,
            Self::End(command) => command.run(api).await,
        }
    }
}

impl Add {
    async fn run(self, api: &Api) -> Result<Ending, Failure> {
        let (until, seconds) = match self.until {
            Until::At(at) => (Some(at), None),
            Until::Seconds(seconds) => (None, Some(seconds)),
        };
        let asked = NewWaiver {
            check: self.check,
            target: self.to,
            reason: self.reason,
            owner: self.owner,
            until,
            seconds,
        };
        let waiver: WaiverView = api.post("/waivers", &asked).await?;
        output::line(format!(
            "{}: a failure of {} on {} is accepted by {} until {}. It covers {} now.",
            waiver.id,
            waiver.check,
            waiver.target,
            waiver.owner,
            moment(waiver.until),
            count(waiver.devices, "failing device")
        ))?;
        Ok(Ending::Fine)
    }
}

impl List {
    async fn run(self, api: &Api) -> Result<Ending, Failure> {
        let waivers: Vec<WaiverView> = api.get(&format!("/waivers?all={}", self.all)).await?;
        let header = ["id", "check", "target", "devices", "owner", "until", "reason", "ended", "ended by"];
        self.output.list(&waivers, &header, |waiver| {
            vec![
                waiver.id.clone(),
                waiver.check.clone(),
                waiver.target.clone(),
                waiver.devices.to_string(),
                waiver.owner.clone(),
                moment(waiver.until),
                waiver.reason.clone(),
                moment(waiver.ended),
                waiver.ended_by.clone().unwrap_or_default(),
            ]
        })?;
        self.output.where_none(
            &waivers,
            if self.all {
                "Nothing was waived yet. What fails: muster check list"
            } else {
                "Nothing is waived now. What was: muster waiver list --all; what fails: muster check list"
            },
        );
        Ok(Ending::Fine)
    }
}

impl End {
    async fn run(self, api: &Api) -> Result<Ending, Failure> {
        let about = format!("{} ends, and what it forgives counts again.", self.id);
        self.consent.ask(&about, "Go on?", "nothing was changed")?;
        let waiver: WaiverView = api.take(&format!("/waivers/{}", part(&self.id))).await?;
        output::line(format!(
            "{} has ended: {} counts on {} again.",
            waiver.id, waiver.check, waiver.target
        ))?;
        Ok(Ending::Fine)
    }
}

/// What a device is forgiven, a line each, below its causes.
pub(crate) fn lines(waived: &[muster_proto::rest::WaivedCheck]) -> Result<(), Failure> {
    waived.iter().try_for_each(|waived| {
        let waiver = &waived.waiver;
        output::line(format!(
            "waived: check {} fails, accepted by {} until {} ({}): {:?}",
            waived.check,
            waiver.owner,
            moment(waiver.until),
            waiver.id,
            waiver.reason
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_a_day_or_a_length_of_time() {
        assert_eq!(end("2027-01-31"), Ok(Until::At("2027-01-31T23:59:59Z".parse().unwrap())));
        assert_eq!(end("2027-01-31T12:00:00Z"), Ok(Until::At("2027-01-31T12:00:00Z".parse().unwrap())));
        assert_eq!(end("90d"), Ok(Until::Seconds(90 * 86_400)));
        for wrong in ["", "soon", "2027-13-01", "90"] {
            assert!(end(wrong).is_err(), "{wrong:?}");
        }
    }
}
