//! `muster audit`: who did what, and who was refused.

use clap::Args;
use muster_proto::rest::AuditEntry;

use crate::api::Api;
use crate::failure::{Ending, Failure};
use crate::output::Output;

/// Show changes and refusals, the newest first
#[derive(Args)]
#[command(after_help = "Example:\n  muster audit --limit 20 -o json")]
pub(crate) struct Audit {
    /// At most this many
    #[arg(long, default_value_t = 100)]
    limit: u32,
    #[command(flatten)]
    output: Output,
}

impl Audit {
    pub(crate) async fn run(self, api: &Api) -> Result<Ending, Failure> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX).max(1);
        let entries: Vec<AuditEntry> = api.get_up_to("/audit", limit).await?;
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
}
