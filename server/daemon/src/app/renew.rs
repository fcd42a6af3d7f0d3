//! A new certificate for a device that has one.

use muster_proto::{DeviceId, Digest};

use super::App;
use super::enroll::EnrollError;
use crate::ca::Issued;

impl App {
    /// Issues a new certificate to a device in good standing; the same key asking again soon gets the same one.
    /// Gives DER, leaf first, root last.
    pub(crate) async fn renew<E>(
        &self,
        device: DeviceId,
        key: Digest,
        issue: impl FnOnce(DeviceId) -> Result<Issued, E> + Send + 'static,
    ) -> Result<Vec<Vec<u8>>, EnrollError>
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        todo!()
    }
}
