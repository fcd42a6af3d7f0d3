//! What happens while a connection is up: following, fetching, reporting, renewing.
//!
//! One call is under way at a time. What waits is kept small: documents to ask for, the newest report, and news for an owner
//! that may be busy for minutes with a package transaction.

use std::collections::{BTreeSet, VecDeque};
use std::pin::Pin;
use std::time::Duration;

use muster_proto::wire::device_client::DeviceClient;
use muster_proto::wire::{enroll_response, notice};
use muster_proto::{Digest, Timestamp, wire};
use tokio::time::{Instant, sleep_until, timeout};

use super::connect::{Connection, Target};
use super::download::{Download, Downloads};
use super::{Backoff, FromServer, Owner, ToServer, Trouble, returning};
use crate::clock::ServerTime;
use crate::cycle::DryRun;
use crate::identity::time::CertificateTime;
use crate::identity::{Enrolled, Folder};

/// The server sends something at least every five minutes. That it is gone or the way to it cut is found by the kernel, and sooner;
/// this is for one that hangs, of which its own service manager takes care within a minute.
const SILENCE: Duration = Duration::from_secs(750);

/// For one call, a fetch of some megabytes over a bad line included.
const CALL: Duration = Duration::from_secs(120);

/// Documents asked for in one call.
const MAX_DIGESTS: usize = 32;

/// A device looks at its certificate's end at least this often, whatever its timers say after a sleep.
const LONGEST_RENEWAL_WAIT: Duration = Duration::from_secs(6 * 60 * 60);

/// After a failed renewal; ten days are left at the first one.
const RENEWAL_RETRY: Duration = Duration::from_secs(10 * 60);

/// Asks to be enrolled, once.
pub(crate) async fn enroll(
    target: &Target,
    request: wire::EnrollRequest,
) -> Result<enroll_response::Result, Trouble> {
    let connection = target.connect().await?;
    let response = in_time(async { Ok(connection.enrollment().enroll(request).await?.into_inner()) }).await?;
    response.result.ok_or(Trouble::Protocol("an enrollment was answered with nothing"))
}

/// Why a session ended in order.
pub(super) enum End {
    /// The certificate was renewed; the next connection shows it.
    Renewed(Box<Enrolled>),
    /// A receipt is to be sent, with which the next connection begins.
    ReceiptDue,
    /// A new connection is asked for.
    ReachDue,
    /// The owner of the ledger is gone.
    OwnerGone,
}

/// Connects and follows until the connection ends.
pub(super) async fn run(
    enrolled: &Enrolled,
    folder: &Folder,
    time: &CertificateTime,
    owner: &mut Owner,
    backoff: &mut Backoff,
) -> Result<End, Trouble> {
    if time.now() >= enrolled.not_after {
        let back = returning::come_back(enrolled, folder, time);
        let Some(back) = owner.dropping_orders(back).await else { return Ok(End::OwnerGone) };
        let renewed = back?;
        tracing::info!(not_after = %renewed.not_after, "this device came back after its certificate had ended");
        return Ok(End::Renewed(Box::new(renewed)));
    }
    let reach = owner.reach;
    let target = Target::as_device(enrolled, time)?;
    let Some(connected) = owner.dropping_orders(target.connect()).await else { return Ok(End::OwnerGone) };
    let connection = connected?;
    let device = connection.device();
    if let Some(receipt) = owner.receipt.clone() {
        let Some(sent) = owner.dropping_orders(send_receipt(device.clone(), receipt)).await else {
            return Ok(End::OwnerGone);
        };
        let taken_back = sent?;
        owner.receipt = None;
        let news = owner.channels.news.clone();
        let told = owner.dropping_orders(news.send(FromServer::ReceiptTaken { taken_back })).await;
        if told.is_none_or(|told| told.is_err()) {
            return Ok(End::OwnerGone);
        }
    }
    let follow = wire::FollowRequest {
        generation: owner.following.0,
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        composition: muster_proto::COMPOSITION_VERSION,
        kinds: muster_proto::resource::KINDS.iter().map(|kind| (*kind).to_owned()).collect(),
        dry_runs: true,
        boot: owner.boot.to_string(),
        last_orders: true,
    };
    let mut follower = device.clone();
    let following = in_time(async { Ok(follower.follow(follow).await?.into_inner()) });
    let Some(notices) = owner.dropping_orders(following).await else { return Ok(End::OwnerGone) };
    if owner.receipt.is_some() {
        // It came while the server was asked to be followed.
        return Ok(End::ReceiptDue);
    }
    if owner.reach != reach {
        // This one was begun before.
        return Ok(End::ReachDue);
    }
    let renew_at = Instant::now() + until_due(enrolled, time);
    let session = Session {
        connection,
        device,
        enrolled,
        folder,
        time,
        owner,
        backoff,
        fetch: BTreeSet::new(),
        report: None,
        answer: None,
        news: VecDeque::new(),
        renew_at,
        again: Backoff::default(),
        again_at: None,
        told: None,
        up: false,
    };
    session.follow(notices?).await
}

