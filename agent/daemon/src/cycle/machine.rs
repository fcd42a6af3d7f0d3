//! What a turn reads and writes: the machine that the agent runs on, or one that a test makes up.

use std::collections::BTreeMap;

use muster_converge::plan::{Record, Step};
use muster_proto::ResourceId;
use muster_proto::condition::Condition;

use crate::host::Host;
use crate::resource::{self, Contents, Prepared, Wanted, Written};

/// Resources as they are, and hands to change them. What each function promises stands at its namesake in [`resource`].
pub(super) trait Machine {
    /// Reads the condition of each.
    async fn read(&mut self, wanted: &[Wanted<'_>]) -> BTreeMap<ResourceId, Result<Condition, String>>;

    /// Finds out whether each step can be made and what has to be kept of what it changes.
    async fn prepare(
        &mut self,
        steps: &[&Step],
        records: &BTreeMap<ResourceId, Record>,
    ) -> BTreeMap<ResourceId, Result<Prepared, String>>;

    /// Makes the steps so, in the given order.
    async fn write(
        &mut self,
        steps: &[&Step],
        records: &BTreeMap<ResourceId, Record>,
        contents: &Contents<'_>,
    ) -> BTreeMap<ResourceId, Written>;

    /// Notes that the first-login password of an account is durable.
    fn password_is_safe(&self, account: &str);
}

impl Machine for Host {
    async fn read(&mut self, wanted: &[Wanted<'_>]) -> BTreeMap<ResourceId, Result<Condition, String>> {
        resource::read(self, wanted).await
    }

    async fn prepare(
        &mut self,
        steps: &[&Step],
        records: &BTreeMap<ResourceId, Record>,
    ) -> BTreeMap<ResourceId, Result<Prepared, String>> {
        resource::prepare(self, steps, records).await
    }

    async fn write(
        &mut self,
        steps: &[&Step],
        records: &BTreeMap<ResourceId, Record>,
        contents: &Contents<'_>,
    ) -> BTreeMap<ResourceId, Written> {
        resource::write(self, steps, records, contents).await
    }

    fn password_is_safe(&self, account: &str) {
        resource::password_is_safe(self, account);
    }
}
