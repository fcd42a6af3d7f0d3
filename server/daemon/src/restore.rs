//! `muster-server restore`: makes a data folder out of a backup, made safe for the time that passed since.

use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io::{self, BufReader, Read, Write};
use std::os::fd::AsFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use muster_policy::rights::Identity;
use muster_proto::rest::{ArtifactState, ArtifactView};
use muster_proto::text::escape;

use crate::account;
use crate::app::restore::{Choices, Newcomers, Restored, Tokens};
use crate::app::system_clock;
use crate::backup::archive::{self, Extracted};
use crate::backup::manifest::Manifest;
use crate::ca::Authority;
use crate::config::{Config, DataFolder};
use crate::serve::Record;

const STDIN: &str = "-";
/// A machine whose clock is further behind the backup's would count generations from too low.
const SLACK: i64 = 60;

/// Make a data folder out of a backup
#[derive(clap::Args)]
#[command(after_help = "\
The server that the backup is of must not run any more, or two of them would give orders to the same devices.

Examples:
  muster-server restore /root/muster.tar --data /var/lib/muster-server
  age -d -i key.txt muster.tar.age | muster-server restore - --data /var/lib/muster-server")]
pub(crate) struct Restore {
    /// The backup, or - for standard input
    file: PathBuf,
    /// The folder to make; if it is there, it must be empty
    #[arg(long)]
    data: PathBuf,
    /// Keep enrollment and API tokens as they were, although some may have been used up or taken away since
    #[arg(long)]
    keep_tokens: bool,
    /// Refuse devices whose certificate was renewed since the backup, as when the issuing key may be stolen
    #[arg(long)]
    only_recorded: bool,
}

/// What was made of a backup.
struct Made {
    manifest: Manifest,
    config: Config,
    restored: Restored,
    artifacts: Vec<ArtifactView>,
}

impl Restore {
    /// Becomes who may safely work in the folder, with the backup open. To be called while the process has one thread.
    pub(crate) fn drop_rights(&self) -> Result<()> {
        let mut again: Vec<OsString> = ["restore", STDIN, "--data"].map(OsString::from).into();
        again.push(self.data.clone().into());
        again.extend(self.keep_tokens.then(|| "--keep-tokens".into()));
        again.extend(self.only_recorded.then(|| "--only-recorded".into()));
        account::become_owner_to_read(&self.data, again, || self.open())
    }

    /// Restores, or leaves the folder empty.
    pub(crate) async fn run(self) -> Result<()> {
        let input = self.open()?;
        let folder = DataFolder::at(&self.data);
        make_empty(&folder)?;
        let made = self.make(&folder, input).await;
        if made.is_err() {
            clear(folder.path());
        }
        let made = made.with_context(|| {
            format!("{} was not restored, {} is empty", self.file.display(), self.data.display())
        })?;
        self.tell(made)
    }

    fn open(&self) -> Result<File> {
        if self.file.as_os_str() == STDIN {
            return Ok(File::from(io::stdin().as_fd().try_clone_to_owned()?));
        }
        File::open(&self.file).with_context(|| format!("can't read {}", self.file.display()))
    }

    async fn make(&self, folder: &DataFolder, input: impl Read) -> Result<Made> {
        folder.write_private(&folder.restoring(), "")?;
        let Extracted { manifest, config: text } = archive::extract(BufReader::new(input), folder)?;
        let now = system_clock();
        ensure!(
            manifest.made <= now.plus_seconds(SLACK),
            "it was made at {}, and here it is {now}: set this machine's clock",
            manifest.made
        );
        let config = Config::parse(&text).context("its server.toml is not as it should be")?;
        let examined = muster_store::examine(&folder.database()).context("can't open its database")?;
        if let Some(fault) = examined.faults.first() {
            bail!("its database is damaged: {fault}");
        }
        ensure!(
            examined.schema == manifest.schema,
            "its database has schema {}, and its manifest says {}",
            examined.schema,
            manifest.schema
        );
        let authority = Authority::open(&folder.authority())?;
        let record = Record::open(folder, &config, &authority).await?;
        let right = Identity::local_root().administer()?;
        let choices = Choices {
            tokens: if self.keep_tokens { Tokens::Keep } else { Tokens::End },
            newcomers: if self.only_recorded { Newcomers::Refuse } else { Newcomers::TakeUp },
        };
        let restored = record.app.make_safe(&right, manifest.made, choices).await;
        let restored = restored.context("its record could not be made safe")?;
        let artifacts = record.app.list_artifacts(&right.view()).await.context("can't read its artifacts")?;
        fs::remove_file(folder.restoring()).context("can't end the restore")?;
        // Only now does the folder count as set up: a server can't start on a record that is not made safe.
        folder.write_private(&folder.config(), &text)?;
        Ok(Made { manifest, config, restored, artifacts })
    }