struct Session<'a> {
    connection: Connection,
    device: DeviceClient<Connection>,
    enrolled: &'a Enrolled,
    folder: &'a Folder,
    time: &'a CertificateTime,
    owner: &'a mut Owner,
    backoff: &'a mut Backoff,
    fetch: BTreeSet<Digest>,
    report: Option<wire::ReportRequest>,
    answer: Option<wire::AnswerRequest>,
    news: VecDeque<FromServer>,
    renew_at: Instant,
    again: Backoff,
    /// When the owner is asked to say again what a failed call was to bring.
    again_at: Option<Instant>,
    /// The last word of the time that the owner was woken for.
    told: Option<ServerTime>,
    up: bool,
}

/// What a call brought.
enum Answer {
    Documents { asked: BTreeSet<Digest>, documents: Vec<(Digest, Vec<u8>)> },
    Acknowledged { report: wire::ReportRequest, sequence: u64, server_time: Option<Timestamp>, restored: i64 },
    Renewed(Box<Enrolled>),
    Answered,
}

type Call = Pin<Box<dyn Future<Output = Result<Answer, Trouble>> + Send>>;

impl Session<'_> {
    async fn follow(mut self, mut notices: tonic::Streaming<wire::Notice>) -> Result<End, Trouble> {
        let mut call: Option<Call> = None;
        let mut download: Option<Download> = None;
        let news = self.owner.channels.news.clone();
        let mut silent_at = Instant::now() + SILENCE;
        loop {
            if call.is_none() {
                call = self.next_call();
            }
            let renew_at = self.renew_at;
            let again_at = self.again_at;
            download = self.owner.downloads.go_on(download, &self.connection, &news);
            let fetch_at = self.owner.downloads.due().filter(|_| download.is_none());
            tokio::select! {
                biased;
                permit = news.reserve(), if !self.news.is_empty() => {
                    let Ok(permit) = permit else { return Ok(End::OwnerGone) };
                    if let Some(news) = self.news.pop_front() {
                        permit.send(news);
                    }
                }
                notice = notices.message() => {
                    silent_at = Instant::now() + SILENCE;
                    self.take_notice(notice?.ok_or(Trouble::Closed)?)?;
                }
                answer = under_way(&mut call) => {
                    call = None;
                    if let Some(renewed) = self.take_answer(answer)? {
                        return Ok(End::Renewed(renewed));
                    }
                }
                order = self.owner.channels.orders.recv() => match order {
                    Some(ToServer::Receipt(receipt)) => {
                        self.owner.receipt = Some(receipt);
                        return Ok(End::ReceiptDue);
                    }
                    Some(ToServer::Reach(number)) => {
                        self.owner.reach = Some(number);
                        return Ok(End::ReachDue);
                    }
                    Some(order) => self.take_order(order),
                    None => return Ok(End::OwnerGone),
                },
                done = Downloads::done(&mut download) => {
                    download = None;
                    self.news.extend(self.owner.downloads.take(done));
                }
                () = sleep_until(fetch_at.unwrap_or(renew_at)), if fetch_at.is_some() => {}
                () = sleep_until(renew_at), if call.is_none() => {}
                () = sleep_until(again_at.unwrap_or(renew_at)), if again_at.is_some() => {
                    self.again_at = None;
                    self.news.push_back(FromServer::Up);
                }
                () = sleep_until(silent_at) => return Err(Trouble::Silent),
            }
        }
    }

    /// The next call to make, if there is anything to call for and the owner keeps up with the answers.
    fn next_call(&mut self) -> Option<Call> {
        if Instant::now() >= self.renew_at {
            let wait = until_due(self.enrolled, self.time);
            if wait.is_zero() {
                self.renew_at = Instant::now() + RENEWAL_RETRY;
                let (device, folder) = (self.device.clone(), self.folder.clone());
                return Some(Box::pin(renew(device, folder, self.enrolled.trust.clone(), self.time.clone())));
            }
            self.renew_at = Instant::now() + wait;
        }
        if !self.news.is_empty() {
            return None;
        }
        if !self.fetch.is_empty() {
            let asked: BTreeSet<_> = self.fetch.iter().take(MAX_DIGESTS).copied().collect();
            self.fetch.retain(|digest| !asked.contains(digest));
            return Some(Box::pin(fetch(self.device.clone(), asked)));
        }
        if let Some(answer) = self.answer.take() {
            return Some(Box::pin(send_answer(self.device.clone(), answer)));
        }
        let report = self.report.take()?;
        Some(Box::pin(send_report(self.device.clone(), report)))
    }

    fn take_notice(&mut self, notice: wire::Notice) -> Result<(), Trouble> {
        let server_time = Timestamp::from_micros(notice.server_time)
            .ok_or(Trouble::Protocol("a notice has a time that can't be"))?;
        self.time.vouched(server_time);
        self.backoff.heard(server_time);
        self.owner.channels.heard.notify_one();
        let server_time = ServerTime::heard(server_time);
        if !self.up {
            self.up = true;
            self.backoff.up();
            self.news.push_back(FromServer::Up);
            if let Some(number) = self.owner.reach.take() {
                self.news.push_back(FromServer::Reached { number });
            }
        }
        match notice.notice {
            Some(notice::Notice::State(bytes)) => {
                self.news.retain(|news| !matches!(news, FromServer::State { .. }));
                self.news.push_back(FromServer::State { bytes: bytes.into(), server_time });
            }
            // One at a time: of an older one nobody waits for the answer any more.
            Some(notice::Notice::DryRun(asked)) => {
                self.news.retain(|news| !matches!(news, FromServer::DryRun(_)));
                self.news.push_back(FromServer::DryRun(DryRun::received(asked)));
            }
            Some(notice::Notice::LastOrder(last)) => {
                // One that waits there is the same one.
                self.owner.channels.last_orders.try_send(last.order.into()).ok();
            }
            Some(notice::Notice::ApplyNow(_)) => {
                self.news.retain(|news| !matches!(news, FromServer::ApplyNow { .. }));
                self.news.push_back(FromServer::ApplyNow { server_time });
            }
            // A notice of a kind that this agent does not know still vouches for the time.
            Some(notice::Notice::Quiet(_)) | None => {
                if self.told.is_none_or(|told| server_time.is_news_after(&told)) {
                    self.told = Some(server_time);
                    self.news.retain(|news| !matches!(news, FromServer::Quiet { .. }));
                    self.news.push_back(FromServer::Quiet { server_time });
                }
            }
        }
        Ok(())
    }

    fn take_order(&mut self, order: ToServer) {
        match order {
            ToServer::Following(generation) => self.owner.following = generation,
            ToServer::Artifacts(named) => self.owner.downloads.name(named),
            ToServer::Fetch(digests) => self.fetch.extend(digests),
            ToServer::Report(report) => self.report = Some(report),
            ToServer::Answer(answer) => self.answer = Some(answer),
            ToServer::Receipt(receipt) => self.owner.receipt = Some(receipt),
            ToServer::Reach(number) => self.owner.reach = Some(number),
        }
    }

    /// A call that failed alone does not end the link: a report that the server can't take must not keep states away.
    fn take_answer(&mut self, answer: Result<Answer, Trouble>) -> Result<Option<Box<Enrolled>>, Trouble> {
        match answer {
            Ok(Answer::Renewed(enrolled)) => {
                tracing::info!(not_after = %enrolled.not_after, "the certificate was renewed");
                return Ok(Some(enrolled));
            }
            Ok(Answer::Documents { asked, documents }) => {
                // The server sends as many as fit into one message; what came brought us further, so ask for the rest.
                if !documents.is_empty() {
                    let came: BTreeSet<_> = documents.iter().map(|(digest, _)| *digest).collect();
                    self.fetch.extend(asked.difference(&came));
                    self.news.push_back(FromServer::Documents(documents));
                }
            }
            Ok(Answer::Acknowledged { report, sequence, server_time, restored }) => {
                if let Some(time) = server_time {
                    self.time.vouched(time);
                }
                self.again = Backoff::default();
                self.news.push_back(FromServer::Acknowledged { report, sequence, restored });
            }
            Ok(Answer::Answered) => {}
            Err(trouble @ Trouble::Call(_)) => {
                self.again.say(&trouble);
                self.again_at = Some(Instant::now() + self.again.next());
            }
            Err(trouble @ Trouble::Identity(_)) => {
                tracing::warn!("the certificate was not renewed: {}", trouble.whole());
            }
            Err(trouble) => return Err(trouble),
        }
        Ok(None)
    }
}

