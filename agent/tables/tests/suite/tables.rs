//! Each table, asked about a machine whose facts are known.

use std::os::unix::fs::PermissionsExt;

use crate::fixture::{ask, lines, machine, tables};
use muster_tables::QueryError;

/// Asks about a fresh machine and compares the rows, written as JSON.
fn assert_rows(sql: &str, expected: &[&str]) {
    let root = machine();
    assert_eq!(lines(&mut tables(root.path()), sql), expected, "{sql}");
}

#[test]
fn os_version_names_the_distribution() {
    assert_rows(
        "SELECT name, version, major, platform, codename, pid_with_namespace FROM os_version",
        &[r#"["Debian GNU/Linux","12 (bookworm)",12,"debian","bookworm",0]"#],
    );
}

#[test]
fn system_info_identifies_the_hardware() {
    assert_rows(
        "SELECT hostname, uuid, cpu_brand, cpu_logical_cores, physical_memory, hardware_model, hardware_serial
         FROM system_info",
        &[r#"["ada-laptop","01234567-89ab-cdef-0123-456789abcdef","Z80",1,2097152,"ThinkPad X1","SN-1"]"#],
    );
}

#[test]
fn kernel_info_and_uptime_are_read() {
    assert_rows("SELECT * FROM kernel_info", &[r#"["6.1.0-18-amd64","quiet","/vmlinuz","/dev/dm-0"]"#]);
    assert_rows("SELECT * FROM uptime", &["[1,1,1,1,90061]"]);
}

#[test]
fn users_and_their_groups_join() {
    assert_rows(
        "SELECT username, groupname FROM users JOIN user_groups USING (uid) JOIN groups ON groups.gid = user_groups.gid
         WHERE username = 'ada' ORDER BY 2",
        &[r#"["ada","ada"]"#, r#"["ada","sudo"]"#],
    );
    assert_rows("SELECT uid FROM users WHERE username IN ('ada', 'root', 'eve')", &["[0]", "[1000]"]);
    assert_rows("SELECT username FROM users WHERE username = 'ADA' COLLATE NOCASE", &[r#"["ada"]"#]);
    assert_rows("SELECT username FROM users WHERE uid = '1000'", &[r#"["ada"]"#]);
    assert_rows("SELECT username FROM users WHERE uid > 5", &[r#"["ada"]"#]);
    assert_rows("SELECT username FROM users WHERE uid = NULL", &[]);
}

#[test]
fn an_empty_password_is_found() {
    assert_rows("SELECT username FROM shadow WHERE password_status = 'empty'", &[r#"["ada"]"#]);
}

#[test]
fn packages_are_found_by_name_and_by_list() {
    assert_rows("SELECT version, revision FROM deb_packages WHERE name = 'curl'", &[r#"["7.88-2","2"]"#]);
    assert_rows(
        "SELECT name FROM deb_packages WHERE name IN ('zsh', 'bash', 'none')",
        &[r#"["bash"]"#, r#"["zsh"]"#],
    );
    assert_rows("SELECT count(*) FROM deb_packages", &["[4]"]);
    assert_rows("SELECT count(*) FROM deb_packages WHERE admindir = '/var/lib/dpkg'", &["[4]"]);
}

#[test]
fn packages_of_rpm_are_read_without_rpm() {
    let sql = "SELECT name, version, release, epoch, arch FROM rpm_packages WHERE name";
    assert_rows(&format!("{sql} = 'curl'"), &[r#"["curl","8.1","2.fc40",null,"noarch"]"#]);
    assert_rows(&format!("{sql} = 'wget'"), &[]);
}

#[test]
fn processes_are_read_one_or_all() {
    assert_rows(
        "SELECT name, path, on_disk, cmdline, uid, total_size, start_time, phys_footprint FROM processes WHERE pid = 42",
        &[r#"["nginx","/usr/sbin/nginx",0,"/usr/sbin/nginx -g daemon off;",33,20480,1700000005,20480]"#],
    );
    assert_rows("SELECT pid FROM processes ORDER BY pid", &["[1]", "[42]"]);
    assert_rows("SELECT pid FROM processes WHERE pid = 77", &[]);
}

#[test]
fn listening_ports_name_the_process() {
    assert_rows(
        "SELECT p.name, l.port, l.protocol, l.family, l.address, l.fd, l.path FROM listening_ports l
         JOIN processes p USING (pid) ORDER BY l.family",
        &[r#"["nginx",0,0,1,"",7,"/run/nginx.sock"]"#, r#"["nginx",80,6,2,"0.0.0.0",6,""]"#],
    );
}

#[test]
fn a_remote_mount_has_no_sizes_and_a_local_one_has() {
    assert_rows(
        "SELECT path, device_alias, type, blocks > 0 FROM mounts",
        &[r#"["/","/dev/dm-0","ext4",1]"#, r#"["/home/ada/far","ada@host:/","fuse.sshfs",null]"#],
    );
}

#[test]
fn encryption_is_inherited_from_what_a_disk_lies_on() {
    assert_rows(
        "SELECT name, uuid, encrypted, type, encryption_status FROM disk_encryption",
        &[
            r#"["/dev/dm-0","",1,"LUKS2","encrypted"]"#,
            r#"["/dev/dm-1","",1,"LUKS2","encrypted"]"#,
            r#"["/dev/sda","",0,"","not encrypted"]"#,
            r#"["/dev/sda1","1234-ABCD",0,"","not encrypted"]"#,
        ],
    );
    assert_rows(
        "SELECT d.encrypted FROM mounts m JOIN disk_encryption d ON m.device_alias = d.name WHERE m.path = '/'",
        &["[1]"],
    );
}

#[test]
fn units_come_from_whoever_can_ask_systemd() {
    assert_rows("SELECT id FROM systemd_units WHERE active_state = 'active'", &[r#"["nginx.service"]"#]);
}

#[test]
fn files_are_found_by_path_directory_list_and_pattern() {
    let root = machine();
    std::fs::set_permissions(root.path().join("etc/shadow"), std::fs::Permissions::from_mode(0o4640))
        .unwrap();
    std::os::unix::fs::symlink("passwd", root.path().join("etc/link")).unwrap();
    std::os::unix::fs::symlink("nowhere", root.path().join("etc/dangling")).unwrap();
    let mut tables = tables(root.path());
    let mut rows = |sql: &str| lines(&mut tables, sql);
    assert_eq!(
        rows("SELECT mode, type, filename, directory, size FROM file WHERE path = '/etc/shadow'"),
        [r#"["4640","regular","shadow","/etc",50]"#],
    );
    assert_eq!(
        rows("SELECT filename FROM file WHERE directory = '/etc' AND filename LIKE 'pass%'"),
        [r#"["passwd"]"#]
    );
    assert_eq!(
        rows("SELECT path FROM file WHERE directory = '/etc/' AND filename = 'group'"),
        [r#"["/etc/group"]"#]
    );
    assert_eq!(
        rows("SELECT count(*) FROM file WHERE path IN ('/etc/passwd', '/etc/group', '/none')"),
        ["[2]"]
    );
    assert_eq!(rows("SELECT path FROM file WHERE path LIKE '/etc/%wd'"), [r#"["/etc/passwd"]"#]);
    assert_eq!(
        rows("SELECT path FROM file WHERE path LIKE '/var/%%' AND type = 'regular'"),
        [r#"["/var/lib/dpkg/status"]"#],
    );
    assert_eq!(
        rows("SELECT symlink, type, symlink_target_path FROM file WHERE path = '/etc/link'"),
        [r#"[1,"regular","/etc/passwd"]"#],
    );
    assert_eq!(rows("SELECT type FROM file WHERE path = '/etc/dangling'"), [r#"["symlink"]"#]);
    assert_eq!(rows("SELECT path FROM file WHERE path = '/etc/passwd' OR path = '/etc/group'").len(), 2);
    assert_eq!(
        rows("SELECT u.username FROM users u JOIN file f ON f.path = u.directory || '/none'"),
        Vec::<String>::new(),
    );
    assert_eq!(
        rows("SELECT f.path FROM file f JOIN users u ON f.path = '/etc/' || u.username || 'x'"),
        Vec::<String>::new(),
    );
}

fn unreadable(sql: &str) -> (String, String) {
    let root = machine();
    match ask(&mut tables(root.path()), sql) {
        Err(QueryError::Unreadable { table, why }) => (table, why),
        other => panic!("{sql}: {other:?}"),
    }
}

#[test]
fn files_without_a_path_are_an_error_and_not_all_files() {
    let (table, why) = unreadable("SELECT * FROM file");
    assert_eq!(
        (table.as_str(), why.as_str()),
        ("file", "it needs path or directory in WHERE, with =, IN or LIKE")
    );
    assert_eq!(unreadable("SELECT * FROM file WHERE path = 'etc/passwd'").0, "file");
}

#[test]
fn a_namespace_that_is_not_read_is_an_error_and_not_empty() {
    assert_eq!(unreadable("SELECT * FROM os_version WHERE pid_with_namespace = 7").0, "os_version");
    assert_eq!(unreadable("SELECT * FROM users WHERE include_remote = 1").0, "users");
    assert_rows("SELECT uid FROM users WHERE include_remote = 0 AND uid = 0", &["[0]"]);
}

#[test]
fn what_can_not_be_read_names_its_table_and_is_never_empty() {
    for (missing, sql) in [
        ("etc/shadow", "SELECT * FROM shadow"),
        ("etc/passwd", "SELECT * FROM users"),
        ("etc/group", "SELECT * FROM groups"),
        ("etc/group", "SELECT * FROM user_groups"),
        ("etc/os-release", "SELECT * FROM os_version"),
        ("var/lib/dpkg/status", "SELECT * FROM deb_packages WHERE name = 'telnet'"),
        ("usr/lib/sysimage/rpm/rpmdb.sqlite", "SELECT * FROM rpm_packages"),
        ("proc/self/mounts", "SELECT * FROM mounts"),
        ("proc/stat", "SELECT * FROM processes"),
        ("proc/uptime", "SELECT * FROM uptime"),
        ("proc/version", "SELECT * FROM kernel_info"),
        ("proc/meminfo", "SELECT * FROM system_info"),
    ] {
        let root = machine();
        std::fs::remove_file(root.path().join(missing)).unwrap();
        let table = sql.split(' ').nth(3).unwrap();
        match ask(&mut tables(root.path()), sql) {
            Err(QueryError::Unreadable { table: named, why }) => {
                assert_eq!(named, table);
                assert!(!why.is_empty());
            }
            other => panic!("{sql} without {missing}: {other:?}"),
        }
    }
    assert_eq!(unreadable("SELECT * FROM interface_addresses").0, "interface_addresses");
}

#[test]
fn a_fifo_in_place_of_a_file_does_not_hold_the_query() {
    let root = machine();
    let passwd = root.path().join("etc/passwd");
    std::fs::remove_file(&passwd).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, &passwd, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let error = ask(&mut tables(root.path()), "SELECT * FROM users").unwrap_err();
    assert!(matches!(error, QueryError::Unreadable { table, .. } if table == "users"));
}

#[test]
fn every_table_describes_columns_that_can_be_selected() {
    let root = machine();
    let mut tables = tables(root.path());
    let described = muster_tables::describe();
    assert_eq!(described.len(), 17);
    for table in described {
        let names: Vec<String> = table.columns.iter().map(|column| format!("\"{}\"", column.name)).collect();
        let sql = format!("SELECT {} FROM {} WHERE 0", names.join(", "), table.name);
        let answer = ask(&mut tables, &sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert_eq!(answer.columns.len(), table.columns.len());
    }
}