    fn tell(&self, made: Made) -> Result<()> {
        let Made { manifest, config, restored, artifacts } = made;
        let Restored { lifted, awaited, tokens, api_tokens, sessions } = restored;
        let mut out = io::stdout().lock();
        let Manifest { server, made, version, .. } = &manifest;
        writeln!(
            out,
            "{server} is restored in {} as of {made} (muster-server {version}).\n",
            self.data.display()
        )?;
        writeln!(out, "  Devices   {lifted} states go on above every generation given out before")?;
        if self.only_recorded {
            writeln!(out, "            who was certified since the backup is refused")?;
        } else {
            writeln!(
                out,
                "            {awaited} are waited for, a week: each may bring one certificate issued since"
            )?;
        }
        if self.keep_tokens {
            writeln!(out, "  Tokens    as they were: uses and revocations since the backup are forgotten")?;
        } else {
            writeln!(
                out,
                "  Tokens    {tokens} enrollment and {api_tokens} API tokens ended; log in again, make new ones"
            )?;
        }
        let (count, bytes) = manifest.artifacts();
        writeln!(out, "  Artifacts {count} put back, with {} MiB", bytes / (1024 * 1024))?;
        writeln!(
            out,
            "  Sessions  {sessions} ended, and all links to choose a password and recovery codes\n"
        )?;
        let missing: Vec<_> =
            artifacts.iter().filter(|artifact| artifact.state == ArtifactState::Missing).collect();
        if !missing.is_empty() {
            let folder = DataFolder::at(&self.data).artifacts();
            writeln!(
                out,
                "Not in the backup: the files of these artifacts. Put each again (muster artifact put FILE), or copy the old \
                 server's folder of them\nto {}, for its owner alone:",
                folder.display()
            )?;
            for artifact in missing {
                writeln!(out, "  - {} ({})", escape(&artifact.name), artifact.digest)?;
            }
            writeln!(out)?;
        }
        writeln!(
            out,
            "What was done since the backup is not in this record, above all:\n{}\n",
            forgotten(made)
        )?;
        for file in
            config.tls.iter().flat_map(|tls| [&tls.certificate, &tls.key]).filter(|file| !file.exists())
        {
            writeln!(
                out,
                "Missing: {}, which server.toml names. Put it there, or remove [tls] from server.toml.",
                file.display()
            )?;
        }
        writeln!(
            out,
            "Next: start it (systemctl start muster-server), then run: muster-server doctor --data {}",
            self.data.display()
        )?;
        Ok(())
    }
}

/// What a restore can't know.
fn forgotten(made: &muster_proto::Timestamp) -> String {
    format!(
        "  - devices revoked after {made} are let in again: revoke them again, first of all\n\
         \x20 - devices that enrolled after it are refused: on each muster-agent enroll --join-file FILE with a new token\n\
         \x20 - admins who were removed or changed after it are as they were, passwords and codes too: muster admin list\n\
         \x20 - profiles, assignments and labels are as they were, and devices follow them\n\
         \x20 - first-login passwords that arrived after it are lost"
    )
}

/// Makes the folder, or checks that nothing is in it.
fn make_empty(folder: &DataFolder) -> Result<()> {
    folder.make()?;
    let path = folder.path();
    let mut there = fs::read_dir(path).with_context(|| format!("can't read {}", path.display()))?;
    if there.next().is_some() {
        bail!("{} is not empty: restore into a new folder, or move away what is there", path.display());
    }
    fs::set_permissions(path, Permissions::from_mode(0o700))
        .with_context(|| format!("can't close {}", path.display()))
}

/// Removes what a failed restore put into a folder that was empty.
fn clear(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let removed = match entry.file_type() {
            Ok(kind) if kind.is_dir() => fs::remove_dir_all(entry.path()),
            _ => fs::remove_file(entry.path()),
        };
        // The error that led here is told; a folder that is not empty stops the next restore.
        drop(removed);
    }
}
