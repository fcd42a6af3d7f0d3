//! Artifacts for devices, beside their calls and over plain HTTP: `GET /v1/artifacts/{hex}`, as [`muster_proto::artifact`]
//! has it.
//!
//! So many are sent at once and no more, so that a whole fleet that fetches leaves room for calls. A device is sent one at a
//! time: who asks anew has lost what came before, and gets the place of it.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream::unfold;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, RANGE, RETRY_AFTER};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Bytes;
use muster_proto::{DeviceId, Digest};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::timeout;
use tonic::body::Body;
use tonic::codegen::BoxFuture;
use tonic::{Code, Status};

use super::device::DeviceDoor;
use super::pace;
use crate::app::App;
use crate::listen::Peer;
use crate::listen::peer::DeviceCertificate;

/// Artifacts that are sent at once. Each holds some hundred KiB.
const PLACES: usize = 32;

/// How long a device waits for a place before it is told to come back.
const PATIENCE: Duration = Duration::from_secs(5);

/// Seconds after which it may.
const COME_BACK: u64 = 30;

/// A device that takes nothing for so long loses its place.
const STALLED: Duration = Duration::from_secs(60);

/// How often it is asked whether the device may still have anything.
const LOOK: Duration = Duration::from_secs(30);

#[derive(Clone)]
pub(super) struct ArtifactDoor {
    app: App,
    door: DeviceDoor,
    pub(super) places: Arc<Semaphore>,
    sending: Sending,
}

/// What each device is being sent; the sender's end says that it is over.
#[derive(Clone, Default)]
struct Sending(Arc<Mutex<HashMap<DeviceId, oneshot::Sender<()>>>>);

/// What one device is being sent, until it is dropped.
struct Turn {
    sending: Sending,
    device: DeviceId,
    /// Ends when the device asks anew.
    over: oneshot::Receiver<()>,
}

/// One artifact on its way to a device.
struct Way {
    door: DeviceDoor,
    peer: Peer,
    device: DeviceCertificate,
    turn: Turn,
    _place: OwnedSemaphorePermit,
}

impl ArtifactDoor {
    pub(super) fn new(app: App, door: DeviceDoor) -> Self {
        Self { app, door, places: Arc::new(Semaphore::new(PLACES)), sending: Sending::default() }
    }

    /// Answers a request, whose extensions hold the [`Peer`].
    pub(super) fn answer(
        self,
        request: Request<()>,
        artifact: Digest,
    ) -> BoxFuture<Response<Body>, Infallible> {
        Box::pin(
            async move { Ok(self.serve(&request, artifact).await.unwrap_or_else(|status| told(&status))) },
        )
    }

    async fn serve(&self, request: &Request<()>, artifact: Digest) -> Result<Response<Body>, Status> {
        let peer = request.extensions().get::<Peer>().cloned().ok_or_else(super::nobody)?;
        let device = self.door.known(&peer, pace::CALL).await?;
        if request.method() != Method::GET {
            return Err(Status::unimplemented("an artifact can be had by GET and by nothing else"));
        }
        let is_for = self.app.is_artifact_for(device.id, artifact).await;
        if !is_for.map_err(|error| super::unavailable(&error))? {
            return Err(not_named(artifact));
        }
        let mut turn = self.sending.begin(device.id);
        // Who asks anew does not wait twice: by a thousand questions one device would be a thousand in the queue.
        let place = tokio::select! {
            place = timeout(PATIENCE, Arc::clone(&self.places).acquire_owned()) => place,
            _ = &mut turn.over => return Err(Status::unavailable("this device has asked anew since")),
        };
        let Ok(Ok(_place)) = place else {
            return Err(Status::unavailable("other devices are served first; come back later"));
        };
        let answer = self.app.artifacts().serve(artifact, request.headers().get(RANGE)).await;
        let (head, body) = answer.map_err(|error| super::unavailable(&error))?.into_parts();
        match head.status {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => {}
            StatusCode::RANGE_NOT_SATISFIABLE => return Ok(Response::from_parts(head, Body::empty())),
            _ => {
                tracing::error!(%artifact, "the file of an artifact is not there; muster-server doctor says more");
                return Err(not_named(artifact));
            }
        }
        let length = head.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let left: u64 = length.ok_or_else(|| Status::internal("a file without a length"))?;
        let (pieces, taken) = mpsc::channel(1);
        let way = Way { door: self.door.clone(), peer, device, turn, _place };
        tokio::spawn(way.send(body, pieces));
        Ok(Response::from_parts(head, Body::new(axum::body::Body::from_stream(whole(taken, left)))))
    }
}

impl Way {
    /// Sends what is read until all is sent or it is over.
    async fn send<B>(mut self, body: B, pieces: mpsc::Sender<Bytes>)
    where
        B: hyper::body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<axum::BoxError>,
    {
        let mut body = axum::body::Body::new(body).into_data_stream();
        let mut looked = Instant::now();
        loop {
            if looked.elapsed() >= LOOK {
                if !self.door.is_good(&self.device).await {
                    break;
                }
                looked = Instant::now();
            }
            let piece = match body.next().await {
                Some(Ok(piece)) => piece,
                Some(Err(error)) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "an artifact can't be read");
                    break;
                }
                None => break,
            };
            tokio::select! {
                sent = timeout(STALLED, pieces.send(piece)) => {
                    if !matches!(sent, Ok(Ok(()))) {
                        break;
                    }
                }
                _ = &mut self.turn.over => break,
            }
            self.peer.stir();
        }
    }
}

impl Sending {
    /// Ends what the device was sent so far, and begins another.
    fn begin(&self, device: DeviceId) -> Turn {
        let (end, over) = oneshot::channel();
        self.table().insert(device, end);
        Turn { sending: self.clone(), device, over }
    }

    fn table(&self) -> MutexGuard<'_, HashMap<DeviceId, oneshot::Sender<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.over.close();
        let mut table = self.sending.table();
        // Another may have begun for the device since.
        if table.get(&self.device).is_some_and(oneshot::Sender::is_closed) {
            table.remove(&self.device);
        }
    }
}

/// The pieces as they come. Where they end before all `left` bytes came, it is an error, so that the device knows.
fn whole(
    pieces: mpsc::Receiver<Bytes>,
    left: u64,
) -> impl futures_util::Stream<Item = io::Result<Bytes>> + Send {
    unfold((pieces, left), |(mut pieces, left)| async move {
        match pieces.recv().await {
            Some(piece) => {
                let left = left.saturating_sub(piece.len() as u64);
                Some((Ok(piece), (pieces, left)))
            }
            None if left == 0 => None,
            None => Some((Err(io::ErrorKind::UnexpectedEof.into()), (pieces, 0))),
        }
    })
}

fn not_named(artifact: Digest) -> Status {
    Status::not_found(format!("your current state does not name {artifact}"))
}

/// A refusal as HTTP says it.
fn told(status: &Status) -> Response<Body> {
    let code = match status.code() {
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::Unimplemented => StatusCode::METHOD_NOT_ALLOWED,
        Code::FailedPrecondition => StatusCode::CONFLICT,
        Code::ResourceExhausted | Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let text = axum::body::Body::from(format!("{}\n", status.message()));
    let mut response = Response::new(Body::new(text));
    *response.status_mut() = code;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    if code == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, COME_BACK.into());
    }
    response
}
