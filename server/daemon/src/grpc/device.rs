//! `Device`: what an enrolled device asks for. Which device is what the certificate says, never what a message says.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use futures_util::stream::unfold;
use muster_proto::last_order::Receipt;
use muster_proto::wire::LastOrder;
use muster_proto::wire::device_server::Device;
use muster_proto::wire::{
    AnswerRequest, AnswerResponse, ApplyNow, FetchRequest, FetchResponse, FollowRequest, Notice, Quiet,
    ReceiptRequest, ReceiptResponse, RenewRequest, RenewResponse, ReportRequest, ReportResponse, notice,
};
use muster_proto::{Generation, Timestamp, wire};
use tokio::sync::Semaphore;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::followers::{Follower, Followers};
use super::pace::{self, Pace};
use super::refusals::{Caller, Refusals};
use crate::app::dry_run::Listening;
use crate::app::enroll::EnrollError;
use crate::app::fetch::FetchError;
use crate::app::follow::Hello;
use crate::app::lost::Taken;
use crate::app::presence::Link;
use crate::app::report::ReportError;
use crate::app::restore::{Shown, TakenUp};
use crate::app::standing::Standing;
use crate::app::{App, AppError};
use crate::ca::{self, Authority, ProvenKey};
use crate::listen::Peer;
use crate::listen::peer::DeviceCertificate;

/// A link hears something at least this often: half of it certain, half by chance, so that links do not fall in step. It need not be
/// often: that the other side or the way to it is gone is found by the kernel of each, and a device pays for each time it wakes.
const QUIET: Duration = Duration::from_secs(300);

/// A last order that is not confirmed is said again: its device may have had no room to keep it, or have meant an older one.
const ORDERED: Duration = Duration::from_secs(60);

/// Documents in one answer; the device asks again for the rest. The margin is for the frame around them.
const MAX_DOCUMENTS: usize = wire::MAX_MESSAGE - 64 * 1024;

/// Fetches that read at once; each may hold a message of the largest size.
const FETCHES: usize = 4;

#[derive(Clone)]
pub(super) struct DeviceDoor {
    app: App,
    authority: Arc<Authority>,
    refusals: Refusals,
    followers: Followers,
    pace: Pace,
    fetches: Arc<Semaphore>,
}

impl DeviceDoor {
    pub(super) fn new(
        app: App,
        authority: Arc<Authority>,
        refusals: Refusals,
        followers: Followers,
        pace: Pace,
    ) -> Self {
        let fetches = Arc::new(Semaphore::new(FETCHES));
        Self { app, authority, refusals, followers, pace, fetches }
    }

    /// The device that calls, if its certificate still counts and it has not taken its share. One whose certificate does
    /// not count is told nothing and cut off.
    async fn caller<T>(&self, request: &Request<T>, cost: f64) -> Result<(Peer, DeviceCertificate), Status> {
        let peer = peer_of(request)?;
        let device = self.known(&peer, cost).await?;
        Ok((peer, device))
    }

    /// The same for who is at the other end of a connection.
    pub(super) async fn known(&self, peer: &Peer, cost: f64) -> Result<DeviceCertificate, Status> {
        let device = self.pay(peer, cost).await?;
        let standing = self.standing(&device).await?;
        if self.judge(peer, &device, standing).await? == Word::LastOrder {
            return Err(Status::failed_precondition("the last order comes before anything else"));
        }
        self.app.seen(device.id);
        Ok(device)
    }

    /// Whether what a device is being sent may go on.
    pub(super) async fn is_good(&self, device: &DeviceCertificate) -> bool {
        matches!(self.standing(device).await, Ok(Standing::Good))
    }

    /// Who calls, whatever its certificate is worth, if it has not taken its share.
    async fn paying<T>(&self, request: &Request<T>, cost: f64) -> Result<(Peer, DeviceCertificate), Status> {
        let peer = peer_of(request)?;
        let device = self.pay(&peer, cost).await?;
        Ok((peer, device))
    }

    async fn pay(&self, peer: &Peer, cost: f64) -> Result<DeviceCertificate, Status> {
        let Some(device) = peer.device.clone() else {
            return Err(self.refusals.without_certificate(peer).await);
        };
        self.pace.spend(device.id, cost)?;
        Ok(device)
    }

    async fn standing(&self, device: &DeviceCertificate) -> Result<Standing, Status> {
        if self.app.now() >= device.not_after {
            return Ok(Standing::Expired);
        }
        let standing = self.app.standing(device.id, device.serial_number.to_string(), device.key).await;
        standing.map_err(|error| super::unavailable(&error))
    }

