//! The certificate authority: one root, one issuing authority under it, and what the issuing one signs.
//!
//! [`Authority::set_up`] makes it, [`Authority::open`] reads it. [`request`] checks what a device asks to have certified,
//! [`template`] says what every certificate contains, [`file`] keeps keys on disk. The trust domain is the URI
//! in the issuing certificate, so no second file can disagree with it.
//!
//! The issuing certificate has no URI name constraint: rustls-webpki, which both sides verify with, rejects every URI
//! under one.

mod file;
mod pem;
mod proof;
mod request;
mod template;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use muster_proto::spiffe::TrustDomain;
use muster_proto::{DeviceId, Digest, Timestamp};
use rcgen::{Issuer, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::pki_types::CertificateDer;

pub(crate) use pem::{Bundle, Facts, facts};
pub(crate) use proof::signed_by;
pub(crate) use request::ProvenKey;
pub(crate) use template::{DEVICE_LIFE, Name, issued_at};

/// Why the authority could not do its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A file could not be read or written.
    #[error("can't {doing} {path}")]
    File {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A file holds something else than it should.
    #[error("{path} can't be used: {reason}; restore it from a backup")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// There is an authority in the folder.
    #[error("{0} holds a certificate authority already; it is never replaced by setup")]
    Exists(PathBuf),
    /// A name can't be in a certificate.
    #[error("{0:?} is not a name or address that a server can have")]
    Name(String),
    /// A key or certificate could not be made.
    #[error("can't make the {what}")]
    Make {
        /// Which.
        what: &'static str,
        /// Why not.
        source: rcgen::Error,
    },
    /// The operating system gave no random bytes.
    #[error("the system gives no random numbers")]
    Random,
    /// The issuing certificate ended.
    #[error(
        "the issuing certificate ended at {0}: put the root key into ca/root.key of the data folder for a restart of the server"
    )]
    Ended(Timestamp),
}

/// A certificate that was made.
#[derive(Clone, Debug)]
pub(crate) struct Issued {
    /// DER, leaf first, root last.
    pub(crate) chain: Vec<Vec<u8>>,
    /// Hex digits, lower case.
    pub(crate) serial_number: String,
    /// When it begins to be valid.
    pub(crate) not_before: Timestamp,
    /// When it ends.
    pub(crate) not_after: Timestamp,
}

/// The issuing authority, ready to sign.
pub(crate) struct Authority {
    folder: PathBuf,
    trust_domain: TrustDomain,
    root: CertificateDer<'static>,
    /// Replaced as a whole when it is renewed, while requests are being signed on any thread.
    issuing: RwLock<Arc<Issuing>>,
}

struct Issuing {
    certificate: CertificateDer<'static>,
    not_before: Timestamp,
    not_after: Timestamp,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Makes root and issuing authority in `folder`. The root's key goes to `root_key`, by default beside the rest.
    ///
    /// The issuing bundle is written last: without it nothing was set up, and setup can run again.
    pub(crate) fn set_up(
        folder: &Path,
        trust_domain: &TrustDomain,
        root_key: Option<&Path>,
        now: Timestamp,
    ) -> Result<Self, Error> {
        if folder.join(ISSUING).exists() {
            return Err(Error::Exists(folder.to_owned()));
        }
        file::make_folder(folder)?;
        let key = new_key("root key")?;
        let params = template::root(trust_domain, now)?;
        let make = |source| Error::Make { what: "root certificate", source };
        let root = params.self_signed(&key).map_err(make)?;
        match root_key {
            Some(path) => file::create(path, key.serialize_pem().as_bytes())?,
            None => file::replace(&folder.join(ROOT_KEY), key.serialize_pem().as_bytes())?,
        }
        file::replace(&folder.join(ROOT), root.pem().as_bytes())?;
        let issuer = Issuer::new(params, key);
        write_issuing(folder, trust_domain, &issuer, now)?;
        Self::open(folder)
    }

    /// Reads what [`Self::set_up`] made.
    pub(crate) fn open(folder: &Path) -> Result<Self, Error> {
        let root = pem::certificate(&folder.join(ROOT))?;
        let (issuing, trust_domain) = read_issuing(folder)?;
        let issuing = RwLock::new(Arc::new(issuing));
        Ok(Self { folder: folder.to_owned(), trust_domain, root, issuing })
    }

    /// Whose devices these are.
    pub(crate) fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    /// Whether the root's key lies beside the rest.
    pub(crate) fn holds_root_key(&self) -> bool {
        self.folder.join(ROOT_KEY).exists()
    }

    /// When the issuing certificate began and when it ends.
    pub(crate) fn issuing_life(&self) -> (Timestamp, Timestamp) {
        let issuing = self.issuing();
        (issuing.not_before, issuing.not_after)
    }

