//! A plain client against the real listener, doors, operations, store and authority, over TLS on loopback.

mod artifacts;
mod bad_days;
mod crowds;
mod matrix;

use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo};
use muster_policy::rights::{AdminRight, Identity};
use muster_proto::dry_run::Question;
use muster_proto::enrollment::JoinFile;
use muster_proto::plan::PlanView;
use muster_proto::rest::{NewDevicePlan, NewToken, SourcePlace, Unknown};
use muster_proto::wire::device_client::DeviceClient;
use muster_proto::wire::enroll_response::Result as Outcome;
use muster_proto::wire::enrollment_client::EnrollmentClient;
use muster_proto::{Digest, Timestamp};
use muster_store::Store;
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tonic::{Code, Response};

use super::*;
use crate::app::AppError;
use crate::app::dry_run::Desk;
use crate::app::import::{NewOwners, Trial};
use crate::app::presence::Presence;
use crate::app::restore::{Choices, Newcomers, Tokens};
use crate::app::seal::SealingKey;
use crate::app::searches::Searches;
use crate::app::{Parts, Site, system_clock};
use crate::artifacts::Artifacts;
use crate::ca::ProvenKey;
use crate::install::snippet::Origin;
use crate::listen::{ServedCertificate, Source, device_tls, serve_devices};

const SOON: Duration = Duration::from_secs(10);

struct Rig {
    app: App,
    authority: Arc<Authority>,
    address: std::net::SocketAddr,
    doors: Doors,
    _folder: TempDir,
}

/// A machine: its key, and its certificate once it has one.
struct Machine {
    key: KeyPair,
    chain: Vec<Vec<u8>>,
}

fn admin() -> AdminRight {
    Identity::local_root().administer().unwrap()
}

impl Machine {
    fn new() -> Self {
        Self { key: KeyPair::generate().unwrap(), chain: Vec::new() }
    }

    fn csr(&self) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.serialize_request(&self.key).unwrap().der().to_vec()
    }
}

#[derive(Clone)]
struct Wire(hyper::client::conn::http2::SendRequest<Body>);

impl Service<http::Request<Body>> for Wire {
    type Response = http::Response<Incoming>;
    type Error = hyper::Error;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), hyper::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}

impl Wire {
    fn device(&self) -> DeviceClient<Self> {
        DeviceClient::with_origin(self.clone(), http::Uri::from_static("https://localhost"))
    }

    fn enrollment(&self) -> EnrollmentClient<Self> {
        EnrollmentClient::with_origin(self.clone(), http::Uri::from_static("https://localhost"))
    }

    /// The answer to an enrollment with this token and request.
    async fn enroll(&self, token: &str, csr: Vec<u8>) -> Result<Response<wire::EnrollResponse>, Status> {
        let claims = br#"{"serial":"S1","hostname":"lap"}"#.as_slice().into();
        self.enrollment()
            .enroll(wire::EnrollRequest { token: token.to_owned(), csr: csr.into(), claims })
            .await
    }
}

impl Rig {
    async fn start() -> Self {
        Self::start_by(system_clock).await
    }