    async fn judge(
        &self,
        peer: &Peer,
        device: &DeviceCertificate,
        standing: Standing,
    ) -> Result<Word, Status> {
        let reason = match standing {
            Standing::Good => return Ok(Word::Any),
            Standing::Ordered => return Ok(Word::LastOrder),
            Standing::Revoked => "the device or its certificate was revoked".to_owned(),
            Standing::Lost => "the device is lost".to_owned(),
            Standing::Held => "two machines use the device's identity".to_owned(),
            Standing::Replaced => return Err(self.refuse_old(peer, device).await),
            Standing::Expired => "the certificate ended".to_owned(),
            Standing::Unknown => match self.take_up(device).await? {
                TakenUp::Yes => return Ok(Word::Any),
                TakenUp::NotAwaited => match self.app.was_deleted(device.id).await {
                    Ok(true) => "the device was deleted".to_owned(),
                    Ok(false) => "this server did not issue the certificate to this device".to_owned(),
                    Err(error) => return Err(super::unavailable(&error)),
                },
                TakenUp::No(reason) => format!("the certificate is in no record, and {reason}"),
            },
        };
        peer.cut();
        let caller = Caller::of(peer);
        self.refusals.check(caller)?;
        let reason = format!("device {}, certificate {}: {reason}", device.id, device.serial_number);
        Err(self.refusals.refuse(caller, peer, "device.call", reason).await)
    }
}

impl DeviceDoor {
    async fn refuse_old(&self, peer: &Peer, device: &DeviceCertificate) -> Status {
        peer.cut();
        let caller = Caller::of(peer);
        if let Err(status) = self.refusals.check(caller) {
            return status;
        }
        let (serial, address) = (device.serial_number.to_string(), peer.address.ip().to_string());
        match self.app.note_old_certificate(device.id, serial, address).await {
            Ok(reference) => self.refusals.refused(caller, &reference),
            Err(error) => super::unavailable(&error),
        }
    }

    /// Notices a second machine by its boot. One whose certificate is older than one in use counts as well: of two copies
    /// one has renewed.
    async fn meet(
        &self,
        peer: &Peer,
        device: &DeviceCertificate,
        booted: Option<Uuid>,
    ) -> Result<(), Status> {
        let Some(booted) = booted else {
            // A copy that keeps silent about its boot would pass as the device.
            let told =
                self.app.has_told_boots(device.id).await.map_err(|error| super::unavailable(&error))?;
            let missing = "boot: this device has said which kernel it runs, and has to go on to";
            return if told { Err(Status::failed_precondition(missing)) } else { Ok(()) };
        };
        let met = self.app.meet(device.id, booted, peer.address.ip().to_string()).await;
        met.map(drop).map_err(|error| super::unavailable(&error))
    }

    /// After a restore, a certificate that was issued since the backup may be taken up.
    async fn take_up(&self, device: &DeviceCertificate) -> Result<TakenUp, Status> {
        let chain = device.chain.iter().chain([self.authority.root()]);
        let shown = Shown {
            device: device.id,
            serial_number: device.serial_number.to_string(),
            key: device.key,
            not_before: device.not_before,
            issued: ca::issued_at(device.not_before),
            not_after: device.not_after,
            longest_life: ca::DEVICE_LIFE,
            chain: chain.map(|der| der.to_vec()).collect(),
        };
        self.app.take_up(shown).await.map_err(|error| super::unavailable(&error))
    }
}

/// What may be said to a device whose certificate counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    /// Anything.
    Any,
    /// Its last order, and nothing else.
    LastOrder,
}

/// Who is at the other end of the connection a request came over.
pub(super) fn peer_of<T>(request: &Request<T>) -> Result<Peer, Status> {
    let peer = request.extensions().get::<Peer>();
    peer.cloned().ok_or_else(super::nobody)
}

#[tonic::async_trait]
impl Device for DeviceDoor {
    type FollowStream = Pin<Box<dyn Stream<Item = Result<Notice, Status>> + Send>>;

    async fn follow(&self, request: Request<FollowRequest>) -> Result<Response<Self::FollowStream>, Status> {
        let (peer, device) = self.paying(&request, pace::CALL).await?;
        let follow = request.into_inner();
        let booted = booted(&follow)?;
        let FollowRequest { generation, agent_version, composition, kinds, dry_runs, last_orders, .. } =
            follow;
        let mut standing = self.standing(&device).await?;
        if matches!(standing, Standing::Good | Standing::Ordered | Standing::Replaced) {
            self.meet(&peer, &device, booted).await?;
            standing = self.standing(&device).await?;
        }
        self.judge(&peer, &device, standing).await?;
        self.app.seen(device.id);
        let generation = Generation(generation);
        // Before the state is read, so that no change between the two is missed.
        let follower = self.followers.follow(device.id);
        let hello = Hello { generation, agent_version, composition, kinds };
        let link = self.app.connect(device.id, hello).await.map_err(|error| super::unavailable(&error))?;
        let listening = dry_runs.then(|| self.app.listen_for_dry_runs(device.id));
        let following = Following {
            door: self.clone(),
            peer,
            device,
            generation,
            follower,
            listening,
            booted,
            last_orders,
            begun: false,
            ordered: false,
            _link: link,
        };
        let notices = unfold(Some(following), |following| async {
            let mut following = following?;
            match following.next().await {
                Ok(notice) => Some((Ok(notice), Some(following))),
                Err(status) => Some((Err(status), None)),
            }
        });
        Ok(Response::new(Box::pin(notices)))
    }

