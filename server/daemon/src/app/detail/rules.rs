//! The rules behind results: checks as the revisions that devices reported on have them.

use std::collections::BTreeMap;

use muster_proto::RevisionNumber;
use muster_proto::check::Check;
use muster_proto::profile::Profile;
use muster_store::{StoreError, Tx};

/// Checks by revision, each document read once.
#[derive(Default)]
pub(in crate::app) struct Rules(BTreeMap<(String, u32), Vec<Check>>);

impl Rules {
    /// The check of this revision, if the server has it: a device may report on one that was never saved here.
    pub(in crate::app) fn check(
        &mut self,
        tx: &mut Tx<'_>,
        profile: &str,
        revision: u32,
        id: &str,
    ) -> Result<Option<Check>, StoreError> {
        Ok(self.of(tx, profile, revision)?.iter().find(|check| check.id.as_str() == id).cloned())
    }

    /// All checks of this revision.
    pub(in crate::app) fn of(
        &mut self,
        tx: &mut Tx<'_>,
        profile: &str,
        revision: u32,
    ) -> Result<&[Check], StoreError> {
        let key = (profile.to_owned(), revision);
        if !self.0.contains_key(&key) {
            self.0.insert(key.clone(), read(tx, profile, revision)?);
        }
        Ok(&self.0[&key])
    }
}

fn read(tx: &mut Tx<'_>, profile: &str, revision: u32) -> Result<Vec<Check>, StoreError> {
    let Some(revision) = muster_store::profile::revision(tx, profile, RevisionNumber(revision))? else {
        return Ok(Vec::new());
    };
    let document = muster_store::profile::document(tx, revision.digest)?.unwrap_or_default();
    Ok(Profile::read(&document).map(|(profile, _)| profile.checks).unwrap_or_default())
}
