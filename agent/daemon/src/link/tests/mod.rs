mod artifacts;
mod bad_days;
mod server;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use muster_proto::enrollment::EnrollmentClaims;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tonic::Status;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::*;
use crate::identity::tests::{DEVICE, MONTH, Organization, PublicKey, public};
use crate::identity::{Identity, Patience, Request, Trust};
use server::{Script, Server, Shown, quiet, server_time, state, until};

const SOON: Duration = Duration::from_secs(10);

/// An enrolled device that was never at a server.
fn enrolled(organization: &Organization, server: &Server, valid: (i64, i64)) -> (TempDir, Enrolled) {
    let temp = tempfile::tempdir().unwrap();
    let folder = Folder::open(temp.path()).unwrap();
    let key = folder.key().unwrap();
    let chain = organization.device_chain(&public(&key), valid);
    let trust = Trust::of(&organization.join_file(&address(server), "secret"));
    let enrolled = folder.keep(key, chain, trust).unwrap();
    (temp, enrolled)
}

fn address(server: &Server) -> String {
    format!("localhost:{}", server.address.port())
}

struct Running {
    orders: mpsc::Sender<ToServer>,
    news: mpsc::Receiver<FromServer>,
    last_orders: mpsc::Receiver<Vec<u8>>,
    task: JoinHandle<Result<()>>,
}

impl Running {
    fn start(enrolled: Enrolled, folder: &Path) -> Self {
        let (orders, from_owner) = mpsc::channel(16);
        let (to_owner, news) = mpsc::channel(16);
        let (last_orders, from_admin) = mpsc::channel(1);
        let channels = Channels { orders: from_owner, news: to_owner, last_orders, heard: Arc::default() };
        let folder = folder.to_owned();
        let task = tokio::spawn(async move {
            let artifacts = Artifacts::beside_ledger(&folder);
            run(enrolled, folder.clone(), Timestamp::default(), channels, &folder, artifacts).await
        });
        Self { orders, news, last_orders: from_admin, task }
    }

    async fn next(&mut self) -> FromServer {
        timeout(SOON, self.news.recv()).await.expect("something comes").expect("the link runs")
    }

    async fn up(&mut self) {
        while !matches!(self.next().await, FromServer::Up) {}
    }
}

/// The public key that a request carries.
fn key_of(csr: &[u8]) -> PublicKey {
    let (_, csr) = x509_parser::certification_request::X509CertificationRequest::from_der(csr).unwrap();
    csr.verify_signature().unwrap();
    PublicKey(csr.certification_request_info.subject_pki.subject_public_key.data.to_vec())
}

fn enrolled_as(chain: Vec<Vec<u8>>) -> wire::EnrollResponse {
    let chain = chain.into_iter().map(Into::into).collect();
    let enrolled = wire::Enrolled { device_id: DEVICE.to_owned(), chain };
    wire::EnrollResponse { result: Some(wire::enroll_response::Result::Enrolled(enrolled)) }
}

fn pending(code: &str) -> wire::EnrollResponse {
    let pending = wire::Pending { code: code.to_owned(), retry_after: 1 };
    wire::EnrollResponse { result: Some(wire::enroll_response::Result::Pending(pending)) }
}

/// A machine with a join file.
struct Fresh {
    temp: TempDir,
    serial: &'static str,
}

impl Fresh {
    fn new(organization: &Organization, server: &str) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let join = toml::to_string(&organization.join_file(server, "secret")).unwrap();
        std::fs::write(temp.path().join("join.toml"), join).unwrap();
        Self { temp, serial: "S-1" }
    }

    async fn enroll(&self, patience: Patience) -> Result<(Enrolled, Vec<String>), String> {
        let (folder, join_file) = (self.temp.path().join("identity"), self.temp.path().join("join.toml"));
        let request = Request {
            folder: &folder,
            join_file: &join_file,
            claims: EnrollmentClaims { serial: self.serial.to_owned(), ..Default::default() },
            now: Timestamp::default(),
            patience,
        };
        let mut codes = Vec::new();
        let mut waiting = |code: &str| codes.push(code.to_owned());
        let enrolled = crate::identity::enroll(request, &mut waiting).await;
        enrolled
            .map(|enrolled| (enrolled, codes))
            .map_err(|error| format!("{:#}", anyhow::Error::from(error)))
    }

    fn has_join_file(&self) -> bool {
        self.temp.path().join("join.toml").exists()
    }
}

