//! Processes by the account that they run as.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// One that starts others as fast as it can is met again and again before it comes to the next.
const ROUNDS: usize = 200;
/// Rounds in a row that find nothing: a single one may pass by what a process starts at that moment.
const QUIET_ROUNDS: usize = 3;
/// The kernel needs a moment to end a process.
const BETWEEN_ROUNDS: Duration = Duration::from_millis(5);

/// The accounts, by number, that something runs as.
pub(crate) fn owners() -> Result<BTreeSet<u32>> {
    Ok(pids()?.filter_map(owner_of).collect())
}

/// Ends whatever runs as `uid`, with what it starts meanwhile.
pub(crate) async fn end_all(uid: u32) -> Result<()> {
    let mut quiet = 0;
    for _ in 0..ROUNDS {
        quiet = if end_found(uid)? { 0 } else { quiet + 1 };
        if quiet == QUIET_ROUNDS {
            return Ok(());
        }
        tokio::time::sleep(BETWEEN_ROUNDS).await;
    }
    bail!("its processes do not end, or start others without end")
}

/// Ends what is found at once; whether there was something.
fn end_found(uid: u32) -> Result<bool> {
    let mut found = false;
    for pid in pids()? {
        // The descriptor names this process and never a later one with its number: ask after it is open.
        let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else { continue };
        if owner_of(pid) == Some(uid) {
            found = true;
            match pidfd_send_signal(&process, Signal::KILL) {
                Ok(()) | Err(Errno::SRCH) => {}
                Err(error) => return Err(error).context("ending its processes"),
            }
        }
    }
    Ok(found)
}

fn pids() -> Result<impl Iterator<Item = Pid>> {
    let entries = fs::read_dir("/proc").context("listing processes")?;
    Ok(entries.filter_map(|entry| Pid::from_raw(entry.ok()?.file_name().to_str()?.parse().ok()?)))
}

/// The account of a process that runs; one that has ended and waits for its parent to notice does nothing more.
fn owner_of(pid: Pid) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).ok()?;
    let field =
        |name: &str| status.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next();
    if matches!(field("State:")?, "Z" | "X") { None } else { field("Uid:")?.parse().ok() }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::os::unix::process::CommandExt as _;
    use std::process::{Child, Command};

    use super::*;

    /// A shell that runs as an account of this number until the test is over.
    pub(crate) struct Running(Child, pub(crate) u32);

    impl Running {
        pub(crate) fn start(uid: u32, script: &str) -> Self {
            let child = Command::new("/bin/sh").args(["-c", script]).uid(uid).spawn().unwrap();
            Self(child, uid)
        }
    }

    impl Drop for Running {
        fn drop(&mut self) {
            self.0.kill().ok();
            self.0.wait().unwrap();
            end_found(self.1).unwrap();
        }
    }

    #[tokio::test]
    async fn a_process_that_starts_others_all_the_time_does_not_outlive_the_end() {
        let uid = 64_321;
        // Each starts the next and ends, and one that lasts stands aside.
        let _running = Running::start(uid, "sleep 600 & next() { sleep 0.01; (next) & }; next");
        assert!(owners().unwrap().contains(&uid));
        end_all(uid).await.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(!owners().unwrap().contains(&uid));
    }

    #[test]
    fn one_that_has_ended_and_is_not_waited_for_does_not_count() {
        let uid = 64_322;
        let running = Running::start(uid, "exit");
        let pid = Pid::from_child(&running.0);
        let ended = rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT;
        rustix::process::waitid(rustix::process::WaitId::Pid(pid), ended).unwrap();
        assert_eq!(owner_of(pid), None);
    }
}
