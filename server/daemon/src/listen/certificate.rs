//! The certificate that a listener shows, renewed or read again while it runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use muster_proto::Timestamp;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::sync::watch;

use crate::ca::{self, Authority, Bundle, Name};

/// Given files are looked at this often, so that whoever renews them needs not tell the server.
const LOOK: Duration = Duration::from_secs(60);

/// Where a certificate comes from.
#[derive(Clone)]
pub(crate) enum Source {
    /// Our own authority; the bundle in the file names what it is for.
    Issued {
        /// Who signs.
        authority: Arc<Authority>,
        /// The bundle.
        file: PathBuf,
    },
    /// Files that somebody else renews, such as certbot.
    Given {
        /// PEM, leaf first.
        certificate: PathBuf,
        /// PEM.
        key: PathBuf,
    },
}

/// Why there is no certificate to show.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    /// Our own authority can't make one.
    #[error(transparent)]
    Authority(#[from] ca::Error),
    /// A given file can't be used.
    #[error("{path} can't be used: {reason}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
}

/// A certificate being served.
pub(crate) struct ServedCertificate {
    source: Source,
    shown: watch::Sender<Arc<CertifiedKey>>,
}

impl ServedCertificate {
    /// Makes the first certificate of our own for these names.
    pub(crate) fn make(
        authority: &Authority,
        file: &Path,
        names: &[Name],
        now: Timestamp,
    ) -> Result<(), ca::Error> {
        authority.issue_listener(names, now)?.write(file)
    }

    /// Loads the certificate, renewing it first if it is time.
    pub(crate) fn load(source: Source, now: Timestamp) -> Result<Self, Unusable> {
        let (shown, _) = watch::channel(Arc::new(read(&source, now)?));
        Ok(Self { source, shown })
    }

    /// What TLS asks for the certificate.
    pub(crate) fn resolver(&self) -> Arc<dyn ResolvesServerCert> {
        Arc::new(Shown(self.shown.subscribe()))
    }

    /// Keeps the certificate fresh for as long as it is polled.
    pub(crate) async fn keep_fresh(self, clock: fn() -> Timestamp) {
        let mut said = None;
        loop {
            tokio::time::sleep(LOOK).await;
            match read(&self.source, clock()) {
                Ok(certified) => {
                    said = None;
                    self.shown.send_if_modified(|shown| {
                        let changed = shown.cert != certified.cert;
                        if changed {
                            *shown = Arc::new(certified);
                            tracing::info!("a listener shows a new certificate");
                        }
                        changed
                    });
                }
                Err(error) => {
                    let text = error.to_string();
                    if said.as_ref() != Some(&text) {
                        tracing::error!(error = text, "a listener goes on with its old certificate");
                        said = Some(text);
                    }
                }
            }
        }
    }
}

#[derive(Debug)]
struct Shown(watch::Receiver<Arc<CertifiedKey>>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.borrow()))
    }
}

fn read(source: &Source, now: Timestamp) -> Result<CertifiedKey, Unusable> {
    match source {
        Source::Issued { authority, file } => {
            let renewed = authority.renew_if_due(now)?;
            let mut bundle = Bundle::read(file)?;
            let unreadable = |reason| Unusable::File { path: file.clone(), reason };
            let facts = ca::facts(bundle.leaf()).map_err(unreadable)?;
            if renewed || ca::is_due(facts.not_before, facts.not_after, now) {
                bundle = authority.issue_listener(&facts.names, now)?;
                bundle.write(file)?;
            }
            certified(bundle.chain().to_vec(), bundle.private_key()).map_err(unreadable)
        }
        Source::Given { certificate, key } => {
            let bad = |path: &PathBuf, reason: String| Unusable::File { path: path.clone(), reason };
            let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect);
            let chain: Vec<_> = chain.map_err(|error| bad(certificate, error.to_string()))?;
            let private = PrivateKeyDer::from_pem_file(key).map_err(|error| bad(key, error.to_string()))?;
            certified(chain, private).map_err(|reason| bad(certificate, reason))
        }
    }
}

fn certified(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<CertifiedKey, String> {
    let key = aws_lc_rs::default_provider()
        .key_provider
        .load_private_key(key)
        .map_err(|error| error.to_string())?;
    let certified = CertifiedKey::new(chain, key);
    certified.keys_match().map_err(|_| "certificate and key do not belong together".to_owned())?;
    Ok(certified)
}