#[tokio::test]
async fn a_device_waits_for_approval_and_then_is_enrolled_with_the_token_gone() {
    let organization = Arc::new(Organization::new());
    let asked = Arc::new(AtomicUsize::new(0));
    let (ca, times) = (Arc::clone(&organization), Arc::clone(&asked));
    let enroll = move |request: wire::EnrollRequest| {
        assert_eq!(request.token, "secret");
        match times.fetch_add(1, Ordering::Relaxed) {
            0 | 1 => Ok(pending("7KQ-M2D\x1b[31m")),
            _ => Ok(enrolled_as(ca.device_chain(&key_of(&request.csr), MONTH))),
        }
    };
    let script = Script { enroll: Box::new(enroll), ..Script::default() };
    let server = Server::start(&organization, Shown::default(), script).await;
    let fresh = Fresh::new(&organization, &address(&server));
    let (enrolled, codes) = fresh.enroll(Patience::EndAtRefusal).await.unwrap();
    assert_eq!(enrolled.device.to_string(), DEVICE);
    assert_eq!(codes, ["7KQ-M2D31m"], "said once, and nothing that moves a terminal's cursor");
    assert!(!fresh.has_join_file());
    assert!(server.shown.lock().unwrap().iter().all(Option::is_none));
}

#[tokio::test]
async fn a_lost_answer_leads_to_the_same_key_being_asked_for_again() {
    let organization = Arc::new(Organization::new());
    let keys: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
    let (ca, seen) = (Arc::clone(&organization), Arc::clone(&keys));
    let enroll = move |request: wire::EnrollRequest| {
        let key = key_of(&request.csr);
        let mut seen = seen.lock().unwrap();
        seen.push(key.0.clone());
        if seen.len() == 1 {
            Err(Status::unavailable("the answer was lost"))
        } else {
            Ok(enrolled_as(ca.device_chain(&key, MONTH)))
        }
    };
    let script = Script { enroll: Box::new(enroll), ..Script::default() };
    let server = Server::start(&organization, Shown::default(), script).await;
    let fresh = Fresh::new(&organization, &address(&server));
    fresh.enroll(Patience::EndAtRefusal).await.unwrap();
    let keys = keys.lock().unwrap();
    assert_eq!(keys.len(), 2);
    assert_eq!(keys[0], keys[1]);
}

