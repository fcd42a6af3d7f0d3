//! Whether the ledger has room.

use anyhow::Result;
use muster_proto::Timestamp;
use rusqlite::ErrorCode;

use super::{Ledger, set_meta};

impl Ledger {
    /// Writes something that was not there before, to find out whether it can be.
    pub(crate) fn try_to_write(&mut self, now: Timestamp) -> Result<()> {
        set_meta(&self.db, "tried", &now.to_string())
    }

    /// Makes every write fail, as on a disk that is read-only, until it is told otherwise.
    #[cfg(test)]
    pub(crate) fn refuse_writes(&self, refuse: bool) {
        self.db.pragma_update(None, "query_only", refuse).unwrap();
    }
}

/// Whether an error says that the ledger can't be written, as on a disk that is full, read-only or broken. What it holds
/// can still be read then, and it may be written again later.
pub(crate) fn cant_be_written(error: &anyhow::Error) -> bool {
    has_code(error, &[ErrorCode::DiskFull, ErrorCode::SystemIoFailure, ErrorCode::ReadOnly])
}

/// Whether an error says that the ledger is no whole database any more, which no waiting mends.
pub(crate) fn is_damaged(error: &anyhow::Error) -> bool {
    has_code(error, &[ErrorCode::DatabaseCorrupt, ErrorCode::NotADatabase])
}

fn has_code(error: &anyhow::Error, codes: &[ErrorCode]) -> bool {
    let code = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<rusqlite::Error>().and_then(rusqlite::Error::sqlite_error_code)
    };
    error.chain().filter_map(code).any(|code| codes.contains(&code))
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    fn error(code: i32) -> anyhow::Error {
        let error = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None);
        Err::<(), _>(error).context("keeping it").unwrap_err()
    }

    #[test]
    fn a_full_disk_is_told_from_a_ledger_that_is_damaged() {
        use rusqlite::ffi::{SQLITE_CORRUPT, SQLITE_FULL, SQLITE_IOERR_SHMSIZE, SQLITE_READONLY};
        for code in [SQLITE_FULL, SQLITE_IOERR_SHMSIZE, SQLITE_READONLY] {
            assert!(cant_be_written(&error(code)) && !is_damaged(&error(code)), "{code}");
        }
        assert!(!cant_be_written(&error(SQLITE_CORRUPT)) && is_damaged(&error(SQLITE_CORRUPT)));
        let other = anyhow::anyhow!("the accepted state can't be composed");
        assert!(!cant_be_written(&other) && !is_damaged(&other));
    }

    #[test]
    fn what_is_no_database_is_a_damaged_ledger() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.db");
        std::fs::write(&path, "bytes of a disk that went bad".repeat(200)).unwrap();
        assert!(Ledger::open(&path).is_err_and(|error| is_damaged(&error)));
        assert!(Ledger::open_read_only(&path).is_err_and(|error| is_damaged(&error)));
    }
}
