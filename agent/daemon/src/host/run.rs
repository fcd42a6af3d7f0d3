//! Commands, each in a transient systemd unit of its own with its own limits, never as a child of the agent.
//!
//! The agent may be restarted or upgraded while one runs, by that very command: the unit goes on, and
//! [`Host::reattach`] waits for it before anything else is done.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use zbus::Variant;

use super::{Host, files, temporary};

mod work;

pub(crate) use work::{Limits, Work};

const PREFIX: &str = "muster-run-";
/// Begins the name of what may take long: package managers, and programs of an admin's.
const LONG: &str = "muster-run-long-";
/// What a program's file is called to systemd.
const BODY: &str = "body";
const SERVICE: &str = "org.freedesktop.systemd1.Service";
/// What is read of a command's output. A simulation of a thousand packages prints some hundred kilobytes.
const OUTPUT_LIMIT: u64 = 4 * 1024 * 1024;
/// What systemd says a command ended with that could not be executed (systemd.exec(5), `EXIT_EXEC`).
const NOT_EXECUTED: i32 = 203;
/// What of it goes into a reason.
const TAIL: usize = 4096;
/// Beyond a command's own limit, after which systemd ends it: for systemd to do so.
const GRACE: Duration = Duration::from_secs(120);
/// How long a command that an earlier agent started may still take.
const REATTACH: Duration = Duration::from_secs(2 * 3600);

/// How a program of an admin's is run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Program<'a> {
    /// The account that it runs as; root when there is none.
    pub(crate) user: Option<&'a str>,
    /// A file that is its last argument and that nobody else can read; none where it is empty.
    pub(crate) body: &'a [u8],
}

/// What a command left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) success: bool,
    pub(crate) stdout: String,
    /// The end of what it said, on one channel or the other, in printable characters.
    pub(crate) said: String,
}

impl Ran {
    /// An error with what the command said, unless it succeeded.
    pub(crate) fn ok(self, what: &str) -> Result<Self> {
        anyhow::ensure!(self.success, "{what}: {}", self.said);
        Ok(self)
    }
}

/// The files of one run.
struct Files {
    input: PathBuf,
    output: PathBuf,
    errors: PathBuf,
}

impl Drop for Files {
    fn drop(&mut self) {
        for path in [&self.input, &self.output, &self.errors] {
            // What can't be removed is removed at the next start, and can be read by root only.
            fs::remove_file(path).ok();
        }
    }
}

impl Host {
    /// Runs `argv` to its end. What it gets on standard input never appears in an argument or a property.
    pub(crate) async fn run(&mut self, work: Work, argv: &[&str], input: Option<&[u8]>) -> Result<Ran> {
        self.run_as(work, argv, input, None).await
    }

    /// Runs a program of an admin's to its end.
    pub(crate) async fn run_program(
        &mut self,
        work: Work,
        argv: &[&str],
        program: Program<'_>,
    ) -> Result<Ran> {
        self.run_as(work, argv, Some(program.body).filter(|body| !body.is_empty()), Some(program)).await
    }

    /// Has what programs wrote brought to the disk, as most of them leave that to chance. In a unit, since a file system that does not
    /// answer would hold the agent as well.
    pub(crate) async fn sync(&mut self) -> Result<()> {
        self.run(Work::Packages, &["/bin/sync"], None).await?.ok("sync").map(drop)
    }

    async fn run_as(
        &mut self,
        work: Work,
        argv: &[&str],
        input: Option<&[u8]>,
        program: Option<Program<'_>>,
    ) -> Result<Ran> {
        let shown = argv.first().copied().context("a command has a name")?;
        let inner = async {
            anyhow::ensure!(
                !work.must_end() || !self.goes_down_soon(),
                "the device is about to shut down or to reboot, and this may take long: it is done afterwards"
            );
            let prefix = if work.is_long() { LONG } else { PREFIX };
            let name = format!("{prefix}{}", temporary::random_suffix()?);
            let unit = format!("{name}.service");
            let files = self.make_files(&name, input)?;
            // systemd hands the file over, as the account that reads it can't enter the folder that it is in.
            let body = format!("/run/credentials/{unit}/{BODY}");
            let mut argv = argv.to_vec();
            if input.is_some() && program.is_some() {
                argv.push(&body);
            }
            let properties = properties(work, &argv, &files, input.is_some(), program);
            self.systemd.start_transient(&unit, properties).await?;
            // If even this fails the command goes on, and is waited for at the next start of the agent: ending a package
            // manager half-way is worse than not knowing how it went.
            self.wait_for(&unit, work.limit() + GRACE).await?;
            let ran = self.collect(&unit, &files, work).await;
            self.discard(&unit).await?;
            ran
        };
        inner.await.with_context(|| format!("running {shown}"))
    }

