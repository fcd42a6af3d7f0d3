//! `processes`: every running process, from `/proc`.

use std::io;
use std::os::unix::ffi::OsStrExt;

use crate::column::{Request, Rows, Unreadable, columns, text};
use crate::root::{Root, is_absent};
use crate::table::Table;

pub(crate) const TABLE: Table = Table {
    name: "processes",
    description: "All running processes on the host system.",
    columns: Row::COLUMNS,
    rows: make,
};

columns! {
    struct Row {
        pid: i64 = BigInt Index, "Process ID";
        name: String = Text Plain, "The process path or shorthand argv[0]";
        path: Option<String> = Text Plain, "Path to executed binary";
        cmdline: String = Text Plain, "Complete argv";
        state: String = Text Plain, "Process state";
        cwd: Option<String> = Text Plain, "Process current working directory";
        root: Option<String> = Text Plain, "Process virtual root directory";
        uid: i64 = BigInt Plain, "Unsigned user ID";
        gid: i64 = BigInt Plain, "Unsigned group ID";
        euid: i64 = BigInt Plain, "Unsigned effective user ID";
        egid: i64 = BigInt Plain, "Unsigned effective group ID";
        suid: i64 = BigInt Plain, "Unsigned saved user ID";
        sgid: i64 = BigInt Plain, "Unsigned saved group ID";
        on_disk: i64 = Integer Plain, "The file that runs still exists: yes=1, no=0, unknown=-1";
        wired_size: i64 = BigInt Plain, "Bytes of unpageable memory used by process";
        resident_size: i64 = BigInt Plain, "Bytes of private memory used by process";
        total_size: i64 = BigInt Plain, "Total virtual memory size";
        user_time: i64 = BigInt Plain, "CPU time in milliseconds spent in user space";
        system_time: i64 = BigInt Plain, "CPU time in milliseconds spent in kernel space";
        disk_bytes_read: Option<i64> = BigInt Plain, "Bytes read from disk";
        disk_bytes_written: Option<i64> = BigInt Plain, "Bytes written to disk";
        start_time: i64 = BigInt Plain, "Process start in seconds since 1970";
        parent: i64 = BigInt Plain, "Process parent's PID";
        pgroup: i64 = BigInt Plain, "Process group";
        threads: i64 = Integer Plain, "Number of threads used by process";
        nice: i64 = Integer Plain, "Process nice level (-20 to 20, default 0)";
        cgroup_path: Option<String> = Text Plain, "The full hierarchical path of the process's control group";
        phys_footprint: i64 = BigInt Hidden, "The same as `total_size`";
    }
}

fn make(request: &Request<'_>) -> Result<Rows, Unreadable> {
    let root = request.root.clone();
    let boot = boot_time(&root)?;
    let pids = match request.integers("pid") {
        Some(pids) => pids,
        None => pids(&root)?,
    };
    Ok(Box::new(pids.into_iter().filter_map(move |pid| match read(&root, pid, boot) {
        Ok(row) => Some(Ok(row.into())),
        // It has ended since it was listed.
        Err(error) if is_absent(&error) => None,
        Err(error) => Some(Err(Unreadable::file(&format!("/proc/{pid}"), &error))),
    })))
}

/// Lists the processes there are now. That there are none is a wrong /proc, not a fact.
pub(crate) fn pids(root: &Root) -> Result<Vec<i64>, Unreadable> {
    let names = root.list("/proc").map_err(|error| Unreadable::file("/proc", &error))?;
    let pids: Vec<i64> = names.iter().filter_map(|name| name.parse().ok()).collect();
    if pids.is_empty() {
        return Err(Unreadable("/proc lists no process".to_owned()));
    }
    Ok(pids)
}

fn boot_time(root: &Root) -> Result<i64, Unreadable> {
    let stat = root.require("/proc/stat")?;
    let line = stat.split(|&byte| byte == b'\n').find_map(|line| line.strip_prefix(b"btime "));
    line.and_then(|time| std::str::from_utf8(time).ok()?.trim().parse().ok())
        .ok_or_else(|| Unreadable("/proc/stat has no btime".to_owned()))
}

