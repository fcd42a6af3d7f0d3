//! Processes by the account that they run as.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::subuid::Uids;

/// One that starts others as fast as it can is met again and again before it comes to the next.
const ROUNDS: usize = 200;
/// Rounds in a row that find nothing: a single one may pass by what a process starts at that moment.
const QUIET_ROUNDS: usize = 3;
/// The kernel needs a moment to end a process.
const BETWEEN_ROUNDS: Duration = Duration::from_millis(5);

/// The numbers that something runs as.
pub(crate) fn owners() -> Result<BTreeSet<u32>> {
    Ok(pids()?.filter_map(owners_of).flatten().collect())
}

/// Ends whatever runs as one of `uids`, with what it starts meanwhile.
pub(crate) async fn end_all(uids: &Uids) -> Result<()> {
    let mut quiet = 0;
    for _ in 0..ROUNDS {
        quiet = if end_found(uids)? { 0 } else { quiet + 1 };
        if quiet == QUIET_ROUNDS {
            return Ok(());
        }
        tokio::time::sleep(BETWEEN_ROUNDS).await;
    }
    bail!("its processes do not end, or start others without end")
}

/// Ends what is found at once; whether there was something.
fn end_found(uids: &Uids) -> Result<bool> {
    let mut found = false;
    for pid in pids()? {
        // The descriptor names this process and never a later one with its number: ask after it is open.
        let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else { continue };
        if owners_of(pid).is_some_and(|owners| owners.iter().any(|uid| uids.contains(*uid))) {
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

/// The real, effective and saved number of a process that runs: by any of them it can act for the account. One that has
/// ended and waits for its parent to notice does nothing more.
fn owners_of(pid: Pid) -> Option<[u32; 3]> {
    let status = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).ok()?;
    let field =
        |name: &str| Some(status.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace());
    if matches!(field("State:")?.next()?, "Z" | "X") {
        return None;
    }
    let mut uids = field("Uid:")?.map_while(|uid| uid.parse().ok());
    Some([uids.next()?, uids.next()?, uids.next()?])
}

#[cfg(test)]
pub(crate) mod tests {
    use std::os::unix::process::CommandExt as _;
    use std::process::{Child, Command};

    use super::*;
    use crate::host::accounts::Accounts;
    use crate::host::walk::Root;

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
            end_found(&Uids::only(self.1)).unwrap();
        }
    }

    #[tokio::test]
    async fn a_process_that_starts_others_all_the_time_does_not_outlive_the_end() {
        let uid = 64_321;
        // Each starts the next and ends, and one that lasts stands aside.
        let _running = Running::start(uid, "sleep 600 & next() { sleep 0.01; (next) & }; next");
        assert!(owners().unwrap().contains(&uid));
        end_all(&Uids::only(uid)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(!owners().unwrap().contains(&uid));
    }

    #[tokio::test]
    async fn a_process_under_a_subordinate_number_does_not_outlive_its_account() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("etc")).unwrap();
        let file = |name: &str, text: &str| fs::write(dir.path().join("etc").join(name), text).unwrap();
        file("passwd", "bob:x:64323:64323::/:/bin/sh\nada:x:64324:64324::/:/bin/sh\n");
        file("subuid", "bob:3000000000:65536\nada:3000065536:65536\n");
        let load = || Accounts::load(&Root::open(dir.path()).unwrap()).unwrap();
        let (bobs, adas) =
            (Running::start(3_000_000_007, "sleep 600"), Running::start(3_000_065_536, "sleep 600"));
        let accounts = load();
        let (bob, ada) = (accounts.user("bob").unwrap(), accounts.user("ada").unwrap());
        assert!(accounts.runs(bob).unwrap());
        end_all(&accounts.uids(bob)).await.unwrap();
        let later = load();
        assert!(!later.runs(bob).unwrap());
        assert!(later.runs(ada).unwrap(), "what runs in the range of another account is none of bob's");
        drop((bobs, adas));
    }

    #[test]
    fn one_that_has_ended_and_is_not_waited_for_does_not_count() {
        let uid = 64_322;
        let running = Running::start(uid, "exit");
        let pid = Pid::from_child(&running.0);
        let ended = rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT;
        rustix::process::waitid(rustix::process::WaitId::Pid(pid), ended).unwrap();
        assert_eq!(owners_of(pid), None);
    }
}
