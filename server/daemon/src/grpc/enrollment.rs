//! `Enrollment`: lets a machine in that has no certificate yet.

use std::sync::Arc;

use muster_proto::DeviceId;
use muster_proto::enrollment::EnrollmentClaims;
use muster_proto::returning::message;
use muster_proto::spiffe::TrustDomain;
use muster_proto::wire::enroll_response::Result as Outcome;
use muster_proto::wire::enrollment_server::Enrollment;
use muster_proto::wire::{
    ComeBackRequest, ComeBackResponse, EnrollRequest, EnrollResponse, Enrolled, Pending,
};
use tonic::{Request, Response, Status};

use super::refusals::{Caller, Refusals};
use crate::app::enroll::{self, EnrollError};
use crate::app::{self, App};
use crate::ca::{self, Authority, ProvenKey};
use crate::listen::Peer;
use crate::listen::peer::name_in;

/// What a machine says of itself is a handful of short texts.
const MAX_CLAIMS: usize = 16 * 1024;

const MAX_TOKEN: usize = 256;

pub(super) struct EnrollmentDoor {
    app: App,
    authority: Arc<Authority>,
    refusals: Refusals,
}

impl EnrollmentDoor {
    pub(super) fn new(app: App, authority: Arc<Authority>, refusals: Refusals) -> Self {
        Self { app, authority, refusals }
    }
}

impl EnrollmentDoor {
    /// Whose failures this call is counted with.
    async fn caller(&self, peer: &Peer, token: &str) -> Result<Caller, Status> {
        let known = token.len() <= MAX_TOKEN
            && self.app.knows_token(token).await.map_err(|error| super::unavailable(&error))?;
        Ok(if known { Caller::with_token(peer, token) } else { Caller::of(peer) })
    }

    /// Whose failures a return is counted with. A device that signed with the key of a certificate on record is no
    /// stranger, and none of those keeps it away.
    async fn returner(
        &self,
        peer: &Peer,
        shown: Option<(DeviceId, String, Vec<u8>)>,
    ) -> Result<Caller, Status> {
        let Some((device, serial_number, certificate)) = shown else { return Ok(Caller::of(peer)) };
        let known = self.app.knows_certificate(device, serial_number, certificate).await;
        let known = known.map_err(|error| super::unavailable(&error))?;
        Ok(if known { Caller::returning(peer, device) } else { Caller::of(peer) })
    }
}

#[tonic::async_trait]
impl Enrollment for EnrollmentDoor {
    async fn enroll(&self, request: Request<EnrollRequest>) -> Result<Response<EnrollResponse>, Status> {
        let peer = super::device::peer_of(&request)?;
        let request = request.into_inner();
        let caller = self.caller(&peer, &request.token).await?;
        self.refusals.check(caller)?;
        let (key, request) = match parse(request, &peer) {
            Ok(parsed) => parsed,
            Err(reason) => return Err(self.refusals.refuse(caller, &peer, "enroll", reason).await),
        };
        let (authority, now) = (Arc::clone(&self.authority), self.app.now());
        let enrolled =
            self.app.enroll(request, move |device| authority.issue_device(&key, device, now)).await;
        let outcome = match enrolled {
            Ok(enroll::Enrolled::Issued { device, chain }) => Outcome::Enrolled(Enrolled {
                device_id: device.to_string(),
                chain: chain.into_iter().map(Into::into).collect(),
            }),
            Ok(enroll::Enrolled::Pending { code, retry_after }) => {
                Outcome::Pending(Pending { code, retry_after })
            }
            Err(EnrollError::Refused { reference }) => return Err(self.refusals.refused(caller, &reference)),
            Err(error) => return Err(super::unavailable(&error)),
        };
        Ok(Response::new(EnrollResponse { result: Some(outcome) }))
    }

    async fn come_back(
        &self,
        request: Request<ComeBackRequest>,
    ) -> Result<Response<ComeBackResponse>, Status> {
        let peer = super::device::peer_of(&request)?;
        let asked = returning(request.into_inner(), &peer, self.authority.trust_domain());
        let shown = asked
            .as_ref()
            .ok()
            .map(|(_, request)| (request.device, request.serial_number.clone(), request.certificate.clone()));
        let caller = self.returner(&peer, shown).await?;
        self.refusals.check(caller)?;
        let (key, request) = match asked {
            Ok(parsed) => parsed,
            Err(reason) => return Err(self.refusals.refuse(caller, &peer, "return", reason).await),
        };
        let (authority, now) = (Arc::clone(&self.authority), self.app.now());
        let back = self.app.come_back(request, move |device| authority.issue_device(&key, device, now)).await;
        match back {
            Ok(chain) => {
                Ok(Response::new(ComeBackResponse { chain: chain.into_iter().map(Into::into).collect() }))
            }
            Err(EnrollError::Refused { reference }) => Err(self.refusals.refused(caller, &reference)),
            Err(error) => Err(super::unavailable(&error)),
        }
    }
}

/// Reads who comes back, and verifies that this very connection is signed with the certificate's key. Whether the
/// certificate is one of ours is for the record to say.
fn returning(
    request: ComeBackRequest,
    peer: &Peer,
    trust_domain: &TrustDomain,
) -> Result<(ProvenKey, app::returning::Request), String> {
    let ComeBackRequest { certificate, csr, signature } = request;
    let (device, facts) =
        name_in(&certificate, trust_domain).map_err(|error| format!("certificate: {error}"))?;
    let exported =
        peer.exported.ok_or("the connection has no keying material to sign, or showed a certificate")?;
    if !ca::signed_by(&certificate, &message(&exported, &certificate, &csr), &signature) {
        return Err(format!("device {device}: this connection is not signed with the certificate's key"));
    }
    let key = ProvenKey::of(&csr).map_err(|error| error.to_string())?;
    let request = app::returning::Request {
        device,
        serial_number: facts.serial_number,
        certificate: certificate.into(),
        key: key.digest(),
        address: peer.address.ip().to_string(),
    };
    Ok((key, request))
}

fn parse(request: EnrollRequest, peer: &Peer) -> Result<(ProvenKey, enroll::Request), String> {
    if request.token.len() > MAX_TOKEN {
        return Err(format!("token: it has {} bytes, more than any token", request.token.len()));
    }
    if request.claims.len() > MAX_CLAIMS {
        return Err(format!(
            "claims: they have {} bytes; at most {MAX_CLAIMS} are read",
            request.claims.len()
        ));
    }
    let claims: EnrollmentClaims =
        serde_json::from_slice(&request.claims).map_err(|error| format!("claims: {error}"))?;
    let key = ProvenKey::of(&request.csr).map_err(|error| error.to_string())?;
    let address = peer.address.ip().to_string();
    let request = enroll::Request { token: request.token, key: key.digest(), claims, address };
    Ok((key, request))
}
