//! The plan as people and programs see it, on the device and from afar alike.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::condition::{Action, Difference};
use crate::id::ResourceId;
use crate::report::{Outcome, OutcomeKind};
use crate::text::{cut, escape};

/// The longest text and the longest list in a plan that leaves its device.
const MAX_TEXT: usize = 200;
const MAX_LIST: usize = 50;

/// The longest reason why something can't be made so. It ends with what to do.
const MAX_REASON: usize = 1_000;

/// The longest diff of a text, in bytes.
pub const MAX_DIFF: usize = 4096;

/// What would change now, and what would not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PlanView {
    /// The changes, in the order in which they would be made.
    pub steps: Vec<StepView>,
    /// What is settled without a change.
    pub settled: Vec<Outcome>,
    /// Checks that would be asked and are not yet, each as its id and title.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<String>,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StepView {
    /// Of which resource.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub resource: ResourceId,
    /// Create, change or remove.
    pub action: Action,
    /// In what. Contents stand here as digests, secrets as words such as `set`.
    pub differences: Vec<Difference>,
    /// Whether the service is restarted.
    pub restart: bool,
    /// What is known of it beforehand, such as that no repository has the package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl PlanView {
    /// The plan with long texts and lists cut: what a device holds in its files and accounts is not carried away whole.
    pub fn bounded(mut self) -> Self {
        for step in &mut self.steps {
            bound_all(&mut step.differences);
            step.note = step.note.as_deref().map(|note| cut(note, MAX_REASON));
        }
        for outcome in &mut self.settled {
            bound_all(&mut outcome.differences);
            outcome.reason = outcome.reason.as_deref().map(|reason| cut(reason, MAX_REASON));
            outcome.note = outcome.note.as_deref().map(|note| cut(note, MAX_TEXT));
        }
        let more = self.checks.len().saturating_sub(MAX_LIST);
        self.checks.truncate(MAX_LIST);
        self.checks.iter_mut().for_each(|check| *check = cut(check, MAX_TEXT));
        if more > 0 {
            self.checks.push(format!("... ({more} more)"));
        }
        self
    }

    /// Whether nothing would be changed.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// What is not as it should be and would not be made so, each with its reason.
    pub fn problems(&self) -> impl Iterator<Item = &Outcome> {
        self.settled.iter().filter(|outcome| !is_fine(outcome))
    }
}

/// As a terminal shows it: whatever stands in it from elsewhere is escaped.
impl fmt::Display for PlanView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            show_step(f, step)?;
        }
        for outcome in self.problems() {
            let reason = outcome.reason.as_deref().unwrap_or_default();
            writeln!(f, "! {} {:?}: {}", escape(outcome.resource.as_str()), outcome.outcome, escape(reason))?;
        }
        for check in &self.checks {
            writeln!(f, "? check {}", escape(check))?;
        }
        let count = |action| self.steps.iter().filter(|step| step.action == action).count();
        let (create, change, remove) = (count(Action::Create), count(Action::Change), count(Action::Remove));
        let problems = self.problems().count();
        write!(
            f,
            "Plan: +{create} ~{change} -{remove}, {} as they should be",
            self.settled.len() - problems
        )?;
        if problems > 0 {
            write!(f, ", {problems} not")?;
        }
        writeln!(f, ".")
    }
}

fn show_step(f: &mut fmt::Formatter<'_>, step: &StepView) -> fmt::Result {
    let sign = match step.action {
        Action::Create => '+',
        Action::Change => '~',
        Action::Remove => '-',
    };
    let restart = if step.restart { " (restart)" } else { "" };
    writeln!(f, "{sign} {}{restart}", escape(step.resource.as_str()))?;
    if let Some(note) = &step.note {
        writeln!(f, "    ({})", escape(note))?;
    }
    write!(f, "{}", Lines(&step.differences))
}

/// Differences as people read them: a line each, indented, and below it what changes in a text.
pub struct Lines<'a>(pub &'a [Difference]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for d in self.0 {
            let (from, to) = (escape(&d.from.to_string()), escape(&d.to.to_string()));
            writeln!(f, "    {}: {from} -> {to}", escape(&d.attribute))?;
            for line in d.diff.iter().flat_map(|diff| diff.lines()) {
                // A tab stands in many a file, and moves nothing but what stands behind it.
                writeln!(f, "      {}", line.split('\t').map(escape).collect::<Vec<_>>().join("\t"))?;
            }
        }
        Ok(())
    }
}

fn is_fine(outcome: &Outcome) -> bool {
    matches!(outcome.outcome, OutcomeKind::Kept | OutcomeKind::NotApplicable)
}

