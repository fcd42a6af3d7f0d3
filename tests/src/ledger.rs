//! The databases of agent and server, asked from outside by `sqlite3`.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};

use crate::device::Device;

/// What `sqlite3` answers of a database, a line for each row.
pub fn ask(database: &Path, sql: &str) -> Result<Vec<String>> {
    let mut command = Command::new("sqlite3");
    let asked = command.arg("-cmd").arg(".timeout 5000").arg(database).arg(sql).output()?;
    ensure!(asked.status.success(), "{}: {}", database.display(), String::from_utf8_lossy(&asked.stderr));
    Ok(String::from_utf8(asked.stdout)?.lines().map(str::to_owned).collect())
}

impl Device<'_> {
    /// Asks a copy of the agent's ledger: SQLite would follow the path by which it is reached to this host's own.
    pub fn ask_ledger(&self, sql: &str) -> Result<Vec<String>> {
        let copy = tempfile::tempdir()?;
        for name in ["ledger.db", "ledger.db-wal"] {
            let from = self.path(Path::new("/var/lib/muster").join(name));
            // An agent that ended in order may have left no log.
            if from.exists() {
                std::fs::copy(from, copy.path().join(name))?;
            }
        }
        ask(&copy.path().join("ledger.db"), sql)
    }
}
