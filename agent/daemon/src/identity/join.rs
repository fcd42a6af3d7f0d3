//! The join file, which an admin puts on the device or gives on standard input.

use std::fs::{File, Permissions};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use muster_proto::enrollment::JoinFile;
use muster_proto::spiffe::TrustDomain;

use super::{Error, file};

/// A join file has a few hundred bytes.
const MAX_JOIN_FILE: u64 = 64 * 1024;

/// Reads the join file at `path`; `None` when there is none.
pub(crate) fn read(path: &Path) -> Result<Option<JoinFile>, Error> {
    let text = file::read(path)?;
    if text.is_some() {
        close(path);
    }
    text.map(|text| parse(&text)).transpose()
}

/// Takes the file from everybody but root. It stays until the device is in, which may take an admin's approval, and its
/// token may let in more machines than this one.
fn close(path: &Path) {
    let closed = File::open(path).and_then(|file| {
        if file.metadata()?.permissions().mode() & 0o077 == 0 {
            return Ok(());
        }
        tracing::warn!("{} was open to every local user, who may know its token now", path.display());
        file.set_permissions(Permissions::from_mode(0o600))
    });
    if let Err(error) = closed {
        tracing::warn!(%error, "{} can't be closed to other users", path.display());
    }
}

/// Reads a join file from standard input.
pub(crate) fn from_reader(reader: impl Read) -> Result<JoinFile, Error> {
    let mut text = String::new();
    let read = reader.take(MAX_JOIN_FILE).read_to_string(&mut text);
    read.map_err(|source| Error::File { doing: "read", path: "standard input".into(), source })?;
    parse(&text)
}

/// Parses a join file strictly. An error never repeats the text: it holds the token.
pub(super) fn parse(text: &str) -> Result<JoinFile, Error> {
    let join: JoinFile = toml::from_str(text).map_err(|error| Error::Join(error.message().to_owned()))?;
    let refuse = |reason: &str| Err(Error::Join(reason.to_owned()));
    if join.server.rsplit_once(':').is_none_or(|(host, port)| host.is_empty() || port.parse::<u16>().is_err())
    {
        return refuse("server is not a host and port such as muster.corp.example:8440");
    }
    if join.trust.is_empty() {
        return refuse("trust names no root certificate");
    }
    if join.trust_domain.parse::<TrustDomain>().is_err() {
        return refuse("trust_domain is not a name such as corp.example");
    }
    if join.token.is_empty() {
        return refuse("token is empty");
    }
    Ok(join)
}
