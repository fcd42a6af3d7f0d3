//! One test network: a bridge in a network namespace of its own, where the server runs, and whose only other
//! members are the devices of the test. It has no way out.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use rustix::process::{Pid, Signal, kill_process};

use crate::command::{self, Output};
use crate::packages::PACKAGES_NAME;
use crate::run_folder::RunFolder;
use crate::wait::wait_until;

/// The server's side of every test network.
pub const SERVER_ADDRESS: &str = "10.83.0.1";
/// The name that the server's certificate carries and that devices and admins resolve.
pub const SERVER_NAME: &str = "muster.demo.example";

const HOLDER: &str = include_str!("holder.sh");
const PREFIX: &str = "10.83.0";
const STEP: Duration = Duration::from_secs(30);

/// A network that exists while this value does: dropping it ends every process in it and removes every file.
///
/// The same happens, a moment later, when this process is killed.
#[derive(Debug)]
pub struct Network {
    folder: RunFolder,
    holder: Child,
    /// The first process inside, as this process sees it.
    inside: u32,
    last_address: AtomicU8,
    host_link: Option<String>,
}

impl Network {
    /// Makes a network with nothing on it but the server's address.
    pub fn create() -> Result<Self> {
        let folder = RunFolder::create()?;
        let hosts = format!("127.0.0.1 localhost\n{SERVER_ADDRESS} {SERVER_NAME} {PACKAGES_NAME}\n");
        fs::write(folder.path().join("hosts"), hosts).context("writing the hosts file")?;
        let log = fs::File::create(folder.path().join("holder.log")).context("making the holder's log")?;
        let mut holder = Command::new("sh")
            .args(["-c", HOLDER, "muster-test-network"])
            .arg(folder.path())
            .arg(format!("{SERVER_ADDRESS}/24"))
            .args(folder.control_groups())
            // In a group of its own it outlives a Ctrl-C or a kill of this process's group, and cleans up.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .context("starting the network's holder")?;
        let mut ready = String::new();
        let stdout = holder.stdout.take().context("the holder has no standard output")?;
        BufReader::new(stdout).read_line(&mut ready).context("reading from the holder")?;
        if ready.trim() != "ready" {
            let said = fs::read_to_string(folder.path().join("holder.log")).unwrap_or_default();
            bail!("the test network was not made: {}", said.trim());
        }
        let inside = first_inside(holder.id())?;
        Ok(Self { folder, holder, inside, last_address: AtomicU8::new(9), host_link: None })
    }

    /// The folder for this network's files; it goes when the network goes.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A command that will run where the server runs: in the namespaces of this network.
    ///
    /// A Ctrl-C in the terminal does not reach it: what ends it is this network's end.
    pub fn command<S: AsRef<OsStr>>(&self, argv: impl IntoIterator<Item = S>) -> Command {
        let mut command = command::command(self.entered(argv));
        command.process_group(0);
        command
    }

    /// Runs a command where the server runs, to its end.
    pub fn run<S: AsRef<OsStr>>(&self, argv: impl IntoIterator<Item = S>, limit: Duration) -> Result<Output> {
        command::run(self.entered(argv), limit)
    }

    /// Gives the host an address on this network, so that a browser on the host reaches the server.
    ///
    /// Only one network at a time can have this, because the route is the host's.
    pub fn link_host(&mut self) -> Result<()> {
        let name = "muster-demo";
        let inside = self.inside.to_string();
        let made = command::run(
            ["ip", "link", "add", name, "type", "veth", "peer", "name", "host", "netns", &inside],
            STEP,
        )?;
        ensure!(
            made.success(),
            "the host's link `{name}` could not be made; is another demo running? {}",
            made.stderr.trim()
        );
        self.host_link = Some(name.to_owned());
        self.run(["ip", "link", "set", "host", "master", "br0", "up"], STEP)?.ok()?;
        command::run(["ip", "addr", "add", &format!("{PREFIX}.254/24"), "dev", name], STEP)?.ok()?;
        command::run(["ip", "link", "set", name, "up"], STEP)?.ok()?;
        Ok(())
    }

    /// The path by which this process reaches `path` as the network's own processes see it.
    pub(crate) fn seen_inside(&self, path: &Path) -> PathBuf {
        let inside = PathBuf::from(format!("/proc/{}/root", self.inside));
        inside.join(path.strip_prefix("/").unwrap_or(path))
    }

    pub(crate) fn control_groups(&self) -> Vec<PathBuf> {
        self.folder.control_groups()
    }

    /// An address that no device of this network has had.
    pub(crate) fn next_address(&self) -> Result<String> {
        let last = self.last_address.fetch_add(1, Ordering::Relaxed);
        ensure!(last < 250, "a test network has room for 240 devices");
        Ok(format!("{PREFIX}.{}", last + 1))
    }

    fn entered<S: AsRef<OsStr>>(&self, argv: impl IntoIterator<Item = S>) -> Vec<OsString> {
        let mut words: Vec<OsString> = ["nsenter", "-m", "-n", "-p", "-t"].map(Into::into).into();
        words.push(self.inside.to_string().into());
        words.push("--".into());
        words.extend(argv.into_iter().map(|word| word.as_ref().to_owned()));
        words
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // Closing its input ends the first process inside; the holder then removes files and groups.
        drop(self.holder.stdin.take());
        if let Err(error) = self.holder.wait() {
            eprint_failure(&format!("waiting for the network's holder: {error}"));
        }
    }
}

fn eprint_failure(what: &str) {
    use std::io::Write as _;
    // Nothing more can be done about a failure to report a failure while dropping.
    writeln!(std::io::stderr(), "rig: {what}").ok();
}

/// The process in whose namespaces the network lives: the only grandchild of the holder.
fn first_inside(holder: u32) -> Result<u32> {
    wait_until("the first process of the test network", STEP, || {
        let Some(unshare) = children(holder).first().copied() else { return Ok(None) };
        Ok(children(unshare).first().copied())
    })
}

/// The child processes of a process; empty when it is gone.
pub(crate) fn children(parent: u32) -> Vec<u32> {
    let list = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
    list.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

/// Ends a program that was started by [`Network::command`]: the `nsenter` in between passes no signal on.
pub fn end(entered: &mut Child) {
    let inner = children(entered.id());
    for pid in &inner {
        signal(*pid, Signal::KILL);
    }
    if inner.is_empty() {
        signal(entered.id(), Signal::KILL);
    }
    if let Err(error) = entered.wait() {
        eprint_failure(&format!("waiting for a process of the network: {error}"));
    }
}

/// Sends a signal; a process that is already gone is no failure.
pub(crate) fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        kill_process(pid, signal).ok();
    }
}
