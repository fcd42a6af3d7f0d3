//! `muster why`: the chain from what is wrong on a device to who asked for it.

use clap::Args;
use muster_proto::rest::{Cause, Compliance, DeviceDetail, DevicePause, DeviceState};

use super::waiver;
use crate::api::{Api, part};
use crate::failure::{Ending, Failure};
use crate::output::{self, Output, moment, word};

/// Say why a device is not compliant: what is wrong, which profile asks for it, who assigned it, what to do
#[derive(Args)]
#[command(after_help = "Example:\n  muster why lap-ada")]
pub(crate) struct Why {
    /// Its name, serial or id
    device: String,
    #[command(flatten)]
    output: Output,
}

impl Why {
    pub(crate) async fn run(self, api: &Api) -> Result<Ending, Failure> {
        let detail: DeviceDetail = api.get(&format!("/devices/{}", part(&self.device))).await?;
        if self.output.is_table() {
            print(&detail)?;
        } else {
            self.output.list(&detail.causes, &HEADER, cells)?;
        }
        Ok(Ending::Fine)
    }
}

const HEADER: [&str; 10] = [
    "kind",
    "subject",
    "title",
    "severity",
    "problem",
    "profile",
    "assignment",
    "assigned by",
    "since",
    "remedy",
];

fn cells(cause: &Cause) -> Vec<String> {
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    vec![
        cause.kind.clone(),
        cause.subject.clone(),
        text(&cause.title),
        cause.severity.as_ref().map(word).unwrap_or_default(),
        cause.problem.clone(),
        text(&cause.profile),
        text(&cause.assignment),
        text(&cause.assigned_by),
        moment(cause.since),
        text(&cause.remedy),
    ]
}

/// Prints the causes as sentences, one under the other, and whether it is paused.
pub(crate) fn print(detail: &DeviceDetail) -> Result<(), Failure> {
    causes(detail)?;
    waiver::lines(&detail.waived)
}

fn causes(detail: &DeviceDetail) -> Result<(), Failure> {
    if let Some(paused) = &detail.paused {
        output::line(pause(&detail.device.name, paused))?;
    }
    let device = &detail.device;
    // They are true whether or not the device complies.
    let (grave, causes): (Vec<&Cause>, Vec<&Cause>) = detail.causes.iter().partition(|cause| is_grave(cause));
    if device.state.is_out() {
        let (name, state) = (&device.name, word(&device.state));
        output::line(format!("{name} is {state}: nothing it says is accepted any more."))?;
        return grave.into_iter().chain(causes).try_for_each(chain);
    }
    grave.into_iter().try_for_each(chain)?;
    match device.state {
        DeviceState::Held => return Ok(()),
        DeviceState::Registered => return never_seen(detail),
        _ => {}
    }
    if causes.is_empty() {
        let sentence = match device.compliance {
            Compliance::Compliant => "is compliant",
            Compliance::Unmanaged => {
                "is unmanaged: nothing is assigned to it (muster assign PROFILE --to ...)"
            }
            Compliance::Failing | Compliance::Unknown | Compliance::Stale => "names no cause yet",
        };
        return output::line(format!("{} {sentence}.", device.name));
    }
    output::line(format!("{} is {}:", device.name, opening(device.compliance)))?;
    causes.into_iter().try_for_each(chain)
}

/// A clock that is wrong keeps no device from being compliant, and has to be set all the same.
fn opening(compliance: Compliance) -> String {
    match compliance {
        Compliance::Compliant => "compliant, with something to put right".to_owned(),
        other => format!("{} because", word(&other)),
    }
}

/// Whether it is about who has the device's identity rather than about how it complies.
fn is_grave(cause: &Cause) -> bool {
    matches!(cause.kind.as_str(), "lost" | "revoked" | "held" | "old_certificate" | "late_return")
}