    /// The root certificate.
    pub(crate) fn root(&self) -> &CertificateDer<'static> {
        &self.root
    }

    /// What devices and admins pin: SHA-256 of the root certificate.
    pub(crate) fn fingerprint(&self) -> Digest {
        Digest::of(&self.root)
    }

    /// Certifies a device's key.
    pub(crate) fn issue_device(
        &self,
        key: &ProvenKey,
        device: DeviceId,
        now: Timestamp,
    ) -> Result<Issued, Error> {
        let issuing = self.issuing();
        let made = template::device(&self.trust_domain, device, now, issuing.not_after)?;
        let sign = |source| Error::Make { what: "device certificate", source };
        let leaf = made.params.signed_by(key.public_key(), &issuing.issuer).map_err(sign)?;
        let chain = [leaf.der(), &issuing.certificate, &self.root].map(|der| der.to_vec()).into();
        Ok(Issued {
            chain,
            serial_number: made.serial_number,
            not_before: made.not_before,
            not_after: made.not_after,
        })
    }

    /// Makes a key and certificate for one of the server's listeners.
    pub(crate) fn issue_listener(&self, names: &[Name], now: Timestamp) -> Result<Bundle, Error> {
        let issuing = self.issuing();
        let key = new_key("listener key")?;
        let made = template::listener(names, now, issuing.not_after)?;
        let sign = |source| Error::Make { what: "listener certificate", source };
        let leaf = made.params.signed_by(&key, &issuing.issuer).map_err(sign)?;
        let chain = vec![leaf.der().clone(), issuing.certificate.clone(), self.root.clone()];
        Ok(Bundle::new(key, chain))
    }

    /// Renews the issuing certificate from two thirds of its life on, while the root's key is here. Gives whether it did.
    pub(crate) fn renew_if_due(&self, now: Timestamp) -> Result<bool, Error> {
        let issuing = self.issuing();
        let path = self.folder.join(ROOT_KEY);
        if !is_due(issuing.not_before, issuing.not_after, now) || !path.exists() {
            return Ok(false);
        }
        let text = file::read(&path)?;
        let key = KeyPair::from_pem(&text)
            .map_err(|error| Error::Damaged { path: path.clone(), reason: error.to_string() })?;
        let issuer = Issuer::from_ca_cert_der(&self.root, key)
            .map_err(|source| Error::Make { what: "issuing certificate", source })?;
        write_issuing(&self.folder, &self.trust_domain, &issuer, now)?;
        let (renewed, _) = read_issuing(&self.folder)?;
        *self.issuing.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(renewed);
        Ok(true)
    }

    fn issuing(&self) -> Arc<Issuing> {
        Arc::clone(&self.issuing.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("trust_domain", &self.trust_domain).finish_non_exhaustive()
    }
}

/// No server was built before 2026-11-01, in seconds since 1970: a clock that says less is wrong.
const EARLIEST_BUILD: i64 = 1_793_491_200;

/// Whether something valid from `not_before` to `not_after` is to be made anew: from two thirds of its life on, and when it
/// has not begun, as it was made while the clock was ahead. By a clock that is proven to be behind nothing is made anew: it
/// would have ended for everybody whose clock is right.
pub(crate) fn is_due(not_before: Timestamp, not_after: Timestamp, now: Timestamp) -> bool {
    now >= two_thirds(not_before, not_after) || (now < not_before && now.seconds() >= EARLIEST_BUILD)
}

/// When something valid from `not_before` to `not_after` is to be renewed.
pub(crate) fn two_thirds(not_before: Timestamp, not_after: Timestamp) -> Timestamp {
    not_before.plus_seconds((not_after.seconds() - not_before.seconds()) * 2 / 3)
}

const ROOT_KEY: &str = "root.key";
const ROOT: &str = "root.crt";
const ISSUING: &str = "issuing.pem";

fn new_key(what: &'static str) -> Result<KeyPair, Error> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|source| Error::Make { what, source })
}

/// Key and certificate are one file, so that a crash can't leave a pair that does not match.
fn write_issuing(
    folder: &Path,
    trust_domain: &TrustDomain,
    root: &Issuer<'static, KeyPair>,
    now: Timestamp,
) -> Result<(), Error> {
    let key = new_key("issuing key")?;
    let params = template::issuing(trust_domain, now)?;
    let make = |source| Error::Make { what: "issuing certificate", source };
    let certificate = params.signed_by(&key, root).map_err(make)?;
    Bundle::new(key, vec![certificate.der().clone()]).write(&folder.join(ISSUING))
}

fn read_issuing(folder: &Path) -> Result<(Issuing, TrustDomain), Error> {
    let path = folder.join(ISSUING);
    let damaged = |reason: String| Error::Damaged { path: path.clone(), reason };
    let bundle = Bundle::read(&path)?;
    let certificate = bundle.leaf().clone();
    let read = facts(&certificate).map_err(&damaged)?;
    let uri = match &read.uris[..] {
        [uri] => uri.strip_prefix("spiffe://"),
        _ => None,
    };
    let trust_domain = uri
        .and_then(|name| name.parse().ok())
        .ok_or_else(|| damaged("its certificate does not name a trust domain".to_owned()))?;
    let issuer = Issuer::from_ca_cert_der(&certificate, bundle.into_key())
        .map_err(|error| damaged(error.to_string()))?;
    let (not_before, not_after) = (read.not_before, read.not_after);
    Ok((Issuing { certificate, not_before, not_after, issuer }, trust_domain))
}
