//! What Muster created or changed, as far as it was not taken back: in the ledger, and remembered from there.

use std::collections::BTreeMap;
use std::rc::Rc;

use anyhow::Result;
use muster_converge::plan::Record;
use muster_proto::ResourceId;
use rusqlite::OptionalExtension as _;

use super::Ledger;

/// Everything Muster created or changed and has not taken back.
pub(crate) type Records = BTreeMap<ResourceId, Record>;

pub(super) struct Remembered {
    /// By which SQLite says whether someone else has written since.
    version: i64,
    records: Rc<Records>,
}

impl Ledger {
    /// Everything Muster created or changed and has not taken back. The same allocation as long as nobody wrote any of it.
    pub(crate) fn records(&self) -> Result<Rc<Records>> {
        let version: i64 = self.db.query_row("PRAGMA data_version", [], |r| r.get(0))?;
        if let Some(known) = self.records.borrow().as_ref().filter(|known| known.version == version) {
            #[cfg(test)]
            assert_eq!(*known.records, self.read_records()?, "what is remembered is what is in the ledger");
            return Ok(Rc::clone(&known.records));
        }
        let records = Rc::new(self.read_records()?);
        self.records.replace(Some(Remembered { version, records: Rc::clone(&records) }));
        Ok(records)
    }

    /// Goes on from what was known before a write that is durable now. What failed half-way is read again.
    pub(super) fn remember(
        &self,
        known: Option<Remembered>,
        written: &[(ResourceId, Record)],
        forgotten: &[ResourceId],
    ) {
        let Some(mut known) = known else { return };
        // Who holds what was known before holds on to it as it was.
        let records = Rc::make_mut(&mut known.records);
        records.extend(written.iter().cloned());
        for id in forgotten {
            records.remove(id);
        }
        self.records.replace(Some(known));
    }

    fn read_records(&self) -> Result<Records> {
        let mut rows = self.db.prepare("SELECT resource, body FROM record")?;
        let rows = rows.query_map([], |r| Ok((r.get::<_, String>(0)?, r.get::<_, String>(1)?)))?;
        rows.map(|row| {
            let (resource, body) = row?;
            let id: ResourceId = serde_json::from_value(resource.into())?;
            Ok((id, serde_json::from_str(&body)?))
        })
        .collect()
    }

    /// Of [`Ledger::records`] those of these resources.
    pub(crate) fn records_of<'a>(&self, ids: impl IntoIterator<Item = &'a ResourceId>) -> Result<Records> {
        let mut select = self.db.prepare_cached("SELECT body FROM record WHERE resource = ?1")?;
        let mut records = BTreeMap::new();
        for id in ids {
            let body: Option<String> = select.query_row([id.as_str()], |r| r.get(0)).optional()?;
            if let Some(body) = body {
                records.insert(id.clone(), serde_json::from_str(&body)?);
            }
        }
        Ok(records)
    }
}
