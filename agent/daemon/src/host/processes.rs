//! Processes by the account that they run as.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use muster_proto::text::escape;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, Uid, kill_process_group, pidfd_open, pidfd_send_signal};
use rustix::thread::{capabilities, set_thread_res_uid};

use super::Host;
use super::run::Work;
use super::subuid::{Uids, is_persons};

/// One that starts others as fast as it can is met again and again before it comes to the next.
const ROUNDS: usize = 200;
/// How often all are ended at once: what runs as the account may end the process that is to do so.
const SWEEPS: usize = 10;
/// Rounds in a row that find nothing: a single one may pass by what a process starts at that moment.
const QUIET_ROUNDS: usize = 3;
/// A file that more programs write is nobody's in particular.
const MOST_NAMED: usize = 5;
/// The kernel needs a moment to end a process.
const BETWEEN_ROUNDS: Duration = Duration::from_millis(5);

/// The numbers that something runs as.
pub(crate) fn owners() -> Result<BTreeSet<u32>> {
    Ok(pids()?.filter_map(owners_of).flatten().collect())
}

/// Whether a process is a tool that Muster itself runs, by the unit that it is in.
pub(crate) fn is_own_tool(pid: Pid) -> bool {
    let group = fs::read_to_string(format!("/proc/{}/cgroup", pid.as_raw_nonzero())).unwrap_or_default();
    // A user can have units of such a name below their own slice, and nowhere else.
    group
        .lines()
        .filter_map(|line| line.splitn(3, ':').nth(2))
        .any(|path| path.starts_with("/system.slice/muster-run-"))
}

/// The programs that have the file at this path, or one that was there before, open for writing. What can't be seen, because a
/// process ends meanwhile, is not in it.
pub(crate) fn writers(path: &str) -> Vec<String> {
    let Ok(pids) = pids() else { return vec![] };
    pids.filter(|pid| *pid != rustix::process::getpid() && writes(*pid, path))
        .map(|pid| {
            let name = fs::read(format!("/proc/{}/comm", pid.as_raw_nonzero())).unwrap_or_default();
            format!("{} (process {})", escape(String::from_utf8_lossy(&name).trim()), pid.as_raw_nonzero())
        })
        .take(MOST_NAMED)
        .collect()
}

/// Whether a process has the file at this path open.
pub(crate) fn has_open(pid: Pid, path: &str) -> bool {
    let open = fs::read_dir(format!("/proc/{}/fd", pid.as_raw_nonzero()));
    open.is_ok_and(|open| {
        open.filter_map(Result::ok)
            .any(|fd| fs::read_link(fd.path()).is_ok_and(|target| target.as_os_str() == path))
    })
}

fn writes(pid: Pid, path: &str) -> bool {
    let folder = format!("/proc/{}", pid.as_raw_nonzero());
    let Ok(open) = fs::read_dir(format!("{folder}/fd")) else { return false };
    open.filter_map(Result::ok).any(|fd| {
        let target = fs::read_link(fd.path()).unwrap_or_default();
        let target = target.to_string_lossy();
        if target.strip_suffix(" (deleted)").unwrap_or(&target) != path {
            return false;
        }
        let number = fd.file_name();
        let info =
            fs::read_to_string(format!("{folder}/fdinfo/{}", number.to_string_lossy())).unwrap_or_default();
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
        // O_WRONLY is 1 and O_RDWR 2; proc_pid_fdinfo(5) gives them in octal.
        flags.and_then(|flags| u64::from_str_radix(flags.trim(), 8).ok()).is_some_and(|flags| flags & 3 != 0)
    })
}

/// Ends whatever runs as one of `uids`, with what it starts meanwhile.
pub(crate) async fn end_all(host: &mut Host, uids: &Uids) -> Result<()> {
    end_in_rounds(uids, async |uid| sweep(host, uid).await).await
}

/// Ends all of a person at once, then what is left, one by one, until nothing is. A chain of processes each of which starts
/// the next and ends can evade every look at the list of them, so that the first sweep waits for no finding.
async fn end_in_rounds(uids: &Uids, mut sweep: impl AsyncFnMut(u32) -> Result<()>) -> Result<()> {
    let (mut swept, mut sweeps) = (Ok(()), 0);
    let (mut found, mut quiet) = (true, 0);
    for _ in 0..ROUNDS {
        if let Some(uid) = uids.persons().filter(|_| sweeps < SWEEPS && (found || swept.is_err())) {
            sweeps += 1;
            swept = sweep(uid).await;
        }
        found = end_found(uids)?;
        quiet = if found { 0 } else { quiet + 1 };
        if quiet >= QUIET_ROUNDS && swept.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(BETWEEN_ROUNDS).await;
    }
    swept.and(Err(anyhow!("its processes do not end, or start others without end")))
}

/// Has a process that may do nothing but become an account end all that runs as this one.
async fn sweep(host: &mut Host, uid: u32) -> Result<()> {
    let program = std::env::current_exe().context("finding this program")?;
    let program = program.to_str().context("the path of this program is no text")?;
    // An upgrade may have replaced the file since this process began.
    let program = program.strip_suffix(" (deleted)").unwrap_or(program);
    let argv = [program, "end-processes", &uid.to_string()];
    host.run(Work::Ending, &argv, None).await?.ok("ending its processes at once").map(drop)
}

