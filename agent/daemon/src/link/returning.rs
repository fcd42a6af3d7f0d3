//! Comes back with a new key after the certificate ended: the old key signs the very connection it is asked over.

use muster_proto::returning::message;
use muster_proto::wire;

use super::session::{in_time, not_ended};
use super::{Target, Trouble};
use crate::identity::time::CertificateTime;
use crate::identity::{Enrolled, Folder};

/// Asks the server for a new certificate. The key that it is for is durable before the server hears of it, and the old
/// identity stays until the new one is durable in its place.
pub(super) async fn come_back(
    enrolled: &Enrolled,
    folder: &Folder,
    time: &CertificateTime,
) -> Result<Enrolled, Trouble> {
    let unusable = |error| Trouble::Identity(Box::new(error));
    let key = folder.key().map_err(unusable)?;
    let csr = key.request().map_err(|error| Trouble::Identity(Box::new(error)))?;
    let connection = Target::as_stranger(&enrolled.trust, time)?.connect().await?;
    let certificate = enrolled.certificate();
    let signed = message(connection.exported(), certificate, &csr);
    let signature = enrolled.sign(&signed).map_err(|error| Trouble::Identity(Box::new(error)))?;
    let request = wire::ComeBackRequest {
        certificate: certificate.to_vec().into(),
        csr: csr.into(),
        signature: signature.into(),
    };
    let call = async { Ok(connection.enrollment().come_back(request).await?.into_inner()) };
    let answer = in_time(call).await.map_err(|trouble| match trouble {
        Trouble::Refused(why) => Trouble::Ended { at: enrolled.not_after, why },
        other => other,
    })?;
    let chain = answer.chain.into_iter().map(Vec::from).collect();
    let back = folder.keep(key, chain, enrolled.trust.clone()).map_err(unusable)?;
    not_ended(back, time)
}
