//! Who keeps the account files from being changed, and how they are freed where an account has to end.
//!
//! The tools that change these files lock them for milliseconds. Any account of a machine can run some of them, which are
//! setuid, and stop one half-way: then no account can be locked, whosever it is.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::fs::{FileType, OFlags};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::walk::Root;
use super::{files, processes};

/// What lckpwdf(3) locks.
const WHOLE: &str = "/etc/.pwd.lock";
/// What the tools of shadow-utils lock beside it: a file with the number of the process that has it.
const FILES: [&str; 6] = [
    "/etc/passwd.lock",
    "/etc/shadow.lock",
    "/etc/group.lock",
    "/etc/gshadow.lock",
    "/etc/subuid.lock",
    "/etc/subgid.lock",
];
/// The tools that change account files, wherever they are.
const TOOLS: [&str; 22] = [
    "chage",
    "chfn",
    "chgpasswd",
    "chpasswd",
    "chsh",
    "expiry",
    "gpasswd",
    "groupadd",
    "groupdel",
    "groupmems",
    "groupmod",
    "newusers",
    "passwd",
    "pwck",
    "pwconv",
    "su",
    "unix_update",
    "useradd",
    "userdel",
    "usermod",
    "vigr",
    "vipw",
];
/// As much as a number takes.
const LIMIT: u64 = 64;
/// The kernel needs a moment to end a process.
const DYING: Duration = Duration::from_millis(200);

/// Whether a tool said that it could not lock the account files.
pub(crate) fn are_held(error: &anyhow::Error) -> bool {
    format!("{error:#}").contains("cannot lock")
}

/// Ends who holds the account files, and removes the locks of those who are gone. To be called where a tool has waited for
/// them in vain, which it does for some fifteen seconds.
///
/// What can't be freed is said in the log, and keeps nothing else from being freed: whether it was of use is seen by trying
/// again.
pub(crate) async fn free(root: &Root) {
    match holders_of_whole() {
        Ok(holders) => holders.into_iter().for_each(end),
        Err(error) => tracing::warn!("who holds {WHOLE} can't be found out: {error:#}"),
    }
    for path in FILES {
        if let Err(error) = free_one(root, path).await {
            tracing::warn!("{path} can't be freed: {error:#}");
        }
    }
}

async fn free_one(root: &Root, path: &str) -> Result<()> {
    let Some(found) = held(root, path)? else { return Ok(()) };
    let text = String::from_utf8_lossy(&found);
    let pid = text.trim_matches(|c: char| c == '\0' || c.is_whitespace()).parse().ok().and_then(process);
    if let Some(pid) = pid.filter(|pid| is_tool(*pid)) {
        if processes::is_own_tool(pid) {
            return Ok(());
        }
        end(pid);
    }
    tokio::time::sleep(DYING).await;
    // One that another tool took meanwhile is not the one that was looked at.
    if held(root, path)? == Some(found) {
        tracing::warn!("removing {path}, which kept an account from being locked");
        root.existing_place(path)?.unlink()?;
    }
    Ok(())
}

/// What a lock file says. A tool that was stopped half-way leaves a second name to it.
fn held(root: &Root, path: &str) -> Result<Option<Vec<u8>>> {
    let Some(place) = root.place(path)? else { return Ok(None) };
    match place.stat()? {
        Some(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => {
            let file = place.open(OFlags::empty()).context("opening it")?;
            files::read_limited(file.into(), LIMIT).map(Some)
        }
        _ => Ok(None),
    }
}

/// The process of a number, where it is one.
fn process(number: i32) -> Option<Pid> {
    if number > 0 { Pid::from_raw(number) } else { None }
}

fn end(pid: Pid) {
    if processes::is_own_tool(pid) || pid == rustix::process::getpid() || pid == Pid::INIT {
        return;
    }
    tracing::warn!("ending process {}, which keeps an account from being locked", pid.as_raw_nonzero());
    // One that is gone already holds nothing.
    if let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) {
        pidfd_send_signal(&process, Signal::KILL).ok();
    }
}

/// Whether a process runs one of the tools. What only has the number of one that is gone does not.
fn is_tool(pid: Pid) -> bool {
    let program = fs::read_link(format!("/proc/{}/exe", pid.as_raw_nonzero())).unwrap_or_default();
    let name = program.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    // An upgrade may have replaced its file.
    TOOLS.contains(&name.strip_suffix(" (deleted)").unwrap_or(name))
}

/// Who holds the lock of all account files, which only root can.
fn holders_of_whole() -> Result<Vec<Pid>> {
    let Ok(file) = fs::metadata(WHOLE) else { return Ok(vec![]) };
    let locks = fs::read_to_string("/proc/locks").context("reading /proc/locks")?;
    // The device is another one to stat(2) on some file systems, so that who has the file open is looked at instead.
    Ok(holders(&locks, file.ino()).into_iter().filter(|pid| processes::has_open(*pid, WHOLE)).collect())
}

/// Of lines as `proc_locks(5)` has them, the processes that hold a lock for writing on a file with this inode.
fn holders(locks: &str, inode: u64) -> Vec<Pid> {
    let inode = inode.to_string();
    let holder = |line: &str| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        // Who only waits has an arrow before the kind of lock.
        match words.as_slice() {
            [_, "POSIX", _, "WRITE", number, place, ..] if place.rsplit(':').next() == Some(&inode) => {
                number.parse().ok().and_then(process)
            }
            _ => None,
        }
    };
    locks.lines().filter_map(holder).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_holds_the_lock_is_told_from_who_waits_for_it() {
        let locks = "1: POSIX  ADVISORY  WRITE 501 fe:00:77 0 EOF\n1: -> POSIX  ADVISORY  WRITE 502 fe:00:77 0 EOF\n\
                     2: FLOCK  ADVISORY  WRITE 503 fe:00:77 0 EOF\n3: POSIX  ADVISORY  WRITE 504 fe:00:78 0 EOF\n";
        assert_eq!(holders(locks, 77), [Pid::from_raw(501).unwrap()]);
    }
}
