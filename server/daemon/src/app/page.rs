//! Pages of lists: cursors that callers hand back unread, and limits.

use muster_proto::rest::Page;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::AppError;

/// The most rows of one page.
const MAX: u32 = 1_000;

/// A limit within bounds.
pub(super) fn limit(asked: u32) -> u32 {
    asked.clamp(1, MAX)
}

/// Reads a cursor.
pub(super) fn read<K: DeserializeOwned>(cursor: &str) -> Result<K, AppError> {
    let bytes = data_encoding::BASE64URL_NOPAD.decode(cursor.as_bytes()).ok();
    bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).ok_or_else(|| {
        AppError::Invalid("the cursor is not one of this list: start at its first page".to_owned())
    })
}

/// Makes a page of `rows`, of which one more than `limit` was read to see whether there is a next page.
pub(super) fn cut<T, K: Serialize>(
    mut rows: Vec<T>,
    limit: u32,
    total: u64,
    key: impl Fn(&T) -> K,
) -> Page<T> {
    let limit = limit as usize;
    let next = (rows.len() > limit).then(|| {
        rows.truncate(limit);
        rows.last().map(key)
    });
    let write = |key: K| {
        let text = serde_json::to_vec(&key).expect("a cursor is plain data");
        data_encoding::BASE64URL_NOPAD.encode(&text)
    };
    Page { items: rows, next: next.flatten().map(write), total }
}
