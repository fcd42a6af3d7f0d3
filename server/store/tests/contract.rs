//! What every driver of the store has to do, on a real database in a temporary folder.

#![expect(clippy::unwrap_used, reason = "tests, and what they share")]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use muster_proto::{Digest, RevisionNumber, Timestamp};
use muster_store::artifact::{self, ArtifactRow};
use muster_store::profile::{self, RevisionRow};
use muster_store::{Change, OpenError, Store, StoreError, Tx, audit, meta};

fn open() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("muster.db")).unwrap();
    (folder, store)
}

async fn read(store: &Store, name: &'static str) -> Option<String> {
    store.read(move |tx| meta::get(tx, name)).await.unwrap()
}

#[tokio::test]
async fn a_change_that_fails_takes_back_its_own_writes_and_nobody_elses() {
    let (_folder, store) = open();
    let good = store.write(|tx| meta::put(tx, "good", "1"));
    let bad = store.write(|tx| {
        meta::put(tx, "bad", "1")?;
        Err::<(), _>(StoreError::Closed)
    });
    let (good, bad) = tokio::join!(good, bad);
    assert!(good.is_ok() && bad.is_err());
    assert_eq!(read(&store, "good").await.as_deref(), Some("1"));
    assert_eq!(read(&store, "bad").await, None);
}

#[tokio::test]
async fn changes_from_many_callers_are_each_applied_once() {
    let (_folder, store) = open();
    let bump = |tx: &mut Tx<'_>| {
        let now: u64 = meta::get(tx, "n")?.map_or(0, |n| n.parse().unwrap());
        meta::put(tx, "n", &(now + 1).to_string())
    };
    let tasks: Vec<_> = (0..500)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.write(bump).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(read(&store, "n").await.as_deref(), Some("500"));
}

#[tokio::test]
async fn a_change_is_told_once_it_is_durable_and_not_when_it_failed() {
    let (_folder, store) = open();
    let mut changes = store.changes();
    let failed: Result<(), StoreError> = store
        .write(|tx| {
            tx.tell(Change::Audit);
            Err(StoreError::Closed)
        })
        .await;
    assert!(failed.is_err());
    store
        .write(|tx| {
            tx.tell(Change::Token("tok-1".into()));
            Ok::<_, StoreError>(())
        })
        .await
        .unwrap();
    assert_eq!(changes.recv().await.unwrap(), Change::Token("tok-1".into()));
    assert!(changes.try_recv().is_err());
}

#[tokio::test]
async fn what_is_to_follow_a_transaction_follows_only_one_that_is_durable() {
    let (_folder, store) = open();
    let (said, heard) = std::sync::mpsc::channel();
    for keep in [false, true] {
        let said = said.clone();
        let written: Result<(), StoreError> = store
            .write(move |tx| {
                tx.afterwards(move || said.send(keep).unwrap());
                if keep { Ok(()) } else { Err(StoreError::Closed) }
            })
            .await;
        assert_eq!(written.is_ok(), keep);
    }
    assert_eq!(heard.try_iter().collect::<Vec<_>>(), [true]);
}

#[tokio::test]
async fn a_reader_can_not_write() {
    let (_folder, store) = open();
    let written: Result<(), StoreError> = store.read(|tx| meta::put(tx, "x", "1")).await;
    assert!(matches!(written, Err(StoreError::Sql(_))));
}

#[tokio::test]
async fn parameters_out_of_order_are_refused_rather_than_bound_wrongly() {
    let (_folder, store) = open();
    let result: Result<u64, StoreError> = store
        .write(|tx| tx.execute("UPDATE meta SET value = $2 WHERE name = $1", &["a".into(), "b".into()]))
        .await;
    assert!(matches!(result, Err(StoreError::ParameterOrder(_))));
}

#[tokio::test]
async fn a_database_of_a_newer_server_is_refused_and_one_of_ours_is_opened_again() {
    let (folder, store) = open();
    let path = folder.path().join("muster.db");
    store.write(|tx| meta::put(tx, "kept", "1")).await.unwrap();
    drop(store);
    let again = Store::open(&path).unwrap();
    assert_eq!(read(&again, "kept").await.as_deref(), Some("1"));
    let newer: Result<u64, StoreError> =
        again.write(|tx| tx.execute("INSERT INTO migration (number) VALUES (9999)", &[])).await;
    newer.unwrap();
    assert!(matches!(Store::open(&path), Err(OpenError::Newer { found: 9999, floor: 9999, .. })));
    let known = muster_store::newest_schema();
    again.write(move |tx| meta::put(tx, "schema_floor", &format!("9999 {known}"))).await.unwrap();
    let works = Store::open(&path).unwrap();
    assert_eq!(read(&works, "kept").await.as_deref(), Some("1"), "a newer one that says so is worked with");
}

#[tokio::test]
async fn an_edited_audit_row_breaks_the_chain_where_it_stands() {
    let (_folder, store) = open();
    for number in 0..5 {
        let add = move |tx: &mut Tx<'_>| {
            let at = Timestamp::default().plus_seconds(number);
            let detail = serde_json::Map::from_iter([("n".to_owned(), number.into())]);
            audit::append(tx, &audit::Entry { at, actor: "admin:kim", action: "test", target: "x", detail })
        };
        store.write(add).await.unwrap();
    }
    assert_eq!(store.read(audit::verify).await.unwrap(), Ok(5));
    let edit = |tx: &mut Tx<'_>| tx.execute("UPDATE audit SET actor = 'admin:eve' WHERE id = 3", &[]);
    store.write(edit).await.unwrap();
    assert_eq!(store.read(audit::verify).await.unwrap(), Err(audit::Broken { id: 3 }));
}

