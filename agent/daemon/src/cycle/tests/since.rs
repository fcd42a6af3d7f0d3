//! Files that someone changes between the look and the write.

use super::super::outcomes::Outcomes;
use super::*;

#[tokio::test]
async fn what_someone_made_of_a_file_after_it_was_looked_at_comes_back_when_musters_is_taken_away() {
    let file = |path: &str| format!(r#"{{"file":{{"path":"{path}","content":"ours\n"}}}}"#);
    let policy =
        r#"{"browser_policy":{"browser":"chromium","policies":{"HomepageLocation":"https://a.example"}}}"#;
    let sysctl = r#"{"sysctl":{"name":"net.ipv4.ip_forward","value":1}}"#;
    let locale = r#"{"locale":{"lang":"C.UTF-8"}}"#;
    for (path, resource) in [
        ("etc/motd", file("/etc/motd")),
        ("etc/new", file("/etc/new")),
        ("etc/chromium/policies/managed/muster.json", policy.to_owned()),
        ("etc/sysctl.d/90-muster-net.ipv4.ip_forward.conf", sysctl.to_owned()),
        ("etc/default/locale", locale.to_owned()),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut cycle = cycle(folder.path());
        let file = folder.path().join("root").join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        let key = folder.path().join("root/proc/sys/net/ipv4/ip_forward");
        std::fs::create_dir_all(key.parent().unwrap()).unwrap();
        std::fs::write(&key, "0\n").unwrap();
        let content = || std::fs::read_to_string(&file).unwrap();
        let document = format!(r#"{{"muster":1,"profile":"base","resources":[{resource}]}}"#);
        accept(&mut cycle, "base", &document);
        let composition = cycle.accepted().unwrap().unwrap();
        let plan = make::look(&mut cycle.hands, &composition).await.unwrap();
        std::fs::write(&file, "newer\n").unwrap();
        let records = cycle.hands.ledger.records().unwrap();
        let mut outcomes = Outcomes::default();
        make::make(&mut cycle.hands, &composition, &plan.steps, &records, &mut outcomes, None).await.unwrap();
        assert_eq!(content(), "newer\n");

        cycle.turn(None).await.unwrap();
        assert_ne!(content(), "newer\n", "{:?}", cycle.outcomes);
        let nothing = DesiredState {
            generation: Generation(2),
            revisions: vec![],
            ..state(device(), "base", &document)
        };
        assert!(cycle.offer(&serde_json::to_vec(&nothing).unwrap()).unwrap());
        cycle.turn(None).await.unwrap();
        assert_eq!(content(), "newer\n", "{path}");
        assert_eq!(std::fs::read_to_string(&key).unwrap(), "0\n");
    }
}

#[tokio::test]
async fn a_repair_that_somebody_was_quicker_than_is_made_by_the_next_turn_and_is_known_for_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut cycle = cycle(folder.path());
    let file = folder.path().join("root/etc/motd");
    let document =
        r#"{"muster":1,"profile":"base","resources":[{"file":{"path":"/etc/motd","content":"ours\n"}}]}"#;
    accept(&mut cycle, "base", document);
    cycle.turn(None).await.unwrap();
    let before = cycle.hands.ledger.records().unwrap();
    std::fs::write(&file, "drifted\n").unwrap();
    let composition = cycle.accepted().unwrap().unwrap();
    let plan = make::look(&mut cycle.hands, &composition).await.unwrap();
    std::fs::write(&file, "again\n").unwrap();
    let mut outcomes = Outcomes::default();
    make::make(&mut cycle.hands, &composition, &plan.steps, &before, &mut outcomes, None).await.unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "again\n");
    assert_eq!(cycle.hands.ledger.records().unwrap(), before);
    cycle.turn(None).await.unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "ours\n");
}

#[tokio::test]
async fn a_plan_of_a_new_state_has_what_others_kept_changing_put_right_again_as_it_would_be() {
    let folder = tempfile::tempdir().unwrap();
    let mut cycle = cycle(folder.path());
    let document =
        r#"{"muster":1,"profile":"base","resources":[{"file":{"path":"/etc/motd","content":"ours\n"}}]}"#;
    accept(&mut cycle, "base", document);
    cycle.turn(None).await.unwrap();
    std::fs::write(folder.path().join("root/etc/motd"), "theirs\n").unwrap();
    let now = cycle.hands.clock.now();
    for _ in 0..3 {
        cycle.hands.fights.repaired(&ResourceId::new("file", "/etc/motd"), now, vec![]);
    }
    let composition = cycle.accepted().unwrap().unwrap();
    let plan = make::look(&mut cycle.hands, &composition).await.unwrap();
    assert_eq!(plan.steps.len(), 1, "{:?}", plan.settled);
}