    /// As [`Rig::start`], with another clock for all that is decided.
    async fn start_by(clock: fn() -> Timestamp) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let now = system_clock();
        let authority =
            Authority::set_up(&folder.path().join("ca"), &"corp.example".parse().unwrap(), None, now);
        let authority = Arc::new(authority.unwrap());
        let app = App::new(Parts {
            store: Store::open(&folder.path().join("muster.db")).unwrap(),
            artifacts: Artifacts::open(&folder.path().join("artifacts"), 16 * 1024 * 1024).unwrap(),
            sealing_key: SealingKey::open_or_create(&folder.path().join("sealing.key")).unwrap(),
            clock,
            site: Site {
                trust_domain: "corp.example".into(),
                server_name: "localhost".into(),
                device_address: "localhost:8440".into(),
                roots: vec![authority.fingerprint()],
                origin: Origin::default(),
            },
            presence: Presence::default(),
            restored: None,
            desk: Desk::default(),
            return_window: 180 * 86_400,
            searches: Searches::default(),
        });
        let import = app
            .import_devices(&admin(), "serial,name\nS1,lap-ada".to_owned(), NewOwners::Add, Trial::Real)
            .await
            .unwrap();
        assert!(import.errors.is_empty());
        let file = folder.path().join("listener.pem");
        ServedCertificate::make(&authority, &file, &["localhost".parse().unwrap()], now).unwrap();
        let source = Source::Issued { authority: Arc::clone(&authority), file };
        let served = ServedCertificate::load(source, now).unwrap();
        let tls = device_tls(&authority, served.resolver()).unwrap();
        let (doors, waking) = Doors::open(app.clone(), Arc::clone(&authority));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (domain, served_by) = (authority.trust_domain().clone(), doors.clone());
        let never = std::future::pending();
        tokio::spawn(async move {
            tokio::join!(
                waking,
                served.keep_fresh(system_clock),
                serve_devices(listener, tls, domain, served_by, system_clock, never)
            )
        });
        Self { app, authority, address, doors, _folder: folder }
    }

    async fn token(&self, uses: u32) -> String {
        let request = NewToken {
            labels: vec![],
            uses: Some(uses),
            hours: None,
            serial: Some("S1".into()),
            unknown: Unknown::Refuse,
        };
        let created = self.app.create_token(&admin(), request).await.unwrap();
        toml::from_str::<JoinFile>(&created.join_file).unwrap().token
    }

    async fn connect_by(
        &self,
        machine: &Machine,
        version: &'static SupportedProtocolVersion,
    ) -> std::io::Result<Wire> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.root().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots);
        let chain: Vec<_> = machine.chain.iter().map(|der| CertificateDer::from(der.clone())).collect();
        let mut tls = if chain.is_empty() {
            builder.with_no_client_auth()
        } else {
            let key = PrivateKeyDer::Pkcs8(machine.key.serialize_der().into());
            builder.with_client_auth_cert(chain, key).unwrap()
        };
        tls.alpn_protocols = vec![b"h2".to_vec()];
        let tcp = TcpStream::connect(self.address).await?;
        let name = ServerName::try_from("localhost").unwrap();
        let tls = tokio_rustls::TlsConnector::from(Arc::new(tls)).connect(name, tcp).await?;
        let (send, driver) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(tls)).await.unwrap();
        tokio::spawn(driver);
        Ok(Wire(send))
    }

    async fn connect(&self, machine: &Machine) -> Wire {
        self.connect_by(machine, &rustls::version::TLS13).await.unwrap()
    }

    async fn enrolled(&self) -> (Machine, String) {
        let mut machine = Machine::new();
        let token = self.token(1).await;
        let answer = self.connect(&machine).await.enroll(&token, machine.csr()).await.unwrap();
        let Some(Outcome::Enrolled(enrolled)) = answer.into_inner().result else { panic!("it is let in") };
        machine.chain = enrolled.chain.into_iter().map(Vec::from).collect();
        (machine, enrolled.device_id)
    }

    async fn audit(&self) -> String {
        let entries =
            self.app.list_audit(&Identity::local_root().view(), Default::default(), None, 100).await.unwrap();
        serde_json::to_string(&entries.items).unwrap()
    }
}

/// A refusal tells a reference and nothing else.
fn assert_generic(status: &Status) {
    assert_eq!(status.code(), Code::PermissionDenied, "{status}");
    let text = status.message();
    assert!(text.starts_with("refused (reference ") && text.len() < 64, "{text}");
}

#[tokio::test]
async fn the_same_key_gets_the_same_certificate_and_another_key_none() {
    let rig = Rig::start().await;
    let (machine, token) = (Machine::new(), rig.token(1).await);
    let wire = rig.connect(&machine).await;
    let first = wire.enroll(&token, machine.csr()).await.unwrap().into_inner();
    let again = rig.connect(&machine).await.enroll(&token, machine.csr()).await.unwrap().into_inner();
    assert_eq!(first, again);
    assert_generic(&wire.enroll(&token, Machine::new().csr()).await.unwrap_err());
    assert_generic(&wire.enroll("no such token", machine.csr()).await.unwrap_err());
}

