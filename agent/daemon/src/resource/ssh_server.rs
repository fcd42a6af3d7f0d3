//! `ssh_server`: a file of settings, checked by sshd before it takes its place, and read by the sshd that runs.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail, ensure};
use muster_proto::condition::{Condition, NO_FILE};
use muster_proto::resource::ssh_server::SshServer;
use muster_proto::{Digest, ResourceId};

use super::own_file::{self, Part};
use super::{Contents, Job, Prepared, Wanted, text};
use crate::host::Host;
use crate::host::files;
use crate::host::run::Work;
use crate::host::systemd::Unit;
use crate::host::temporary;

/// The server's own configuration.
const MAIN: &str = "/etc/ssh/sshd_config";
/// The folder of settings that it has to include.
const FOLDER: &str = "/etc/ssh/sshd_config.d/";
/// The empty directory that Debian's sshd separates its privileges in.
const PRIVILEGES: &str = "/run/sshd";
/// The unit is called one or the other, and where it has both names they are of the same unit.
const UNITS: [&str; 2] = ["ssh.service", "sshd.service"];
const LIMIT: u64 = 1024 * 1024;
const RELOAD: Duration = Duration::from_secs(60);

pub(super) fn parts(id: &ResourceId) -> Vec<Part> {
    vec![("file", SshServer::file(id.key()))]
}

pub(super) async fn read(host: &mut Host, wanted: &Wanted<'_>) -> Result<Condition> {
    let path = SshServer::file(wanted.id.key());
    let file = own_file::read(host, &path)?;
    let loaded = match own_file::written_at(host, &path)? {
        Some(written) => loaded_since(host, written).await?,
        None => true,
    };
    Ok(Condition::present([("file", file), ("loaded", loaded.into())]))
}

/// Whether the sshd that runs was started or told to read its configuration since then. systemd notes when a unit last
/// changed its state, and to reload is to change it. One that failed may have done so because it read it.
async fn loaded_since(host: &mut Host, written: i64) -> Result<bool> {
    let Some((_, unit)) = concerned(host).await? else { return Ok(true) };
    if !unit.runs() {
        return Ok(false);
    }
    let changed: u64 =
        host.systemd.property(&unit.path, "org.freedesktop.systemd1.Unit", "StateChangeTimestamp").await?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
    // A file of the future was written by another clock, and says nothing.
    let of_the_future = i128::from(written) > i128::try_from(now).unwrap_or(i128::MAX);
    Ok(of_the_future || i128::from(changed) >= i128::from(written))
}

/// The unit that runs, or that would if it had not failed. One that somebody stopped is none of Muster's business.
async fn concerned(host: &mut Host) -> Result<Option<(&'static str, Unit)>> {
    let units = host.systemd.units(&UNITS.map(str::to_owned)).await?;
    Ok(UNITS.into_iter().zip(units).find(|(_, unit)| unit.runs() || unit.active == "failed"))
}

pub(super) fn prepare(host: &Host, job: &Job<'_>) -> Result<Prepared> {
    own_file::prepare(host, job, &parts(&job.step.id))
}

