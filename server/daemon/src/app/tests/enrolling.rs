//! Import, tokens, enrollment, approval, renewal, revocation, admins.

use muster_proto::rest::{Approve, DevicePatch, DeviceState, Login, Setup};
use muster_store::device::{Filter, Sort};

use super::*;
use crate::app::AppError;
use crate::app::admin::Refusals;
use crate::app::standing::Standing;

fn chain(enrolled: Enrolled) -> Vec<Vec<u8>> {
    match enrolled {
        Enrolled::Issued { chain, .. } => chain,
        Enrolled::Pending { code, .. } => panic!("waits with {code}"),
    }
}

#[tokio::test]
async fn an_import_with_one_wrong_row_changes_nothing() {
    let rig = rig();
    let import =
        rig.import("serial,name,owner,labels\nPF1,lap-ada,ada,laptop\n0000,lap-bob,bob,laptop").await;
    assert_eq!((import.new, import.errors.len(), import.errors[0].line), (0, 1, 3));
    let page = rig.app.list_devices(&viewer(), Filter::default(), Sort::Name, None, 10).await.unwrap();
    assert_eq!(page.total, 0);
    assert!(rig.app.list_people(&viewer()).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_import_names_wrong_fields_and_rows_that_contradict_each_other_together() {
    let rig = rig();
    let import = rig.import("serial,name\nPF1,lap-ada\nPF1,lap-bob\n0000,lap-cyd\nPF4,lap-dee,laptop").await;
    let lines: Vec<_> = import.errors.iter().map(|error| error.line).collect();
    assert_eq!((import.new, lines), (0, vec![3, 4, 5]), "{:?}", import.errors);
}

#[tokio::test]
async fn an_import_says_what_it_would_do_does_it_once_and_makes_owners() {
    let rig = rig();
    let csv = "serial,name,owner,labels\nPF1,lap-ada,ada,laptop;canary\nPF2,web-1,,server";
    let dry = rig.app.import_devices(&admin(), csv.into(), NewOwners::Add, Trial::Dry).await.unwrap();
    assert_eq!((dry.new, dry.new_people, dry.people.len()), (2, 1, 1));
    assert_eq!(rig.import(csv).await.new, 2);
    let again = rig.import(csv).await;
    assert_eq!((again.new, again.changed, again.unchanged), (0, 0, 2));
    let page = rig.app.list_devices(&viewer(), Filter::default(), Sort::Name, None, 1).await.unwrap();
    assert_eq!((page.total, page.items[0].name.as_str()), (2, "lap-ada"));
    let rest = rig.app.list_devices(&viewer(), Filter::default(), Sort::Name, page.next, 1).await.unwrap();
    assert_eq!((rest.items[0].name.as_str(), rest.next), ("web-1", None));
}

#[tokio::test]
async fn the_same_key_asking_again_gets_the_same_certificate_and_costs_no_use() {
    let rig = rig();
    rig.import("serial\nPF1").await;
    let token = rig.token(1, None, Unknown::Refuse).await;
    let first = rig.ask(&token, "key", "PF1").await.unwrap();
    let second = rig.ask(&token, "key", "PF1").await.unwrap();
    assert_eq!(first, second);
    let tokens = rig.app.list_tokens(&viewer()).await.unwrap();
    assert_eq!(tokens[0].uses_left, 0);
}

#[tokio::test]
async fn a_refusal_is_generic_to_the_caller_and_exact_in_the_audit() {
    let rig = rig();
    rig.import("serial\nPF1").await;
    let token = rig.token(1, None, Unknown::Refuse).await;
    rig.ask(&token, "key", "PF1").await.unwrap();
    for (token, key, serial, reason) in [
        (token.as_str(), "another key", "PF1", "the token is used up"),
        ("muster-wrong", "key", "PF1", "no such token"),
    ] {
        let refused = rig.ask(token, key, serial).await.unwrap_err();
        let EnrollError::Refused { reference } = refused else { panic!("{refused}") };
        let entry = &rig.audited().await[0];
        assert_eq!(
            (entry.target.as_str(), entry.detail["reason"].as_str()),
            (reference.as_str(), Some(reason))
        );
    }
    let unbound = rig.token(5, None, Unknown::Pending).await;
    let taken = rig.ask(&unbound, "thief", "PF1").await;
    assert!(matches!(taken, Err(EnrollError::Refused { .. })), "the serial is taken");
}

#[tokio::test]
async fn a_token_lets_in_as_many_as_it_may_however_many_ask_at_once() {
    let rig = rig();
    let rows: String = (0..40).map(|n| format!("SER{n:03}\n")).collect();
    rig.import(&format!("serial\n{rows}")).await;
    let token = rig.token(7, None, Unknown::Refuse).await;
    let asked = (0..40).map(|n| {
        let (token, rig) = (token.clone(), &rig);
        async move { rig.ask(&token, &format!("key {n}"), &format!("SER{n:03}")).await }
    });
    let answers = futures_util::future::join_all(asked).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 7);
    let filter = Filter { state: Some(DeviceState::Enrolled), ..Filter::default() };
    let page = rig.app.list_devices(&viewer(), filter, Sort::Name, None, 100).await.unwrap();
    assert_eq!(page.total, 7);
}

#[tokio::test]
async fn a_failure_to_sign_leaves_the_token_whole() {
    let rig = rig();
    rig.import("serial\nPF1").await;
    let token = rig.token(1, None, Unknown::Refuse).await;
    let request = Request {
        token: token.clone(),
        key: Digest::of(b"key"),
        claims: EnrollmentClaims { serial: "PF1".into(), ..EnrollmentClaims::default() },
        address: String::new(),
    };
    let failed = rig.app.enroll(request, |_| Err(std::io::Error::other("no authority"))).await;
    assert!(matches!(failed, Err(EnrollError::Issue(_))));
    assert!(rig.ask(&token, "key", "PF1").await.is_ok());
}

#[tokio::test]
async fn a_certificate_with_a_recorded_number_and_another_key_is_not_known() {
    let rig = rig();
    rig.import("serial\nPF1").await;
    let token = rig.token(1, None, Unknown::Refuse).await;
    let Enrolled::Issued { device, chain } = rig.ask(&token, "key", "PF1").await.unwrap() else { panic!() };
    let number = serial_number(&chain);
    let shown = async |key: &[u8]| rig.app.standing(device, number.clone(), Digest::of(key)).await.unwrap();
    assert_eq!(shown(b"key").await, Standing::Good);
    assert_eq!(shown(b"of whoever copied the issuing key").await, Standing::Unknown);
}

#[tokio::test]
async fn what_an_admin_approved_by_its_code_is_not_taken_by_another_key() {
    let rig = rig();
    let token = rig.token(5, None, Unknown::Pending).await;
    let Enrolled::Pending { code, .. } = rig.ask(&token, "honest", "NEW1").await.unwrap() else {
        panic!("let in")
    };
    let device = rig.app.show_device(&viewer(), "NEW1".into()).await.unwrap().device;
    let approve = Approve { code, name: None };
    rig.app.approve_device(&admin(), device.id.to_string(), approve).await.unwrap();
    let thief = rig.ask(&token, "thief", "NEW1").await.unwrap();
    assert!(matches!(thief, Enrolled::Pending { .. }), "{thief:?}");
    assert!(matches!(rig.ask(&token, "honest", "NEW1").await.unwrap(), Enrolled::Issued { .. }));
}

#[tokio::test]
async fn who_claims_a_registered_serial_does_not_make_it_unknown_to_the_true_machine() {
    let rig = rig();
    rig.import("serial,name,owner,labels\nPF1,lap-ada,ada,laptop").await;
    let shared = rig.token(5, None, Unknown::Pending).await;
    assert!(matches!(rig.ask(&shared, "thief", "PF1").await.unwrap(), Enrolled::Pending { .. }));
    let strict = rig.token(5, None, Unknown::Refuse).await;
    let waits = rig.ask(&strict, "honest", "PF1").await.unwrap();
    assert!(matches!(waits, Enrolled::Pending { .. }), "{waits:?}");
    let bound = rig.token(1, Some("PF1"), Unknown::Refuse).await;
    assert!(matches!(rig.ask(&bound, "honest", "PF1").await.unwrap(), Enrolled::Issued { .. }));
}

#[tokio::test]
async fn an_unknown_serial_waits_until_its_code_is_approved() {
    let rig = rig();
    let token = rig.token(1, None, Unknown::Pending).await;
    let Enrolled::Pending { code, .. } = rig.ask(&token, "key", "NEW1").await.unwrap() else {
        panic!("let in")
    };
    let again = rig.ask(&token, "key", "NEW1").await.unwrap();
    assert_eq!(again, Enrolled::Pending { code: code.clone(), retry_after: 10 });
    let waiting = rig.app.show_device(&viewer(), "NEW1".into()).await.unwrap();
    assert_eq!(waiting.device.state, DeviceState::Pending);
    let pending = waiting.pending.unwrap();
    assert_eq!((&pending.code, waiting.device.waiting_since), (&code, Some(pending.since)));
    let funnel = rig.app.overview(&viewer()).await.unwrap().funnel;
    let stage = funnel.into_iter().find(|stage| stage.stage == DeviceState::Pending).unwrap();
    assert_eq!(stage.since, Some(pending.since), "it waits since it asked, not since it was registered");
    let wrong = Approve { code: "AAA-AAA".into(), name: None };
    assert!(rig.app.approve_device(&admin(), "NEW1".into(), wrong).await.is_err());
    let right = Approve { code: code.to_lowercase().replace('-', ""), name: Some("lap-new".into()) };
    rig.app.approve_device(&admin(), "NEW1".into(), right).await.unwrap();
    chain(rig.ask(&token, "key", "NEW1").await.unwrap());
    let device = rig.app.show_device(&viewer(), "lap-new".into()).await.unwrap().device;
    assert_eq!((device.state, device.labels), (DeviceState::Enrolled, vec!["joined".to_owned()]));
}

#[tokio::test]
async fn a_token_that_is_revoked_while_a_machine_waits_is_refused_with_its_very_next_question() {
    let rig = rig();
    let token = rig.token(2, None, Unknown::Pending).await;
    let Enrolled::Pending { code, .. } = rig.ask(&token, "key", "NEW1").await.unwrap() else {
        panic!("let in")
    };
    let id = rig.app.list_tokens(&viewer()).await.unwrap().remove(0).id;
    rig.app.revoke_token(&admin(), id).await.unwrap();
    for (key, serial) in [("key", "NEW1"), ("another key", "NEW1"), ("another key", "NEW2")] {
        let refused = rig.ask(&token, key, serial).await;
        assert!(matches!(refused, Err(EnrollError::Refused { .. })), "{key} as {serial}: {refused:?}");
        assert_eq!(rig.audited().await[0].detail["reason"], "the token was revoked");
    }
    // Who lets this very machine in knows it by its code.
    rig.app.approve_device(&admin(), "NEW1".into(), Approve { code, name: None }).await.unwrap();
    chain(rig.ask(&token, "key", "NEW1").await.unwrap());
}

#[tokio::test]
async fn a_holder_of_a_shared_token_does_not_become_a_persons_device() {
    let rig = rig();
    rig.import("serial,name,owner\nPF1,lap-ada,ada").await;
    let shared = rig.token(10, None, Unknown::Pending).await;
    assert!(matches!(rig.ask(&shared, "thief", "PF1").await.unwrap(), Enrolled::Pending { .. }));
    let bound = rig.token(1, Some("PF1"), Unknown::Refuse).await;
    chain(rig.ask(&bound, "ada's key", "PF1").await.unwrap());
    assert!(matches!(rig.ask(&shared, "thief", "PF1").await, Err(EnrollError::Refused { .. })));
}

#[tokio::test]
async fn revoking_ends_every_certificate_of_a_device_and_its_way_back() {
    let rig = rig();
    rig.import("serial\nPF1").await;
    let token = rig.token(1, None, Unknown::Refuse).await;
    let Enrolled::Issued { device, chain } = rig.ask(&token, "key", "PF1").await.unwrap() else { panic!() };
    let shown = serial_number(&chain);
    let renewed = rig.app.renew(device, shown.clone(), Digest::of(b"new key"), issue).await.unwrap();
    let again = rig.app.renew(device, shown.clone(), Digest::of(b"new key"), issue).await.unwrap();
    assert_eq!(renewed, again, "an answer lost on the way costs no second certificate");
    let serials = [serial_number(&chain), serial_number(&renewed)];
    for serial in &serials {
        assert_eq!(rig.standing(device, serial.clone()).await, Standing::Good);
    }
    let other = DeviceId(uuid::Uuid::from_u128(7));
    assert_eq!(rig.standing(other, serials[0].clone()).await, Standing::Unknown);
    rig.app.revoke_device(&admin(), device.to_string()).await.unwrap();
    for serial in &serials {
        assert_eq!(rig.standing(device, serial.clone()).await, Standing::Revoked);
    }
    let late = rig.app.renew(device, shown, Digest::of(b"k"), issue).await;
    assert!(matches!(late, Err(EnrollError::Refused { .. })));
    assert!(matches!(rig.ask(&token, "key", "PF1").await, Err(EnrollError::Refused { .. })));
}

#[tokio::test]
async fn a_machine_that_is_refused_because_of_its_token_is_told_of_to_the_admin_and_nothing_to_itself() {
    let rig = rig();
    rig.import("serial,name\nPF1,lap-1\nPF2,lap-2").await;
    let needs = async || rig.app.overview(&viewer()).await.unwrap().needs_you;
    let used_up = rig.token(1, Some("PF2"), Unknown::Refuse).await;
    assert!(matches!(rig.ask(&used_up, "key", "PF2").await.unwrap(), Enrolled::Issued { .. }));
    for (token, reason) in [("muster-wrong", "no such token"), (used_up.as_str(), "the token is used up")] {
        pass(60);
        let refused = rig.ask(token, "another key", "PF1").await.unwrap_err().to_string();
        assert!(refused.starts_with("refused;") && !refused.contains(reason), "{refused}");
        let causes = rig.app.show_device(&viewer(), "lap-1".into()).await.unwrap().causes;
        assert_eq!((causes.len(), causes[0].kind.as_str()), (1, "refused"));
        assert!(causes[0].problem.contains(reason), "{causes:?}");
        assert!(causes[0].remedy.as_ref().unwrap().contains("muster token create --serial PF1"));
        let needs = needs().await;
        let need = needs.iter().find(|need| need.device.as_deref() == Some("lap-1")).unwrap();
        assert_eq!(need.kind, "refused");
        assert!(need.text.contains(reason) && need.text.contains("muster token create"), "{}", need.text);
    }
    pass(8 * 86_400);
    assert!(needs().await.iter().all(|need| need.kind != "refused"), "a week is enough to be told of");
    let token = rig.token(1, Some("PF1"), Unknown::Refuse).await;
    assert!(rig.ask("muster-wrong", "key", "PF1").await.is_err());
    rig.ask(&token, "key", "PF1").await.unwrap();
    assert!(needs().await.iter().all(|need| need.device.as_deref() != Some("lap-1")), "it is in");
}

#[tokio::test]
async fn a_setup_link_makes_one_admin_once() {
    let rig = rig();
    let link = rig.app.create_setup_link(&admin()).await.unwrap();
    let setup = |link: &str| Setup {
        link: link.into(),
        name: "kim".into(),
        password: "a long enough password".into(),
    };
    assert!(matches!(rig.app.set_up(setup("guess")).await, Err(AppError::Unauthenticated)));
    let session = rig.app.set_up(setup(&link)).await.unwrap();
    assert_eq!(rig.app.session(&session.secret).await.unwrap().name, "kim");
    assert!(matches!(rig.app.set_up(setup(&link)).await, Err(AppError::Unauthenticated)));
    assert!(rig.app.create_setup_link(&admin()).await.is_err());
    let login = |password: &str| Login { name: "kim".into(), password: password.into(), code: None };
    assert!(
        rig.app.log_in(login("a long enough passwors"), "192.0.2.7".into(), Refusals::Few).await.is_err()
    );
    let session =
        rig.app.log_in(login("a long enough password"), "192.0.2.7".into(), Refusals::Few).await.unwrap();
    rig.app.log_out(&session.secret).await.unwrap();
    assert!(matches!(rig.app.session(&session.secret).await, Err(AppError::Unauthenticated)));
}

#[tokio::test]
async fn no_secret_stands_in_the_audit_and_its_chain_holds() {
    let rig = rig();
    let token = rig.token(1, None, Unknown::Pending).await;
    let link = rig.app.create_setup_link(&admin()).await.unwrap();
    drop(rig.ask(&token, "key", "NEW1").await.unwrap());
    let audit = serde_json::to_string(&rig.audited().await).unwrap();
    assert!(!audit.contains(&token) && !audit.contains(&link));
    let chain = rig.app.store().read(muster_store::audit::verify).await.unwrap();
    assert_eq!(chain, Ok(rig.audited().await.len() as u64));
}

#[tokio::test]
async fn a_device_is_found_by_part_of_its_name_and_by_what_like_does_not_mean() {
    let rig = rig();
    rig.import(
        "serial,name,owner,labels\nPF_1,lap-ada,ada,laptop\nPFX1,lap-bob,bob,laptop\nPF2,web-1,,server",
    )
    .await;
    let found = async |filter: Filter| {
        let page = rig.app.list_devices(&viewer(), filter, Sort::Name, None, 10).await.unwrap();
        page.items.into_iter().map(|device| device.name).collect::<Vec<_>>()
    };
    let text = |text: &str| Filter { text: Some(text.into()), ..Filter::default() };
    assert_eq!(found(text("LAP-A")).await, ["lap-ada"]);
    assert_eq!(found(text("f_1")).await, ["lap-ada"]);
    assert_eq!(found(text("%")).await, [""; 0]);
    assert_eq!(
        found(Filter { label: Some("laptop".into()), ..Filter::default() }).await,
        ["lap-ada", "lap-bob"]
    );
}

#[tokio::test]
async fn a_device_takes_a_new_owner_only_when_there_is_such_a_person() {
    let rig = rig();
    rig.import("serial,name\nPF1,lap-1").await;
    let patch = DevicePatch { name: None, owner: Some("nobody-yet".into()), labels: None };
    let refused = rig.app.change_device(&admin(), "lap-1".into(), patch).await;
    assert!(matches!(refused, Err(AppError::NotFound { kind: "person", .. })));
}