fn read(root: &Root, pid: i64, boot: i64) -> io::Result<Row> {
    let file = |name: &str| root.read(&format!("/proc/{pid}/{name}"));
    let stat = parse_stat(&file("stat")?).ok_or_else(|| io::Error::other("stat is not understood"))?;
    let status = Status::parse(&file("status")?);
    // Kernel threads have no executable; of others' processes only root may know it.
    let link = |name: &str| {
        let target = root.read_link(&format!("/proc/{pid}/{name}")).ok()?;
        Some(text(target.as_os_str().as_bytes()))
    };
    let (path, on_disk) = match link("exe") {
        None => (None, -1),
        Some(path) => match path.strip_suffix(" (deleted)") {
            Some(gone) => (Some(gone.to_owned()), 0),
            None => (Some(path), 1),
        },
    };
    let io = file("io").map(|io| Status::parse(&io)).unwrap_or_default();
    let cancelled = io.number("cancelled_write_bytes").unwrap_or(0);
    let milliseconds = 1000 / i64::try_from(rustix::param::clock_ticks_per_second()).unwrap_or(100);
    let ids = |name: &str, index: usize| status.words(name).nth(index).and_then(|id| id.parse().ok());
    let total_size = status.kibibytes("VmSize");
    Ok(Row {
        pid,
        name: status.value("Name").to_owned(),
        path,
        cmdline: command_line(&file("cmdline")?),
        state: stat.state,
        cwd: link("cwd"),
        root: link("root"),
        uid: ids("Uid", 0).unwrap_or(-1),
        gid: ids("Gid", 0).unwrap_or(-1),
        euid: ids("Uid", 1).unwrap_or(-1),
        egid: ids("Gid", 1).unwrap_or(-1),
        suid: ids("Uid", 2).unwrap_or(-1),
        sgid: ids("Gid", 2).unwrap_or(-1),
        on_disk,
        wired_size: 0,
        resident_size: status.kibibytes("VmRSS"),
        total_size,
        user_time: stat.user_ticks.saturating_mul(milliseconds),
        system_time: stat.system_ticks.saturating_mul(milliseconds),
        disk_bytes_read: io.number("read_bytes"),
        disk_bytes_written: io.number("write_bytes").map(|bytes| bytes.saturating_sub(cancelled)),
        start_time: boot.saturating_add(stat.start_ticks.saturating_mul(milliseconds) / 1000),
        parent: stat.parent,
        pgroup: stat.group,
        threads: stat.threads,
        nice: stat.nice,
        cgroup_path: file("cgroup").ok().and_then(|cgroup| parse_cgroup(&cgroup)),
        phys_footprint: total_size,
    })
}

/// Arguments are told apart by NUL; a process may have overwritten them with anything.
fn command_line(bytes: &[u8]) -> String {
    let spaced: Vec<u8> = bytes.iter().map(|&byte| if byte == 0 { b' ' } else { byte }).collect();
    text(spaced.trim_ascii_end())
}

#[derive(Debug, PartialEq)]
struct Stat {
    state: String,
    parent: i64,
    group: i64,
    user_ticks: i64,
    system_ticks: i64,
    nice: i64,
    threads: i64,
    start_ticks: i64,
}

/// Reads what follows the name. The name is the process's own to choose, `) R 1` included, so its end is the
/// last closing parenthesis.
fn parse_stat(stat: &[u8]) -> Option<Stat> {
    let end = stat.iter().rposition(|&byte| byte == b')')?;
    let rest = std::str::from_utf8(&stat[end + 1..]).ok()?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    // The kernel's manual counts from 1 and with pid and name, which are not in `fields`.
    let number = |field: usize| fields.get(field - 3)?.parse().ok();
    Some(Stat {
        state: (*fields.first()?).to_owned(),
        parent: number(4)?,
        group: number(5)?,
        user_ticks: number(14)?,
        system_ticks: number(15)?,
        nice: number(19)?,
        threads: number(20)?,
        start_ticks: number(22)?,
    })
}

/// A file of `Name: value` lines.
#[derive(Debug, Default)]
struct Status(String);

impl Status {
    fn parse(bytes: &[u8]) -> Self {
        Self(text(bytes))
    }

    /// The first line of a name counts: the kernel escapes newlines in a process's name.
    fn value(&self, name: &str) -> &str {
        let line = self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_default().trim()
    }

    fn words(&self, name: &str) -> impl Iterator<Item = &str> {
        self.value(name).split_ascii_whitespace()
    }

    fn number(&self, name: &str) -> Option<i64> {
        self.words(name).next()?.parse().ok()
    }

    /// Kernel threads have no memory of their own, and no such line.
    fn kibibytes(&self, name: &str) -> i64 {
        self.number(name).unwrap_or(0).saturating_mul(1024)
    }
}

/// The path in the unified hierarchy, or in the first one where there is no unified.
fn parse_cgroup(cgroup: &[u8]) -> Option<String> {
    let mut first = None;
    for line in cgroup.split(|&byte| byte == b'\n') {
        if let Some(path) = line.strip_prefix(b"0::") {
            return Some(text(path));
        }
        first = first.or_else(|| line.splitn(3, |&byte| byte == b':').nth(2));
    }
    first.map(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_cannot_forge_its_parent_by_its_name() {
        let stat = b"42 (x) R 1 1) S 7 8 9 0 -1 4194560 1 2 3 4 500 600 0 0 20 -5 3 0 12345 1 2 3\n";
        assert_eq!(
            parse_stat(stat),
            Some(Stat {
                state: "S".to_owned(),
                parent: 7,
                group: 8,
                user_ticks: 500,
                system_ticks: 600,
                nice: -5,
                threads: 3,
                start_ticks: 12345,
            })
        );
    }

    #[test]
    fn the_unified_control_group_comes_first() {
        assert_eq!(parse_cgroup(b"1:name=systemd:/a\n0::/b:c\n").as_deref(), Some("/b:c"));
        assert_eq!(parse_cgroup(b"1:name=systemd:/a\n").as_deref(), Some("/a"));
        assert_eq!(parse_cgroup(b""), None);
    }

    #[test]
    fn arguments_are_joined_by_spaces() {
        assert_eq!(command_line(b"nginx\0-g\0daemon off;\0\0"), "nginx -g daemon off;");
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_parsers_panic(bytes: Vec<u8>) {
            parse_stat(&bytes);
            parse_cgroup(&bytes);
            command_line(&bytes);
            Status::parse(&bytes).kibibytes("VmRSS");
        }
    }
}
