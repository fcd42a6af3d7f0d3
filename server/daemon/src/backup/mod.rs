//! `muster-server backup`: everything that makes this server, in one file, while it serves.
//!
//! [`manifest`] says what belongs into a backup, [`archive`] writes it and reads it strictly. Encryption is left to a
//! program that does nothing else, behind `--to -`.

pub(crate) mod archive;
pub(crate) mod manifest;

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use muster_policy::rights::Identity;
use muster_proto::{Digest, Timestamp};
use rustix::fs::{FlockOperation, flock};
use tempfile::NamedTempFile;

use crate::account;
use crate::app::system_clock;
use crate::artifacts;
use crate::ca::Authority;
use crate::config::{Config, DataFolder};
use crate::serve::Record;
use archive::Content;
use manifest::Manifest;

const MIB: u64 = 1024 * 1024;

const STDOUT: &str = "-";

/// Write everything that makes this server into one file, while it serves
#[derive(clap::Args)]
#[command(after_help = "\
The file is as secret as the server itself: whoever reads it can pose as this server to every device. Encrypt it where it \
leaves this machine, for example with age.

Examples:
  muster-server backup --to /var/backups/muster.tar
  muster-server backup --to - | age -R admins.txt > muster.tar.age")]
pub(crate) struct Backup {
    /// The folder that setup made
    #[arg(long, default_value = "/var/lib/muster-server")]
    data: PathBuf,
    /// The file to write, replaced as a whole, or - for standard output; named after the time when left out
    #[arg(long, value_name = "FILE|-")]
    to: Option<PathBuf>,
    /// Leave the files of artifacts out, which then have to be kept in another way
    #[arg(long)]
    without_artifacts: bool,
}

impl Backup {
    /// Writes the backup. To be called while the process has one thread.
    pub(crate) fn run(self, runtime: impl FnOnce() -> Result<tokio::runtime::Runtime>) -> Result<()> {
        let artifacts = if self.without_artifacts { Artifacts::LeftOut } else { Artifacts::Included };
        let write = |out: &File| runtime()?.block_on(write(&self.data, out, artifacts));
        let path = self.to.clone().unwrap_or_else(|| file_name(system_clock()).into());
        if path.as_os_str() == STDOUT {
            account::become_owner_of(&self.data)?;
            let stdout = File::from(rustix::io::dup(io::stdout())?);
            let summary = write(&stdout)?;
            writeln!(io::stderr(), "{summary}")?;
            return Ok(());
        }
        let fresh = Fresh::beside(&path)?;
        // The account reads its folder, and root keeps the file where only root may write.
        let again = ["backup", "--to", STDOUT, "--data"].map(OsString::from);
        let again = again.into_iter().chain([self.data.clone().into()]);
        let again = again.chain(self.without_artifacts.then(|| "--without-artifacts".into()));
        match account::run_as_owner_of(&self.data, again, fresh.file())? {
            Some(status) if !status.success() => bail!("no backup was made; {} is as it was", path.display()),
            Some(_) => {}
            None => writeln!(io::stdout(), "{}", write(fresh.file())?)?,
        }
        let size = fresh.keep()?;
        writeln!(
            io::stdout(),
            "{} ({size} bytes) is as secret as the server itself: whoever reads it can pose as this server to every\n\
             device. Keep it on another machine, encrypted. To check it: muster-server restore {0} --data EMPTY_FOLDER",
            path.display(),
        )?;
        Ok(())
    }
}

/// Whether a backup has the files of artifacts in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Artifacts {
    Included,
    LeftOut,
}

/// A file that is there only once it is whole.
struct Fresh {
    file: NamedTempFile,
    path: PathBuf,
}

