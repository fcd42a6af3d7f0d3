//! `muster audit`: who did what, and who was refused.

use std::time::{Duration, SystemTime};

use clap::Args;
use muster_proto::rest::AuditEntry;
use muster_proto::{Digest, Timestamp};
use serde_json::{Map, Value};

use crate::api::{Api, part};
use crate::failure::{Ending, Failure};
use crate::output::{self, Output, moment};
use crate::span::span;

/// Show changes, logins and refused devices, the newest first
#[derive(Args)]
#[command(
    after_help = "Example:\n  muster audit --limit 20 -o json\n  muster audit --action device --target lap-ada --since 7d"
)]
pub(crate) struct Audit {
    /// Only what was done by whom this is part of the name of
    #[arg(long, value_name = "WHO")]
    actor: Option<String>,
    /// Only this action, such as device.approve, or all of a noun, such as device
    #[arg(long, value_name = "WHAT")]
    action: Option<String>,
    /// Only what was done or assigned to this device or label, or done to what this is part of the name of
    #[arg(long, value_name = "WHAT")]
    target: Option<String>,
    /// Only what was done in this time until now
    #[arg(long, value_name = "TIME", value_parser = span)]
    since: Option<Duration>,
    /// At most this many
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    #[command(flatten)]
    output: Output,
}

impl Audit {
    pub(crate) async fn run(self, api: &Api) -> Result<Ending, Failure> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX).max(1);
        let entries: Vec<AuditEntry> = api.get_up_to(&self.path()?, limit).await?;
        let cells = if self.output.is_table() { for_people } else { for_programs };
        self.output.list(&entries, &["at", "actor", "action", "target", "detail"], cells)?;
        if entries.is_empty() && self.output.is_table() {
            output::note("Nothing of the audit is like that.");
            if self.action.is_some() {
                output::note(
                    "Actions are named as muster audit shows them, such as device.approve, or by their noun.",
                );
            }
        }
        Ok(Ending::Fine)
    }

    fn path(&self) -> Result<String, Failure> {
        let since = self.since.map(|span| {
            let begin = SystemTime::now().checked_sub(span);
            begin.map(|begin| Timestamp::from_system(begin).to_string()).ok_or_else(|| {
                Failure::new("that is longer ago than there are times").next("give --since less, such as 30d")
            })
        });
        let (actor, action, target) = (self.actor.clone(), self.action.clone(), self.target.clone());
        let asked = [("actor", actor), ("action", action), ("target", target), ("since", since.transpose()?)];
        let asked: Vec<_> = asked
            .into_iter()
            .filter_map(|(name, value)| value.map(|value| format!("{name}={}", part(&value))))
            .collect();
        Ok(if asked.is_empty() { "/audit".to_owned() } else { format!("/audit?{}", asked.join("&")) })
    }
}

/// The characters by which a person knows a digest again, `sha256:` and twelve digits; `-o json` has all.
const DIGEST: usize = 19;

/// What an admin knows an object by, in the order in which it is said; the rest follows as it was recorded, digests last.
const KNOWN: [&str; 5] = ["name", "profile", "revision", "target", "device"];

/// As it is recorded, times of entries to the second.
fn for_programs(entry: &AuditEntry) -> Vec<String> {
    let detail = entry.detail.iter().map(|(name, value)| match value.as_str() {
        Some(text) => format!("{name}={text}"),
        None => format!("{name}={value}"),
    });
    let detail = detail.collect::<Vec<_>>().join(" ");
    vec![moment(entry.at), entry.actor.clone(), entry.action.clone(), entry.target.clone(), detail]
}

/// With names in place of ids, and in words; `-o json` has it as it is recorded.
fn for_people(entry: &AuditEntry) -> Vec<String> {
    let named = |text: &str| entry.names.get(text).cloned().unwrap_or_else(|| text.to_owned());
    let actor = entry.actor.strip_prefix("device:").map(|id| format!("device:{}", named(id)));
    vec![
        moment(entry.at),
        actor.unwrap_or_else(|| entry.actor.clone()),
        entry.action.clone(),
        named(&entry.target),
        pairs(&entry.detail, &named),
    ]
}