#[tokio::test]
async fn a_request_for_more_is_refused_to_the_caller_and_explained_in_the_audit() {
    let rig = Rig::start().await;
    let (machine, token) = (Machine::new(), rig.token(1).await);
    let wire = rig.connect(&machine).await;
    let params = CertificateParams::new(vec!["muster.corp.example".to_owned()]).unwrap();
    let csr = params.serialize_request(&machine.key).unwrap().der().to_vec();
    assert_generic(&wire.enroll(&token, csr).await.unwrap_err());
    assert_generic(&wire.enroll(&token, b"no request".to_vec()).await.unwrap_err());
    let audit = rig.audit().await;
    assert!(audit.contains("may ask for nothing but its key"), "{audit}");
    assert!(!audit.contains(&token));
    wire.enroll(&token, machine.csr()).await.expect("the token was not used up by it");
}

#[tokio::test]
async fn without_a_certificate_a_device_call_tells_nothing() {
    let rig = Rig::start().await;
    let wire = rig.connect(&Machine::new()).await;
    assert_generic(&wire.device().follow(wire::FollowRequest::default()).await.unwrap_err());
    assert_generic(&wire.device().fetch(wire::FetchRequest::default()).await.unwrap_err());
    assert_generic(&wire.device().report(wire::ReportRequest::default()).await.unwrap_err());
    assert_generic(&wire.device().renew(wire::RenewRequest::default()).await.unwrap_err());
    assert!(rig.audit().await.contains("no certificate was shown"));
}

#[tokio::test]
async fn certificates_that_are_not_ours_or_not_in_time_do_not_connect() {
    let (rig, other) = (Rig::start().await, Rig::start().await);
    let refused = async |machine: &Machine| match rig.connect_by(machine, &rustls::version::TLS13).await {
        Err(_) => true,
        // With TLS 1.3 a client learns of it at its first call.
        Ok(wire) => wire.device().fetch(wire::FetchRequest::default()).await.is_err_and(|status| {
            status.code() != Code::PermissionDenied && status.code() != Code::InvalidArgument
        }),
    };
    let (stranger, _) = other.enrolled().await;
    assert!(refused(&stranger).await);
    let (mut late, id) = rig.enrolled().await;
    assert!(!refused(&late).await);
    let key = ProvenKey::of(&late.csr()).unwrap();
    let then = system_clock().plus_seconds(-31 * 86_400);
    late.chain = rig.authority.issue_device(&key, id.parse().unwrap(), then).unwrap().chain;
    assert!(refused(&late).await);
    let old = rig.connect_by(&Machine::new(), &rustls::version::TLS12).await;
    assert!(old.is_err(), "TLS 1.2 is not spoken to devices");
}

#[tokio::test]
async fn a_certificate_that_was_never_recorded_is_refused() {
    let rig = Rig::start().await;
    let (mut machine, id) = rig.enrolled().await;
    let key = ProvenKey::of(&machine.csr()).unwrap();
    machine.chain = rig.authority.issue_device(&key, id.parse().unwrap(), system_clock()).unwrap().chain;
    let wire = rig.connect(&machine).await;
    assert_generic(&wire.device().follow(wire::FollowRequest::default()).await.unwrap_err());
}

impl Rig {
    /// As a restore of a backup that was made an hour ago leaves it.
    async fn restored(&self, newcomers: Newcomers) {
        let choices = Choices { tokens: Tokens::End, newcomers };
        self.app.make_safe(&admin(), system_clock().plus_seconds(-3_600), choices).await.unwrap();
    }

    /// A certificate that the server's authority issued so many seconds ago, and that is in no record.
    fn unrecorded(&self, device: &str, ago: i64) -> Machine {
        let mut machine = Machine::new();
        let key = ProvenKey::of(&machine.csr()).unwrap();
        let then = system_clock().plus_seconds(-ago);
        machine.chain = self.authority.issue_device(&key, device.parse().unwrap(), then).unwrap().chain;
        machine
    }

