//! Ending the agent of a device at a chosen system call while its own service runs it.
//!
//! The tracer is this host's and runs beside the device, so nothing is installed there, and one boot stands many crashes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::command;
use crate::crash::Crash;
use crate::device::Device;
use crate::network::signal;
use crate::wait::wait_until;
use rustix::process::Signal;

/// The system calls by which an agent leaves traces or learns what there is.
const CALLS: [&str; 29] = [
    "openat",
    "openat2",
    "pread64",
    "write",
    "pwrite64",
    "fsync",
    "fdatasync",
    "syncfs",
    "rename",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
    "mkdir",
    "mkdirat",
    "symlinkat",
    "linkat",
    "fchmod",
    "fchmodat",
    "fchown",
    "fchownat",
    "ftruncate",
    "close",
    "connect",
    "sendto",
    "sendmsg",
    "execve",
    "getdents64",
    "statx",
];

const STEP: Duration = Duration::from_secs(20);

/// How long a tracer takes at most to let go.
const PATIENCE: Duration = Duration::from_secs(3);

/// A tracer at a running agent.
#[derive(Debug)]
pub struct Ambush {
    tracer: Child,
    log: PathBuf,
    agent: u32,
}

impl Device<'_> {
    /// Keeps systemd from starting the agent again by itself once it has crashed.
    pub fn let_the_agent_lie(&self) -> Result<()> {
        let place = "/etc/systemd/system/muster-agent.service.d/lie.conf";
        self.write_file(place, "[Service]\nRestart=no\n", 0o644)?;
        self.exec(["systemctl", "daemon-reload"])?.ok()?;
        Ok(())
    }

    /// Starts the agent, whether or not systemd has seen yet that the last one is gone.
    pub fn start_the_agent_anew(&self) -> Result<()> {
        self.exec(["systemctl", "restart", "muster-agent"])?.ok()?;
        Ok(())
    }

    /// Writes down which calls the running agent makes from now on.
    pub fn watch_agent(&self) -> Result<Ambush> {
        self.trace(&[])
    }

    /// Kills the running agent when one of its threads enters the system call `call` for the `nth` time from now on.
    pub fn ambush_agent(&self, call: &str, nth: u32) -> Result<Ambush> {
        self.trace(&["-e", &format!("inject={call}:signal=SIGKILL:when={nth}")])
    }

    fn trace(&self, more: &[&str]) -> Result<Ambush> {
        let inside = self.exec(["systemctl", "show", "-P", "MainPID", "muster-agent"])?.ok()?;
        let agent = self.host_pid(inside.line().parse().context("the agent does not run")?)?;
        let log = self.network_folder().join(format!("{}.calls", self.name()));
        let mut argv = vec!["strace".to_owned(), "-f".to_owned(), "-qq".to_owned(), "-y".to_owned()];
        argv.extend(["-s", "64", "-e"].map(str::to_owned));
        argv.push(format!("trace={}", CALLS.join(",")));
        argv.extend(more.iter().map(|&word| word.to_owned()));
        argv.extend(["-p".to_owned(), agent.to_string(), "-o".to_owned(), log.display().to_string()]);
        let said = fs::File::create(log.with_extension("said")).context("making the tracer's log")?;
        let tracer = command::command(argv)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(said)
            .spawn()
            .context("starting strace")?;
        let mut ambush = Ambush { tracer, log, agent };
        wait_until("the tracer to hold all threads of the agent", STEP, || {
            if let Some(status) = ambush.tracer.try_wait().context("asking after the tracer")? {
                // The agent does something now and then by itself, and may have been killed at that already.
                if status.success() {
                    return Ok(Some(()));
                }
                let said = fs::read_to_string(ambush.log.with_extension("said")).unwrap_or_default();
                anyhow::bail!("strace ended with {status}: {said}");
            }
            Ok(is_traced(agent).then_some(()))
        })?;
        Ok(ambush)
    }
}

/// Whether each thread of a process has a tracer.
fn is_traced(process: u32) -> bool {
    let Ok(threads) = fs::read_dir(Path::new("/proc").join(process.to_string()).join("task")) else {
        return false;
    };
    threads.flatten().all(|thread| {
        let status = fs::read_to_string(thread.path().join("status")).unwrap_or_default();
        status.lines().any(|line| line.strip_prefix("TracerPid:").is_some_and(|pid| pid.trim() != "0"))
    })
}

/// Whether a process has not been killed; one that nobody has waited for yet has no program any more.
fn lives(process: u32) -> bool {
    Path::new("/proc").join(process.to_string()).join("exe").exists()
}

impl Ambush {
    /// Waits until the agent was killed, or until `done` says that it did all it had to do.
    pub fn wait(
        mut self,
        limit: Duration,
        mut done: impl FnMut() -> Result<bool>,
    ) -> Result<(Crash, Vec<Call>)> {
        let crash = wait_until("the agent to be killed or to be done", limit, || {
            if self.tracer.try_wait().context("asking after the tracer")?.is_some() || !lives(self.agent) {
                return Ok(Some(Crash::Killed));
            }
            Ok(done()?.then_some(Crash::NotReached))
        });
        self.let_go()?;
        let text = fs::read(&self.log).with_context(|| format!("reading {}", self.log.display()))?;
        let calls = calls(&String::from_utf8_lossy(&text));
        crash?;
        // What the agent had started is traced too, and may be what was killed; and the call may come after all was done.
        Ok((if lives(self.agent) { Crash::NotReached } else { Crash::Killed }, calls))
    }