/// Writes what sshd approves of, and has it read once for all.
pub(super) async fn write(host: &mut Host, jobs: &[Job<'_>], contents: &Contents<'_>) -> Vec<Result<()>> {
    let mut results = vec![];
    for job in jobs {
        results.push(check(host, job, contents).await);
    }
    let sound: Vec<Job<'_>> =
        jobs.iter().zip(&results).filter(|(_, result)| result.is_ok()).map(|(job, _)| *job).collect();
    let mut written = own_file::write(host, &sound, |job| parts(&job.step.id), contents).into_iter();
    for result in results.iter_mut().filter(|result| result.is_ok()) {
        *result = written.next().unwrap_or(Ok(()));
    }
    if results.iter().any(Result::is_ok)
        && let Err(error) = reload(host).await
    {
        for result in results.iter_mut().filter(|result| result.is_ok()) {
            *result = Err(anyhow::anyhow!("{error:#}"));
        }
    }
    results
}

async fn reload(host: &mut Host) -> Result<()> {
    let Some((name, unit)) = concerned(host).await? else { return Ok(()) };
    let (job, what) = if unit.runs() { ("ReloadUnit", "reloaded") } else { ("StartUnit", "started again") };
    let ended = host.systemd.job(job, name, RELOAD).await?;
    ensure!(
        matches!(ended.as_str(), "done" | "unknown"),
        "{name} could not be {what}: systemd says {ended}; journalctl -u {name} on the device says why"
    );
    Ok(())
}

/// Lets sshd judge its whole configuration with the file before all else, as it will stand.
async fn check(host: &mut Host, job: &Job<'_>, contents: &Contents<'_>) -> Result<()> {
    let Some(digest) = text(&job.step.to, "file").filter(|file| *file != NO_FILE) else { return Ok(()) };
    let digest: Digest = digest.parse().context("its file")?;
    let content = contents(&digest).context("its content is no longer known to the agent")?;
    let main = files::content(&host.root, MAIN, LIMIT)
        .with_context(|| MAIN.to_owned())?
        .with_context(|| format!("{MAIN} is not there: is openssh-server installed?"))?;
    if !includes_folder(&String::from_utf8_lossy(&main)) {
        bail!(
            "{MAIN} does not include {FOLDER}*.conf, so that settings there count for nothing: add it at its top"
        );
    }
    // It goes with an sshd that ended, and without it none judges anything.
    files::ensure_directory(&host.root, PRIVILEGES).with_context(|| PRIVILEGES.to_owned())?;
    let settings = host.scratch.join(format!("ssh-{}", temporary::random_suffix()?));
    let whole = host.scratch.join(format!("ssh-{}", temporary::random_suffix()?));
    let includes = format!("Include {}\nInclude {MAIN}\n", settings.display());
    let mut checked = Ok(());
    for (path, content) in [(&settings, content.as_slice()), (&whole, includes.as_bytes())] {
        checked = checked.and_then(|()| put(path, content));
    }
    let shown = whole.to_string_lossy().into_owned();
    let checked = match checked {
        Ok(()) => host.run(Work::Short, &["/usr/sbin/sshd", "-t", "-f", &shown], None).await,
        Err(error) => Err(error),
    };
    for path in [&settings, &whole] {
        // What was not written can't be removed, and what stays is root's alone and gone with the next boot.
        std::fs::remove_file(path).ok();
    }
    checked.context("is openssh-server installed?")?.ok("sshd refuses the settings").map(drop)
}

fn put(path: &std::path::Path, content: &[u8]) -> Result<()> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(content))
        .with_context(|| format!("writing {} for sshd", path.display()))
}

/// Whether a configuration includes the folder for all connections: not behind a `Match`.
fn includes_folder(main: &str) -> bool {
    for line in main.lines() {
        let mut words =
            line.split(|c: char| c.is_ascii_whitespace() || c == '=').filter(|word| !word.is_empty());
        let keyword = words.next().unwrap_or_default();
        if keyword.eq_ignore_ascii_case("match") {
            return false;
        }
        if keyword.eq_ignore_ascii_case("include")
            && words.any(|word| {
                let word = word.trim_matches('"');
                word.strip_prefix(FOLDER).or_else(|| word.strip_prefix("sshd_config.d/")) == Some("*.conf")
            })
        {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::includes_folder;

    #[test]
    fn the_folder_counts_only_where_it_is_included_for_everyone() {
        assert!(includes_folder("# x\nInclude /etc/ssh/sshd_config.d/*.conf\nMatch User a\n"));
        assert!(includes_folder("include \"sshd_config.d/*.conf\"\n"));
        assert!(!includes_folder("#Include /etc/ssh/sshd_config.d/*.conf\n"));
        assert!(!includes_folder("Match User a\nInclude /etc/ssh/sshd_config.d/*.conf\n"));
        assert!(!includes_folder("Include /etc/ssh/other.d/*.conf\n"));
    }
}
