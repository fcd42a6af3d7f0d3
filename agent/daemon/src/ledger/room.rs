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
    let code = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<rusqlite::Error>().and_then(rusqlite::Error::sqlite_error_code)
    };
    let codes = error.chain().filter_map(code);
    codes
        .into_iter()
        .any(|code| matches!(code, ErrorCode::DiskFull | ErrorCode::SystemIoFailure | ErrorCode::ReadOnly))
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
            assert!(cant_be_written(&error(code)), "{code}");
        }
        assert!(!cant_be_written(&error(SQLITE_CORRUPT)));
        assert!(!cant_be_written(&anyhow::anyhow!("the accepted state can't be composed")));
    }
}
