//! Two claims that are one place by a link of root's, which the device alone knows.

use super::*;

fn both(real: &str, alias: &str) -> String {
    format!(
        r#"{{"muster":1,"profile":"motd","resources":[{{"file":{{"path":"/etc/real/x","content":"{real}"}}}},
        {{"file":{{"path":"/etc/alias/x","content":"{alias}"}}}}]}}"#
    )
}

fn linked(folder: &Path) -> Cycle {
    let cycle = cycle(folder);
    std::fs::create_dir(folder.join("root/etc/real")).unwrap();
    std::os::unix::fs::symlink("real", folder.join("root/etc/alias")).unwrap();
    cycle
}

#[tokio::test]
async fn two_files_that_a_link_makes_one_are_told_and_neither_is_written_over_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let mut cycle = linked(folder.path());
    accept(&mut cycle, "motd", &both("one", "two"));
    for _ in 0..3 {
        cycle.turn(None).await.unwrap();
        let told: Vec<_> = cycle.outcomes.iter().map(|told| (told.outcome, told.reason.as_deref())).collect();
        assert_eq!(
            told.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(),
            [OutcomeKind::Blocked; 2],
            "{told:?}"
        );
        assert!(told[0].1.is_some_and(|reason| reason.contains("file:/etc/real/x of motd")), "{told:?}");
        assert!(!folder.path().join("root/etc/real/x").exists());
    }
}

#[tokio::test]
async fn of_two_files_that_a_link_makes_one_that_of_higher_precedence_has_the_place() {
    let folder = tempfile::tempdir().unwrap();
    let mut cycle = linked(folder.path());
    let document = |profile: &str, path: &str| {
        format!(
            r#"{{"muster":1,"profile":"{profile}","resources":[{{"file":{{"path":"{path}","content":"{profile}"}}}}]}}"#
        )
    };
    let documents = [document("low", "/etc/real/x"), document("high", "/etc/alias/x")];
    let mut of_both = state(device(), "low", &documents[0]);
    of_both.revisions.extend(state(device(), "high", &documents[1]).revisions);
    of_both.revisions[1].precedence = 1;
    cycle.offer(&serde_json::to_vec(&of_both).unwrap()).unwrap();
    let documents: Vec<_> =
        documents.iter().map(|text| (Digest::of(text.as_bytes()), text.clone().into_bytes())).collect();
    cycle.keep(&documents).unwrap();
    for _ in 0..3 {
        cycle.turn(None).await.unwrap();
        assert_eq!(std::fs::read_to_string(folder.path().join("root/etc/real/x")).unwrap(), "high");
        let low = cycle.outcomes.iter().find(|told| told.profile == "low").unwrap();
        assert_eq!(low.outcome, OutcomeKind::Blocked, "{low:?}");
    }
}

#[tokio::test]
async fn two_names_of_one_file_that_agree_are_no_conflict() {
    let folder = tempfile::tempdir().unwrap();
    let mut cycle = linked(folder.path());
    accept(&mut cycle, "motd", &both("one", "one"));
    for _ in 0..2 {
        cycle.turn(None).await.unwrap();
    }
    let kinds: Vec<_> = cycle.outcomes.iter().map(|told| told.outcome).collect();
    assert_eq!(kinds, [OutcomeKind::Kept; 2], "{:?}", cycle.outcomes);
}
