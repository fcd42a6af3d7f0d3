use muster_proto::DeviceId;
use muster_proto::report::Secret;

use muster_proto::wire;

use super::*;

fn ledger() -> (tempfile::TempDir, Ledger) {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&dir.path().join("ledger.db")).unwrap();
    (dir, ledger)
}

#[test]
fn an_event_is_sent_until_it_is_acknowledged_and_never_after() {
    let (_dir, mut ledger) = ledger();
    let event = Event::Refused { generation: Generation(1), reason: "old".into() };
    ledger.event(Timestamp::default(), &event).unwrap();
    ledger.event(Timestamp::default(), &event).unwrap();
    let report = ledger.report(Generation(0)).unwrap().unwrap();
    assert_eq!(report.events.iter().map(|e| e.sequence).collect::<Vec<_>>(), [1, 2]);
    ledger.acknowledge(&report, 1).unwrap();
    assert_eq!(ledger.report(Generation(0)).unwrap().unwrap().events[0].sequence, 2);
    ledger.acknowledge(&report, 2).unwrap();
    assert_eq!(ledger.report(Generation(0)).unwrap(), None);
}

#[test]
fn a_ledger_of_an_older_agent_is_read_and_written_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.db");
    let older = Connection::open(&path).unwrap();
    let record = |profile: &str| Record {
        before: Condition::Absent,
        wrote: Condition::present([("content", "x".into())]),
        intended: None,
        profile: profile.to_owned(),
        on_removal: Default::default(),
        not_after: None,
        notify: vec![],
        extra: serde_json::Value::Null,
    };
    older.execute_batch("CREATE TABLE record (resource TEXT PRIMARY KEY, body TEXT NOT NULL)").unwrap();
    for name in ["file:/a", "file:/b", "file:/c"] {
        let body = serde_json::to_string(&record("older")).unwrap();
        older.execute("INSERT INTO record (resource, body) VALUES (?1, ?2)", params![name, body]).unwrap();
    }
    drop(older);
    let mut ledger = Ledger::open(&path).unwrap();
    let id = |key: &str| ResourceId::new("file", key);
    for profile in ["newer", "newest"] {
        let settlement = Settlement {
            written: vec![(id("/b"), record(profile)), (id("/d"), record(profile))],
            forgotten: vec![id("/c")],
            ..Settlement::default()
        };
        ledger.settle(&settlement, Timestamp::default()).unwrap();
    }
    drop(ledger);
    let records = Ledger::open(&path).unwrap().records().unwrap();
    let profiles: Vec<_> = records.iter().map(|(id, record)| (id.key(), record.profile.as_str())).collect();
    assert_eq!(profiles, [("/a", "older"), ("/b", "newest"), ("/d", "newest")]);
}

#[test]
fn what_was_counted_and_what_comes_then_are_numbered_without_a_gap_also_after_a_write_that_failed() {
    let (_dir, mut ledger) = ledger();
    let failed = |path: &str| {
        let (resource, reason) = (ResourceId::new("file", path), "full".to_owned());
        Event::Failed { resource, reason, times: 1 }
    };
    let start = Timestamp::default();
    let both = || Settlement { events: vec![failed("/a"), failed("/b"), failed("/a")], ..Default::default() };
    for _ in 0..9 {
        ledger.settle(&both(), start).unwrap();
    }
    ledger.db.execute_batch("CREATE TRIGGER no BEFORE INSERT ON event WHEN new.sequence > 12 BEGIN SELECT RAISE(ABORT, 'full'); END").unwrap();
    ledger.settle(&both(), start.plus_seconds(700)).unwrap_err();
    assert_eq!(ledger.report(Generation(0)).unwrap().unwrap().events.len(), 10);
    ledger.db.execute_batch("DROP TRIGGER no").unwrap();
    ledger.settle(&both(), start.plus_seconds(700)).unwrap();
    let events = ledger.report(Generation(0)).unwrap().unwrap().events;
    assert_eq!(events.iter().map(|event| event.sequence).collect::<Vec<_>>(), (1..=15).collect::<Vec<_>>());
    let times = |event: &wire::Event| {
        let document: serde_json::Value = serde_json::from_slice(&event.document).unwrap();
        document["times"].as_u64().unwrap_or(1)
    };
    assert_eq!(events.iter().map(times).sum::<u64>(), 30);
}

