//! `muster audit`: who did what, and who was refused.

use std::time::{Duration, SystemTime};

use clap::Args;
use muster_proto::Timestamp;
use muster_proto::rest::AuditEntry;

use crate::api::{Api, part};
use crate::failure::{Ending, Failure};
use crate::output::Output;
use crate::span::span;

/// Show changes and refusals, the newest first
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
    /// Only what was done to this device, or to what this is part of the name of
    #[arg(long, value_name = "WHAT")]
    target: Option<String>,
    /// Only what was done in this time until now
    #[arg(long, value_name = "TIME", value_parser = span)]
    since: Option<Duration>,
    /// At most this many
    #[arg(long, default_value_t = 100)]
    limit: u32,
    #[command(flatten)]
    output: Output,
}

impl Audit {
    pub(crate) async fn run(self, api: &Api) -> Result<Ending, Failure> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX).max(1);
        let entries: Vec<AuditEntry> = api.get_up_to(&self.path()?, limit).await?;
        self.output.list(&entries, &["at", "actor", "action", "target", "detail"], |entry| {
            let detail: Vec<_> = entry
                .detail
                .iter()
                .map(|(name, value)| match value.as_str() {
                    Some(text) => format!("{name}={text}"),
                    None => format!("{name}={value}"),
                })
                .collect();
            vec![
                entry.at.to_string(),
                entry.actor.clone(),
                entry.action.clone(),
                entry.target.clone(),
                detail.join(" "),
            ]
        })?;
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