/// Makes what a profile asks for, while someone else does something after that was planned.
async fn made_while(cycle: &mut Cycle, document: &str, meanwhile: impl FnOnce()) {
    accept(cycle, "base", document);
    let composition = cycle.accepted().unwrap().unwrap();
    let plan = make::look(&mut cycle.hands, &composition).await.unwrap();
    meanwhile();
    let records = cycle.hands.ledger.records().unwrap();
    let mut outcomes = Outcomes::default();
    make::make(&mut cycle.hands, &composition, &plan.steps, &records, &mut outcomes, None).await.unwrap();
}

#[tokio::test]
async fn what_could_not_be_made_is_not_on_trial_after_a_restart_either() {
    let folder = tempfile::tempdir().unwrap();
    let document = r#"{"muster":1,"profile":"base","resources":[{"certificate":{"name":"corp",
        "pem":"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"}}]}"#;
    let anchors = folder.path().join("root/usr/local/share/ca-certificates");
    let mut first = cycle(folder.path());
    std::fs::create_dir_all(&anchors).unwrap();
    accept(&mut first, "base", document);
    first.turn(None).await.unwrap();
    let reason = first.outcomes[0].reason.clone().unwrap();
    assert!(reason.contains("can't be read as a certificate"), "{reason}");
    assert_eq!(first.on_trial(), None);
    drop(first);

    let mut second = cycle(folder.path());
    assert_eq!(second.on_trial(), None);
    second.give_up_trials().unwrap();
    second.turn(None).await.unwrap();
    assert_eq!(second.outcomes[0].reason.as_ref(), Some(&reason));
}

#[tokio::test]
async fn what_came_to_a_file_of_a_repository_that_goes_is_kept_for_the_way_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut cycle = cycle(folder.path());
    let at = |path: &str| folder.path().join("root").join(path);
    let (key, sources) =
        (at("etc/apt/keyrings/muster-corp.asc"), at("etc/apt/sources.list.d/muster-corp.sources"));
    for file in [&key, &sources] {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, "theirs\n").unwrap();
    }
    let document = r#"{"muster":1,"profile":"base","resources":[{"repository":{"name":"corp","state":"absent",
        "url":"https://apt.corp.example/debian","suite":"bookworm","components":["main"],
        "key":"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDMEXample\n-----END PGP PUBLIC KEY BLOCK-----\n"}}]}"#;
    made_while(&mut cycle, document, || std::fs::write(&sources, "newer\n").unwrap()).await;
    assert!(!key.exists());
    assert_eq!(std::fs::read_to_string(&sources).unwrap(), "newer\n");
    // What is kept of others goes with the record of any resource.
    let forgotten = vec![ResourceId::new("file", "/etc/motd")];
    cycle.hands.settle(Settlement { forgotten, ..Settlement::default() }).unwrap();
    cycle.turn(None).await.unwrap();
    assert!(!sources.exists(), "{:?}", cycle.outcomes);
    // To put it back takes a package manager.
    assert_eq!(cycle.hands.ledger.blob(&Digest::of(b"newer\n")), Some(b"newer\n".to_vec()));
}

/// Has a turn made for a device without profiles.
async fn taken_back(cycle: &mut Cycle, document: &str) {
    let nothing =
        DesiredState { generation: Generation(2), revisions: vec![], ..state(device(), "base", document) };
    assert!(cycle.offer(&serde_json::to_vec(&nothing).unwrap()).unwrap());
    cycle.turn(None).await.unwrap();
}

#[tokio::test]
async fn a_zone_that_someone_chose_after_it_was_looked_at_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut cycle = cycle(folder.path());
    let link = folder.path().join("root/etc/localtime");
    let zones = folder.path().join("root/usr/share/zoneinfo/Europe");
    std::fs::create_dir_all(&zones).unwrap();
    std::fs::write(zones.join("Berlin"), "").unwrap();
    let choose = |zone: &str| {
        std::fs::remove_file(&link).ok();
        std::os::unix::fs::symlink(format!("../usr/share/zoneinfo/{zone}"), &link).unwrap();
    };
    let chosen = || std::fs::read_link(&link).unwrap().display().to_string();
    choose("UTC");
    let document = r#"{"muster":1,"profile":"base","resources":[{"time":{"zone":"Europe/Berlin"}}]}"#;
    made_while(&mut cycle, document, || choose("Asia/Tokyo")).await;
    assert_eq!(chosen(), "../usr/share/zoneinfo/Asia/Tokyo");
    cycle.turn(None).await.unwrap();
    assert_eq!(chosen(), "/usr/share/zoneinfo/Europe/Berlin", "{:?}", cycle.outcomes);
    taken_back(&mut cycle, document).await;
    assert_eq!(chosen(), "../usr/share/zoneinfo/Asia/Tokyo", "{:?}", cycle.outcomes);
}