/// Becomes a person's account for good, and ends all that runs as it but this process itself: in the user namespaces that
/// the account made also what runs there as anything else. For the kernel this is one step, in which nothing starts.
///
/// Without any right but the account's own, nothing else can be hit.
pub(crate) fn end_as(uid: u32) -> Result<()> {
    ensure!(is_persons(uid), "{uid} is not the number of a person's account");
    let account = Uid::from_raw(uid);
    set_thread_res_uid(account, account, account).with_context(|| format!("becoming {uid}"))?;
    let held = capabilities(None).context("asking for the capabilities that are left")?;
    let is_only_theirs =
        rustix::process::geteuid() == account && held.effective.is_empty() && held.permitted.is_empty();
    ensure!(is_only_theirs, "this process still has rights that {uid} has not: nothing is ended");
    // The group of process 1 stands for -1, which is everything that may be signalled.
    match kill_process_group(Pid::INIT, Signal::KILL) {
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(error) => Err(error).with_context(|| format!("ending what runs as {uid}")),
    }
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
/// ended and waits for its parent to notice does nothing more; where only its first thread has, the others go on.
fn owners_of(pid: Pid) -> Option<[u32; 3]> {
    // A process gives itself its name, and need not give one that is text.
    let status = fs::read(format!("/proc/{}/status", pid.as_raw_nonzero())).ok()?;
    let status = String::from_utf8_lossy(&status);
    let field =
        |name: &str| Some(status.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace());
    let threads: u32 = field("Threads:").and_then(|mut count| count.next()?.parse().ok()).unwrap_or(0);
    if matches!(field("State:")?.next()?, "Z" | "X") && threads <= 1 {
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

    /// As [`sweep`], by a thread: it alone becomes the account.
    async fn at_once(uid: u32) -> Result<()> {
        std::thread::spawn(move || end_as(uid)).join().unwrap()
    }

    async fn end_all(uids: &Uids) -> Result<()> {
        end_in_rounds(uids, at_once).await
    }

    #[tokio::test]
    async fn a_process_whose_name_is_no_text_or_whose_first_thread_has_ended_does_not_outlive_its_account() {
        let (unnamed, headless) = (64_325, 64_326);
        let _unnamed = Running::start(
            unnamed,
            "printf '\\377' >/proc/self/comm; exec 3<>/dev/null; while :; do read -r _ <&3 || sleep 1; done",
        );
        let python = "import ctypes, threading, time; threading.Thread(target=time.sleep, args=(600,)).start(); \
                      ctypes.CDLL(None).pthread_exit(None)";
        let _headless = Running::start(headless, &format!("exec python3 -c '{python}'"));
        for uid in [unnamed, headless] {
            while !owners().unwrap().contains(&uid) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        // Until the one has its name, and of the other the first thread has ended.
        tokio::time::sleep(Duration::from_millis(700)).await;
        for uid in [unnamed, headless] {
            assert!(owners().unwrap().contains(&uid), "{uid} runs");
            end_all(&Uids::only(uid)).await.unwrap();
            tokio::time::sleep(Duration::from_millis(200)).await;
            assert!(!owners().unwrap().contains(&uid), "{uid} has ended");
        }
    }

    #[test]
    fn who_has_a_file_open_for_writing_is_known_and_who_reads_it_is_not_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("motd");
        let open = |redirect: &str| {
            fs::write(&path, "x").unwrap();
            let script = format!("exec 3{redirect}\"$1\"; echo ready; exec sleep 600");
            let mut child = Command::new("/bin/sh")
                .args(["-c", &script, "sh"])
                .arg(&path)
                .stdout(std::process::Stdio::piped())
                .spawn()
                .unwrap();
            let mut line = [0; 6];
            std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut line).unwrap();
            child
        };
        let named = |child: &Child| {
            let name = format!("(process {})", child.id());
            writers(path.to_str().unwrap()).iter().any(|writer| writer.ends_with(&name))
        };
        let (mut writer, mut reader) = (open(">>"), open("<"));
        assert!(named(&writer) && !named(&reader));
        fs::remove_file(&path).unwrap();
        assert!(named(&writer), "it still has the file that was there before");
        for child in [&mut writer, &mut reader] {
            child.kill().unwrap();
            child.wait().unwrap();
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
    async fn chains_of_processes_that_outrun_every_look_end_at_once() {
        let uid = 64_327;
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::chown(dir.path(), Some(uid), None).unwrap();
        let sign = dir.path().join("sign");
        let perl = "while (1) { my $next = fork; exit 0 if $next; unless (++$links % 50) { \
                    open my $sign, '>', $ARGV[0]; print $sign $links } }";
        let script = "for i in 1 2 3; do perl -e \"$2\" \"$1\" & done; exec sleep 600";
        let mut chains = Command::new("/bin/sh");
        chains.args(["-c", script, "sh"]).arg(&sign).arg(perl).uid(uid);
        let _running = Running(chains.spawn().unwrap(), uid);
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(sign.exists(), "the chains run");
        at_once(uid).await.unwrap();
        fs::remove_file(&sign).unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(!sign.exists(), "a chain goes on");
        assert!(!owners().unwrap().contains(&uid));
    }

    #[tokio::test]
    async fn what_can_never_be_ended_at_once_is_no_end() {
        let uids = Uids::only(64_328);
        let error = end_in_rounds(&uids, async |_| Err(anyhow!("the bus is gone"))).await.unwrap_err();
        assert!(error.to_string().contains("the bus is gone"), "{error:#}");
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
