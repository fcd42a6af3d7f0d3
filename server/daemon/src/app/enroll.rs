//! Lets a machine in, makes it wait, or refuses it.

use muster_proto::enrollment::EnrollmentClaims;
use muster_proto::{DeviceId, Digest};
use muster_store::StoreError;

use super::App;
use crate::ca::Issued;

/// A machine that asks to be let in. Its certificate request was verified: it holds the key.
pub(crate) struct Request {
    /// The token's secret.
    pub(crate) token: String,
    /// Digest of the public key (DER, SubjectPublicKeyInfo).
    pub(crate) key: Digest,
    /// What it says of itself.
    pub(crate) claims: EnrollmentClaims,
    /// Where it calls from.
    pub(crate) address: String,
}

/// What became of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Enrolled {
    /// It is in.
    Issued {
        /// As which device.
        device: DeviceId,
        /// DER, leaf first, root last.
        chain: Vec<Vec<u8>>,
    },
    /// It waits for an admin.
    Pending {
        /// What it shows on its console.
        code: String,
        /// Seconds to wait before it asks again.
        retry_after: u32,
    },
}

/// Why a machine did not get in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EnrollError {
    /// The policy says no. The caller learns the reference and nothing else; the audit has the reason.
    #[error("refused; the reason is in the server's audit under {reference}")]
    Refused {
        /// Number of the audit's entry.
        reference: String,
    },
    /// The certificate could not be made.
    #[error("the certificate could not be made")]
    Issue(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The record could not be read or written.
    #[error("the server's record could not be read or written")]
    Store(#[from] StoreError),
}

impl App {
    /// Lets a machine in, makes it wait, or refuses it. The same key with the same token gets the same answer.
    pub(crate) async fn enroll<E>(
        &self,
        request: Request,
        issue: impl FnOnce(DeviceId) -> Result<Issued, E> + Send + 'static,
    ) -> Result<Enrolled, EnrollError>
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        todo!()
    }

    /// Audits a refusal that was decided before any operation, such as of a malformed request; gives the reference.
    pub(crate) async fn refuse(
        &self,
        action: &'static str,
        address: String,
        reason: String,
    ) -> Result<String, StoreError> {
        todo!()
    }
}
