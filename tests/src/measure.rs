//! What a process costs: CPU time, memory, and the system calls by which it could change something.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::device::Device;
use crate::network::children;
use crate::wait::wait_until;

/// What one run of a program cost, with all that it started.
#[derive(Debug, Clone, Copy)]
pub struct Spent {
    /// User and system time in seconds; the kernel counts in hundredths.
    pub cpu_s: f64,
    /// The most memory that any one of its processes had in use, in MiB, as the kernel's high-water mark.
    pub peak_mib: f64,
    /// From start to end in seconds.
    pub wall_s: f64,
}

/// Runs a command to its end and says what it cost; fails when it does not end with 0.
///
/// The CPU time is what the kernel adds to this process for its ended children, so that no other child may end meanwhile.
pub fn spent(mut command: Command) -> Result<Spent> {
    let log = tempfile::NamedTempFile::new().context("making a log")?;
    let before = of_children()?;
    let began = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(log.reopen().context("opening the log")?)
        .stderr(log.reopen().context("opening the log")?)
        .spawn()
        .with_context(|| format!("{:?} did not start", command.get_program()))?;
    let mut peak_mib = 0.0_f64;
    let status = wait_until("the measured command to end", Duration::from_secs(600), || {
        peak_mib = peak_mib.max(peak_below(child.id()));
        Ok(child.try_wait()?)
    })?;
    let wall_s = began.elapsed().as_secs_f64();
    let said = fs::read_to_string(log.path()).unwrap_or_default();
    ensure!(status.success(), "{command:?} ended with {status}: {said}");
    Ok(Spent { cpu_s: of_children()? - before, peak_mib, wall_s })
}

/// CPU seconds that a process and its ended children have used.
pub fn cpu(pid: u32) -> Result<f64> {
    Ok(times(pid)?.iter().sum())
}

/// CPU seconds of the calling thread, which the kernel counts in nanoseconds.
pub fn cpu_of_this_thread() -> Result<f64> {
    let counted = fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds = counted.split(' ').next().and_then(|first| first.parse::<f64>().ok());
    Ok(nanoseconds.context("no time in /proc/thread-self/schedstat")? / 1e9)
}

/// How often a process has waited for something.
pub fn wakes(pid: u32) -> Result<u64> {
    let mut sum = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let status = fs::read_to_string(thread?.path().join("status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        sum += line.context("no switches in the status of a thread")?.trim().parse::<u64>()?;
    }
    Ok(sum)
}

/// The proportional set size of a process in MiB.
pub fn pss(pid: u32) -> Result<f64> {
    memory(pid, "smaps_rollup", "Pss:")
}

/// The most memory that a process has had in use, in MiB.
pub fn peak(pid: u32) -> Result<f64> {
    memory(pid, "status", "VmHWM:")
}

/// The middle one, or the upper of the two in the middle.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// CPU seconds of the ended children of this process.
fn of_children() -> Result<f64> {
    Ok(times(std::process::id())?[2..].iter().sum())
}

/// User and system time of a process, then of its ended children, in seconds: fields 14 to 17 of
/// `proc_pid_stat(5)`.
fn times(pid: u32) -> Result<[f64; 4]> {
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat =
        fs::read_to_string(format!("/proc/{pid}/stat")).with_context(|| format!("process {pid} is gone"))?;
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11);
    let ticks: Vec<f64> = fields.take(4).filter_map(|field| field.parse().ok()).collect();
    let ticks: [f64; 4] = ticks.try_into().ok().context("no times in /proc/PID/stat")?;
    Ok(ticks.map(|ticks| ticks / TICKS_PER_SECOND))
}

fn memory(pid: u32, file: &str, field: &str) -> Result<f64> {
    let text = wait_until("the memory of the process", Duration::from_secs(5), || {
        Ok(fs::read_to_string(format!("/proc/{pid}/{file}")).ok())
    })?;
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    let line = line.with_context(|| format!("no {field} in {file}"))?;
    let kib: f64 = line.trim().trim_end_matches(" kB").trim().parse().context("memory that is no number")?;
    Ok(kib / 1024.0)
}

/// The highest mark of a process and of all below it, as far as they can still be asked.
fn peak_below(pid: u32) -> f64 {
    let own = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let own = own.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: f64 = own.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0.0);
    children(pid).into_iter().map(peak_below).fold(kib / 1024.0, f64::max)
}

impl Device<'_> {
    /// The agent's process id on this host.
    pub fn agent_pid(&self) -> Result<u32> {
        let pid = self.exec(["systemctl", "show", "--value", "-p", "MainPID", "muster-agent"])?.ok()?;
        self.host_pid(pid.line().parse().context("the agent has no process")?)
    }

    /// The system calls by which the agent and its children start programs or open, make or change files, from just before
    /// `trigger` until four seconds after it, a line each as strace(1) writes them: the process, the time in seconds, the call.
    pub fn trace_agent(&self, trigger: impl FnOnce() -> Result<()>) -> Result<Vec<String>> {
        const CALLS: &str = "trace=execve,openat,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,chmod,\
                             fchmod,fchmodat,chown,fchown,fchownat,lchown,symlink,symlinkat,link,linkat,truncate,\
                             ftruncate,mount";
        let agent = self.agent_pid()?;
        let output = tempfile::NamedTempFile::new().context("making a file for the trace")?;
        let mut tracer = Command::new("strace")
            .args(["-f", "-ttt", "-e", CALLS, "-o"])
            .arg(output.path())
            .args(["-p", &agent.to_string()])
            .stderr(Stdio::null())
            .spawn()
            .context("starting strace")?;
        std::thread::park_timeout(Duration::from_secs(1));
        trigger()?;
        std::thread::park_timeout(Duration::from_secs(4));
        let pid = i32::try_from(tracer.id()).ok().and_then(Pid::from_raw).context("strace has no process")?;
        kill_process(pid, Signal::INT).context("ending strace")?;
        tracer.wait().context("waiting for strace")?;
        let trace = fs::read_to_string(output.path()).context("reading the trace")?;
        ensure!(!trace.is_empty(), "strace saw nothing");
        Ok(trace.lines().map(str::to_owned).collect())
    }
}

/// Whether a line of [`Device::trace_agent`] starts a program.
pub fn is_exec(line: &str) -> bool {
    line.contains("execve(")
}

/// Whether a line of [`Device::trace_agent`] changes the machine; what the agent notes in its own ledger does not,
/// nor of its link in memory.
pub fn is_write(line: &str) -> bool {
    let ledger = line.contains("/var/lib/muster/") || line.contains("/run/muster/link");
    let opens_to_write =
        ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TMPFILE"].iter().any(|flag| line.contains(flag));
    let failed = line.contains(" = -1 ");
    let reads = line.contains("openat(") && !opens_to_write;
    let bookkeeping = line.contains("/dev/null")
        || line.contains("+++")
        || line.contains("---")
        || line.contains("resumed>");
    !(ledger || failed || reads || bookkeeping || is_exec(line))
}