    async fn fetch(&self, request: Request<FetchRequest>) -> Result<Response<FetchResponse>, Status> {
        // Before the pace is asked: calls at the same time must not all pass on what only the first leaves.
        let turn = self.fetches.acquire().await.map_err(|error| super::unavailable(&error))?;
        let (_, device) = self.caller(&request, pace::CALL).await?;
        let digests: Result<Vec<_>, _> =
            request.into_inner().digests.iter().map(|digest| digest.parse()).collect();
        let digests = digests.map_err(|error| Status::invalid_argument(format!("digests: {error}")))?;
        let documents = match self.app.fetch(device.id, digests, MAX_DOCUMENTS).await {
            Ok(documents) => documents,
            Err(error @ FetchError::NotNamed(_)) => return Err(Status::not_found(error.to_string())),
            Err(error @ FetchError::TooMany) => return Err(Status::invalid_argument(error.to_string())),
            Err(error @ FetchError::Store(_)) => return Err(super::unavailable(&error)),
        };
        self.pace.charge(device.id, pace::of_bytes(documents.iter().map(Vec::len).sum()));
        drop(turn);
        Ok(Response::new(FetchResponse { documents: documents.into_iter().map(Into::into).collect() }))
    }

    async fn report(&self, request: Request<ReportRequest>) -> Result<Response<ReportResponse>, Status> {
        let (_, device) = self.caller(&request, pace::of_report(request.get_ref())).await?;
        match self.app.report(device.id, request.into_inner()).await {
            Ok(acknowledged) => {
                let server_time = self.app.now().micros();
                let restored = self.app.restored().map_or(0, Timestamp::micros);
                Ok(Response::new(ReportResponse { acknowledged, server_time, restored }))
            }
            Err(error @ ReportError::Invalid { .. }) => Err(Status::invalid_argument(error.to_string())),
            Err(error @ ReportError::Store(_)) => Err(super::unavailable(&error)),
        }
    }

    async fn answer(&self, request: Request<AnswerRequest>) -> Result<Response<AnswerResponse>, Status> {
        let (_, device) = self.caller(&request, pace::CALL).await?;
        match self.app.take_answer(device.id, request.into_inner()) {
            Ok(()) => Ok(Response::new(AnswerResponse {})),
            Err(error) => Err(Status::not_found(error.to_string())),
        }
    }

    async fn receipt(&self, request: Request<ReceiptRequest>) -> Result<Response<ReceiptResponse>, Status> {
        let (peer, device) = self.paying(&request, pace::CALL).await?;
        let standing = self.standing(&device).await?;
        // One whose receipt was taken is lost, and may ask again for an answer that did not reach it.
        if standing != Standing::Lost {
            self.judge(&peer, &device, standing).await?;
        }
        let receipt: Receipt = serde_json::from_slice(&request.into_inner().receipt)
            .map_err(|error| Status::invalid_argument(format!("receipt: {error}")))?;
        if !receipt.is_bounded() {
            return Err(Status::invalid_argument("receipt: it says more than a receipt may"));
        }
        if standing == Standing::Lost {
            if self.app.has_receipt(device.id, &receipt).await.map_err(failed)? {
                return Ok(Response::new(ReceiptResponse { taken_back: false }));
            }
            self.judge(&peer, &device, standing).await?;
        }
        let taken = self.app.take_receipt(device.id, receipt).await.map_err(failed)?;
        Ok(Response::new(ReceiptResponse { taken_back: taken == Taken::TakenBack }))
    }

    async fn renew(&self, request: Request<RenewRequest>) -> Result<Response<RenewResponse>, Status> {
        let (peer, device) = self.caller(&request, pace::RENEWAL).await?;
        let key = match ProvenKey::of(&request.into_inner().csr) {
            Ok(key) => key,
            Err(error) => {
                let reason = format!("device {}: {error}", device.id);
                return Err(self.refusals.refuse(Caller::of(&peer), &peer, "device.renew", reason).await);
            }
        };
        let (authority, now) = (Arc::clone(&self.authority), self.app.now());
        let digest = key.digest();
        let issue = move |device| authority.issue_device(&key, device, now);
        match self.app.renew(device.id, device.serial_number.to_string(), digest, issue).await {
            Ok(chain) => {
                Ok(Response::new(RenewResponse { chain: chain.into_iter().map(Into::into).collect() }))
            }
            Err(EnrollError::Refused { reference }) => {
                Err(self.refusals.refused(Caller::of(&peer), &reference))
            }
            Err(error) => Err(super::unavailable(&error)),
        }
    }
}