impl Fresh {
    fn beside(path: &Path) -> Result<Self> {
        if fs::symlink_metadata(path).is_ok_and(|there| !there.is_file()) {
            bail!("{} is there and is no file; for standard output give --to -", path.display());
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        // Readable by its owner alone from the first moment on.
        let file =
            NamedTempFile::new_in(folder).with_context(|| format!("can't write to {}", folder.display()))?;
        Ok(Self { file, path: path.to_owned() })
    }

    fn file(&self) -> &File {
        self.file.as_file()
    }

    /// Makes it durable under its name; gives its size.
    fn keep(self) -> Result<u64> {
        let path = self.path;
        let kept = || -> io::Result<u64> {
            self.file.as_file().sync_all()?;
            let folder = self.file.path().parent().map(Path::to_owned).unwrap_or_default();
            let file = self.file.persist(&path).map_err(|error| error.error)?;
            File::open(folder)?.sync_all()?;
            Ok(file.metadata()?.len())
        };
        kept().with_context(|| format!("can't write {}", path.display()))
    }
}

fn file_name(now: Timestamp) -> String {
    let seconds = Timestamp::default().plus_seconds(now.seconds()).to_string();
    format!("muster-backup-{}.tar", seconds.replace(['-', ':'], ""))
}

/// Writes the backup and, once it is whole, that it was made; gives what to tell the admin.
async fn write(data: &Path, out: &File, artifacts: Artifacts) -> Result<String> {
    let folder = DataFolder::at(data);
    let config = folder.read_config()?;
    let authority = Authority::open(&folder.authority())?;
    let scratch = Scratch::make(&folder)?;
    // Before the copy: what happens while it is made is in the record, or is taken for later than the backup.
    let made = system_clock();
    let schema =
        muster_store::copy(&folder.database(), &scratch.database()).context("can't copy the database")?;
    let mut contents = gather(&folder, &scratch)?;
    let mut manifest = Manifest::new(schema, made, &config.name, authority.trust_domain());
    for (path, content) in &contents {
        manifest.add(path, content)?;
    }
    let damaged = match artifacts {
        Artifacts::Included => add_artifacts(&folder, &scratch, &mut manifest, &mut contents)?,
        Artifacts::LeftOut => Vec::new(),
    };
    require_room(out, &manifest)?;
    let (count, bytes) = manifest.artifacts();
    let parts = manifest.members.len() - count;
    let digest = archive::write(io::BufWriter::new(out), &manifest, contents)?;
    let mut summary = format!("Backed up {parts} members, the database with schema {schema}");
    summary.push_str(&match artifacts {
        Artifacts::Included => format!(", and {count} artifacts with {} MiB.", bytes / MIB),
        Artifacts::LeftOut => format!(
            ".\nNot in it: the artifacts in {}. Copy that folder too, or put them again after a restore.",
            folder.artifacts().display()
        ),
    });
    for digest in damaged {
        summary.push_str(&format!(
            "\nNot in it, as its file is damaged: artifact {digest}. See muster-server doctor."
        ));
    }
    if schema == muster_store::newest_schema() {
        let record = Record::open(&folder, &config, &authority).await?;
        let right = Identity::local_root().administer()?;
        record.app.note_backup(&right, digest).await.context("can't write down that a backup was made")?;
    } else {
        // Opening it to write would bring its schema up to date under a server of another version.
        summary.push_str(
            " It is of another version than this program, so that the backup was not written down.",
        );
    }
    if let Config { tls: Some(tls), .. } = config {
        let (certificate, key) = (tls.certificate.display(), tls.key.display());
        summary.push_str(&format!("\nNot in it, as somebody else renews them: {certificate} and {key}."));
    }
    Ok(summary)
}

/// What goes in, in the order of the manifest. What the server writes meanwhile, it replaces as a whole.
fn gather(folder: &DataFolder, scratch: &Scratch) -> Result<Vec<(String, Content)>> {
    let mut contents = Vec::new();
    for part in manifest::PARTS {
        let path =
            if part.path == manifest::DATABASE { scratch.database() } else { folder.path().join(part.path) };
        let content = if part.path == manifest::DATABASE {
            Content::file(&path)
        } else {
            match fs::read(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && !part.needed => continue,
                read => read.map(Content::small),
            }
        };
        contents
            .push((part.path.to_owned(), content.with_context(|| format!("can't read {}", path.display()))?));
    }
    Ok(contents)
}

/// Adds the artifacts that are whole; gives those whose files are damaged, which stay out. A link of each, which takes no room,
/// stays although the artifact is deleted meanwhile.
fn add_artifacts(
    folder: &DataFolder,
    scratch: &Scratch,
    manifest: &mut Manifest,
    contents: &mut Vec<(String, Content)>,
) -> Result<Vec<Digest>> {
    let at = folder.artifacts();
    let all = match artifacts::Artifacts::at(&at, 0).all() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        all => all.with_context(|| format!("can't read {}", at.display()))?,
    };
    let mut whole: Vec<_> =
        all.into_iter().filter(|found| found.is_whole).map(|found| found.digest).collect();
    whole.sort_unstable();
    let mut damaged = Vec::new();
    for digest in whole {
        let path = manifest::artifact_path(digest);
        let file = folder.path().join(&path);
        let content = match scratch.keep(&file).and_then(|kept| Content::file(&kept)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            content => content.with_context(|| format!("can't read {}", file.display()))?,
        };
        let before = manifest.members.len();
        manifest.add(&path, &content)?;
        if manifest.members[before..].iter().all(|member| member.sha256 == digest) {
            contents.push((path, content));
        } else {
            manifest.members.truncate(before);
            damaged.push(digest);
        }
    }
    Ok(damaged)
}