/// A cause, with the chain to who asked for it and what to do.
fn chain(cause: &Cause) -> Result<(), Failure> {
    output::line(format!("  {}", headline(cause)))?;
    for row in rows(cause) {
        output::line(format!("      {row}"))?;
    }
    if let Some(since) = cause.since {
        output::line(format!("    since {}", moment(since)))?;
    }
    if let Some(profile) = &cause.profile {
        let assignment = cause.assignment.as_ref().map(|a| format!(", assigned as {a}")).unwrap_or_default();
        let who = cause.assigned_by.as_ref().map(|who| format!(" by {who}")).unwrap_or_default();
        let when = cause.assigned_at.map(|at| format!(" at {}", moment(at))).unwrap_or_default();
        output::line(format!("    asked for by {profile}{assignment}{who}{when}"))?;
    }
    if let Some(remedy) = &cause.remedy {
        output::line(format!("    to do: {remedy}"))?;
    }
    for step in &cause.steps {
        let mark = if step.done { "done" } else { "    " };
        output::line(format!("      {mark}  {}: {}", step.text, step.command))?;
    }
    Ok(())
}

/// Such as "lap-ada is paused since ... by admin:kim (label:laptop), 2 changes wait."
fn pause(name: &str, paused: &DevicePause) -> String {
    let DevicePause { pause, waiting } = paused;
    let until = pause.until.map(|until| format!(" until {}", moment(until))).unwrap_or_default();
    let reason = pause.reason.as_ref().map(|reason| format!(", {reason:?}")).unwrap_or_default();
    let changes = match waiting.len() {
        1 => "1 change waits".to_owned(),
        changes => format!("{changes} changes wait"),
    };
    format!(
        "{name} is paused since {}{until} by {} ({}{reason}), {changes}.",
        moment(pause.since),
        pause.by,
        pause.target
    )
}

/// Of a device that nobody has seen: what brings it in, and what waits for it.
fn never_seen(detail: &DeviceDetail) -> Result<(), Failure> {
    for cause in &detail.causes {
        if cause.kind != "registered" {
            chain(cause)?;
            continue;
        }
        let remedy = cause.remedy.as_deref().unwrap_or_default();
        output::line(format!("{} is {}: {remedy}.", cause.subject, cause.problem))?;
    }
    Ok(())
}

/// What is wrong with what: a check by its title and id.
fn headline(cause: &Cause) -> String {
    let severity = cause.severity.as_ref().map(|s| format!(" (severity {})", word(s))).unwrap_or_default();
    match &cause.title {
        Some(title) => format!("check {} ({title}){severity}: {}", cause.subject, cause.problem),
        None => format!("{}{severity}: {}", cause.subject, cause.problem),
    }
}

/// The longest value of a row that is shown.
const VALUE: usize = 80;

/// The rows that show it, as `username=bob uid=1001`, and how many more there are.
fn rows(cause: &Cause) -> Vec<String> {
    let mut lines: Vec<String> = cause
        .evidence
        .iter()
        .map(|row| {
            row.iter().map(|(name, value)| format!("{name}={}", short(value))).collect::<Vec<_>>().join(" ")
        })
        .collect();
    let more = cause.rows.saturating_sub(cause.evidence.len() as u64);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines
}

fn short(value: &serde_json::Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    if text.chars().count() <= VALUE {
        return text;
    }
    text.chars().take(VALUE).chain("...".chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause() -> Cause {
        serde_json::from_value(serde_json::json!({
            "kind": "check", "subject": "no-empty-passwords", "title": "No account has an empty password",
            "severity": "high", "problem": "fails: 5 rows should not be there", "rows": 5,
            "evidence": [{"username": "bob", "uid": 1001}, {"username": "x".repeat(200)}],
        }))
        .unwrap()
    }

    #[test]
    fn a_cause_that_keeps_no_device_from_being_compliant_is_no_reason_for_it() {
        assert_eq!(opening(Compliance::Failing), "failing because");
        assert_eq!(opening(Compliance::Compliant), "compliant, with something to put right");
    }

    #[test]
    fn a_failing_check_says_its_title_how_bad_it_is_and_the_first_rows() {
        assert_eq!(
            headline(&cause()),
            "check no-empty-passwords (No account has an empty password) (severity high): fails: 5 rows should not be there"
        );
        let rows = rows(&cause());
        assert_eq!((rows.len(), rows[0].contains("username=bob"), rows[2].as_str()), (3, true, "and 3 more"));
        assert!(rows[1].len() < 100, "a long value is cut: {}", rows[1]);
    }
}
