//! A folder laid out like a small machine, and short ways to ask about it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use muster_tables::{Answer, Limits, QueryError, Root, Tables, UnitRow, open, query};
use tempfile::TempDir;

/// A machine with two people, four packages, two processes and one encrypted disk.
pub(crate) fn machine() -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let file = |path: &str, content: &str| {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    };
    let link = |path: &str, target: &str| {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
    };
    identity(&file);
    packages(&file);
    rpm_packages(&root.path().join("usr/lib/sysimage/rpm"));
    accounts(&file);
    process(&file, &link, "1", "systemd", 0);
    process(&file, &link, "42", "nginx", 33);
    link("proc/42/fd/6", "socket:[4242]");
    link("proc/42/fd/7", "socket:[4343]");
    file(
        "proc/self/mounts",
        "/dev/mapper/root / ext4 rw,relatime 0 0\nada@host:/ /home/ada/far fuse.sshfs rw,nosuid 0 0\n",
    );
    link("dev/mapper/root", "../dm-0");
    file("dev/dm-0", "");
    file("sys/block/dm-0/dm/uuid", "CRYPT-LUKS2-0123456789abcdef-root\n");
    file("sys/block/dm-1/dm/uuid", "LVM-abcdef\n");
    fs::create_dir_all(root.path().join("sys/block/dm-1/slaves/dm-0")).unwrap();
    file("sys/block/sda/sda1/partition", "1\n");
    link("dev/disk/by-uuid/1234-ABCD", "../../sda1");
    root
}

fn identity(file: &impl Fn(&str, &str)) {
    file(
        "etc/os-release",
        "NAME=\"Debian GNU/Linux\"\nID=debian\nVERSION_ID=\"12\"\nVERSION=\"12 (bookworm)\"\nVERSION_CODENAME=bookworm\n",
    );
    file("etc/machine-id", "0123456789abcdef0123456789abcdef\n");
    file("proc/sys/kernel/hostname", "ada-laptop\n");
    file("proc/cpuinfo", "processor\t: 0\nmodel name\t: Z80\nphysical id\t: 0\ncore id\t: 0\n");
    file("proc/meminfo", "MemTotal: 2048 kB\n");
    file("sys/class/dmi/id/sys_vendor", "LENOVO\n");
    file("sys/class/dmi/id/product_name", "20XX\n");
    file("sys/class/dmi/id/product_version", "ThinkPad X1\n");
    file("sys/class/dmi/id/product_serial", "SN-1\n");
    file("proc/version", "Linux version 6.1.0-18-amd64 (a@b) #1\n");
    file("proc/cmdline", "BOOT_IMAGE=/vmlinuz root=/dev/dm-0 quiet\n");
    file("proc/uptime", "90061.5 1.0\n");
    file("proc/stat", "cpu 1\nbtime 1700000000\n");
}

fn packages(file: &impl Fn(&str, &str)) {
    let mut status = String::new();
    for (name, version) in
        [("bash", "5.2-1"), ("curl", "7.88-2"), ("nginx-light", "1.22-9"), ("zsh", "5.9-4")]
    {
        status += &format!("Package: {name}\nStatus: install ok installed\nVersion: {version}\n\n");
    }
    file("var/lib/dpkg/status", &status);
}

/// rpm's database with one package in it, whose header has a name, a version and a release.
fn rpm_packages(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let database = rusqlite::Connection::open(folder.join("rpmdb.sqlite")).unwrap();
    database
        .execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)", ())
        .unwrap();
    let texts: [(u32, &str); 3] = [(1000, "curl"), (1001, "8.1"), (1002, "2.fc40")];
    let (mut entries, mut data) = (vec![], vec![]);
    for (tag, text) in texts {
        for number in [tag, 6, u32::try_from(data.len()).unwrap(), 1] {
            entries.extend(number.to_be_bytes());
        }
        data.extend(text.bytes().chain([0]));
    }
    let lengths = [3, u32::try_from(data.len()).unwrap()].map(u32::to_be_bytes).concat();
    database.execute("INSERT INTO Packages (blob) VALUES (?1)", [[lengths, entries, data].concat()]).unwrap();
}

fn accounts(file: &impl Fn(&str, &str)) {
    file("etc/passwd", "root:x:0:0:root:/root:/bin/bash\nada:x:1000:1000:Ada:/home/ada:/bin/zsh\n");
    file("etc/group", "root:x:0:\nsudo:x:27:ada\nada:x:1000:\n");
    file("etc/shadow", "root:*:19000:0:99999:7:::\nada::19000:0:99999:7:::\n");
}

fn process(file: &impl Fn(&str, &str), link: &impl Fn(&str, &str), pid: &str, name: &str, uid: u32) {
    let folder = format!("proc/{pid}");
    let stat = format!("{pid} ({name}) S 1 {pid} 1 0 -1 0 0 0 0 0 100 50 0 0 20 0 2 0 500 0 0");
    file(&format!("{folder}/stat"), &stat);
    let status = format!(
        "Name:\t{name}\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\nGid:\t{uid}\t{uid}\t{uid}\t{uid}\nVmSize:\t 20 kB\nVmRSS:\t 10 kB\n"
    );
    file(&format!("{folder}/status"), &status);
    file(&format!("{folder}/cmdline"), &format!("/usr/sbin/{name}\0-g\0daemon off;\0"));
    file(&format!("{folder}/cgroup"), "0::/system.slice\n");
    link(&format!("{folder}/exe"), &format!("/usr/sbin/{name} (deleted)"));
    link(&format!("{folder}/ns/net"), "net:[4026531840]");
    link(&format!("{folder}/fd/0"), "/dev/null");
    let heading = "  sl  local_address rem_address   st\n";
    let socket =
        "   0: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000 33 0 4242 1 0\n";
    file(&format!("{folder}/net/tcp"), &format!("{heading}{socket}"));
    let socket = "0: 00000002 00000000 00010000 0001 01 4343 /run/nginx.sock\n";
    file(&format!("{folder}/net/unix"), &format!("{heading}{socket}"));
}

pub(crate) fn units() -> Result<Vec<UnitRow>, String> {
    Ok(vec![UnitRow {
        id: "nginx.service".to_owned(),
        active_state: "active".to_owned(),
        ..UnitRow::default()
    }])
}

/// Opens the tables of a folder.
pub(crate) fn tables(root: &Path) -> Tables {
    open(Root::at(root), units).unwrap()
}

/// Asks within generous limits.
pub(crate) fn ask(tables: &mut Tables, sql: &str) -> Result<Answer, QueryError> {
    query(tables, sql, &Limits::default())
}

/// The rows of an answer, each as one text of JSON.
pub(crate) fn lines(tables: &mut Tables, sql: &str) -> Vec<String> {
    let answer = ask(tables, sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    answer.rows.iter().map(|row| serde_json::to_string(row).unwrap()).collect()
}
