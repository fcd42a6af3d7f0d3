//! What became of a profile's resources over all devices.

use muster_policy::rights::ViewRight;
use muster_proto::DeviceId;
use muster_proto::report::Outcome;
use muster_proto::rest::{DeviceOutcome, Page};
use muster_store::outcome::{Filter, Listed};

use super::compliance::pinned;
use super::{App, AppError, page};

impl App {
    /// One page of outcomes, by resource.
    pub(crate) async fn list_outcomes(
        &self,
        _right: &ViewRight,
        filter: Filter,
        cursor: Option<String>,
        limit: u32,
    ) -> Result<Page<DeviceOutcome>, AppError> {
        let after: Option<(String, DeviceId)> = cursor.as_deref().map(page::read).transpose()?;
        let limit = page::limit(limit);
        self.store()
            .read(move |tx| {
                let total = muster_store::outcome::total(tx, &filter)?;
                let rows = muster_store::outcome::list(tx, &filter, after.as_ref(), limit + 1)?;
                let page = page::cut(rows, limit, total, |row| (row.row.resource.clone(), row.device));
                let items = page.items.into_iter().map(view).collect::<Result<_, _>>()?;
                Ok(Page { items, next: page.next, total })
            })
            .await
    }
}

fn view(listed: Listed) -> Result<DeviceOutcome, AppError> {
    let outcome: Outcome = serde_json::from_str(&listed.row.document)
        .map_err(|error| AppError::Defect(format!("outcome of {}: {error}", listed.row.resource)))?;
    Ok(DeviceOutcome {
        device: listed.name,
        resource: listed.row.resource,
        outcome: listed.row.outcome,
        profile: pinned(&outcome.profile, outcome.revision),
        since: listed.row.since,
        reason: outcome.reason,
    })
}