    async fn follows(&self, machine: &Machine) -> Result<(), Status> {
        self.connect(machine).await.device().follow(wire::FollowRequest::default()).await.map(drop)
    }
}

#[tokio::test]
async fn after_a_restore_a_device_that_was_renewed_since_the_backup_comes_back_once() {
    let rig = Rig::start().await;
    let (_, id) = rig.enrolled().await;
    rig.restored(Newcomers::TakeUp).await;
    assert_generic(&rig.follows(&rig.unrecorded(&id, 7_200)).await.unwrap_err());
    let renewed = rig.unrecorded(&id, 600);
    rig.follows(&renewed).await.unwrap();
    rig.follows(&renewed).await.unwrap();
    assert_generic(&rig.follows(&rig.unrecorded(&id, 600)).await.unwrap_err());
    let audit = rig.audit().await;
    assert_eq!(audit.matches("device.certificate.adopt").count(), 1, "{audit}");
    assert!(audit.contains("was not issued between the backup and the restore"), "{audit}");
}

#[tokio::test]
async fn a_device_that_came_back_by_a_recorded_certificate_needs_no_other() {
    let rig = Rig::start().await;
    let (machine, id) = rig.enrolled().await;
    rig.restored(Newcomers::TakeUp).await;
    rig.follows(&machine).await.unwrap();
    assert_generic(&rig.follows(&rig.unrecorded(&id, 600)).await.unwrap_err());
    assert!(rig.audit().await.contains("device.return"));
}

#[tokio::test]
async fn no_unrecorded_certificate_is_taken_up_when_root_said_so_or_the_device_was_not_enrolled() {
    let rig = Rig::start().await;
    let (_, id) = rig.enrolled().await;
    rig.restored(Newcomers::Refuse).await;
    assert_generic(&rig.follows(&rig.unrecorded(&id, 600)).await.unwrap_err());
    rig.restored(Newcomers::TakeUp).await;
    rig.app.revoke_device(&admin(), id.clone()).await.unwrap();
    assert_generic(&rig.follows(&rig.unrecorded(&id, 600)).await.unwrap_err());
    let stranger = uuid::Uuid::from_u128(7).to_string();
    assert_generic(&rig.follows(&rig.unrecorded(&stranger, 600)).await.unwrap_err());
    assert!(!rig.audit().await.contains("device.certificate.adopt"));
}

