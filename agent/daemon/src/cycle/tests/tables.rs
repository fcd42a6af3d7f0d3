//! When the tables that are reported are read.

use super::*;

const ENTRY: &str =
    r#"{"muster":1,"profile":"db","resources":[{"hosts_entry":{"address":"10.0.0.5","names":["db"]}}]}"#;
const NOTHING: &str = r#"{"muster":1,"profile":"none","resources":[]}"#;

fn accept_as(cycle: &mut Cycle, generation: u64, profile: &str, document: &str) {
    let state = DesiredState { generation: Generation(generation), ..state(device(), profile, document) };
    assert!(cycle.offer(&serde_json::to_vec(&state).unwrap()).unwrap());
    cycle.keep(&[(Digest::of(document.as_bytes()), document.as_bytes().to_vec())]).unwrap();
}

/// Whether the next turn reads the tables, which were read `seconds` ago, and how long it waits then.
async fn turn_reads(cycle: &mut Cycle, seconds: i64) -> (bool, Duration) {
    let read = Some(cycle.now().plus_seconds(-seconds));
    (cycle.inspected, cycle.hands.tabulated) = (read, read);
    let next = cycle.turn(None).await.unwrap();
    (cycle.hands.tabulated != read, next.wait)
}

#[tokio::test]
async fn what_is_made_and_what_is_taken_back_shows_in_the_tables_at_once_and_no_file_has_them_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut cycle = cycle(folder.path());
    std::fs::write(folder.path().join("root/etc/hosts"), "127.0.0.1 localhost\n").unwrap();
    accept_as(&mut cycle, 1, "db", ENTRY);
    assert!(turn_reads(&mut cycle, 60).await.0);
    assert!(!turn_reads(&mut cycle, 60).await.0, "nothing was done");
    accept_as(&mut cycle, 2, "none", NOTHING);
    assert!(turn_reads(&mut cycle, 60).await.0, "it was taken back");
    accept_as(&mut cycle, 3, "motd", PROFILE);
    assert!(!turn_reads(&mut cycle, 60).await.0, "no table tells of a file");
}

#[tokio::test]
async fn a_file_of_the_accounts_shows_in_the_tables_at_once_also_after_a_look_at_its_place_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut cycle = cycle(folder.path());
    let document = r#"{"muster":1,"profile":"motd","resources":[{"file":{"path":"/etc/passwd","content":"root:x:0:0::/root:/bin/bash\n"}}]}"#;
    accept_as(&mut cycle, 1, "motd", document);
    assert!(turn_reads(&mut cycle, 60).await.0);
    assert!(!turn_reads(&mut cycle, 60).await.0);
    let eve = "root:x:0:0::/root:/bin/bash\neve:x:0:0::/root:/bin/bash\n";
    std::fs::write(folder.path().join("root/etc/passwd"), eve).unwrap();
    let read = cycle.hands.tabulated.replace(cycle.now().plus_seconds(-60));
    assert!(read.is_some());
    assert!(!look_at(&mut cycle, ["/etc/passwd"]).await, "a whole turn follows");
    cycle.turn(None).await.unwrap();
    assert!(cycle.hands.tabulated.is_some_and(|at| at >= cycle.now().plus_seconds(-10)), "it reads them");
}

#[tokio::test]
async fn a_lease_that_ends_while_paused_shows_in_the_tables_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut cycle = cycle(folder.path());
    std::fs::write(folder.path().join("root/etc/hosts"), "127.0.0.1 localhost\n").unwrap();
    let end = cycle.now().plus_seconds(3600);
    let entry = ENTRY.replace(r#"["db"]"#, &format!(r#"["db"],"not_after":"{end}""#));
    accept_as(&mut cycle, 1, "db", &entry);
    cycle.turn(None).await.unwrap();
    pause(&mut cycle, 7_200);
    assert!(!turn_reads(&mut cycle, 60).await.0);
    cycle.vouched(end.plus_seconds(60)).unwrap();
    assert!(turn_reads(&mut cycle, 60).await.0);
    let hosts = std::fs::read_to_string(folder.path().join("root/etc/hosts")).unwrap();
    assert_eq!(hosts, "127.0.0.1 localhost\n");
}

#[tokio::test]
async fn no_table_gets_older_than_a_device_waits_from_scan_to_scan() {
    let folder = tempfile::tempdir().unwrap();
    let mut cycle = cycle(folder.path());
    accept_as(&mut cycle, 1, "motd", PROFILE);
    cycle.turn(None).await.unwrap();
    let shortest = i64::try_from(schedule::SCAN.as_secs() * 9 / 10).unwrap();
    assert!(turn_reads(&mut cycle, shortest).await.0, "the next scan may be too late");
    for age in [60, 600, shortest - 10] {
        let (read, wait) = turn_reads(&mut cycle, age).await;
        assert!(!read, "{age}");
        assert!(wait <= schedule::SCAN.mul_f64(1.1) - Duration::from_secs(age.cast_unsigned()), "{wait:?}");
    }
    assert!(turn_reads(&mut cycle, -3600).await.0, "the clock was set back");
}
