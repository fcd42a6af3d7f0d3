//! The databases of agent and server, asked from outside by `sqlite3`.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::device::Device;
use crate::fleet::Fleet;
use crate::wait::wait_until;

const SOON: Duration = Duration::from_secs(120);

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

    /// How many events the server has not acknowledged.
    pub fn untold_events(&self) -> Result<u64> {
        let told = "coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'acknowledged'), 0)";
        let untold = self.ask_ledger(&format!("SELECT count(*) FROM event WHERE sequence > {told}"))?;
        untold.concat().parse().context("the ledger's number of events")
    }
}

impl Fleet<'_> {
    /// Waits until the server has acknowledged all that a device had to tell: each event that it has numbered is in the server's
    /// record, once.
    pub fn check_record(&self, device: &Device<'_>) -> Result<()> {
        wait_until("everything to be acknowledged", SOON, || {
            Ok((device.untold_events()? == 0).then_some(()))
        })?;
        let numbered = device.ask_ledger("SELECT value FROM meta WHERE name = 'sequence'")?;
        let numbered: u64 = numbered.concat().parse().context("the ledger's last number")?;
        let name = device.name();
        let sql = format!(
            "SELECT sequence FROM event JOIN device ON device.id = event.device
             WHERE device.name = '{name}' ORDER BY sequence"
        );
        // The server's disk may be one that only its network sees.
        let database = self.server.data().join("muster.db");
        let argv = ["sqlite3".as_ref(), database.as_os_str(), sql.as_ref()];
        let recorded = device.network.run(argv, SOON)?.ok()?.stdout;
        let expected: Vec<_> = (1..=numbered).map(|number| number.to_string()).collect();
        ensure!(
            recorded.lines().eq(&expected),
            "{name} has numbered {numbered} events, and the server has {recorded:?}"
        );
        Ok(())
    }
}
