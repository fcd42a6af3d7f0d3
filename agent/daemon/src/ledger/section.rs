//! Sections of the device's state: the latest of each, and whether the server has it.

use anyhow::Result;
use muster_proto::Digest;
use rusqlite::{Connection, OptionalExtension, params};

use super::{Ledger, meta, set_meta};

impl Ledger {
    /// Keeps the latest of a section; true when the server has not acknowledged exactly this.
    pub(crate) fn section(&mut self, name: &str, document: &[u8]) -> Result<bool> {
        put_section(&self.db, name, document)
    }

    /// The latest of a section.
    pub(crate) fn section_document(&self, name: &str) -> Result<Option<Vec<u8>>> {
        Ok(self
            .db
            .query_row("SELECT document FROM section WHERE name = ?1", [name], |r| r.get(0))
            .optional()?)
    }

    /// Sends every section again when the server's record was put back from a backup since this was last heard: what it
    /// acknowledged before may be gone.
    pub(crate) fn server_was_restored(&mut self, restored: i64) -> Result<()> {
        let restored = restored.to_string();
        if meta(&self.db, "server_restored")?.as_deref().unwrap_or("0") == restored {
            return Ok(());
        }
        let tx = self.db.transaction()?;
        tx.execute("UPDATE section SET acknowledged = NULL", [])?;
        set_meta(&tx, "server_restored", &restored)?;
        tx.commit()?;
        Ok(())
    }
}

/// Keeps the latest of a section; true when the server has not acknowledged exactly this.
pub(super) fn put_section(db: &Connection, name: &str, document: &[u8]) -> Result<bool> {
    let digest = Digest::of(document).to_string();
    let known: Option<(String, Option<String>)> = db
        .query_row("SELECT digest, acknowledged FROM section WHERE name = ?1", [name], |r| {
            Ok((r.get(0)?, r.get(1)?))
        })
        .optional()?;
    match known {
        Some((same, acknowledged)) if same == digest => Ok(acknowledged.as_deref() != Some(&digest)),
        _ => {
            db.execute(
                "INSERT INTO section (name, digest, document) VALUES (?1, ?2, ?3)
                 ON CONFLICT (name) DO UPDATE SET digest = excluded.digest, document = excluded.document",
                params![name, digest, document],
            )?;
            Ok(true)
        }
    }
}
