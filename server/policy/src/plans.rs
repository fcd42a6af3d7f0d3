//! What many devices would do, put together: devices with the same plan are one group.

use std::collections::BTreeMap;

use muster_proto::condition::Action;
use muster_proto::plan::{PlanView, StepView};
use muster_proto::report::OutcomeKind;
use muster_proto::rest::{Changes, PlanGroup};

/// The largest plan, as JSON, that is kept with all its differences: there may be as many as devices.
const DETAILED: usize = 256 * 1024;
/// The most steps that are kept of one.
const STEPS: usize = 1_000;

/// All changes of these plans, and the plans by what they say, those of most devices first.
pub fn together(plans: Vec<(String, PlanView)>) -> (Changes, Vec<PlanGroup>) {
    let mut changes = Changes::default();
    let mut alike: BTreeMap<String, PlanGroup> = BTreeMap::new();
    for (device, plan) in plans {
        for step in &plan.steps {
            let count = match step.action {
                Action::Create => &mut changes.create,
                Action::Change => &mut changes.change,
                Action::Remove => &mut changes.remove,
            };
            *count += 1;
        }
        let (key, plan) = telling(plan);
        let group = alike.entry(key).or_insert_with(|| PlanGroup { devices: Vec::new(), plan });
        group.devices.push(device);
    }
    let mut groups: Vec<_> = alike.into_values().collect();
    for group in &mut groups {
        group.devices.sort();
    }
    groups.sort_by(|a, b| b.devices.len().cmp(&a.devices.len()).then_with(|| a.devices.cmp(&b.devices)));
    (changes, groups)
}

/// What a plan says that an admin would want to know, with the text by which it is the same as another.
fn telling(mut plan: PlanView) -> (String, PlanView) {
    plan.settled.retain(|outcome| !matches!(outcome.outcome, OutcomeKind::Kept | OutcomeKind::NotApplicable));
    let text = serde_json::json!(plan).to_string();
    if text.len() <= DETAILED {
        return (text, plan);
    }
    plan.settled.truncate(STEPS);
    plan.steps.truncate(STEPS);
    plan.steps = plan.steps.into_iter().map(|step| StepView { differences: Vec::new(), ..step }).collect();
    (serde_json::json!(plan).to_string(), plan)
}

#[cfg(test)]
mod tests {
    use muster_proto::ResourceId;
    use muster_proto::condition::Difference;
    use muster_proto::report::Outcome;
    use muster_proto::state::Mode;

    use super::*;

    fn step(path: &str, action: Action, from: &str) -> StepView {
        StepView {
            resource: ResourceId::new("file", path),
            action,
            differences: vec![Difference::new("mode", from.into(), "0644".into())],
            restart: false,
            note: None,
        }
    }

    fn kept(path: &str) -> Outcome {
        Outcome {
            resource: ResourceId::new("file", path),
            outcome: OutcomeKind::Kept,
            profile: "base".into(),
            revision: 1,
            assignment: "as-1".into(),
            mode: Mode::Enforce,
            differences: vec![],
            reason: None,
            note: None,
            overrides: vec![],
        }
    }

    #[test]
    fn devices_that_would_do_the_same_are_one_group_whatever_is_well_on_them() {
        let plan = |steps: &[StepView], well: &[&str]| PlanView {
            steps: steps.to_vec(),
            settled: well.iter().map(|path| kept(path)).collect(),
            checks: vec![],
        };
        let create = step("/a", Action::Create, "");
        let (changes, groups) = together(vec![
            ("c".into(), plan(&[step("/a", Action::Change, "0600"), step("/b", Action::Remove, "")], &[])),
            ("b".into(), plan(std::slice::from_ref(&create), &["/b"])),
            ("a".into(), plan(&[create], &[])),
        ]);
        assert_eq!(changes, Changes { create: 2, change: 1, remove: 1 });
        let names: Vec<_> = groups.iter().map(|group| group.devices.join(" ")).collect();
        assert_eq!(names, ["a b", "c"]);
        assert!(groups[0].plan.settled.is_empty());
    }

    #[test]
    fn what_is_not_well_makes_a_group_of_its_own_though_nothing_would_change() {
        let blocked = Outcome { outcome: OutcomeKind::Blocked, ..kept("/a") };
        let plans = [vec![kept("/a")], vec![blocked]];
        let plans = plans.map(|settled| PlanView { settled, ..PlanView::default() });
        let [well, blocked] = plans;
        let (_, groups) = together(vec![("a".into(), well), ("b".into(), blocked)]);
        assert_eq!(groups.len(), 2);
    }

    #[test]
    fn a_very_long_plan_is_kept_without_its_differences() {
        let steps = (0..5_000).map(|n| step(&format!("/{n}"), Action::Create, &"x".repeat(100))).collect();
        let (changes, groups) = together(vec![("a".into(), PlanView { steps, ..PlanView::default() })]);
        assert_eq!(changes.create, 5_000);
        assert_eq!(groups[0].plan.steps.len(), STEPS);
        assert!(groups[0].plan.steps.iter().all(|step| step.differences.is_empty()));
    }
}
