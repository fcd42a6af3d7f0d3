//! The door for devices: gRPC messages to operations and back, and nothing that decides.
//!
//! [`enrollment`] serves machines without a certificate, [`device`] those with one, by the device that the certificate
//! names. Beside the calls stands [`artifacts`], over plain HTTP on the same connection. [`followers`] wakes the links that a change concerns. [`refusals`] keeps what a stranger learns to a reference,
//! and how often one address may be refused; [`pace`] how much one device may ask for.

mod artifacts;
mod device;
mod enrollment;
mod followers;
mod pace;
mod refusals;
#[cfg(test)]
mod tests;
mod weighed;

use std::convert::Infallible;
use std::sync::Arc;

use hyper::body::Incoming;
use muster_proto::DeviceId;
use muster_proto::artifact::asked_for;
use muster_proto::wire;
use muster_proto::wire::device_server::DeviceServer;
use muster_proto::wire::enrollment_server::EnrollmentServer;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service};
use tonic::server::NamedService;

use crate::app::App;
use crate::ca::Authority;
use crate::listen::Peer;
use artifacts::ArtifactDoor;
use device::DeviceDoor;
use enrollment::EnrollmentDoor;
use followers::Followers;
use pace::Pace;
use refusals::Refusals;
use weighed::Weighed;

/// A token, a request for a certificate and what the machine says of itself; whoever is connected may send it.
const MAX_ENROLLMENT: usize = 32 * 1024;

/// The services that devices call; cheap to clone.
#[derive(Clone)]
pub(crate) struct Doors {
    enrollment: EnrollmentServer<EnrollmentDoor>,
    device: DeviceServer<DeviceDoor>,
    artifacts: ArtifactDoor,
    followers: Followers,
    refusals: Refusals,
    pace: Pace,
}

type Enrollment = EnrollmentServer<EnrollmentDoor>;
type Device = DeviceServer<DeviceDoor>;

impl Doors {
    /// Opens the doors, and gives what wakes the links when something changes: it is to be polled while they are open.
    pub(crate) fn open(app: App, authority: Arc<Authority>) -> (Self, impl Future<Output = ()> + Send) {
        let followers = Followers::default();
        let waking = followers.clone().wake(app.changes());
        let (refusals, pace) = (Refusals::new(app.clone()), Pace::default());
        let enrollment = EnrollmentDoor::new(app.clone(), Arc::clone(&authority), refusals.clone());
        let device =
            DeviceDoor::new(app.clone(), authority, refusals.clone(), followers.clone(), pace.clone());
        let artifacts = ArtifactDoor::new(app, device.clone());
        let doors = Self {
            enrollment: EnrollmentServer::new(enrollment)
                .max_decoding_message_size(MAX_ENROLLMENT)
                .max_encoding_message_size(wire::MAX_MESSAGE),
            device: DeviceServer::new(device)
                .max_decoding_message_size(wire::MAX_REPORT)
                .max_encoding_message_size(wire::MAX_MESSAGE),
            artifacts,
            followers,
            refusals,
            pace,
        };
        (doors, waking)
    }

    /// Whether the device has a link up that follows.
    pub(crate) fn is_following(&self, device: DeviceId) -> bool {
        self.followers.has(device)
    }

    /// Answers a request. Its extensions hold the [`crate::listen::Peer`].
    pub(crate) fn call(
        &self,
        request: http::Request<Incoming>,
    ) -> BoxFuture<http::Response<Body>, Infallible> {
        if let Some(artifact) = asked_for(request.uri().path()) {
            return self.artifacts.clone().answer(request.map(drop), artifact);
        }
        let service = request.uri().path().strip_prefix('/').and_then(|path| path.split_once('/'));
        match service {
            Some((Enrollment::NAME, _)) => self.enrollment.clone().call(request),
            Some((Device::NAME, _)) => self.device_call(request),
            _ => Box::pin(async { Ok(Status::unimplemented("there is no such service").into_http()) }),
        }
    }

    /// One without a certificate is refused before anything of its message is taken in.
    fn device_call(&self, request: http::Request<Incoming>) -> BoxFuture<http::Response<Body>, Infallible> {
        let Some(peer) = request.extensions().get::<Peer>().cloned() else {
            return Box::pin(async { Ok(nobody().into_http()) });
        };
        let Some(device) = &peer.device else {
            let refusals = self.refusals.clone();
            return Box::pin(async move { Ok(refusals.without_certificate(&peer).await.into_http()) });
        };
        let (pace, id) = (self.pace.clone(), device.id);
        self.device.clone().call(request.map(|body| Weighed::new(body, pace, id)))
    }
}

fn nobody() -> Status {
    Status::internal("the listener did not say who is calling")
}

/// A failure of the server's own: logged here, and told without its inside.
fn unavailable(error: &(dyn std::error::Error + 'static)) -> Status {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    tracing::error!(error = text, "a device's call could not be served");
    Status::unavailable("the server can't do this now; try again")
}