    /// The order to shut down or reboot that stands, as logind has it.
    fn order(&self) -> Option<String> {
        let order = files::content(&self.root, "/run/systemd/shutdown/scheduled", 4096).ok()??;
        Some(String::from_utf8_lossy(&order).into_owned())
    }

    /// Whether an order stands to shut down or reboot, and its time is about now.
    fn goes_down_soon(&self) -> bool {
        const SOON: Duration = Duration::from_secs(600);
        let Some(order) = self.order() else { return false };
        let at = order.lines().find_map(|line| line.strip_prefix("USEC=")?.parse().ok());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        at.is_some_and(|at| now.abs_diff(Duration::from_micros(at)) < SOON)
    }

    /// Gives a file another name for commands, in a folder that only root can enter, until the agent starts anew. The name holds the
    /// `words`, and a file that has such a name already keeps it.
    pub(crate) fn name_for_commands(&self, file: &Path, words: &str) -> Result<()> {
        let link = self.named_for_commands(words);
        match std::os::unix::fs::symlink(file, &link) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                Err(error).with_context(|| format!("making {}", link.display()))
            }
            _ => Ok(()),
        }
    }

    /// The name that [`Host::name_for_commands`] gives.
    pub(crate) fn named_for_commands(&self, words: &str) -> PathBuf {
        self.scratch.join(format!("{PREFIX}{words}"))
    }

    /// Whether an order stands of which people are told in these words.
    pub(crate) fn has_ordered(&self, words: &str) -> bool {
        self.order().is_some_and(|order| order.contains(words))
    }

    /// Waits for the commands of an agent that ended before they did, and removes their traces.
    pub(crate) async fn reattach(&mut self) -> Result<()> {
        for (name, unit) in self.systemd.matching(&format!("{PREFIX}*.service")).await? {
            if unit.active == "activating" {
                tracing::info!(unit = %name, "waiting for a command that was started before this agent");
                self.wait_for(&name, REATTACH).await.with_context(|| format!("waiting for {name}"))?;
            }
            self.discard(&name).await?;
        }
        remove_leftovers(&self.scratch)
    }

    /// Waits for the tools that a turn was cut off from, so that none undoes what is done next. What takes long goes on.
    pub(crate) async fn let_tools_end(&mut self) -> Result<()> {
        for (name, unit) in self.systemd.matching(&format!("{PREFIX}*.service")).await? {
            if unit.active == "activating" && !name.starts_with(LONG) {
                self.wait_for(&name, Work::Short.limit() + GRACE)
                    .await
                    .with_context(|| format!("waiting for {name}"))?;
            }
        }
        Ok(())
    }

    /// Waits until the unit's command has ended, even over a restart of the bus.
    async fn wait_for(&mut self, unit: &str, limit: Duration) -> Result<()> {
        loop {
            // Listened for before it is asked after, so that its end is not missed in between.
            let mut jobs = self.systemd.jobs().await?;
            let found = self.systemd.units(&[unit.to_owned()]).await?;
            let Some(found) = found.first() else { return Ok(()) };
            let Some(job) = self.systemd.pending_job(found).await? else { return Ok(()) };
            match jobs.wait(&job, limit).await {
                Err(_) if self.systemd.is_lost() => {}
                ended => return ended.map(drop),
            }
        }
    }

    fn make_files(&self, name: &str, input: Option<&[u8]>) -> Result<Files> {
        let at = |suffix: &str| self.scratch.join(format!("{name}.{suffix}"));
        let files = Files { input: at("in"), output: at("out"), errors: at("err") };
        for (path, content) in
            [(&files.input, input), (&files.output, Some(&[][..])), (&files.errors, Some(&[][..]))]
        {
            let Some(content) = content else { continue };
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
            file.write_all(content)?;
        }
        Ok(files)
    }

    async fn collect(&mut self, unit: &str, files: &Files, work: Work) -> Result<Ran> {
        let units = self.systemd.units(&[unit.to_owned()]).await?;
        let path = &units.first().context("systemd has forgotten the command")?.path;
        let result: String = self.systemd.property(path, SERVICE, "Result").await?;
        let status: i32 = self.systemd.property(path, SERVICE, "ExecMainStatus").await?;
        // How much an admin's program prints is bounded by its memory, which these files count as.
        let read = if matches!(work, Work::Script(_)) { read_end } else { read_output };
        let stdout = read(&files.output)?;
        let stderr = read(&files.errors)?;
        let success = result == "success" && status == 0;
        anyhow::ensure!(
            result != "exit-code" || status != NOT_EXECUTED,
            "the program is not there, or can't be executed"
        );
        let said = match (stderr.trim(), stdout.trim()) {
            ("", "") if matches!(result.as_str(), "exit-code" | "success") => {
                format!("it ended with status {status} and no word")
            }
            ("", "") => format!("systemd ended it: {result}"),
            ("", said) | (said, _) => printable_tail(said),
        };
        let said = match (result.as_str(), work) {
            ("timeout", _) => format!("it took too long; it said: {said}"),
            // Which of the ways to fail that its author made it was.
            ("exit-code", Work::Script(_)) if !stderr.trim().is_empty() || !stdout.trim().is_empty() => {
                format!("it ended with status {status}; it said: {said}")
            }
            _ => said,
        };
        Ok(Ran { success, stdout, said })
    }

    /// Lets systemd forget the unit.
    async fn discard(&mut self, unit: &str) -> Result<()> {
        let known = self.systemd.units(&[unit.to_owned()]).await?;
        match known.first().map(|unit| unit.active.as_str()) {
            Some("failed") => self.systemd.reset_failed(unit).await,
            Some("active" | "activating" | "deactivating") => {
                self.systemd.job("StopUnit", unit, GRACE).await.map(drop)
            }
            _ => Ok(()),
        }
    }
}

