//! Muster's own table in nftables.
//!
//! Only who may administrate the network may look at the kernel's tables, and the agent may not. So nft is asked in a unit
//! of its own, and not more often than the device is scanned anyway. How nft prints a table is its own affair, and may change
//! with its version: what it printed right after a table was loaded is kept, and a table is the one that was loaded as long as
//! nft prints the same.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use muster_converge::schedule;
use muster_proto::Digest;
use serde::{Deserialize, Serialize};

use super::Host;
use super::run::Work;

const NFT: &str = "/usr/sbin/nft";

/// Where it is kept how nft prints the table that was loaded.
pub(crate) const NOTE: &str = "firewall.json";

/// What the kernel has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    /// No such table.
    None,
    /// The one of the file with this digest.
    Loaded(Digest),
    /// One that is not as it was loaded.
    Changed,
}

/// What the kernel had when it was last looked at.
#[derive(Debug)]
pub(crate) struct Looked {
    at: Instant,
    table: Table,
}

/// What was loaded last.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    /// The file that was loaded.
    file: Digest,
    /// What nft printed then.
    printed: Digest,
}

impl Host {
    /// What the kernel has of Muster's table, as it was seen lately.
    pub(crate) async fn table(&mut self) -> Result<Table> {
        // A little less than the pace of scans, so that each of them looks.
        let fresh = schedule::SCAN.saturating_sub(Duration::from_mins(2));
        if let Some(looked) = self.firewall.as_ref().filter(|looked| looked.at.elapsed() < fresh) {
            return Ok(looked.table.clone());
        }
        let table = match self.printed().await? {
            None => Table::None,
            Some(printed) => match self.note().filter(|note| note.printed == printed) {
                Some(note) => Table::Loaded(note.file),
                None => Table::Changed,
            },
        };
        self.firewall = Some(Looked { at: Instant::now(), table: table.clone() });
        Ok(table)
    }

    /// Has nft read what replaces the table, or takes it away.
    pub(crate) async fn load_table(&mut self, content: &[u8]) -> Result<()> {
        self.firewall = None;
        let loaded = self.run(Work::Short, &[NFT, "--file", "-"], Some(content)).await;
        loaded.context("is nftables installed?")?.ok("nft refuses the table")?;
        match self.printed().await? {
            Some(printed) => self.keep_note(&Note { file: Digest::of(content), printed }),
            None => Ok(()),
        }
    }

    /// What nft prints of the table, as its digest; `None` where there is no table, or no nft that could have made one.
    async fn printed(&mut self) -> Result<Option<Digest>> {
        if self.root.place(NFT)?.is_none_or(|place| !matches!(place.stat(), Ok(Some(_)))) {
            return Ok(None);
        }
        let listed =
            self.run(Work::Short, &[NFT, "--stateless", "list", "table", "inet", "muster"], None).await?;
        // nft has no status of its own for what is not there.
        match listed.success {
            true => Ok(Some(Digest::of(listed.stdout.as_bytes()))),
            false if listed.said.contains("No such file or directory") => Ok(None),
            false => bail!("nft can't list Muster's table: {}", listed.said),
        }
    }

    fn note(&self) -> Option<Note> {
        // One that can't be read is made anew with the table.
        serde_json::from_slice(&std::fs::read(self.state.join(NOTE)).ok()?).ok()
    }

    /// Keeps the note. One that is lost in a power cut is made anew with the table, which that cut took as well.
    fn keep_note(&self, note: &Note) -> Result<()> {
        let (path, new) = (self.state.join(NOTE), self.state.join(format!("{NOTE}.new")));
        let document = serde_json::to_vec(note)?;
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)
            .and_then(|mut file| file.write_all(&document))
            .and_then(|()| std::fs::rename(&new, &path))
            .with_context(|| format!("writing {}", path.display()))
    }
}
