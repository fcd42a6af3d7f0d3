//! How many pages follow changes at the same time, in all and for one identity.
//!
//! A mutex over a small table rather than a task: it is taken twice a stream for less than a microsecond.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// In all.
const STREAMS: usize = 256;
/// For one admin or API token: a page has one, and a person has a few pages open.
const STREAMS_PER_IDENTITY: usize = 8;

/// The streams that are open, by identity; cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Streams(Arc<Mutex<HashMap<String, usize>>>);

/// A stream's place, until it is dropped.
pub(super) struct Place {
    streams: Streams,
    actor: String,
}

impl Streams {
    /// A place for one more stream of this identity, unless there are too many.
    pub(super) fn open(&self, actor: &str) -> Option<Place> {
        let mut table = self.table();
        let of_identity = table.get(actor).copied().unwrap_or(0);
        if of_identity >= STREAMS_PER_IDENTITY || table.values().sum::<usize>() >= STREAMS {
            return None;
        }
        table.insert(actor.to_owned(), of_identity + 1);
        Some(Place { streams: self.clone(), actor: actor.to_owned() })
    }

    fn table(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut table = self.streams.table();
        if let Some(count) = table.get_mut(&self.actor) {
            *count -= 1;
            if *count == 0 {
                table.remove(&self.actor);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_identity_can_not_take_the_streams_of_all() {
        let streams = Streams::default();
        let mut held: Vec<_> = std::iter::from_fn(|| streams.open("api-1")).collect();
        assert_eq!(held.len(), STREAMS_PER_IDENTITY);
        assert!(streams.open("admin:kim").is_some());
        held.pop();
        assert!(streams.open("api-1").is_some());
        drop(held);
        assert!(streams.table().is_empty());
    }

    #[test]
    fn there_are_only_so_many_in_all() {
        let streams = Streams::default();
        let all = (0..1_000).filter_map(|n| streams.open(&format!("api-{n}")));
        assert_eq!(all.collect::<Vec<_>>().len(), STREAMS);
    }
}