fn properties(
    work: Work,
    argv: &[&str],
    files: &Files,
    with_input: bool,
    admins: Option<Program<'_>>,
) -> Vec<(&'static str, Variant<'static>)> {
    const ENVIRONMENT: [&str; 8] = [
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LC_ALL=C.UTF-8",
        "HOME=/root",
        "DEBIAN_FRONTEND=noninteractive",
        "DEBIAN_PRIORITY=critical",
        "APT_LISTCHANGES_FRONTEND=none",
        "UCF_FORCE_CONFFOLD=1",
        // It would restart services, this agent among them, in the middle of a transaction.
        "NEEDRESTART_SUSPEND=1",
    ];
    let user = admins.and_then(|program| program.user);
    // An account has a home of its own, which systemd knows.
    let is_fit = |line: &&str| user.is_none() || !line.starts_with("HOME=");
    let environment: Vec<String> = ENVIRONMENT.iter().copied().filter(is_fit).map(str::to_owned).collect();
    let words: Vec<String> = argv.iter().map(|word| (*word).to_owned()).collect();
    let program = words.first().cloned().unwrap_or_default();
    let start = match admins {
        // Of an admin's words none stands for a variable.
        Some(_) => {
            let literally = vec!["no-env-expand".to_owned()];
            ("ExecStartEx", Variant::new(vec![(program.clone(), words, literally)]))
        }
        None => ("ExecStart", Variant::new(vec![(program.clone(), words, false)])),
    };
    let shown = |path: &Path| Variant::from(path.to_string_lossy().into_owned());
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let (memory, bytes) = work.memory();
    let mut properties = vec![
        ("Description", Variant::from(format!("Muster: {program}"))),
        // The job that starts a oneshot service ends when the command does.
        ("Type", Variant::from("oneshot")),
        ("RemainAfterExit", Variant::from(true)),
        start,
        ("Environment", Variant::from(environment)),
        ("WorkingDirectory", Variant::from("/")),
        ("UMask", Variant::from(0o022_u32)),
        ("TimeoutStartUSec", Variant::from(micros(work.limit()))),
        ("TimeoutStopUSec", Variant::from(micros(work.time_to_end()))),
        ("StandardOutputFile", shown(&files.output)),
        ("StandardErrorFile", shown(&files.errors)),
        ("CPUWeight", Variant::from(50_u64)),
        ("IOWeight", Variant::from(50_u64)),
        (memory, Variant::from(bytes)),
        ("OOMPolicy", Variant::from("continue")),
    ];
    // dnf and apt-get say no with these: an answer, and no unit that failed, of which whoever watches the system would hear.
    let no = || ("SuccessExitStatus", Variant::new((vec![1_i32, 100], Vec::<i32>::new())));
    properties.extend((work == Work::Download).then(no));
    if with_input && admins.is_some() {
        let file = files.input.to_string_lossy().into_owned();
        properties.push(("LoadCredential", Variant::new(vec![(BODY.to_owned(), file)])));
    } else if with_input {
        properties.push(("StandardInputFile", shown(&files.input)));
    }
    if let Some(user) = user {
        properties.push(("User", Variant::from(user.to_owned())));
    }
    if work == Work::Ending {
        /// `CAP_SETUID` as capabilities(7) numbers it.
        const BECOME_ANOTHER: u64 = 1 << 7;
        properties.push(("CapabilityBoundingSet", Variant::from(BECOME_ANOTHER)));
        properties.push(("NoNewPrivileges", Variant::from(true)));
    }
    if work == Work::Inspection {
        /// Where such tools unpack what they look at: far more than any control file of a package has.
        const FOLDER: (&str, &str) = ("/tmp", "size=16M,nr_inodes=1k,mode=0700");
        let folder = vec![(FOLDER.0.to_owned(), FOLDER.1.to_owned())];
        properties.push(("TemporaryFileSystem", Variant::new(folder)));
        properties.push(("ProtectSystem", Variant::from("strict")));
        properties.push(("PrivateNetwork", Variant::from(true)));
        properties.push(("CapabilityBoundingSet", Variant::from(0_u64)));
        properties.push(("NoNewPrivileges", Variant::from(true)));
    }
    if work == Work::Packages {
        properties.push(("KillMode", Variant::from("process")));
    }
    properties
}