/// How long to wait until the certificate is to be looked at again; zero when it is to be renewed.
fn until_due(enrolled: &Enrolled, time: &CertificateTime) -> Duration {
    let left = enrolled.renew_at().seconds() - time.now().seconds();
    Duration::from_secs(u64::try_from(left).unwrap_or(0)).min(LONGEST_RENEWAL_WAIT)
}

async fn under_way(call: &mut Option<Call>) -> Result<Answer, Trouble> {
    match call {
        Some(call) => call.await,
        None => std::future::pending().await,
    }
}

pub(super) async fn in_time<T>(call: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
    timeout(CALL, call).await.unwrap_or(Err(Trouble::Silent))
}

async fn fetch(mut device: DeviceClient<Connection>, asked: BTreeSet<Digest>) -> Result<Answer, Trouble> {
    let digests = asked.iter().map(Digest::to_string).collect();
    let call = async { Ok(device.fetch(wire::FetchRequest { digests }).await?.into_inner()) };
    let response = in_time(call).await?;
    let mut documents = Vec::with_capacity(response.documents.len());
    for bytes in response.documents {
        let digest = Digest::of(&bytes);
        if !asked.contains(&digest) {
            return Err(Trouble::Protocol("a document came that was not asked for"));
        }
        documents.push((digest, Vec::from(bytes)));
    }
    Ok(Answer::Documents { asked, documents })
}

