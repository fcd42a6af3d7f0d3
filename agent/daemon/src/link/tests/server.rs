//! The other end of the link: real TLS and HTTP/2 on loopback under the generated service, saying what a test wants.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use futures_util::Stream;
use futures_util::stream::unfold;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use muster_proto::wire::device_server::{Device, DeviceServer};
use muster_proto::wire::enrollment_server::{Enrollment, EnrollmentServer};
use muster_proto::{Digest, Timestamp, wire};
use rcgen::{ExtendedKeyUsagePurpose, KeyPair, SanType};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tonic::codegen::Service;
use tonic::{Request, Response, Status};

use crate::identity::tests::Organization;

type Answer<Q, R> = Box<dyn Fn(Q) -> Result<R, Status> + Send + Sync>;

/// What the server answers.
pub(super) struct Script {
    pub(super) enroll: Answer<wire::EnrollRequest, wire::EnrollResponse>,
    pub(super) follow: Answer<wire::FollowRequest, Vec<wire::Notice>>,
    pub(super) fetch: Answer<wire::FetchRequest, wire::FetchResponse>,
    pub(super) report: Answer<wire::ReportRequest, wire::ReportResponse>,
    pub(super) renew: Answer<wire::RenewRequest, wire::RenewResponse>,
    pub(super) answer: Answer<wire::AnswerRequest, wire::AnswerResponse>,
    pub(super) receipt: Answer<wire::ReceiptRequest, wire::ReceiptResponse>,
    pub(super) come_back: Answer<wire::ComeBackRequest, wire::ComeBackResponse>,
    /// By the digest, and the byte from which on it is asked for.
    pub(super) artifact: Box<dyn Fn(Digest, u64) -> http::Response<String> + Send + Sync>,
}

impl Default for Script {
    fn default() -> Self {
        fn no<Q, R>() -> Answer<Q, R> {
            Box::new(|_| Err(Status::unimplemented("not in this test")))
        }
        Self {
            enroll: no(),
            follow: Box::new(|_| Ok(vec![quiet()])),
            fetch: no(),
            report: no(),
            renew: no(),
            answer: no(),
            receipt: no(),
            come_back: no(),
            artifact: Box::new(|_, _| http::Response::builder().status(404).body(String::new()).unwrap()),
        }
    }
}

/// The server's clock, with the fraction left out.
pub(super) fn server_time() -> i64 {
    Timestamp::from_system(std::time::SystemTime::now()).seconds() * 1_000_000
}

pub(super) fn quiet() -> wire::Notice {
    wire::Notice { server_time: server_time(), notice: Some(wire::notice::Notice::Quiet(wire::Quiet {})) }
}

pub(super) fn state(bytes: &'static [u8]) -> wire::Notice {
    wire::Notice { server_time: server_time(), notice: Some(wire::notice::Notice::State(bytes.into())) }
}

/// A server that runs until it is dropped.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    /// The certificate that each connection so far showed.
    pub(super) shown: Arc<Mutex<Vec<Option<Vec<u8>>>>>,
    /// What is sent to links that follow, after the first notices.
    pub(super) notices: mpsc::Sender<wire::Notice>,
    _tasks: JoinSet<()>,
}

/// How the server shows itself.
pub(super) struct Shown {
    pub(super) name: &'static str,
    pub(super) valid: (i64, i64),
    pub(super) with_root: bool,
    pub(super) version: &'static SupportedProtocolVersion,
}

impl Default for Shown {
    fn default() -> Self {
        let valid = crate::identity::tests::MONTH;
        Self { name: "localhost", valid, with_root: true, version: &rustls::version::TLS13 }
    }
}

impl Server {
    pub(super) async fn start(organization: &Organization, shown: Shown, script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::start_on(listener, organization, shown, script)
    }

    pub(super) fn start_on(
        listener: TcpListener,
        organization: &Organization,
        how: Shown,
        script: Script,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(tls(organization, &how)));
        let shown: Arc<Mutex<Vec<_>>> = Arc::default();
        let (notices, more) = mpsc::channel(16);
        let service = Fake { script: Arc::new(script), more: Arc::new(tokio::sync::Mutex::new(more)) };
        let mut tasks = JoinSet::new();
        let seen = Arc::clone(&shown);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((tcp, _)) = listener.accept().await {
                let (acceptor, service, seen) = (acceptor.clone(), service.clone(), Arc::clone(&seen));
                connections.spawn(async move {
                    let Ok(tls) = acceptor.accept(tcp).await else { return };
                    let leaf = tls.get_ref().1.peer_certificates().map(|chain| chain[0].to_vec());
                    seen.lock().unwrap().push(leaf);
                    let serve = service_fn(move |request| service.call(request));
                    let http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                    http.serve_connection(TokioIo::new(tls), serve).await.ok();
                });
            }
        });
        Self { address, shown, notices, _tasks: tasks }
    }

    pub(super) fn connections(&self) -> usize {
        self.shown.lock().unwrap().len()
    }
}

