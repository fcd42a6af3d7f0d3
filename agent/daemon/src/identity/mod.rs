//! Who this device is: its key, the certificate the server gave it, and how it knows its server.
//!
//! In the order of the flow: [`join`] reads what an admin put here, [`key`] makes the key, [`enroll`] asks for a
//! certificate, [`Folder`] keeps it, [`time`] says what time certificates are judged by. The order of the writes is what
//! makes a crash harmless: the key is durable before anyone hears of it, so the same device comes back after a lost
//! answer; trust and certificate are durable before the token is erased. `identity.pem` holds key and certificate in one
//! file and is what makes a device enrolled.

mod certificate;
mod enroll;
mod file;
mod join;
mod key;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod time;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use muster_proto::enrollment::JoinFile;
use muster_proto::spiffe::TrustDomain;
use muster_proto::{DeviceId, Digest, Timestamp};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};

pub(crate) use certificate::NotForUs;
pub(crate) use enroll::{Patience, Request, enroll};
pub(crate) use key::DeviceKey;

/// Why the identity can't be read or kept.
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
    #[error("{path} can't be used: {reason}; run muster-agent unenroll, then enroll this device again")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The join file is not as it should be.
    #[error("the join file can't be used: {0}; make a new one with muster token create --print toml")]
    Join(String),
    /// No key could be made.
    #[error("can't make a key")]
    Key(#[from] rcgen::Error),
    /// The server's certificate is not one for this device's key.
    #[error("the server gave a certificate that is not for this device")]
    Certificate(#[from] NotForUs),
}

/// How far this device has come.
#[derive(Debug)]
pub(crate) enum Identity {
    /// Nothing was begun.
    Nothing,
    /// A key is durable, and the server may or may not have heard of it.
    Keyed,
    /// The server refused this key when it last answered, or this device's clock makes it refuse the server.
    Refused {
        /// When, and why: in the server's words, with the reference to its audit.
        answer: String,
    },
    /// The server waits for an admin's approval of this key.
    Waiting {
        /// What the admin is to be told.
        code: String,
    },
    /// The device has a certificate.
    Enrolled(Box<Enrolled>),
}

/// An enrolled device: what it needs to be known by its server and to know it.
#[derive(Clone, Debug)]
pub(crate) struct Enrolled {
    /// The device's id, as its certificate says.
    pub(crate) device: DeviceId,
    /// Host and port of the server.
    pub(crate) server: String,
    /// When the certificate begins to be valid.
    pub(crate) not_before: Timestamp,
    /// When it ends.
    pub(crate) not_after: Timestamp,
    /// How it knows its server.
    pub(crate) trust: Trust,
    key: Arc<DeviceKey>,
    chain: Vec<CertificateDer<'static>>,
}

/// How a device knows its server; kept in `trust.toml` for as long as it is enrolled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Trust {
    /// Host and port of the device listener.
    pub(crate) server: String,
    /// Digests of the root certificates that the server may show.
    pub(crate) trust: Vec<Digest>,
    /// The name under which devices are known.
    pub(crate) trust_domain: String,
    /// Digest of the token that let this device in, to know its join file from a newer one.
    pub(crate) used_token: Digest,
}

impl Trust {
    /// What a join file says of the server.
    pub(crate) fn of(join: &JoinFile) -> Self {
        Self {
            server: join.server.clone(),
            trust: join.trust.clone(),
            trust_domain: join.trust_domain.clone(),
            used_token: Digest::of(join.token.as_bytes()),
        }
    }
}

impl Enrolled {
    /// The certificates to show, leaf first; the server has the root itself.
    pub(crate) fn chain_to_show(&self) -> Vec<CertificateDer<'static>> {
        let without_root = self.chain.len().saturating_sub(1).max(1);
        self.chain.iter().take(without_root).cloned().collect()
    }

    /// The device's own certificate, DER.
    pub(crate) fn certificate(&self) -> &[u8] {
        self.chain.first().map_or(&[], |own| own)
    }

    /// Signs a message with the key of the certificate.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.key.sign(message)
    }

    /// The key in the form TLS takes it.
    pub(crate) fn private_key(&self) -> PrivateKeyDer<'static> {
        self.key.private_key()
    }

    /// From when on the certificate is to be renewed.
    pub(crate) fn renew_at(&self) -> Timestamp {
        let life = self.not_after.seconds() - self.not_before.seconds();
        self.not_before.plus_seconds(life * 2 / 3)
    }
}

/// How far the device whose identity is in `folder` has come.
pub(crate) fn load(folder: &Path) -> Result<Identity, Error> {
    Folder { path: folder.to_owned() }.load()
}

/// The enrolled device whose identity is in `folder`, if there is one.
pub(crate) fn enrolled(folder: &Path) -> Result<Option<Enrolled>, Error> {
    Folder { path: folder.to_owned() }.enrolled()
}

/// Ends what a crash may have left of enrolling; see [`Folder::tidy`].
pub(crate) fn tidy(folder: &Path, enrolled: &Enrolled, join_file: &Path) -> Result<(), Error> {
    Folder { path: folder.to_owned() }.tidy(enrolled, join_file)
}

const KEY: &str = "next.key";
const CODE: &str = "code";
const REFUSED: &str = "refused";
const TRUST: &str = "trust.toml";
const IDENTITY: &str = "identity.pem";

