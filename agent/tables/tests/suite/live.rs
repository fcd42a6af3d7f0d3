//! The tables asked about the machine that runs the tests.

use crate::fixture::units;
use muster_tables::{Limits, QueryError, Root, open, query};

fn rows(sql: &str) -> Vec<Vec<serde_json::Value>> {
    let mut tables = open(Root::system(), units).unwrap();
    query(&mut tables, sql, &Limits::default()).unwrap_or_else(|error| panic!("{sql}: {error}")).rows
}

#[test]
fn every_table_answers_or_says_why_not() {
    for table in muster_tables::describe() {
        let mut tables = open(Root::system(), units).unwrap();
        let condition = if table.name == "file" { " WHERE directory = '/etc'" } else { "" };
        let sql = format!("SELECT * FROM {}{condition}", table.name);
        match query(&mut tables, &sql, &Limits::default()) {
            Ok(answer) => {
                let may_be_empty = ["disk_encryption", "listening_ports"].contains(&table.name);
                assert!(may_be_empty || !answer.rows.is_empty(), "{sql} is empty");
            }
            Err(QueryError::Unreadable { table: named, .. }) => assert_eq!(named, table.name),
            Err(other) => panic!("{sql}: {other}"),
        }
    }
}

#[test]
fn this_process_is_found_with_its_own_name_and_parent() {
    let pid = std::process::id();
    let found = rows(&format!("SELECT parent, on_disk, path FROM processes WHERE pid = {pid}"));
    assert_eq!(found[0][0].as_i64(), Some(std::os::unix::process::parent_id().into()));
    assert_eq!(found[0][1].as_i64(), Some(1));
    assert_eq!(found[0][2].as_str().unwrap(), std::env::current_exe().unwrap().to_str().unwrap());
}

#[test]
fn a_port_that_this_process_opens_is_listed() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let found =
        rows(&format!("SELECT pid, address FROM listening_ports WHERE port = {port} AND protocol = 6"));
    assert!(found.iter().any(|row| row[0] == std::process::id() && row[1] == "127.0.0.1"), "{found:?}");
}

#[test]
fn the_loopback_address_has_its_mask() {
    let found = rows("SELECT interface, mask FROM interface_addresses WHERE address = '127.0.0.1'");
    assert_eq!(serde_json::to_string(&found).unwrap(), r#"[["lo","255.0.0.0"]]"#);
}

#[test]
fn the_root_mount_has_a_size() {
    let found = rows("SELECT blocks > 0 FROM mounts WHERE path = '/' AND type != 'rootfs'");
    assert_eq!(found[0][0], 1);
}