/// A backup to a file must not take the last room of a disk, which may be that of the record.
fn require_room(out: &File, manifest: &Manifest) -> Result<()> {
    if !out.metadata().context("can't look at the backup")?.is_file() {
        return Ok(());
    }
    let stat = rustix::fs::fstatvfs(out).context("can't look at the backup's disk")?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let needed = manifest.members.iter().fold(archive::SPARE, |sum, member| sum.saturating_add(member.size));
    ensure!(
        needed <= free,
        "it needs {} MiB, and {} MiB are free where it is to be: name a file elsewhere, or leave the artifacts out with \
         --without-artifacts and copy their folder in another way",
        needed / MIB,
        free / MIB
    );
    Ok(())
}

/// A place for the copy of the database, inside the data folder: it is as secret, and there is room for one more.
struct Scratch {
    folder: PathBuf,
    _alone: File,
}

impl Scratch {
    fn make(data: &DataFolder) -> Result<Self> {
        let alone =
            File::open(data.path()).with_context(|| format!("can't open {}", data.path().display()))?;
        flock(&alone, FlockOperation::NonBlockingLockExclusive)
            .context("another backup of this folder is under way; wait for it")?;
        let folder = data.path().join("backup.new");
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("can't remove {}", folder.display()));
            }
            _ => {}
        }
        fs::create_dir(&folder).with_context(|| format!("can't make {}", folder.display()))?;
        Ok(Self { folder, _alone: alone })
    }

    fn database(&self) -> PathBuf {
        self.folder.join(manifest::DATABASE)
    }

    /// Another name for a file that never changes, where the disk has such. Elsewhere the file itself has to do.
    fn keep(&self, file: &Path) -> io::Result<PathBuf> {
        let kept = self.folder.join(file.file_name().unwrap_or_default());
        match fs::hard_link(file, &kept) {
            Ok(()) => Ok(kept),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(error),
            Err(_) => Ok(file.to_owned()),
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays behind is removed by the next backup.
        drop(fs::remove_dir_all(&self.folder));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_without_a_name_is_called_after_its_time() {
        let time = "2026-11-25T21:05:09.123Z".parse().unwrap();
        assert_eq!(file_name(time), "muster-backup-20261125T210509Z.tar");
    }

    #[test]
    fn a_device_file_is_not_replaced_by_a_backup() {
        assert!(Fresh::beside(Path::new("/dev/null")).is_err());
    }
}
