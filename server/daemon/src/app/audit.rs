//! Reads and extends the audit.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use muster_policy::rights::ViewRight;
use muster_proto::rest::{AuditEntry, Page};
use muster_proto::{DeviceId, Timestamp};
use muster_store::audit::Filter;
use muster_store::{StoreError, Tx, audit};
use serde_json::Value;

use super::{App, AppError, page};

/// Who audits a change, when, and what it is.
#[derive(Clone, Copy)]
pub(super) struct Act<'a> {
    /// When.
    pub(super) at: Timestamp,
    /// Who, such as `admin:kim`.
    pub(super) actor: &'a str,
    /// What, such as `token.create`.
    pub(super) action: &'a str,
}

/// Adds an entry in the transaction of the change. `detail` is an object, and holds no secret.
pub(super) fn write(tx: &mut Tx<'_>, act: Act<'_>, target: &str, detail: Value) -> Result<(), StoreError> {
    let Act { at, actor, action } = act;
    let detail = match detail {
        Value::Object(detail) => detail,
        _ => serde_json::Map::new(),
    };
    audit::append(tx, &audit::Entry { at, actor, action, target, detail })?;
    Ok(())
}

impl App {
    /// One page of the audit, the newest first. A target may be called by a device's name or serial.
    pub(crate) async fn list_audit(
        &self,
        right: &ViewRight,
        mut filter: Filter,
        cursor: Option<String>,
        limit: u32,
    ) -> Result<Page<AuditEntry>, AppError> {
        let before: Option<u64> = cursor.as_deref().map(page::read).transpose()?;
        let limit = page::limit(limit);
        let turn = self.0.searches.turn(right.actor()).await?;
        self.store()
            .read(move |tx| {
                let _turn = turn;
                if let Some(target) = &mut filter.target {
                    let device = muster_store::device::find(tx, &target.part)?;
                    target.alias = match device {
                        Some(device) => Some(device.id.to_string()),
                        None => audit::deleted(tx, &target.part)?,
                    };
                }
                let mut items = audit::search(tx, &filter, before, limit + 1)?;
                // To count is to look at every entry once more, which the first page saves where it has them all.
                let has_all = before.is_none() && items.len() <= limit as usize;
                let total = if has_all { items.len() as u64 } else { audit::found(tx, &filter)? };
                name_devices(tx, &mut items)?;
                Ok(page::cut(items, limit, total, |entry| entry.id))
            })
            .await
    }
}

/// Puts the names that devices have now beside their ids: an id says nothing to people.
fn name_devices(tx: &mut Tx<'_>, entries: &mut [AuditEntry]) -> Result<(), StoreError> {
    let mut known: BTreeMap<DeviceId, Option<String>> = BTreeMap::new();
    for entry in entries {
        let actor = entry.actor.strip_prefix("device:").unwrap_or_default();
        let texts = [actor, entry.target.as_str()].into_iter();
        let texts = texts.chain(entry.detail.values().filter_map(Value::as_str));
        let ids: Vec<DeviceId> = texts.filter_map(|text| text.parse().ok()).collect();
        for id in ids {
            let name = match known.entry(id) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => {
                    new.insert(muster_store::device::get(tx, id)?.map(|device| device.name))
                }
            };
            if let Some(name) = name {
                entry.names.insert(id.to_string(), name.clone());
            }
        }
    }
    Ok(())
}