async fn send_report(
    mut device: DeviceClient<Connection>,
    report: wire::ReportRequest,
) -> Result<Answer, Trouble> {
    let call = async { Ok(device.report(report.clone()).await?.into_inner()) };
    let response = in_time(call).await?;
    let server_time = Timestamp::from_micros(response.server_time);
    let wire::ReportResponse { acknowledged: sequence, restored, .. } = response;
    Ok(Answer::Acknowledged { report, sequence, server_time, restored })
}

/// Sends the receipt for the last order; whether the order was taken back. A server that refuses this device by now, and
/// has proven to be the right one, takes nothing from it any more: to it there is nothing left to say.
async fn send_receipt(
    mut device: DeviceClient<Connection>,
    receipt: wire::ReceiptRequest,
) -> Result<bool, Trouble> {
    let call = async {
        match device.receipt(receipt).await {
            Ok(answer) => Ok(answer.into_inner().taken_back),
            Err(status) if status.code() == tonic::Code::PermissionDenied => Ok(false),
            Err(status) => Err(status.into()),
        }
    };
    in_time(call).await
}

async fn send_answer(
    mut device: DeviceClient<Connection>,
    answer: wire::AnswerRequest,
) -> Result<Answer, Trouble> {
    let call = async {
        match device.answer(answer).await {
            Ok(_) => Ok(Answer::Answered),
            // Whoever asked waits no longer: nothing is lost, and nothing is to be said again.
            Err(status) if status.code() == tonic::Code::NotFound => {
                tracing::info!("a dry run was answered too late");
                Ok(Answer::Answered)
            }
            Err(status) => Err(status.into()),
        }
    };
    in_time(call).await
}

/// Renews with a new key, which is durable before the server hears of it. The old identity stays until the new one is
/// durable in its place.
async fn renew(
    mut device: DeviceClient<Connection>,
    folder: Folder,
    trust: crate::identity::Trust,
    time: CertificateTime,
) -> Result<Answer, Trouble> {
    let unusable = |error| Trouble::Identity(Box::new(error));
    let key = folder.key().map_err(unusable)?;
    let csr = key.request().map_err(|error| Trouble::Identity(Box::new(error)))?;
    let call = async { Ok(device.renew(wire::RenewRequest { csr: csr.into() }).await?.into_inner()) };
    let chain = in_time(call).await?.chain.into_iter().map(Vec::from).collect();
    let renewed = folder.keep(key, chain, trust).map_err(unusable)?;
    Ok(Answer::Renewed(Box::new(not_ended(renewed, &time)?)))
}

/// Whether a certificate that just came can be used. A server whose clock is far behind gives one that has ended, and the
/// next one would be no better: that is asked for again later, not at once.
pub(super) fn not_ended(fresh: Enrolled, time: &CertificateTime) -> Result<Enrolled, Trouble> {
    if fresh.not_after > time.now() {
        return Ok(fresh);
    }
    let why = format!(
        "the server's new certificate for this device ended at {} already, and here it is {}: look at both clocks",
        fresh.not_after,
        time.now()
    );
    Err(Trouble::Identity(why.into()))
}
