//! The standing link of a device: what it should be, and that it is there.

use std::time::Duration;

use muster_proto::{DeviceId, Generation, Timestamp};
use muster_store::{StoreError, Tx};

use super::App;
use super::presence::Link;

/// How often [`App::turn`] is to be called.
pub(crate) const TURN: Duration = Duration::from_secs(60);
/// How many devices one transaction writes down as seen: other writes go between two of them.
const SEEN_AT_ONCE: usize = 500;

/// What an agent says of itself when its link comes up.
pub(crate) struct Hello {
    /// Newest generation it accepted.
    pub(crate) generation: Generation,
    /// Its version.
    pub(crate) agent_version: String,
    /// Newest composition rules it has.
    pub(crate) composition: u32,
    /// Kinds of resource it knows.
    pub(crate) kinds: Vec<String>,
}

/// A device's desired state.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct StateNotice {
    /// Its generation.
    pub(crate) generation: Generation,
    /// JSON `DesiredState`, exactly the bytes its digest was made of.
    pub(crate) bytes: Vec<u8>,
}

impl App {
    /// A device's link is up; it counts as connected until the `Link` is dropped. Writes only what is new.
    pub(crate) async fn connect(&self, device: DeviceId, mut hello: Hello) -> Result<Link, StoreError> {
        let Hello { generation, composition, .. } = hello;
        tracing::debug!(%device, %generation, agent = ?hello.agent_version, composition, "link up");
        hello
            .kinds
            .retain(|kind| kind.len() <= 64 && kind.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
        hello.kinds.truncate(100);
        hello.kinds.sort();
        let kinds = serde_json::json!(hello.kinds).to_string();
        let (known, awaited) = self
            .store()
            .read(move |tx| {
                let known = muster_store::device::get(tx, device)?.map(|row| (row.kinds, row.composition));
                Ok::<_, StoreError>((known, muster_store::returning::get(tx, device)?.is_some()))
            })
            .await?;
        if awaited {
            self.is_back(device).await?;
        }
        if known.is_some_and(|known| known != (kinds.clone(), composition)) {
            let write =
                move |tx: &mut Tx<'_>| muster_store::device::set_known(tx, device, &kinds, composition);
            self.store().write(write).await?;
        }
        self.seen(device);
        Ok(self.presence().link(device, self.store().clone()))
    }

    /// The device's desired state if it is newer than `after`. Asked at first and on `Change::States` that names it.
    pub(crate) async fn newer_state(
        &self,
        device: DeviceId,
        after: Generation,
    ) -> Result<Option<StateNotice>, StoreError> {
        let state = self.store().read(move |tx| muster_store::state::get(tx, device)).await?;
        Ok(state
            .filter(|state| state.generation > after)
            .map(|state| StateNotice { generation: state.generation, bytes: state.bytes }))
    }

    /// The device was heard of just now. Kept in memory; written down by [`App::turn`].
    pub(crate) fn seen(&self, device: DeviceId) {
        self.presence().see(device, self.now());
    }

    /// Writes down what is only in memory: who was seen, and how the fleet stands today. To be called every
    /// [`TURN`] and at shutdown.
    pub(crate) async fn turn(&self) -> Result<(), StoreError> {
        let now = self.now();
        let seen: Vec<_> = self.presence().take_seen(now).into_iter().collect();
        for (index, some) in seen.chunks(SEEN_AT_ONCE).enumerate() {
            let batch = some.to_vec();
            let written = self.store().write(move |tx| {
                batch.iter().try_for_each(|(device, at)| muster_store::device::set_seen(tx, *device, *at))
            });
            if let Err(error) = written.await {
                // What is not written down yet is kept for the next turn.
                for (device, at) in &seen[index * SEEN_AT_ONCE..] {
                    self.presence().see(*device, *at);
                }
                return Err(error);
            }
        }
        self.note_the_day(now).await
    }

    /// Writes down how the fleet stands today, when that is not what was written down last.
    async fn note_the_day(&self, now: Timestamp) -> Result<(), StoreError> {
        let date = super::compliance::date(now);
        let (counts, noted) = self
            .store()
            .read(move |tx| {
                let noted = muster_store::day::list(tx, 1)?.pop().filter(|day| day.date == date);
                Ok::<_, StoreError>((muster_store::device::counts(tx, None, now)?, noted))
            })
            .await?;
        if noted.is_some_and(|day| day.counts == counts) {
            return Ok(());
        }
        let date = super::compliance::date(now);
        self.store()
            .write(move |tx| {
                muster_store::session::remove_expired(tx, now)?;
                muster_store::day::put(tx, &date, &counts)
            })
            .await
    }
}
