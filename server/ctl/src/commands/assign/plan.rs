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
        let steps = text.lines().filter(|line| !line.starts_with("Plan: "));
        let (problems, changes): (Vec<_>, Vec<_>) = steps.partition(|line| line.starts_with("! "));
        // What can't be made so is what somebody looks for before they assign: however long the plan is, it is not what is cut.
        for part in [changes, problems] {
            // A tab is kept by the plan for the files that it stands in, and escaped by whoever prints a line.
            lines.extend(part.iter().take(LINES).map(|line| format!("    {}", line.replace('\t', "    "))));
            if part.len() > LINES {
                lines.push(format!("    ... and {} more; see -o json", count(part.len() - LINES, "line")));
            }
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
    let problems = problems(&group.plan);
    format!("{}: {same}{what}{problems} ({})", count(devices.len(), "device"), names(&devices))
}

fn counts(plan: &PlanView) -> String {
    let count = |action| plan.steps.iter().filter(|step| step.action == action).count();
    format!("+{} ~{} -{}", count(Action::Create), count(Action::Change), count(Action::Remove))
}

/// Such as ", 2 can't be made so"; nothing where all can, as far as a plan knows.
fn problems(plan: &PlanView) -> String {
    match plan.problems().count() {
        0 => String::new(),
        problems => format!(", {problems} can't be made so"),
    }
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
    use muster_proto::condition::Difference;
    use muster_proto::plan::StepView;
    use muster_proto::rest::{Changes, NoPlan, Replaced};
    use serde_json::{Value, json};

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
    fn what_can_not_be_made_so_is_counted_and_shown_however_long_the_plan_is() {
        let mut long = plan();
        long.groups.truncate(1);
        long.not_answered.clear();
        let group = &mut long.groups[0].plan;
        group.steps[0].differences = vec![Difference {
            attribute: "content".into(),
            from: Value::Null,
            to: "sha256:ab".into(),
            diff: Some(vec!["+\tchain input {"; 40].join("\n")),
        }];
        let outcome = json!({"resource": "updates:updates", "outcome": "failed", "profile": "base", "revision": 4,
                             "assignment": "as-1", "mode": "enforce",
                             "reason": "no repository is for security updates"});
        group.settled = vec![serde_json::from_value(outcome).unwrap()];
        let lines = lines(&long);
        assert_eq!(lines[0], "2 devices: the same plan, +1 ~0 -0, 1 can't be made so (a, b)");
        assert_eq!(lines[3], "          +    chain input {", "a tab is shown as blanks");
        let end = [
            "    ... and 12 lines more; see -o json",
            "    ! updates:updates Failed: no repository is for security updates",
        ];
        assert_eq!(lines[lines.len() - 2..], end);
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
