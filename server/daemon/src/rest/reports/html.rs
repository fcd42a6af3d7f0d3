//! The report as one page that stands alone: no scripts, nothing to load, fit for print.

use askama::Template;
use muster_proto::rest::{ControlsReport, Standing, StandingCounts};
use muster_proto::text::escape;
use serde::Serialize;

/// The page; what it shows is escaped for HTML by the template.
#[derive(Template)]
#[template(path = "report.html")]
pub(super) struct Page<'a> {
    pub(super) report: &'a ControlsReport,
}

impl Page<'_> {
    /// Text of others that reads as what it is, whatever characters are in it.
    fn plain(&self, text: &str) -> String {
        escape(text)
    }

    fn word(&self, value: &impl Serialize) -> String {
        match serde_json::to_value(value) {
            Ok(serde_json::Value::String(word)) => word.replace('_', " "),
            _ => String::new(),
        }
    }

    fn class(&self, standing: &Standing) -> &'static str {
        match standing {
            Standing::Failing => "failing",
            Standing::Unknown => "unknown",
            Standing::Waived => "waived",
            Standing::Passing => "passing",
            Standing::NotApplicable => "not_applicable",
        }
    }

    /// Beside the word, so that nothing hangs on colour.
    fn mark(&self, standing: &Standing) -> &'static str {
        match standing {
            Standing::Failing => "✗",
            Standing::Unknown => "?",
            Standing::Waived => "!",
            Standing::Passing => "✓",
            Standing::NotApplicable => "–",
        }
    }

    fn counts(&self, counts: &StandingCounts, thing: &str) -> String {
        let total = counts.total();
        format!(
            "{total} {thing}{}: {} passing, {} failing, {} unknown, {} waived, {} not applicable",
            if total == 1 { "" } else { "s" },
            counts.passing,
            counts.failing,
            counts.unknown,
            counts.waived,
            counts.not_applicable
        )
    }
}
