//! `muster device history`: what happened on a device.

use clap::Args;
use muster_proto::rest::HistoryEntry;

use super::path;
use crate::api::Api;
use crate::failure::{Ending, Failure};
use crate::output::{self, Output, moment};

/// Show what happened on a device, the newest first: what was accepted, changed, put right and refused
///
/// Of what happens to one resource over and over, the first five within ten minutes have an entry each, and the others one together,
/// when these minutes are over.
#[derive(Args)]
#[command(after_help = "Example:\n  muster device history lap-ada --limit 20")]
pub(crate) struct History {
    /// Its name, serial or id
    device: String,
    /// At most this many
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    #[command(flatten)]
    output: Output,
}

impl History {
    pub(super) async fn run(self, api: &Api) -> Result<Ending, Failure> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let entries: Vec<HistoryEntry> =
            api.get_up_to(&format!("{}/history", path(&self.device)), limit).await?;
        self.output.list(&entries, &["at", "event", "resource", "what"], |entry| {
            vec![
                moment(entry.at),
                entry.event.clone(),
                entry.resource.clone().unwrap_or_default(),
                what(entry),
            ]
        })?;
        if entries.is_empty() && self.output.is_table() {
            output::note("Nothing was told by this device yet.");
        }
        Ok(Ending::Fine)
    }
}

/// What an entry says, and of which attributes something else was there; from what to what is in `-o json`.
fn what(entry: &HistoryEntry) -> String {
    let differ: Vec<&str> = entry.differences.iter().map(|d| d.attribute.as_str()).collect();
    match (entry.text.as_str(), differ.join(", ")) {
        (text, differ) if differ.is_empty() => text.to_owned(),
        ("", differ) => differ,
        (text, differ) => format!("{text} ({differ})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_says_what_happened_and_what_differed() {
        let entry = |text: &str, differences: serde_json::Value| -> HistoryEntry {
            serde_json::from_value(serde_json::json!({
                "at": "2026-11-26T10:00:00Z", "recorded": "2026-11-26T10:00:01Z", "event": "repaired",
                "text": text, "resource": "file:/etc/motd", "differences": differences,
            }))
            .unwrap()
        };
        let mode = serde_json::json!([{"attribute": "mode", "from": "0666", "to": "0644"}]);
        assert_eq!(what(&entry("changed by pid 12", mode.clone())), "changed by pid 12 (mode)");
        assert_eq!(what(&entry("", mode)), "mode");
        assert_eq!(what(&entry("generation 3", serde_json::json!([]))), "generation 3");
    }
}