#[tokio::test]
async fn of_what_follows_a_file_that_was_left_nothing_counts_for_musters_doing() {
    let folder = tempfile::tempdir().unwrap();
    let mut cycle = cycle(folder.path());
    let at = |path: &str| folder.path().join("root").join(path);
    let (anchors, store) = (at("usr/local/share/ca-certificates"), at("etc/ssl/certs"));
    for directory in [&anchors, &store] {
        std::fs::create_dir_all(directory).unwrap();
    }
    let pem = |name: &str| {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        let encoded = data_encoding::BASE64.encode(params.self_signed(&key).unwrap().der());
        format!("-----BEGIN CERTIFICATE-----\n{encoded}\n-----END CERTIFICATE-----\n")
    };
    let certificate = serde_json::json!({"name": "corp", "pem": pem("ours.example")});
    let document = serde_json::json!({
        "muster": 1, "profile": "base", "resources": [{"certificate": certificate}],
    });
    // As who puts a certificate there and has the store made anew.
    let theirs = pem("theirs.example");
    made_while(&mut cycle, &document.to_string(), || {
        std::fs::write(anchors.join("muster-corp.crt"), &theirs).unwrap();
        std::fs::write(store.join("ca-certificates.crt"), &theirs).unwrap();
    })
    .await;
    assert_eq!(*cycle.hands.ledger.records().unwrap(), Default::default());
    assert_eq!(cycle.on_trial(), None);
}

#[test]
fn a_mount_that_someone_else_made_after_it_was_looked_at_is_not_musters() {
    let condition = |mounted: bool, unit: &str| {
        Condition::present([("enabled", mounted.into()), ("mounted", mounted.into()), ("unit", unit.into())])
    };
    let digest = |text: &str| Digest::of(text.as_bytes()).to_string();
    let step = muster_converge::plan::Step {
        id: ResourceId::new("mount", "/srv/data"),
        action: muster_proto::condition::Action::Change,
        from: condition(false, "none"),
        to: condition(true, &digest("ours")),
        differences: vec![],
        claim: None,
        restart: false,
        ending: false,
        follows: false,
        undoes: false,
    };
    let intent = muster_converge::plan::record_of(&step, None, serde_json::Value::Null);
    let found = Ok(condition(true, &digest("theirs")));
    assert_eq!(settling::partly(&step, Some(&intent), None, Some(&found), true), None);
}

#[tokio::test]
async fn what_someone_made_of_a_file_that_could_not_be_written_yet_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut cycle = cycle(folder.path());
    let root = folder.path().join("root");
    let file = root.join("etc/default/locale");
    for directory in ["etc/default", "usr/sbin", "usr/share/i18n", "usr/lib/locale"] {
        std::fs::create_dir_all(root.join(directory)).unwrap();
    }
    std::fs::write(&file, "theirs\n").unwrap();
    std::fs::write(root.join("usr/sbin/locale-gen"), "").unwrap();
    std::fs::write(root.join("usr/share/i18n/SUPPORTED"), "xx_YY.UTF-8 UTF-8\n").unwrap();
    let document = r#"{"muster":1,"profile":"base","resources":[{"locale":{"lang":"xx_YY.UTF-8"}}]}"#;
    accept(&mut cycle, "base", document);
    cycle.turn(None).await.unwrap();
    assert_eq!(cycle.outcomes[0].outcome, OutcomeKind::Failed, "nothing makes it here");
    std::fs::write(&file, "newer\n").unwrap();
    std::fs::create_dir_all(root.join("usr/lib/locale/xx_YY.utf8")).unwrap();
    cycle.turn(None).await.unwrap();
    assert_ne!(std::fs::read_to_string(&file).unwrap(), "newer\n", "{:?}", cycle.outcomes);
    taken_back(&mut cycle, document).await;
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "newer\n", "{:?}", cycle.outcomes);
}
