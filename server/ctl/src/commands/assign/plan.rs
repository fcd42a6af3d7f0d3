//! What the devices that an assignment would touch say they would do.

use std::time::Duration;

use indicatif::ProgressBar;
use muster_proto::condition::Action;
use muster_proto::plan::PlanView;
use muster_proto::rest::{FleetPlan, NewAssignment, PlanGroup};

use super::replaces;
use crate::api::Api;
use crate::failure::Failure;
use crate::output::count;

/// Names that a line shows of a group.
const NAMED: usize = 5;
/// Lines of a plan that are shown of a group: the rest is in `-o json`.
const LINES: usize = 30;

/// Asks the devices.
pub(in crate::commands) async fn ask(api: &Api, asked: &NewAssignment) -> Result<FleetPlan, Failure> {
    let spinner = ProgressBar::new_spinner();
    spinner.set_message("Asking devices what they would do ...");
    spinner.enable_steady_tick(Duration::from_millis(100));
    let plan = api.post("/assignments/plan", asked).await;
    spinner.finish_and_clear();
    plan
}

/// Whether anything would change, as far as that is known: what a device did not say is no promise that nothing will.
pub(super) fn changes(plan: &FleetPlan) -> bool {
    plan.answered < plan.devices - plan.untouched || plan.groups.iter().any(|group| !group.plan.is_empty())
}

/// Such as "3 devices: +41 ~6 -0, 0 conflicts".
pub(in crate::commands) fn sentence(plan: &FleetPlan) -> String {
    let changes = plan.changes;
    let touched = plan.devices - plan.untouched;
    let mut sentence = format!(
        "{}: +{} ~{} -{}, {}",
        count(touched, "device"),
        changes.create,
        changes.change,
        changes.remove,
        count(plan.conflicts.len(), "conflict")
    );
    if plan.asked < touched {
        sentence.push_str(&format!("; asked a sample of {}", plan.asked));
    }
    if !plan.not_answered.is_empty() {
        sentence.push_str(&format!("; {} did not answer", plan.not_answered.len()));
    }
    if let Some(replaced) = &plan.replaces {
        sentence.push_str(&replaces(replaced));
    }
    sentence
}

/// The groups of equal plans, and who did not answer.
pub(in crate::commands) fn lines(plan: &FleetPlan) -> Vec<String> {
    let mut lines = Vec::new();
    for group in &plan.groups {
        lines.push(heading(group));
        let text = group.plan.to_string();
        // The last line has the counts, which stand in the heading.
        let steps: Vec<_> = text.lines().filter(|line| !line.starts_with("Plan: ")).collect();
        lines.extend(steps.iter().take(LINES).map(|line| format!("    {line}")));
        if steps.len() > LINES {
            lines.push(format!("    ... and {} more; see -o json", count(steps.len() - LINES, "line")));
        }
    }
    for (reason, devices) in silent(plan) {
        lines.push(format!("{}: no plan, {reason} ({})", count(devices.len(), "device"), names(&devices)));
    }
    lines
}

fn heading(group: &PlanGroup) -> String {
    let devices: Vec<_> = group.devices.iter().map(String::as_str).collect();
    let same = if devices.len() > 1 { "the same plan, " } else { "" };
    let what = if group.plan.is_empty() { "no change".to_owned() } else { counts(&group.plan) };
    format!("{}: {same}{what} ({})", count(devices.len(), "device"), names(&devices))
}

fn counts(plan: &PlanView) -> String {
    let count = |action| plan.steps.iter().filter(|step| step.action == action).count();
    format!("+{} ~{} -{}", count(Action::Create), count(Action::Change), count(Action::Remove))
}

fn names(devices: &[&str]) -> String {
    let more = if devices.len() > NAMED { ", ..." } else { "" };
    format!("{}{more}", devices.iter().take(NAMED).copied().collect::<Vec<_>>().join(", "))
}

/// Devices without a plan by their reason, in the order in which the reasons come up.
fn silent(plan: &FleetPlan) -> Vec<(&str, Vec<&str>)> {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for none in &plan.not_answered {
        match reasons.iter_mut().find(|(reason, _)| *reason == none.reason) {
            Some((_, devices)) => devices.push(&none.device),
            None => reasons.push((&none.reason, vec![&none.device])),
        }
    }
    reasons
}

#[cfg(test)]
mod tests {
    use muster_proto::ResourceId;
    use muster_proto::plan::StepView;
    use muster_proto::rest::{Changes, NoPlan, Replaced};

    use super::*;

    fn plan() -> FleetPlan {
        let step = StepView {
            resource: ResourceId::new("file", "/etc/motd"),
            action: Action::Create,
            differences: vec![],
            restart: false,
            note: None,
        };
        let group = |devices: &[&str], steps: Vec<StepView>| PlanGroup {
            devices: devices.iter().map(|name| (*name).to_owned()).collect(),
            plan: PlanView { steps, ..PlanView::default() },
        };
        let none = |device: &str| NoPlan { device: device.into(), reason: "not connected".into() };
        FleetPlan {
            profile: "base".into(),
            revision: 4,
            devices: 6,
            untouched: 1,
            asked: 5,
            answered: 3,
            changes: Changes { create: 2, change: 0, remove: 0 },
            groups: vec![group(&["a", "b"], vec![step]), group(&["c"], vec![])],
            not_answered: vec![none("d"), none("e")],
            conflicts: vec![],
            warnings: vec![],
            replaces: Some(Replaced { revision: "base@3".into(), kept: vec![], gone: vec![] }),
        }
    }

    #[test]
    fn the_sentence_counts_devices_changes_conflicts_and_silence() {
        assert_eq!(sentence(&plan()), "5 devices: +2 ~0 -0, 0 conflicts; 2 did not answer; replaces base@3");
        let sample = FleetPlan { devices: 5_000, untouched: 0, asked: 200, not_answered: vec![], ..plan() };
        assert!(
            sentence(&sample).contains("0 conflicts; asked a sample of 200; replaces"),
            "{}",
            sentence(&sample)
        );
    }

    #[test]
    fn devices_with_the_same_plan_are_one_paragraph() {
        assert_eq!(
            lines(&plan()),
            [
                "2 devices: the same plan, +1 ~0 -0 (a, b)",
                "    + file:/etc/motd",
                "1 device: no change (c)",
                "2 devices: no plan, not connected (d, e)",
            ]
        );
        assert!(changes(&plan()));
    }
}
