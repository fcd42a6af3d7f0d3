//! What a turn reads and writes: the machine that the agent runs on, or one that a test makes up.

use std::collections::BTreeMap;

use muster_converge::plan::{Record, Step};
use muster_proto::condition::Condition;
use muster_proto::{ResourceId, Timestamp};

use crate::host::{Host, files, processes};
use crate::resource::{self, Contents, Prepared, Wanted, Written};

/// The longest text, in bytes, in which a change is shown.
const LONGEST_TEXT: u64 = 64 * 1024;

/// Resources as they are, and hands to change them. What each function promises stands at its namesake in [`resource`].
pub(super) trait Machine {
    /// Fetches package lists where those on the machine are old.
    async fn freshen(&mut self, now: Timestamp);

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

    /// What can be told of the steps before they are made, for who only asks.
    async fn foretell(
        &mut self,
        steps: &[Step],
        records: &BTreeMap<ResourceId, Record>,
    ) -> BTreeMap<ResourceId, String>;

    /// The text of a file that everyone on the machine may read; `None` for what is not such a text, or is a long one.
    fn public_text(&self, path: &str) -> Option<String>;

    /// The text of any file, for who knows that it may be shown.
    fn text(&self, path: &str) -> Option<String>;

    /// Who has what a resource manages open for writing, for an admin: programs with their process numbers.
    fn writers(&self, id: &ResourceId) -> Vec<String>;

    /// By what a directory is known, whatever path leads to it; `None` where there is none.
    fn folder(&self, path: &str) -> Option<(u64, u64)>;

    /// Notes that the first-login password of an account is durable.
    fn password_is_safe(&self, account: &str);
}

impl Machine for Host {
    async fn freshen(&mut self, now: Timestamp) {
        resource::freshen(self, now).await;
    }

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

    async fn foretell(
        &mut self,
        steps: &[Step],
        records: &BTreeMap<ResourceId, Record>,
    ) -> BTreeMap<ResourceId, String> {
        resource::foretell(self, steps, records).await
    }

    fn public_text(&self, path: &str) -> Option<String> {
        // What can't be read has an outcome that says so, and no text.
        files::public_text(&self.root, path, LONGEST_TEXT).ok().flatten()
    }

    fn text(&self, path: &str) -> Option<String> {
        let bytes = files::content(&self.root, path, LONGEST_TEXT).ok().flatten()?;
        String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
    }

    fn writers(&self, id: &ResourceId) -> Vec<String> {
        if id.kind() == "file" { processes::writers(id.key()) } else { vec![] }
    }

    fn folder(&self, path: &str) -> Option<(u64, u64)> {
        let stat = rustix::fs::fstat(self.root.directory(path).ok()??).ok()?;
        Some((stat.st_dev, stat.st_ino))
    }

    fn password_is_safe(&self, account: &str) {
        resource::password_is_safe(self, account);
    }
}