/// Makes the folder for input and output of commands, or checks that it is root's alone.
pub(super) fn prepare_scratch(path: &Path) -> Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    let meta = fs::symlink_metadata(path)?;
    anyhow::ensure!(meta.is_dir(), "it is not a directory");
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
    Ok(())
}

fn remove_leftovers(scratch: &Path) -> Result<()> {
    for entry in fs::read_dir(scratch).context("listing the output of earlier commands")? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes()) {
            fs::remove_file(entry.path()).context("removing the output of an earlier command")?;
        }
    }
    Ok(())
}

fn read_output(path: &Path) -> Result<String> {
    let bytes = files::read_limited(File::open(path).context("opening a command's output")?, OUTPUT_LIMIT)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The end of what a command printed, however much that was.
fn read_end(path: &Path) -> Result<String> {
    let mut file = File::open(path).context("opening a command's output")?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(2 * TAIL as u64)))?;
    Ok(String::from_utf8_lossy(&files::read_limited(file, OUTPUT_LIMIT)?).into_owned())
}

/// The last of a text, with what a terminal might obey escaped.
fn printable_tail(text: &str) -> String {
    let start = text.char_indices().map(|(at, _)| at).find(|at| text.len() - at <= TAIL).unwrap_or(0);
    let mut out = String::new();
    for c in text[start..].chars() {
        match c {
            '\n' => out.push(c),
            '\t' => out.push(' '),
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_the_end_of_what_was_said_without_control_characters() {
        let text = format!("{}é\x1b[2Jlast\nline", "x".repeat(10_000));
        let tail = printable_tail(&text);
        assert!(tail.len() <= TAIL + 16, "{}", tail.len());
        assert!(tail.ends_with("é\\u{1b}[2Jlast\nline"), "{tail:?}");
    }

    #[test]
    fn nothing_long_begins_while_the_machine_is_about_to_go_down() {
        let dir = tempfile::tempdir().unwrap();
        let host = Host::at(dir.path(), &dir.path().join("scratch"), dir.path()).unwrap();
        assert!(!host.goes_down_soon());
        fs::create_dir_all(dir.path().join("run/systemd/shutdown")).unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let in_minutes = |minutes: u64| {
            let at = (now + Duration::from_secs(minutes * 60)).as_micros();
            let order = format!("USEC={at}\nWARN_WALL=1\nMODE=reboot\n");
            fs::write(dir.path().join("run/systemd/shutdown/scheduled"), order).unwrap();
            host.goes_down_soon()
        };
        assert!(in_minutes(5) && in_minutes(0) && !in_minutes(60));
        assert!(host.has_ordered("MODE=reboot") && !host.has_ordered("to run what was updated"));
    }

    #[test]
    fn systemd_is_told_how_long_a_command_may_take_and_how_long_to_end() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let files = Files { input: at("in"), output: at("out"), errors: at("err") };
        let names: Vec<_> = properties(Work::Short, &["/bin/true"], &files, false, None)
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert!(["TimeoutStartUSec", "TimeoutStopUSec"].iter().all(|name| names.contains(name)), "{names:?}");
    }

    #[test]
    fn the_folder_for_input_is_closed_to_others() {
        let dir = tempfile::tempdir().unwrap();
        let scratch = dir.path().join("run");
        fs::create_dir(&scratch).unwrap();
        fs::set_permissions(&scratch, fs::Permissions::from_mode(0o777)).unwrap();
        prepare_scratch(&scratch).unwrap();
        assert_eq!(fs::metadata(&scratch).unwrap().permissions().mode() & 0o777, 0o700);
        std::os::unix::fs::symlink("/tmp", dir.path().join("planted")).unwrap();
        assert!(prepare_scratch(&dir.path().join("planted")).is_err());
    }
}