fn pairs(detail: &Map<String, Value>, named: &impl Fn(&str) -> String) -> String {
    let mut said: Vec<_> = detail.iter().filter(|(_, value)| !is_nothing(value)).collect();
    said.sort_by_key(|(name, value)| {
        let known = KNOWN.iter().position(|known| known == name).unwrap_or(KNOWN.len());
        (value.as_str().is_some_and(is_digest), known)
    });
    let said =
        said.into_iter().map(|(name, value)| format!("{}: {}", name.replace('_', " "), words(value, named)));
    said.collect::<Vec<_>>().join("; ")
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(values) => values.is_empty(),
        Value::Object(values) => values.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

fn is_digest(text: &str) -> bool {
    text.parse::<Digest>().is_ok()
}

/// A value as words: a change as `old -> new`, a list by its things.
fn words(value: &Value, named: &impl Fn(&str) -> String) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) if is_digest(text) => format!("{}...", &text[..DIGEST]),
        Value::String(text) => text.parse::<Timestamp>().map_or_else(|_| named(text), moment),
        Value::Array(values) if values.is_empty() => "none".to_owned(),
        Value::Array(values) => values.iter().map(|value| words(value, named)).collect::<Vec<_>>().join(", "),
        Value::Object(values) => match (values.get("from"), values.get("to")) {
            (Some(from), Some(to)) if values.len() == 2 => {
                format!("{} -> {}", words(from, named), words(to, named))
            }
            _ => format!("({})", pairs(values, named)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_admin_knows_comes_first_and_a_digest_last_and_short() {
        let digest = format!("sha256:{}", "0123456789abcdef".repeat(4));
        let entry: AuditEntry = serde_json::from_value(serde_json::json!({
            "id": 1, "at": "2026-11-26T10:00:00.123456Z", "actor": "admin:kim", "action": "assignment.create",
            "target": "as-1", "names": {},
            "detail": {"digest": digest, "mode": "enforce", "profile": "base", "revision": 3, "labels": ["a", "b"]},
        }))
        .unwrap();
        let cells = for_people(&entry);
        assert_eq!(cells[0], "2026-11-26T10:00:00Z");
        assert_eq!(
            cells[4],
            "profile: base; revision: 3; labels: a, b; mode: enforce; digest: sha256:0123456789ab..."
        );
        assert_eq!(words(&Value::from("2026-11-26T10:00:00.5Z"), &str::to_owned), "2026-11-26T10:00:00Z");
        assert!(for_programs(&entry)[4].contains(&digest));
    }

    #[test]
    fn people_read_names_and_words_and_programs_what_is_recorded() {
        let id = "0190d9a4-8e9c-7c3e-9d3e-0d6d8f1f2a3b";
        let entry: AuditEntry = serde_json::from_value(serde_json::json!({
            "id": 1, "at": "2026-11-26T10:00:00Z", "actor": format!("device:{id}"), "action": "device.change",
            "target": id, "names": { id: "lap-ada" },
            "detail": {
                "labels": {"from": [], "to": ["laptop", "dev"]}, "device": id, "reason": null,
                "moves": [{"step": 2, "last_one": true}],
            },
        }))
        .unwrap();
        let cells = for_people(&entry);
        assert_eq!((cells[1].as_str(), cells[3].as_str()), ("device:lap-ada", "lap-ada"));
        assert_eq!(cells[4], "device: lap-ada; labels: none -> laptop, dev; moves: (last one: yes; step: 2)");
        let recorded = for_programs(&entry);
        assert_eq!(recorded[3], id);
        assert!(recorded[4].contains(r#"labels={"from":[],"to":["laptop","dev"]}"#), "{}", recorded[4]);
    }
}