#[test]
fn what_is_too_large_for_a_report_is_cut_or_waits_for_the_next_and_holds_nothing_up() {
    let (_dir, mut ledger) = ledger();
    let resource = ResourceId::new("script", "setup");
    let large =
        Event::Failed { resource: resource.clone(), reason: "x".repeat(2 * wire::MAX_REPORT), times: 1 };
    for event in [&large, &Event::Ended { resource }] {
        ledger.event(Timestamp::default(), event).unwrap();
    }
    let names = ["table:a", "table:b", "table:c"];
    for name in names {
        ledger.section(name, &vec![b'1'; wire::MAX_SECTION * 2 / 3]).unwrap();
    }
    let mut came = vec![];
    while let Some(report) = ledger.report(Generation(0)).unwrap() {
        let events = report.events.iter().map(|event| event.document.len());
        let sections = report.sections.iter().map(|section| section.document.len());
        assert!(events.clone().chain(sections).sum::<usize>() < wire::MAX_REPORT);
        assert!(events.max().is_none_or(|most| most <= wire::MAX_EVENT));
        came.extend(report.sections.iter().map(|section| section.name.clone()));
        let last = report.events.last().map_or(0, |event| event.sequence);
        ledger.acknowledge(&report, last).unwrap();
    }
    came.sort();
    assert_eq!(came, names);
    let told = |event: &Past| event.document["reason"].as_str().map(str::len);
    let kept: Vec<_> = ledger.history().unwrap().iter().filter_map(told).collect();
    assert_eq!(kept, [2 * wire::MAX_REPORT], "the device's own record has all of it");
}

#[test]
fn a_password_that_the_server_has_is_nowhere_on_disk_any_more() {
    let (dir, mut ledger) = ledger();
    let secret = "k7mq-w3zn-tb5c-x9fd";
    let event = Event::FirstLoginPassword { account: "ada".into(), password: Secret(secret.to_owned()) };
    let other = Event::Refused { generation: Generation(1), reason: "x".repeat(9_000) };
    let on_disk = || {
        let files = std::fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().path());
        let holds = |bytes: Vec<u8>| bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
        files.filter(|file| holds(std::fs::read(file).unwrap())).count()
    };
    for event in [&other, &event, &other] {
        ledger.event(Timestamp::default(), event).unwrap();
    }
    assert_ne!(on_disk(), 0);
    let report = ledger.report(Generation(0)).unwrap().unwrap();
    ledger.acknowledge(&report, 3).unwrap();
    assert_eq!(on_disk(), 0);
}

#[test]
fn sections_are_sent_again_once_to_a_server_whose_record_was_put_back() {
    let (_dir, mut ledger) = ledger();
    ledger.section("facts", b"1").unwrap();
    let report = ledger.report(Generation(0)).unwrap().unwrap();
    ledger.acknowledge(&report, 0).unwrap();
    ledger.server_was_restored(0).unwrap();
    assert_eq!(ledger.report(Generation(0)).unwrap(), None);
    ledger.server_was_restored(7).unwrap();
    let again = ledger.report(Generation(0)).unwrap().unwrap();
    assert_eq!(again.sections, report.sections);
    ledger.acknowledge(&again, 0).unwrap();
    ledger.server_was_restored(7).unwrap();
    assert_eq!(ledger.report(Generation(0)).unwrap(), None);
}

#[test]
fn who_enrolls_anew_says_all_of_it_again() {
    let (_dir, mut ledger) = ledger();
    let (device, first, second) = (DeviceId(Uuid::new_v4()), Digest::of(b"1"), Digest::of(b"2"));
    ledger.enrolled_as(device, first).unwrap();
    ledger.section("facts", b"1").unwrap();
    ledger.set_applied(Generation(3)).unwrap();
    let report = ledger.report(Generation(3)).unwrap().unwrap();
    ledger.acknowledge(&report, 0).unwrap();
    ledger.enrolled_as(device, first).unwrap();
    assert_eq!(ledger.report(Generation(3)).unwrap(), None);
    ledger.enrolled_as(device, second).unwrap();
    assert_eq!(ledger.report(Generation(3)).unwrap().unwrap().sections, report.sections);
    assert_eq!(ledger.applied().unwrap(), Generation(3));
}