/// Ran as the child of the next test: writes numbers and says each once it is acknowledged.
#[tokio::test]
#[ignore = "ends only when it is killed; the crash test starts it"]
async fn writes_until_it_is_killed() {
    let Some(path) = std::env::var_os("MUSTER_TEST_DATABASE") else { return };
    let store = Store::open(Path::new(&path)).unwrap();
    for number in 0_u64.. {
        let put = move |tx: &mut Tx<'_>| meta::put(tx, &format!("n{number}"), "1");
        store.write(put).await.unwrap();
        let mut out = std::io::stdout().lock();
        writeln!(out, "acknowledged {number}").unwrap();
        out.flush().unwrap();
    }
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_when_the_server_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("muster.db");
    for round in 1..=3_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "writes_until_it_is_killed", "--ignored", "--nocapture"])
            .env("MUSTER_TEST_DATABASE", &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let acknowledged =
            lines.filter_map(|line| Some(line.split_once("acknowledged ")?.1.parse::<u64>().unwrap()));
        let last = acknowledged.take(40 * round as usize).last().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        let store = Store::open(&path).unwrap();
        for number in 0..=last {
            let name = format!("n{number}");
            let found = store.read(move |tx| meta::get(tx, &name)).await.unwrap();
            assert_eq!(found.as_deref(), Some("1"), "{number} was acknowledged in round {round}");
        }
    }
}

#[tokio::test]
async fn a_copy_made_while_it_is_written_to_is_whole_and_holds_what_was_acknowledged_before() {
    let (folder, store) = open();
    store.write(|tx| meta::put(tx, "before", "1")).await.unwrap();
    let writing = {
        let store = store.clone();
        tokio::spawn(async move {
            for n in 0..300 {
                store.write(move |tx| meta::put(tx, "n", &"x".repeat(n * 10))).await.unwrap();
            }
        })
    };
    let (from, to) = (folder.path().join("muster.db"), folder.path().join("copy.db"));
    let copied = {
        let to = to.clone();
        tokio::task::spawn_blocking(move || muster_store::copy(&from, &to)).await.unwrap()
    };
    assert_eq!(copied.unwrap(), muster_store::newest_schema());
    writing.await.unwrap();
    assert!(!folder.path().join("copy.db-wal").exists(), "it is one file");
    let examined = muster_store::examine(&to).unwrap();
    assert_eq!((examined.schema, examined.faults), (muster_store::newest_schema(), vec![]));
    let copy = Store::open(&to).unwrap();
    assert_eq!(read(&copy, "before").await.as_deref(), Some("1"));
}

#[test]
fn what_is_no_database_or_is_not_there_is_not_copied_and_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let (none, text) = (folder.path().join("none.db"), folder.path().join("text.db"));
    std::fs::write(&text, "this is a text and no database at all").unwrap();
    for from in [&none, &text] {
        assert!(muster_store::copy(from, &folder.path().join("copy.db")).is_err());
        assert!(muster_store::examine(from).is_err());
    }
    assert!(!none.exists());
}

fn artifact_of(bytes: &[u8], name: &str) -> ArtifactRow {
    ArtifactRow {
        digest: Digest::of(bytes),
        name: name.to_owned(),
        size: bytes.len() as u64,
        put_by: "admin:kim".to_owned(),
        begun: Timestamp::default(),
        stored: None,
    }
}

/// Saves a revision whose document names these artifacts.
fn save(tx: &mut Tx<'_>, number: u32, artifacts: &[Digest]) -> Result<Digest, StoreError> {
    let document = format!("{{\"revision\": {number}}}");
    let digest = Digest::of(document.as_bytes());
    let revision = RevisionRow {
        profile: "tool".to_owned(),
        number: RevisionNumber(number),
        digest,
        source: String::new(),
        saved_by: "admin:kim".to_owned(),
        saved: Timestamp::default(),
    };
    profile::insert_revision(tx, &revision, "", document.as_bytes())?;
    artifact::put_uses(tx, digest, &artifacts.iter().copied().collect())?;
    Ok(digest)
}

#[tokio::test]
async fn artifacts_are_found_by_name_and_digest_and_the_newest_revision_needs_them() {
    let (_folder, store) = open();
    let (one, two) = (artifact_of(b"one", "tool.tar"), artifact_of(b"two", "tool.tar"));
    let rows = [one.clone(), two.clone()];
    let looked: Result<(), StoreError> = store
        .write(move |tx| {
            rows.iter().try_for_each(|row| artifact::insert(tx, row))?;
            assert_eq!(artifact::get(tx, one.digest)?, Some(one.clone()));
            assert_eq!(artifact::of_name(tx, "tool.tar")?.len(), 2);
            let begins = one.digest.to_string()[..20].to_owned();
            assert_eq!(artifact::between(tx, &begins, &format!("{begins}g"))?, std::slice::from_ref(&one));

            let first = save(tx, 1, &[one.digest])?;
            assert_eq!(artifact::lacking(tx, first)?, [one.digest], "it is on its way");
            assert!(artifact::set_stored(tx, one.digest, Timestamp::default())?);
            assert_eq!(artifact::lacking(tx, first)?, []);
            assert_eq!(artifact::named_by(tx, one.digest)?, ["tool@1"]);
            save(tx, 2, &[two.digest])?;
            assert!(artifact::named_by(tx, one.digest)?.is_empty());
            assert_eq!(artifact::named_by(tx, two.digest)?, ["tool@2"]);
            artifact::remove(tx, one.digest)?;
            assert_eq!(artifact::list(tx)?, std::slice::from_ref(&two));
            assert_eq!(artifact::lacking(tx, first)?, [one.digest]);
            assert!(!artifact::set_stored(tx, one.digest, Timestamp::default())?);
            Ok(())
        })
        .await;
    looked.unwrap();
}