/// One link: what it was told last, and what keeps its place.
struct Following {
    door: DeviceDoor,
    peer: Peer,
    device: DeviceCertificate,
    generation: Generation,
    follower: Follower,
    /// For dry runs, where the agent answers them.
    listening: Option<Listening>,
    /// The kernel that runs at the other end, where the agent says so.
    booted: Option<Uuid>,
    /// Whether the agent obeys a last order.
    last_orders: bool,
    begun: bool,
    /// Whether the last word was a last order, which the device has not confirmed.
    ordered: bool,
    _link: Link,
}

impl Following {
    /// Waits for the next thing to say. Woken by change and by timer, it looks at everything each time.
    async fn next(&mut self) -> Result<Notice, Status> {
        let mut quiet = !self.begun;
        self.begun = true;
        loop {
            let mut question = None;
            if !quiet {
                tokio::select! {
                    () = self.follower.woken() => {}
                    asked = asked(&mut self.listening) => question = Some(asked),
                    () = tokio::time::sleep(if self.ordered { ORDERED } else { quiet_time() }) => quiet = true,
                }
            }
            let standing = self.door.standing(&self.device).await?;
            if standing == Standing::Replaced {
                // Its device shows a newer certificate: this link is over, and nobody showed the old one again.
                self.peer.cut();
                return Err(Status::unavailable("a newer certificate of this device is in use"));
            }
            let word = self.door.judge(&self.peer, &self.device, standing).await?;
            self.end_when_over().await?;
            self.ordered = word == Word::LastOrder;
            if self.ordered {
                match self.last_order().await? {
                    Some(notice) => return Ok(notice),
                    None if quiet => return Ok(self.say(notice::Notice::Quiet(Quiet {}))),
                    None => continue,
                }
            }
            if let Some(question) = question {
                return Ok(self.say(notice::Notice::DryRun(question)));
            }
            let newer = self.door.app.newer_state(self.device.id, self.generation).await;
            let notice = match newer.map_err(|error| super::unavailable(&error))? {
                Some(state) => {
                    self.generation = state.generation;
                    notice::Notice::State(state.bytes.into())
                }
                None if self.follower.takes_apply_now() => notice::Notice::ApplyNow(ApplyNow {}),
                None if quiet => notice::Notice::Quiet(Quiet {}),
                None => continue,
            };
            return Ok(self.say(notice));
        }
    }

    async fn last_order(&self) -> Result<Option<Notice>, Status> {
        if !self.last_orders {
            return Ok(None);
        }
        let order = self.door.app.last_order(self.device.id).await.map_err(failed)?;
        Ok(order.map(|order| self.say(notice::Notice::LastOrder(LastOrder { order: order.into() }))))
    }

    /// Ends the link of a boot that another has followed: it is dead and was not known to be, or another machine's, which
    /// then comes again.
    async fn end_when_over(&self) -> Result<(), Status> {
        let Some(booted) = self.booted else { return Ok(()) };
        let newest = self.door.app.is_newest(self.device.id, booted).await;
        if newest.map_err(|error| super::unavailable(&error))? {
            return Ok(());
        }
        self.peer.cut();
        Err(Status::unavailable("another boot of this device has connected since"))
    }

    fn say(&self, notice: notice::Notice) -> Notice {
        Notice { server_time: self.door.app.now().micros(), notice: Some(notice) }
    }
}

/// The running kernel by its UUID, where the agent says so.
fn booted(follow: &FollowRequest) -> Result<Option<Uuid>, Status> {
    if follow.boot.is_empty() {
        return Ok(None);
    }
    let booted = follow.boot.parse();
    booted.map(Some).map_err(|_| Status::invalid_argument("boot: expected a UUID"))
}

fn failed(error: AppError) -> Status {
    super::unavailable(&error)
}

async fn asked(listening: &mut Option<Listening>) -> wire::DryRun {
    match listening {
        Some(listening) => listening.question().await,
        None => std::future::pending().await,
    }
}

fn quiet_time() -> Duration {
    let mut bytes = [0; 4];
    // Without random numbers no connection would be up; half is then as good as any.
    let chance = aws_lc_rs::rand::fill(&mut bytes)
        .map_or(0.5, |()| f64::from(u32::from_ne_bytes(bytes)) / f64::from(u32::MAX));
    QUIET / 2 + (QUIET / 2).mul_f64(chance)
}