#[test]
fn who_comes_back_as_another_device_takes_its_first_state_and_still_knows_what_it_made() {
    let (_dir, mut ledger) = ledger();
    let (old, new) = (DeviceId(Uuid::new_v4()), DeviceId(Uuid::new_v4()));
    let bytes = |device: DeviceId, generation: u64| {
        let state = serde_json::json!({"muster": 1, "composition": 1, "device": device, "generation": generation,
            "issued": "2026-01-01T00:00:00Z", "revisions": [], "bindings": {"name": "d", "serial": "s"}});
        serde_json::to_vec(&state).unwrap()
    };
    let accept = |ledger: &mut Ledger, bytes: &[u8]| {
        ledger.accept(&serde_json::from_slice(bytes).unwrap(), bytes, Timestamp::default()).unwrap();
    };
    ledger.enrolled_as(old, Digest::of(b"1")).unwrap();
    accept(&mut ledger, &bytes(old, 7));
    let report = ledger.report(Generation(7)).unwrap().unwrap();
    let id = ResourceId::new("file", "/etc/motd");
    let record = serde_json::json!({"before": "absent", "wrote": "absent", "intended": null, "profile": "base",
        "on_removal": "restore", "not_after": null, "extra": null});
    let record: Record = serde_json::from_value(record).unwrap();
    ledger.intend(&[(id.clone(), record)], &[], &BTreeSet::new(), &[]).unwrap();

    ledger.enrolled_as(new, Digest::of(b"2")).unwrap();
    assert_eq!(ledger.current().unwrap(), Current { generation: Generation(0), digest: None });
    assert_eq!(ledger.applied().unwrap(), Generation(0));
    assert!(ledger.records().unwrap().contains_key(&id), "what it made is still to be taken back");
    accept(&mut ledger, &bytes(new, 1));
    let again = ledger.report(Generation(1)).unwrap().unwrap();
    assert_ne!(again.epoch, report.epoch);
    assert_eq!(again.events.iter().map(|event| event.sequence).collect::<Vec<_>>(), [1]);
    ledger.acknowledge(&again, 1).unwrap();
    assert_eq!(ledger.history().unwrap().len(), 2, "what was before is still told");
}

#[test]
fn an_older_copy_of_a_ledger_learns_so_from_the_server_and_tells_all_again_under_numbers_of_its_own() {
    let (dir, mut ledger) = ledger();
    let event = |path: &str| {
        let (resource, reason) = (ResourceId::new("file", path), "full".to_owned());
        Event::Failed { resource, reason, times: 1 }
    };
    ledger.section("facts", b"1").unwrap();
    ledger.event(Timestamp::default(), &event("/told")).unwrap();
    let report = ledger.report(Generation(0)).unwrap().unwrap();
    ledger.acknowledge(&report, 1).unwrap();
    let copy = dir.path().join("copy.db");
    ledger.db.execute("VACUUM INTO ?1", [copy.to_str()]).unwrap();
    drop(ledger);

    // The server was told four events and other facts since.
    let mut copy = Ledger::open(&copy).unwrap();
    let nothing = copy.report(Generation(0)).unwrap().expect("it asks although there is nothing to tell");
    assert!(nothing.events.is_empty() && nothing.sections.is_empty());
    for path in ["/a", "/b"] {
        copy.event(Timestamp::default(), &event(path)).unwrap();
    }
    let taken_for_others = copy.report(Generation(0)).unwrap().unwrap();
    copy.acknowledge(&taken_for_others, 4).unwrap();
    let again = copy.report(Generation(0)).unwrap().unwrap();
    assert_ne!(again.epoch, nothing.epoch);
    let told = |report: &wire::ReportRequest| {
        report.events.iter().map(|event| (event.sequence, event.document.clone())).collect::<Vec<_>>()
    };
    let documents: Vec<_> = taken_for_others.events.iter().map(|event| event.document.clone()).collect();
    assert_eq!(told(&again), [(1, documents[0].clone()), (2, documents[1].clone())]);
    assert_eq!(again.sections[0].document.as_ref(), b"1");

    copy.acknowledge(&taken_for_others, 4).unwrap();
    copy.event(Timestamp::default(), &event("/c")).unwrap();
    copy.acknowledge(&again, 2).unwrap();
    assert_eq!(told(&copy.report(Generation(0)).unwrap().unwrap())[0].0, 3);
    let history: Vec<_> =
        copy.history().unwrap().iter().map(|past| past.document["resource"].clone()).collect();
    assert_eq!(history, ["file:/c", "file:/b", "file:/a", "file:/told"]);

    // A server that goes on to say so is not believed for ever.
    let mut epochs = BTreeSet::new();
    for number in 0..20 {
        copy.event(Timestamp::default(), &event(&format!("/{number}"))).unwrap();
        let report = copy.report(Generation(0)).unwrap().unwrap();
        copy.acknowledge(&report, u64::MAX >> 1).unwrap();
        epochs.insert(report.epoch);
    }
    assert_eq!(epochs.len(), 4);
    assert_eq!(copy.report(Generation(0)).unwrap(), None);
    copy.event(Timestamp::default(), &event("/later")).unwrap();
    let later = copy.report(Generation(0)).unwrap().unwrap();
    assert_eq!(told(&later).len(), 1, "no server has what was not there yet");
}