fn bound_all(differences: &mut [Difference]) {
    for difference in differences {
        difference.attribute = cut(&difference.attribute, MAX_TEXT);
        bound(&mut difference.from);
        bound(&mut difference.to);
        if let Some(diff) = &mut difference.diff {
            *diff = cut(diff, MAX_DIFF);
        }
    }
}

fn bound(value: &mut Value) {
    match value {
        Value::String(text) => *text = cut(text, MAX_TEXT),
        Value::Array(entries) => {
            let more = entries.len().saturating_sub(MAX_LIST);
            entries.truncate(MAX_LIST);
            entries.iter_mut().for_each(bound);
            if more > 0 {
                entries.push(format!("... ({more} more)").into());
            }
        }
        Value::Object(fields) => fields.values_mut().for_each(bound),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(to: Value) -> PlanView {
        let difference = Difference::new("mode", "0666".into(), to);
        PlanView {
            steps: vec![StepView {
                resource: ResourceId::new("file", "/etc/motd"),
                action: Action::Change,
                differences: vec![difference],
                restart: false,
                note: None,
            }],
            settled: vec![],
            checks: vec![],
        }
    }

    #[test]
    fn a_plan_reads_as_signs_and_differences_and_ends_with_its_counts() {
        let text = plan("0644".into()).to_string();
        assert_eq!(
            text,
            "~ file:/etc/motd\n    mode: \"0666\" -> \"0644\"\nPlan: +0 ~1 -0, 0 as they should be.\n"
        );
    }

    #[test]
    fn a_note_stands_below_its_step_and_checks_that_come_along_are_named() {
        let mut plan = plan("0644".into());
        plan.steps[0].note = Some("no repository has it".to_owned());
        plan.checks = vec!["no-empty-passwords: No account has an empty password".to_owned()];
        let text = plan.bounded().to_string();
        assert!(text.starts_with("~ file:/etc/motd\n    (no repository has it)\n    mode:"), "{text}");
        let last = "? check no-empty-passwords: No account has an empty password\nPlan: +0 ~1 -0, 0 as they should be.\n";
        assert!(text.ends_with(last), "{text}");
    }

    #[test]
    fn what_can_not_be_made_so_is_counted_and_says_all_of_what_to_do() {
        let mut plan = plan("0644".into());
        let reason = format!("the kernel has none: {}install one", "neither here nor there, ".repeat(20));
        plan.settled = vec![Outcome {
            resource: ResourceId::new("network", "vpn"),
            outcome: OutcomeKind::Blocked,
            profile: "office".to_owned(),
            revision: 1,
            assignment: "as-1".to_owned(),
            mode: crate::state::Mode::Enforce,
            differences: vec![],
            reason: Some(reason.clone()),
            note: None,
            overrides: vec![],
        }];
        plan.steps[0].note = Some(reason.clone());
        let text = plan.bounded().to_string();
        assert!(text.contains(&format!("    ({reason})\n")), "{text}");
        let last = format!("! network:vpn Blocked: {reason}\nPlan: +0 ~1 -0, 0 as they should be, 1 not.\n");
        assert!(text.ends_with(&last), "{text}");
    }

    #[test]
    fn what_changes_in_a_text_stands_below_it_and_gives_a_terminal_no_orders() {
        let mut plan = plan("0644".into());
        plan.steps[0].differences[0].diff = Some("@@ -1 +1 @@\n-a\n+\u{1b}[2J\n".to_owned());
        let text = plan.to_string();
        assert!(text.contains("-> \"0644\"\n      @@ -1 +1 @@\n      -a\n      +\\u{1b}[2J\n"), "{text}");
        plan.steps[0].differences[0].diff = Some("@@ -1 +1 @@\n-\ta\n+\tb\u{9b}\tc\n".to_owned());
        let text = plan.to_string();
        assert!(text.contains("      -\ta\n      +\tb\\u{9b}\tc\n"), "tabs are those of the file: {text}");
    }

    #[test]
    fn what_a_device_puts_into_its_plan_gives_a_terminal_no_orders() {
        let text = plan("\u{9b}2J\u{202e}".into()).to_string();
        assert!(text.contains("\\u{9b}2J\\u{202e}"), "{text}");
    }

    #[test]
    fn long_texts_and_lists_are_cut_and_say_so() {
        let list: Vec<Value> = (0..60).map(|n| format!("{n}{}", "ä".repeat(300)).into()).collect();
        let bounded = plan(list.into()).bounded();
        let entries = bounded.steps[0].differences[0].to.as_array().unwrap().clone();
        assert_eq!(entries.len(), MAX_LIST + 1);
        assert!(entries[0].as_str().unwrap().ends_with("ä... (301 characters)"));
        assert_eq!(entries[50], "... (10 more)");
    }
}