/// The folder with the identity's files, readable by root alone.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Takes the folder, making it if it is not there.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        file::make_folder(path)?;
        Ok(Self { path: path.to_owned() })
    }

    /// Reads how far this device has come.
    pub(crate) fn load(&self) -> Result<Identity, Error> {
        if let Some(enrolled) = self.enrolled()? {
            return Ok(Identity::Enrolled(Box::new(enrolled)));
        }
        if self.next_key()?.is_none() {
            return Ok(Identity::Nothing);
        }
        if let Some(answer) = file::read(&self.path.join(REFUSED))? {
            return Ok(Identity::Refused { answer });
        }
        Ok(match file::read(&self.path.join(CODE))? {
            Some(code) => Identity::Waiting { code: code.trim().to_owned() },
            None => Identity::Keyed,
        })
    }

    /// The enrolled device, if this is one.
    pub(crate) fn enrolled(&self) -> Result<Option<Enrolled>, Error> {
        let path = self.path.join(IDENTITY);
        let Some(text) = file::read(&path)? else { return Ok(None) };
        let damaged = |reason: String| Error::Damaged { path: path.clone(), reason };
        let key = DeviceKey::from_pem(&text).map_err(|error| damaged(error.to_string()))?;
        let chain = certificate::from_pem(&text).map_err(damaged)?;
        let trust = self.trust()?;
        let enrolled = certify(key, chain, trust).map_err(|error| damaged(error.to_string()))?;
        Ok(Some(enrolled))
    }

    /// The key that is to be certified next: the one begun with, or a new one. It is durable on return.
    pub(crate) fn key(&self) -> Result<DeviceKey, Error> {
        if let Some(key) = self.next_key()? {
            return Ok(key);
        }
        let key = DeviceKey::make()?;
        file::replace(&self.path.join(KEY), key.to_pem().as_bytes())?;
        Ok(key)
    }

    /// Remembers the code that an admin is to be told, for `muster-agent status`.
    pub(crate) fn wait(&self, code: &str) -> Result<(), Error> {
        file::replace(&self.path.join(CODE), code.as_bytes())?;
        file::erase(&self.path.join(REFUSED))
    }

    /// Remembers that the server refused or was refused, for `muster-agent status`. A code that it gave before is worth nothing now.
    pub(crate) fn refused(&self, now: Timestamp, why: &str) -> Result<(), Error> {
        file::replace(&self.path.join(REFUSED), format!("{now}: {why}").as_bytes())?;
        file::erase(&self.path.join(CODE))
    }

    /// Keeps a certificate for `key`. From the moment `identity.pem` is durable, the device is the one it names.
    pub(crate) fn keep(&self, key: DeviceKey, chain: Vec<Vec<u8>>, trust: Trust) -> Result<Enrolled, Error> {
        let chain = chain.into_iter().map(CertificateDer::from).collect();
        let enrolled = certify(key, chain, trust)?;
        let trust = toml::to_string(&enrolled.trust)
            .map_err(|error| Error::Damaged { path: self.path.join(TRUST), reason: error.to_string() })?;
        file::replace(&self.path.join(TRUST), trust.as_bytes())?;
        let mut text = enrolled.key.to_pem().to_string();
        certificate::append_pem(&mut text, &enrolled.chain);
        file::replace(&self.path.join(IDENTITY), text.as_bytes())?;
        file::erase(&self.path.join(KEY))?;
        file::erase(&self.path.join(CODE))?;
        file::erase(&self.path.join(REFUSED))?;
        Ok(enrolled)
    }

    /// Ends what a crash may have left: the key's second copy, and the token that let this device in.
    pub(crate) fn tidy(&self, enrolled: &Enrolled, join_file: &Path) -> Result<(), Error> {
        if let Some(key) = self.next_key()?
            && key.public_key() == enrolled.key.public_key()
        {
            file::erase(&self.path.join(KEY))?;
        }
        let Some(text) = file::read(join_file)? else { return Ok(()) };
        match join::parse(&text) {
            Ok(join) if Digest::of(join.token.as_bytes()) == enrolled.trust.used_token => {
                file::erase(join_file)
            }
            _ => {
                tracing::warn!(
                    "{} was not used: this device is enrolled as {}; if it is to be enrolled anew: muster-agent enroll --join-file FILE",
                    join_file.display(),
                    enrolled.device
                );
                Ok(())
            }
        }
    }

    /// Forgets who this device is. The certificate goes first: without it nothing else counts.
    pub(crate) fn forget(&self) -> Result<(), Error> {
        for name in [IDENTITY, KEY, CODE, REFUSED, TRUST] {
            file::erase(&self.path.join(name))?;
        }
        Ok(())
    }

    fn next_key(&self) -> Result<Option<DeviceKey>, Error> {
        let path = self.path.join(KEY);
        let Some(text) = file::read(&path)? else { return Ok(None) };
        let damaged = |error: rcgen::Error| Error::Damaged { path: path.clone(), reason: error.to_string() };
        DeviceKey::from_pem(&text).map(Some).map_err(damaged)
    }

    fn trust(&self) -> Result<Trust, Error> {
        let path = self.path.join(TRUST);
        let damaged = |reason: String| Error::Damaged { path: path.clone(), reason };
        let text = file::read(&path)?.ok_or_else(|| damaged("it is not there".to_owned()))?;
        toml::from_str(&text).map_err(|error| damaged(error.to_string()))
    }
}

/// Checks that a chain is for this key and names a device of the trust domain.
fn certify(key: DeviceKey, chain: Vec<CertificateDer<'static>>, trust: Trust) -> Result<Enrolled, NotForUs> {
    let trust_domain: TrustDomain = trust.trust_domain.parse().map_err(|_| NotForUs::TrustDomain)?;
    let leaf = chain.first().ok_or(NotForUs::Empty)?;
    let facts = certificate::check(leaf, &key, &trust_domain)?;
    let certificate::Facts { device, not_before, not_after } = facts;
    let server = trust.server.clone();
    Ok(Enrolled { device, server, not_before, not_after, trust, key: Arc::new(key), chain })
}