#[test]
fn a_section_that_changes_while_it_is_on_its_way_is_sent_again() {
    let (_dir, mut ledger) = ledger();
    assert!(ledger.section("facts", b"1").unwrap());
    let report = ledger.report(Generation(0)).unwrap().unwrap();
    assert!(ledger.section("facts", b"2").unwrap());
    ledger.acknowledge(&report, 0).unwrap();
    let again = ledger.report(Generation(0)).unwrap().unwrap();
    assert_eq!(again.sections[0].document.as_ref(), b"2");
    ledger.acknowledge(&again, 0).unwrap();
    assert!(!ledger.section("facts", b"2").unwrap());
    assert_eq!(ledger.report(Generation(0)).unwrap(), None);
}

#[test]
fn the_time_mark_never_goes_back() {
    let (_dir, mut ledger) = ledger();
    let mark = |micros| mark(micros, None);
    ledger.raise_mark(mark(100)).unwrap();
    ledger.raise_mark(mark(50)).unwrap();
    assert_eq!(ledger.mark().unwrap(), Some(mark(100)));
}

fn mark(micros: i64, ended: Option<i64>) -> Mark {
    let at = |micros| Timestamp::from_micros(micros).unwrap();
    Mark { time: at(micros), boottime: 5, boot_id: Uuid::nil(), ended: ended.map(at) }
}

#[test]
fn what_has_ended_is_kept_until_the_server_is_heard_of() {
    let (_dir, mut ledger) = ledger();
    let at = |micros| Timestamp::from_micros(micros).unwrap();
    ledger.keep_end(at(150)).unwrap();
    assert_eq!(ledger.mark().unwrap(), None, "no server ever told of a lease");
    ledger.raise_mark(mark(100, None)).unwrap();
    for (end, kept) in [(90, None), (150, Some(150)), (120, Some(150)), (200, Some(200))] {
        ledger.keep_end(at(end)).unwrap();
        assert_eq!(ledger.mark().unwrap(), Some(mark(100, kept)));
    }
    ledger.raise_mark(mark(99, None)).unwrap();
    assert_eq!(ledger.mark().unwrap(), Some(mark(100, None)), "not raised, and heard of all the same");
}

#[test]
fn the_record_of_what_was_accepted_outlives_a_leap_of_the_generations() {
    let (_dir, mut ledger) = ledger();
    for generation in [1, 2, 1_795_647_410] {
        let document = serde_json::json!({
            "muster": 1, "composition": 1, "device": Uuid::nil(), "generation": generation,
            "issued": "2026-01-01T00:00:00Z", "revisions": [], "bindings": {"name": "d", "serial": "s"},
        });
        let state = serde_json::from_value(document.clone()).unwrap();
        ledger.accept(&state, document.to_string().as_bytes(), Timestamp::default()).unwrap();
    }
    let history = ledger.history().unwrap();
    let numbers: Vec<_> = history.iter().map(|past| past.document["generation"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [1_795_647_410, 2, 1]);
}