    /// Ends the tracer, and with that what it still holds of the agent: now and then it goes on waiting for a thread of a
    /// process that was killed, which can't end before it is let go.
    fn let_go(&mut self) -> Result<()> {
        signal(self.tracer.id(), Signal::INT);
        let ended = wait_until("the tracer to let go", PATIENCE, || Ok(self.tracer.try_wait()?));
        if ended.is_err() {
            self.tracer.kill().context("ending the tracer")?;
            self.tracer.wait().context("waiting for the tracer")?;
        }
        Ok(())
    }
}

impl Drop for Ambush {
    fn drop(&mut self) {
        // A tracer that was waited for is gone already.
        self.tracer.kill().ok();
        self.tracer.wait().ok();
    }
}

/// One system call of a thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The thread.
    pub thread: u32,
    /// Which call.
    pub name: String,
    /// All that the tracer wrote of it.
    pub line: String,
}

impl Call {
    /// What the call is about, as far as a crash there goes.
    pub fn about(&self) -> &'static str {
        let line = &self.line;
        if line.contains("/var/lib/muster/ledger.db") {
            "the ledger"
        } else if line.contains(".muster") {
            "an unfinished file"
        } else if line.contains("UNIX") || self.name == "sendmsg" || self.name == "connect" {
            "a message to the system"
        } else if line.contains("TCP") {
            "a message to the server"
        } else if line.contains("/proc/") || line.contains("/sys/") || line.contains("/run/") {
            "the running system"
        } else if ["\"/", "</etc", "</srv", "</usr", "</home", "</var"]
            .iter()
            .any(|place| line.contains(place))
        {
            "a file or directory"
        } else {
            "anything else"
        }
    }
}

/// Reads the lines of `strace -f -o`: a thread, then what it called; what only tells that a call returned is left out.
fn calls(log: &str) -> Vec<Call> {
    let call = |line: &str| {
        let (thread, rest) = line.split_once(' ')?;
        let (name, _) = rest.trim_start().split_once('(')?;
        let is_name =
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        is_name.then(|| {
            Some(Call { thread: thread.parse().ok()?, name: name.to_owned(), line: line.to_owned() })
        })?
    };
    log.lines().filter_map(call).collect()
}

/// Where to end an agent that makes these calls: at most `most` places, `(call, nth)`, spread evenly over the different calls and over each of
/// them, always the same for the same calls. What counts is the busiest thread of each call.
pub fn places(calls: &[Call], most: usize) -> Vec<(String, u32)> {
    let mut by_thread: BTreeMap<(&str, u32), u32> = BTreeMap::new();
    for call in calls {
        *by_thread.entry((&call.name, call.thread)).or_default() += 1;
    }
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for ((name, _), count) in by_thread {
        let highest = counts.entry(name).or_default();
        *highest = count.max(*highest);
    }
    // Shares grow one by one, so that a rare call is hit wherever it comes and the common ones share the rest.
    let mut shares: BTreeMap<&str, u32> = BTreeMap::new();
    let mut left = most;
    while left > 0 {
        let before = left;
        for (name, count) in &counts {
            let share = shares.entry(name).or_default();
            if left > 0 && *share < *count {
                *share += 1;
                left -= 1;
            }
        }
        if left == before {
            break;
        }
    }
    let spread = |(name, share): (&str, u32)| {
        let count = counts[name];
        let nth = move |part: u32| (u64::from(count) * u64::from(part) / u64::from(share)) as u32 + 1;
        (0..share).map(nth).map(|nth| (name.to_owned(), nth)).collect::<Vec<_>>()
    };
    shares.into_iter().filter(|(_, share)| *share > 0).flat_map(spread).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "12 openat(AT_FDCWD</>, \"/etc/x\", O_RDONLY) = 3</etc/x>\n12 close(3</etc/x>) = 0\n\
        13 openat(3</etc>, \".muster-x\", O_RDWR <unfinished ...>\n13 <... openat resumed>) = 4\n\
        12 openat(AT_FDCWD</>, \"/etc/y\", O_RDONLY) = ?\n12 +++ killed by SIGKILL +++\n";

    #[test]
    fn the_calls_of_each_thread_are_read_once() {
        let calls = calls(LOG);
        let names: Vec<_> = calls.iter().map(|call| (call.thread, call.name.as_str())).collect();
        assert_eq!(names, [(12, "openat"), (12, "close"), (13, "openat"), (12, "openat")]);
        assert_eq!((calls[0].about(), calls[2].about()), ("a file or directory", "an unfinished file"));
    }

    #[test]
    fn places_are_spread_over_the_calls_and_over_each_of_them() {
        let calls = calls(LOG);
        let all = [("close", 1), ("openat", 1), ("openat", 2)].map(|(name, nth)| (name.to_owned(), nth));
        assert_eq!(places(&calls, 9), all);
        assert_eq!(places(&calls, 2), all[..2]);
        let many: Vec<Call> = (0..100).map(|_| calls[0].clone()).collect();
        assert_eq!(places(&many, 4).iter().map(|(_, nth)| *nth).collect::<Vec<_>>(), [1, 26, 51, 76]);
    }
}