fn tls(organization: &Organization, how: &Shown) -> ServerConfig {
    let key = KeyPair::generate().unwrap();
    let names = vec![SanType::DnsName(how.name.try_into().unwrap())];
    let leaf = organization.certify(&key, names, ExtendedKeyUsagePurpose::ServerAuth, how.valid);
    let mut chain = vec![leaf];
    if how.with_root {
        chain.push(organization.root.clone());
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(organization.root.to_vec())).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let mut tls = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[how.version])
        .unwrap()
        .with_client_cert_verifier(verifier.allow_unauthenticated().build().unwrap())
        .with_single_cert(chain, PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .unwrap();
    tls.alpn_protocols = vec![b"h2".to_vec()];
    tls
}

#[derive(Clone)]
struct Fake {
    script: Arc<Script>,
    more: Arc<tokio::sync::Mutex<mpsc::Receiver<wire::Notice>>>,
}

impl Fake {
    fn call(
        &self,
        request: http::Request<hyper::body::Incoming>,
    ) -> tonic::codegen::BoxFuture<http::Response<tonic::body::Body>, std::convert::Infallible> {
        if let Some(artifact) = muster_proto::artifact::asked_for(request.uri().path()) {
            let range = request.headers().get("range").map(|range| range.to_str().unwrap());
            let begin = range.map(|range| range.strip_prefix("bytes=").unwrap().strip_suffix('-').unwrap());
            let begin = begin.map_or(0, |begin| begin.parse().unwrap());
            let answer = (self.script.artifact)(artifact, begin).map(tonic::body::Body::new);
            return Box::pin(async { Ok(answer) });
        }
        // The server of a test sends what a real one never would.
        if request.uri().path().contains("Enrollment") {
            EnrollmentServer::new(self.clone()).call(request)
        } else {
            DeviceServer::new(self.clone()).call(request)
        }
    }
}

#[tonic::async_trait]
impl Enrollment for Fake {
    async fn enroll(
        &self,
        request: Request<wire::EnrollRequest>,
    ) -> Result<Response<wire::EnrollResponse>, Status> {
        (self.script.enroll)(request.into_inner()).map(Response::new)
    }

    async fn come_back(
        &self,
        request: Request<wire::ComeBackRequest>,
    ) -> Result<Response<wire::ComeBackResponse>, Status> {
        (self.script.come_back)(request.into_inner()).map(Response::new)
    }
}

#[tonic::async_trait]
impl Device for Fake {
    type FollowStream = Pin<Box<dyn Stream<Item = Result<wire::Notice, Status>> + Send>>;

    async fn follow(
        &self,
        request: Request<wire::FollowRequest>,
    ) -> Result<Response<Self::FollowStream>, Status> {
        let mut first = (self.script.follow)(request.into_inner())?;
        first.reverse();
        let more = Arc::clone(&self.more);
        let notices = unfold(first, move |mut first| {
            let more = Arc::clone(&more);
            async move {
                match first.pop() {
                    Some(notice) => Some((Ok(notice), first)),
                    None => more.lock().await.recv().await.map(|notice| (Ok(notice), first)),
                }
            }
        });
        Ok(Response::new(Box::pin(notices)))
    }

    async fn fetch(
        &self,
        request: Request<wire::FetchRequest>,
    ) -> Result<Response<wire::FetchResponse>, Status> {
        (self.script.fetch)(request.into_inner()).map(Response::new)
    }

    async fn report(
        &self,
        request: Request<wire::ReportRequest>,
    ) -> Result<Response<wire::ReportResponse>, Status> {
        (self.script.report)(request.into_inner()).map(Response::new)
    }

    async fn renew(
        &self,
        request: Request<wire::RenewRequest>,
    ) -> Result<Response<wire::RenewResponse>, Status> {
        (self.script.renew)(request.into_inner()).map(Response::new)
    }

    async fn answer(
        &self,
        request: Request<wire::AnswerRequest>,
    ) -> Result<Response<wire::AnswerResponse>, Status> {
        (self.script.answer)(request.into_inner()).map(Response::new)
    }

    async fn receipt(
        &self,
        request: Request<wire::ReceiptRequest>,
    ) -> Result<Response<wire::ReceiptResponse>, Status> {
        (self.script.receipt)(request.into_inner()).map(Response::new)
    }
}

/// Waits until `done` holds, at most some seconds.
pub(super) async fn until(mut done: impl FnMut() -> bool) {
    let (_keep, mut never) = watch::channel(());
    for _ in 0..500 {
        if done() {
            return;
        }
        tokio::time::timeout(std::time::Duration::from_millis(10), never.changed()).await.ok();
    }
    panic!("it did not come about");
}
