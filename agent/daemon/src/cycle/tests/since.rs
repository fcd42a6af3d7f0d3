//! Files that someone changes between the look and the write.

use super::super::outcomes::Outcomes;
use super::*;

#[tokio::test]
async fn what_someone_made_of_a_file_after_it_was_looked_at_comes_back_when_musters_is_taken_away() {
    for path in ["/etc/motd", "/etc/new"] {
        let folder = tempfile::tempdir().unwrap();
        let mut cycle = cycle(folder.path());
        let file = folder.path().join("root").join(&path[1..]);
        let document = format!(
            r#"{{"muster":1,"profile":"base","resources":[{{"file":{{"path":"{path}","content":"ours\n"}}}}]}}"#
        );
        accept(&mut cycle, "base", &document);
        let composition = cycle.accepted().unwrap().unwrap();
        let plan = make::look(&mut cycle.hands, &composition).await.unwrap();
        std::fs::write(&file, "newer\n").unwrap();
        let records = cycle.hands.ledger.records().unwrap();
        let mut outcomes = Outcomes::default();
        make::make(&mut cycle.hands, &composition, &plan.steps, &records, &mut outcomes, None).await.unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "newer\n");

        cycle.turn(None).await.unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "ours\n");
        let nothing = DesiredState {
            generation: Generation(2),
            revisions: vec![],
            ..state(device(), "base", &document)
        };
        assert!(cycle.offer(&serde_json::to_vec(&nothing).unwrap()).unwrap());
        cycle.turn(None).await.unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "newer\n", "{path}");
    }
}