#[tokio::test]
async fn a_join_file_that_a_crash_left_after_it_let_the_device_in_is_erased_and_asks_nobody() {
    let organization = Arc::new(Organization::new());
    let ca = Arc::clone(&organization);
    let enroll =
        move |request: wire::EnrollRequest| Ok(enrolled_as(ca.device_chain(&key_of(&request.csr), MONTH)));
    let script = Script { enroll: Box::new(enroll), ..Script::default() };
    let server = Server::start(&organization, Shown::default(), script).await;
    let fresh = Fresh::new(&organization, &address(&server));
    let join_file = fresh.temp.path().join("join.toml");
    let text = std::fs::read(&join_file).unwrap();
    let (first, _) = fresh.enroll(Patience::EndAtRefusal).await.unwrap();
    assert!(!fresh.has_join_file());
    std::fs::write(&join_file, text).unwrap();
    let (again, _) = fresh.enroll(Patience::EndAtRefusal).await.unwrap();
    assert_eq!((again.device, again.certificate()), (first.device, first.certificate()));
    assert!(!fresh.has_join_file());
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_machine_without_a_serial_says_where_to_give_it_one_and_asks_no_server() {
    let organization = Organization::new();
    let server = Server::start(&organization, Shown::default(), Script::default()).await;
    let fresh = Fresh { serial: "", ..Fresh::new(&organization, &address(&server)) };
    let error = fresh.enroll(Patience::AskAgain).await.unwrap_err();
    assert!(error.contains("set serial") && error.contains("/etc/muster/agent.toml"), "{error}");
    assert_eq!(server.connections(), 0);
    let known = crate::identity::load(&fresh.temp.path().join("identity")).unwrap();
    assert!(matches!(known, Identity::Refused { answer } if answer.contains("set serial")));
}

#[tokio::test]
async fn a_refusal_ends_what_a_person_waits_for_and_keeps_the_token() {
    let organization = Organization::new();
    let enroll = |_| Err(Status::permission_denied("refused (reference 4711)"));
    let script = Script { enroll: Box::new(enroll), ..Script::default() };
    let server = Server::start(&organization, Shown::default(), script).await;
    let fresh = Fresh::new(&organization, &address(&server));
    let error = fresh.enroll(Patience::EndAtRefusal).await.unwrap_err();
    assert!(error.contains("refused (reference 4711)"), "{error}");
    assert!(!error.contains("secret"));
    assert!(fresh.has_join_file());
    let known = crate::identity::load(&fresh.temp.path().join("identity")).unwrap();
    assert!(matches!(known, Identity::Refused { answer } if answer.contains("(reference 4711)")));
    let patient = timeout(Duration::from_millis(1500), fresh.enroll(Patience::AskAgain)).await;
    assert!(patient.is_err(), "the service goes on asking");
    assert!(server.connections() >= 3);
}

/// Why a connection to a server that shows itself so is not made.
async fn trouble_with(shown: Shown, trusting: &Organization, being: &Organization) -> String {
    let server = Server::start(being, shown, Script::default()).await;
    let trust = Trust::of(&trusting.join_file(&address(&server), "secret"));
    let target = Target::as_stranger(&trust, &CertificateTime::starting_at(Timestamp::default())).unwrap();
    let request = wire::EnrollRequest::default();
    let trouble = enroll(&target, request).await.unwrap_err();
    assert!(matches!(trouble, Trouble::Tls { .. } | Trouble::Clock { .. }), "{trouble:?}");
    trouble.whole()
}

#[tokio::test]
async fn a_server_that_is_not_the_pinned_one_is_told_nothing() {
    let (ours, other) = (Organization::new(), Organization::new());
    let wrong_root = trouble_with(Shown::default(), &ours, &other).await;
    assert!(wrong_root.contains("is not one this device trusts"), "{wrong_root}");
    let no_root = trouble_with(Shown { with_root: false, ..Shown::default() }, &ours, &ours).await;
    assert!(no_root.contains("did not send its root"), "{no_root}");
    let wrong_name = trouble_with(Shown { name: "other.example", ..Shown::default() }, &ours, &ours).await;
    assert!(wrong_name.contains("not valid for name"), "{wrong_name}");
    let ended = trouble_with(Shown { valid: (-7200, -3600), ..Shown::default() }, &ours, &ours).await;
    assert!(ended.contains("expired"), "{ended}");
    let early = trouble_with(Shown { valid: (3600, 7200), ..Shown::default() }, &ours, &ours).await;
    assert!(early.contains("not valid yet"), "{early}");
    let old_tls = Shown { version: &rustls::version::TLS12, ..Shown::default() };
    trouble_with(old_tls, &ours, &ours).await;
}

#[tokio::test]
async fn a_chain_with_the_pinned_root_beside_it_but_not_above_it_is_refused() {
    let (ours, other) = (Organization::new(), Organization::new());
    // The pinned root is public: anyone can send it after a certificate of their own.
    let mixed = Organization { root: ours.root.clone(), ..other };
    let trouble = trouble_with(Shown::default(), &ours, &mixed).await;
    assert!(trouble.contains("invalid peer certificate"), "{trouble}");
}

#[tokio::test]
async fn states_quiet_documents_and_reports_pass() {
    let organization = Organization::new();
    let documents: [&[u8]; 2] = [b"{\"a\":1}", b"{\"b\":2}"];
    let fetch = move |request: wire::FetchRequest| {
        let wanted = |document: &&&[u8]| request.digests.contains(&Digest::of(document).to_string());
        // One at a time: the device asks for what is missing.
        let documents = documents.iter().filter(wanted).take(1).map(|document| (*document).into()).collect();
        Ok(wire::FetchResponse { documents })
    };
    let report = |request: wire::ReportRequest| {
        let acknowledged = request.events.last().map_or(0, |event| event.sequence);
        Ok(wire::ReportResponse { acknowledged, server_time: server_time(), restored: 7 })
    };
    let follow = |request: wire::FollowRequest| {
        assert_eq!(request.generation, 7);
        Ok(vec![state(b"{\"state\":1}"), quiet()])
    };
    let script = Script {
        follow: Box::new(follow),
        fetch: Box::new(fetch),
        report: Box::new(report),
        ..Script::default()
    };
    let server = Server::start(&organization, Shown::default(), script).await;
    let (temp, device) = enrolled(&organization, &server, MONTH);
    let mut link = Running::start(device, temp.path());
    link.orders.send(ToServer::Following(Generation(7))).await.unwrap();
    link.up().await;
    assert!(matches!(link.next().await, FromServer::State { bytes, .. } if bytes == b"{\"state\":1}"));
    let FromServer::Quiet { server_time: vouched } = link.next().await else { panic!("quiet was sent") };
    assert!(server_time() - vouched.now().micros() <= 10_000_000);
    let digests: Vec<_> = documents.iter().map(|document| Digest::of(document)).collect();
    link.orders.send(ToServer::Fetch(digests)).await.unwrap();
    let mut got = Vec::new();
    while got.len() < 2 {
        if let FromServer::Documents(documents) = link.next().await {
            got.extend(documents.into_iter().map(|(_, bytes)| bytes));
        }
    }
    got.sort();
    assert_eq!(got, documents);
    let event = wire::Event { sequence: 3, at: 0, document: Default::default() };
    let report = wire::ReportRequest { events: vec![event], ..Default::default() };
    link.orders.send(ToServer::Report(report)).await.unwrap();
    assert!(matches!(link.next().await, FromServer::Acknowledged { sequence: 3, restored: 7, .. }));
    server.notices.send(state(b"{\"state\":2}")).await.unwrap();
    assert!(matches!(link.next().await, FromServer::State { bytes, .. } if bytes == b"{\"state\":2}"));
    assert_eq!(server.connections(), 1);
    assert!(server.shown.lock().unwrap()[0].is_some());
}

#[tokio::test]
async fn a_dry_run_reaches_the_owner_as_itself_and_its_answer_the_server() {
    let organization = Organization::new();
    let (answered, mut answers) = mpsc::unbounded_channel();
    let answer = move |request: wire::AnswerRequest| {
        answered.send(request.id).unwrap();
        // What came too late is told so, and the link stays.
        Err(Status::not_found("not asked for"))
    };
    let follow = |request: wire::FollowRequest| {
        assert!(request.dry_runs);
        let asked = wire::DryRun { id: "dry-1".to_owned(), patience: 30, ..Default::default() };
        let notice = Some(wire::notice::Notice::DryRun(asked));
        Ok(vec![quiet(), wire::Notice { server_time: server_time(), notice }])
    };
    let script = Script { follow: Box::new(follow), answer: Box::new(answer), ..Script::default() };
    let server = Server::start(&organization, Shown::default(), script).await;
    let (temp, device) = enrolled(&organization, &server, MONTH);
    let mut link = Running::start(device, temp.path());
    link.up().await;
    while !matches!(link.next().await, FromServer::DryRun(_)) {}
    let answer = wire::AnswerRequest { id: "dry-1".to_owned(), answer: None };
    link.orders.send(ToServer::Answer(answer)).await.unwrap();
    assert_eq!(timeout(SOON, answers.recv()).await.unwrap().as_deref(), Some("dry-1"));
    server.notices.send(state(b"{}")).await.unwrap();
    while !matches!(link.next().await, FromServer::State { .. }) {}
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_document_that_was_not_asked_for_never_reaches_the_owner() {
    let organization = Organization::new();
    let fetch = |_| Ok(wire::FetchResponse { documents: vec![b"evil".as_slice().into()] });
    let script = Script { fetch: Box::new(fetch), ..Script::default() };
    let server = Server::start(&organization, Shown::default(), script).await;
    let (temp, device) = enrolled(&organization, &server, MONTH);
    let mut link = Running::start(device, temp.path());
    link.up().await;
    link.orders.send(ToServer::Fetch(vec![Digest::of(b"good")])).await.unwrap();
    // The link breaks off and comes back without a document.
    link.up().await;
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_report_that_the_server_can_not_take_does_not_keep_states_away() {
    let organization = Organization::new();
    let report = |_| Err(Status::invalid_argument("events[0].document: unknown event"));
    let script = Script { report: Box::new(report), ..Script::default() };
    let server = Server::start(&organization, Shown::default(), script).await;
    let (temp, device) = enrolled(&organization, &server, MONTH);
    let mut link = Running::start(device, temp.path());
    link.up().await;
    link.orders.send(ToServer::Report(Default::default())).await.unwrap();
    server.notices.send(state(b"{}")).await.unwrap();
    while !matches!(link.next().await, FromServer::State { .. }) {}
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_report_that_the_server_turned_away_for_now_is_asked_for_again_and_less_and_less_often() {
    let organization = Organization::new();
    let report = |_| Err(Status::resource_exhausted("this device asks for more than its share"));
    let script = Script { report: Box::new(report), ..Script::default() };
    let server = Server::start(&organization, Shown::default(), script).await;
    let (temp, device) = enrolled(&organization, &server, MONTH);
    let mut link = Running::start(device, temp.path());
    link.up().await;
    let mut waits = Vec::new();
    for _ in 0..3 {
        let began = Instant::now();
        link.orders.send(ToServer::Report(Default::default())).await.unwrap();
        link.up().await;
        waits.push(began.elapsed().as_millis());
    }
    assert!(waits[0] >= 500 && waits[2] >= 2_000, "{waits:?}");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn the_server_counts_as_reached_anew_over_a_connection_that_was_begun_after_the_question() {
    let organization = Organization::new();
    let server = Server::start(&organization, Shown::default(), Script::default()).await;
    let (temp, device) = enrolled(&organization, &server, MONTH);
    let mut link = Running::start(device, temp.path());
    link.up().await;
    link.orders.send(ToServer::Reach(7)).await.unwrap();
    link.up().await;
    assert!(matches!(link.next().await, FromServer::Reached { number: 7 }));
    assert_eq!(server.connections(), 2);
    server.notices.send(state(b"{}")).await.unwrap();
    while !matches!(link.next().await, FromServer::State { .. }) {}
    assert_eq!(server.connections(), 2, "the new one stays");
}

#[tokio::test]
async fn a_certificate_past_two_thirds_of_its_life_is_renewed_on_the_running_link() {
    let organization = Arc::new(Organization::new());
    let ca = Arc::clone(&organization);
    let renew = move |request: wire::RenewRequest| {
        let chain = ca.device_chain(&key_of(&request.csr), MONTH).into_iter().map(Into::into).collect();
        Ok(wire::RenewResponse { chain })
    };
    let script = Script { renew: Box::new(renew), ..Script::default() };
    let server = Server::start(&organization, Shown::default(), script).await;
    let (temp, old) = enrolled(&organization, &server, (-21 * 86_400, 9 * 86_400));
    let mut link = Running::start(old.clone(), temp.path());
    until(|| server.connections() == 2).await;
    link.up().await;
    let kept = Folder::open(temp.path()).unwrap().enrolled().unwrap().unwrap();
    assert_eq!(kept.device, old.device);
    assert!(kept.not_after > old.not_after);
    let shown = server.shown.lock().unwrap().clone();
    let key = |der: &Option<Vec<u8>>| {
        X509Certificate::from_der(der.as_ref().unwrap()).unwrap().1.public_key().raw.to_vec()
    };
    assert_ne!(key(&shown[0]), key(&shown[1]), "a new key for each certificate");
    assert_eq!(shown[1].as_deref(), kept.chain_to_show().first().map(|leaf| &leaf[..]));
    assert!(!temp.path().join("next.key").exists());
}

#[tokio::test]
async fn a_failed_renewal_leaves_the_old_identity_and_the_link_as_they_are() {
    let organization = Organization::new();
    let answers: Arc<AtomicUsize> = Arc::default();
    let count = Arc::clone(&answers);
    let renew = move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        Ok(wire::RenewResponse { chain: vec![b"no certificate".as_slice().into()] })
    };
    let script = Script { renew: Box::new(renew), ..Script::default() };
    let server = Server::start(&organization, Shown::default(), script).await;
    let (temp, old) = enrolled(&organization, &server, (-21 * 86_400, 9 * 86_400));
    let mut link = Running::start(old.clone(), temp.path());
    link.up().await;
    until(|| answers.load(Ordering::Relaxed) == 1).await;
    server.notices.send(state(b"{}")).await.unwrap();
    while !matches!(link.next().await, FromServer::State { .. }) {}
    let kept = Folder::open(temp.path()).unwrap().enrolled().unwrap().unwrap();
    assert_eq!(kept.chain_to_show(), old.chain_to_show());
    assert_eq!(
        (server.connections(), answers.load(Ordering::Relaxed)),
        (1, 1),
        "it is not asked again at once"
    );
}

#[tokio::test]
async fn the_link_comes_back_by_itself_and_never_spins() {
    let organization = Organization::new();
    let refuse: Arc<AtomicUsize> = Arc::default();
    let times = Arc::clone(&refuse);
    let follow = move |_| match times.fetch_add(1, Ordering::Relaxed) {
        0..3 => Err(Status::permission_denied("refused (reference 1)")),
        _ => Ok(vec![quiet()]),
    };
    let script = Script { follow: Box::new(follow), ..Script::default() };
    let server = Server::start(&organization, Shown::default(), script).await;
    let (temp, device) = enrolled(&organization, &server, MONTH);
    let begun = Instant::now();
    let mut link = Running::start(device, temp.path());
    link.up().await;
    // Three waits of at least half of 1, 2 and 4 seconds.
    assert!(begun.elapsed() >= Duration::from_millis(3500));
    assert_eq!(server.connections(), 4);
}

#[tokio::test]
async fn orders_never_wait_for_a_link_that_is_down() {
    let organization = Organization::new();
    let server = Server::start(&organization, Shown::default(), Script::default()).await;
    let (temp, device) = enrolled(&organization, &server, MONTH);
    drop(server);
    let link = Running::start(device, temp.path());
    for _ in 0..100 {
        let sent = link.orders.send(ToServer::Report(Default::default()));
        timeout(Duration::from_secs(1), sent).await.expect("the order is taken").unwrap();
    }
    assert!(!link.task.is_finished());
    drop((link.orders, link.news));
    timeout(SOON, link.task).await.expect("the link ends with its owner").unwrap().unwrap();
}

#[tokio::test]
async fn a_message_beyond_the_limit_breaks_the_link_and_not_the_agent() {
    let organization = Organization::new();
    let follow = |_| {
        static HUGE: [u8; wire::MAX_MESSAGE + 1] = [b' '; wire::MAX_MESSAGE + 1];
        Ok(vec![quiet(), state(&HUGE)])
    };
    let script = Script { follow: Box::new(follow), ..Script::default() };
    let server = Server::start(&organization, Shown::default(), script).await;
    let (temp, device) = enrolled(&organization, &server, MONTH);
    let mut link = Running::start(device, temp.path());
    link.up().await;
    link.up().await;
    assert!(server.connections() >= 2);
}

#[tokio::test]
async fn an_ended_certificate_is_never_shown() {
    let organization = Organization::new();
    let server = Server::start(&organization, Shown::default(), Script::default()).await;
    let (temp, device) = enrolled(&organization, &server, (-7200, -3600));
    let link = Running::start(device, temp.path());
    assert!(
        timeout(Duration::from_secs(2), link.task).await.is_err(),
        "it goes on, for the clock may be wrong"
    );
    assert!(server.shown.lock().unwrap().iter().all(Option::is_none));
}

#[tokio::test]
async fn every_trouble_is_one_line_that_says_what_to_do() {
    let organization = Organization::new();
    let trouble = async |server: &str| {
        let trust = Trust::of(&organization.join_file(server, "secret"));
        let target =
            Target::as_stranger(&trust, &CertificateTime::starting_at(Timestamp::default())).unwrap();
        enroll(&target, wire::EnrollRequest::default()).await.unwrap_err().whole()
    };
    let refused = trouble("127.0.0.1:1").await;
    assert!(refused.contains("can't be reached") && refused.contains("muster-server runs"), "{refused}");
    let unknown = trouble("no-such-host.invalid:8440").await;
    assert!(unknown.contains("can't be resolved") && unknown.contains("check DNS"), "{unknown}");
}
