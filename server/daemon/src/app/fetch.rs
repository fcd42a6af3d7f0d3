//! Documents for devices: only those that the device's own current state names.

use std::collections::BTreeSet;

use muster_proto::{DeviceId, Digest};
use muster_store::StoreError;

use super::App;

/// Documents were not given.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    /// The device's state does not name this document, or there is none: the device can't tell which.
    #[error("your current state does not name {0}")]
    NotNamed(Digest),
    /// More than a state ever names.
    #[error("at most {MAX_DIGESTS} documents at once")]
    TooMany,
    /// The record could not be read.
    #[error("the server's record could not be read")]
    Store(#[from] StoreError),
}

/// The most documents that one call may ask for.
pub(crate) const MAX_DIGESTS: usize = 256;

impl App {
    /// The first of the documents with these digests, in this order, that fit into `room` bytes together. One that is
    /// named again is given once, and nothing beyond the room is kept.
    pub(crate) async fn fetch(
        &self,
        device: DeviceId,
        digests: Vec<Digest>,
        room: usize,
    ) -> Result<Vec<Vec<u8>>, FetchError> {
        if digests.len() > MAX_DIGESTS {
            return Err(FetchError::TooMany);
        }
        self.store()
            .read(move |tx| {
                let (mut left, mut seen, mut documents) = (room, BTreeSet::new(), Vec::new());
                for digest in digests.into_iter().filter(|digest| seen.insert(*digest)) {
                    let document = muster_store::state::document(tx, device, digest)?
                        .ok_or(FetchError::NotNamed(digest))?;
                    let Some(rest) = left.checked_sub(document.len()) else { break };
                    left = rest;
                    documents.push(document);
                }
                Ok(documents)
            })
            .await
    }
}