#[tokio::test]
async fn a_revoked_device_is_cut_off_at_once() {
    let rig = Rig::start().await;
    let (machine, id) = rig.enrolled().await;
    let wire = rig.connect(&machine).await;
    let mut notices = wire.device().follow(wire::FollowRequest::default()).await.unwrap().into_inner();
    let first = timeout(SOON, notices.message()).await.unwrap().unwrap().unwrap();
    assert!((system_clock().micros() - first.server_time).abs() < 60_000_000);
    rig.app.revoke_device(&admin(), id).await.unwrap();
    let ended = loop {
        match timeout(Duration::from_secs(2), notices.message()).await.expect("it is told at once") {
            Ok(Some(_)) => {}
            ended => break ended,
        }
    };
    assert_generic(&ended.unwrap_err());
    let gone = async {
        while !wire.0.is_closed() {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, gone).await.expect("its connection ends");
    let again = rig.connect(&machine).await;
    assert_generic(&again.device().fetch(wire::FetchRequest::default()).await.unwrap_err());
}

#[tokio::test]
async fn renewing_gives_the_same_device_another_certificate() {
    let rig = Rig::start().await;
    let (machine, id) = rig.enrolled().await;
    let next = Machine::new();
    let wire = rig.connect(&machine).await;
    let renewed =
        wire.device().renew(wire::RenewRequest { csr: next.csr().into() }).await.unwrap().into_inner();
    let next = Machine { chain: renewed.chain.into_iter().map(Vec::from).collect(), ..next };
    assert!(crate::ca::facts(&next.chain[0]).unwrap().uris[0].ends_with(&id));
    let mut notices =
        rig.connect(&next).await.device().follow(wire::FollowRequest::default()).await.unwrap().into_inner();
    assert!(timeout(SOON, notices.message()).await.unwrap().unwrap().is_some());
}

#[tokio::test]
async fn a_device_that_reports_more_than_its_share_is_told_to_come_back_and_loses_nothing() {
    let rig = Rig::start().await;
    let (machine, _) = rig.enrolled().await;
    let mut device = rig.connect(&machine).await.device().max_encoding_message_size(wire::MAX_MESSAGE);
    let event = |sequence: u64| wire::Event {
        sequence,
        at: system_clock().micros(),
        document: serde_json::to_vec(&serde_json::json!({"event": "big", "x": "x".repeat(200 * 1024)}))
            .unwrap()
            .into(),
    };
    let report = |first: u64| wire::ReportRequest {
        epoch: uuid::Uuid::from_u128(1).to_string(),
        events: (first..first + 10).map(event).collect(),
        ..wire::ReportRequest::default()
    };
    let mut acknowledged = 0;
    let refused = loop {
        assert!(acknowledged < 200, "it is let in without end");
        match device.report(report(acknowledged + 1)).await {
            Ok(answer) => acknowledged = answer.into_inner().acknowledged,
            Err(status) => break status,
        }
    };
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    assert!(acknowledged >= 30, "{acknowledged}");
    tokio::time::sleep(Duration::from_secs(2)).await;
    let quiet = wire::ReportRequest { events: vec![], ..report(1) };
    let known = device.report(quiet).await.unwrap().into_inner();
    assert_eq!(known.acknowledged, acknowledged);
}

#[tokio::test]
async fn the_fifth_connection_of_a_device_ends_its_oldest() {
    let rig = Rig::start().await;
    let (machine, _) = rig.enrolled().await;
    let mut wires = Vec::new();
    for _ in 0..5 {
        let wire = rig.connect(&machine).await;
        // With TLS 1.3 only an answer says that the server has taken the connection up.
        wire.device().fetch(wire::FetchRequest::default()).await.unwrap();
        wires.push(wire);
    }
    let gone = async {
        while !wires[0].0.is_closed() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(SOON, gone).await.expect("the oldest ends");
    for wire in &wires[1..] {
        wire.device().fetch(wire::FetchRequest::default()).await.unwrap();
    }
}

#[tokio::test]
async fn a_message_beyond_the_limit_gets_one_clear_error() {
    let rig = Rig::start().await;
    let wire = rig.connect(&Machine::new()).await;
    let status = wire.enroll(&"x".repeat(MAX_ENROLLMENT + 1), vec![]).await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange, "{status}");
    assert!(status.message().contains("32768"), "{status}");
    assert_generic(&wire.enroll("still served", vec![]).await.unwrap_err());
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_cut_within_seconds_and_keeps_nobody_waiting() {
    let rig = Rig::start().await;
    let mut slow = Vec::new();
    for _ in 0..50 {
        slow.push(TcpStream::connect(rig.address).await.unwrap());
    }
    timeout(Duration::from_secs(3), rig.connect(&Machine::new())).await.expect("others are served");
    let mut byte = [0];
    let cut = timeout(Duration::from_secs(5), slow[0].read(&mut byte)).await.expect("it is cut");
    assert!(matches!(cut, Ok(0) | Err(_)));
}

fn motd(text: &str) -> NewDevicePlan {
    let source = format!(
        "muster: 1\nprofile: motd\nresources:\n  - file: {{ path: /etc/motd, content: \"{text}\" }}\n"
    );
    NewDevicePlan { source, params: Default::default() }
}

/// The notices of a link whose agent answers dry runs, the first taken.
async fn listening(wire: &Wire) -> tonic::Streaming<wire::Notice> {
    let follow = wire::FollowRequest { dry_runs: true, ..Default::default() };
    let mut notices = wire.device().follow(follow).await.unwrap().into_inner();
    timeout(SOON, notices.message()).await.unwrap().unwrap().unwrap();
    notices
}

async fn asked(notices: &mut tonic::Streaming<wire::Notice>) -> wire::DryRun {
    loop {
        let notice = timeout(SOON, notices.message()).await.unwrap().unwrap().unwrap();
        if let Some(wire::notice::Notice::DryRun(asked)) = notice.notice {
            return asked;
        }
    }
}

#[tokio::test]
async fn a_device_is_asked_what_it_would_do_and_nothing_is_saved_but_that_it_was_asked() {
    let rig = Rig::start().await;
    let (machine, _) = rig.enrolled().await;
    let wire = rig.connect(&machine).await;
    let mut notices = listening(&wire).await;
    let app = rig.app.clone();
    let mut tried = motd("one");
    tried
        .source
        .push_str("checks:\n  - { id: odd, title: Odd, violations: SELECT 1 FROM nowhere, severity: low }\n");
    let asking = tokio::spawn(async move { app.plan_on(&admin(), "lap-ada".into(), tried).await });
    let question = asked(&mut notices).await;
    let what_if = serde_json::from_slice::<Question>(&question.question).unwrap().what_if;
    assert_eq!(what_if.revisions[0].digest, Digest::of(&question.document));
    let plan = PlanView::default();
    let answer = |id: &str, plan: Vec<u8>| wire::AnswerRequest {
        id: id.to_owned(),
        answer: Some(wire::answer_request::Answer::Plan(plan.into())),
    };
    let bytes = serde_json::to_vec(&plan).unwrap();
    let forged = wire.device().answer(answer("dry-guess", bytes.clone())).await.unwrap_err();
    assert_eq!(forged.code(), Code::NotFound);
    wire.device().answer(answer(&question.id, bytes.clone())).await.unwrap();
    let shown = asking.await.unwrap().unwrap();
    assert_eq!((shown.plan, shown.replaces), (plan, Vec::<String>::new()));
    let [SourcePlace { line: 6, message, .. }] = shown.places.as_slice() else {
        panic!("{:?}", shown.places)
    };
    assert!(message.starts_with("check odd will be Unknown"), "{message}");
    let again = wire.device().answer(answer(&question.id, bytes)).await.unwrap_err();
    assert_eq!(again.code(), Code::NotFound);
    assert!(rig.app.list_profiles(&Identity::local_root().view()).await.unwrap().is_empty());
    let audit = rig.audit().await;
    assert!(audit.contains("device.plan") && !audit.contains("profile.save"), "{audit}");
}

#[tokio::test]
async fn a_device_that_answers_too_much_or_nonsense_has_no_plan() {
    let rig = Rig::start().await;
    let (machine, _) = rig.enrolled().await;
    let wire = rig.connect(&machine).await;
    let mut notices = listening(&wire).await;
    for bytes in [vec![b' '; wire::MAX_PLAN + 1], b"{}".to_vec()] {
        let app = rig.app.clone();
        let asking = tokio::spawn(async move { app.plan_on(&admin(), "lap-ada".into(), motd("one")).await });
        let id = asked(&mut notices).await.id;
        let answer = Some(wire::answer_request::Answer::Plan(bytes.into()));
        wire.device().answer(wire::AnswerRequest { id, answer }).await.unwrap();
        let refused = asking.await.unwrap().unwrap_err();
        assert!(matches!(refused, AppError::NoAnswer(_)), "{refused}");
    }
}

#[tokio::test]
async fn a_device_that_is_away_or_has_an_old_agent_is_said_to_be() {
    let rig = Rig::start().await;
    let (machine, _) = rig.enrolled().await;
    let ask = async || rig.app.plan_on(&admin(), "lap-ada".into(), motd("one")).await.unwrap_err();
    let away = ask().await;
    assert!(matches!(&away, AppError::Away(text) if text.contains("lap-ada is not connected (")), "{away}");
    let wire = rig.connect(&machine).await;
    let mut notices = wire.device().follow(wire::FollowRequest::default()).await.unwrap().into_inner();
    timeout(SOON, notices.message()).await.unwrap().unwrap().unwrap();
    let old = ask().await;
    assert!(matches!(&old, AppError::Invalid(text) if text.contains("too old to answer")), "{old}");
}
