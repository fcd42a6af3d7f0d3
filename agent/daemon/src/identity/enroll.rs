//! Enrolls: makes the key durable, asks the server to certify it, waits for approval, keeps the certificate, and only
//! then erases the token. Every step can be cut off and begun again; the server knows the device by token and key.

use std::path::Path;
use std::time::{Duration, SystemTime};

use muster_proto::enrollment::{EnrollmentClaims, JoinFile};
use muster_proto::{Timestamp, wire};

use super::time::CertificateTime;
use super::{Enrolled, Error, Folder, Trust, join};
use crate::link::{self, Backoff, Target, Trouble};

/// What is needed to enroll.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    /// Where the identity is kept.
    pub(crate) folder: &'a Path,
    /// The join file; `-` for standard input.
    pub(crate) join_file: &'a Path,
    /// What the machine says of itself.
    pub(crate) claims: EnrollmentClaims,
    /// The latest time the device knows of.
    pub(crate) now: Timestamp,
    /// What a refusal means.
    pub(crate) patience: Patience,
}

/// Whether to go on asking after a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// A person waits for the answer.
    EndAtRefusal,
    /// The service runs on, and an admin may yet allow the device.
    AskAgain,
}

/// Why enrolling ended without a certificate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EnrollError {
    /// There is no join file.
    #[error("{0} is not there; an admin makes it with muster token create --print toml")]
    NoJoinFile(String),
    /// The machine has nothing to be known by.
    #[error(
        "the firmware of this machine names no serial number: set serial = \"...\" in /etc/muster/agent.toml"
    )]
    NoSerial,
    /// Files could not be read or written.
    #[error(transparent)]
    Identity(#[from] Error),
    /// The server refused or can't be reached.
    #[error("{server} did not enroll this device")]
    Server {
        /// Which server.
        server: String,
        /// Why.
        source: Trouble,
    },
}

/// The longest time between two questions, whatever the server says.
const MAX_WAIT: Duration = Duration::from_secs(300);

/// Asks until the device is enrolled. `waiting` is called with each code that an admin is to be told.
pub(crate) async fn enroll(
    request: Request<'_>,
    waiting: &mut dyn FnMut(&str),
) -> Result<Enrolled, EnrollError> {
    let folder = Folder::open(request.folder)?;
    let join = read_join(request.join_file)?;
    if let Some(enrolled) = folder.enrolled()?
        && enrolled.trust == Trust::of(&join)
    {
        // It was let in by this very token, and a crash came before that was erased.
        erase(&folder, &enrolled, request.join_file)?;
        return Ok(enrolled);
    }
    if request.claims.serial.is_empty() {
        // The server would refuse it, and tell nobody here why. With a key it counts as having asked.
        folder.key()?;
        folder.refused(Timestamp::from_system(SystemTime::now()), &EnrollError::NoSerial.to_string())?;
        return Err(EnrollError::NoSerial);
    }
    let unusable = |source| EnrollError::Server { server: join.server.clone(), source };
    let time = CertificateTime::starting_at(request.now);
    let target = Target::as_stranger(&Trust::of(&join), &time).map_err(unusable)?;
    let mut backoff = Backoff::default();
    let mut told = String::new();
    loop {
        let answer = ask(&folder, &join, &request.claims, &target).await;
        if let Err(EnrollError::Server { source, .. }) = &answer
            && source.is_for_people()
        {
            folder.refused(Timestamp::from_system(SystemTime::now()), &source.whole())?;
            told.clear();
        }
        let wait = match answer {
            Ok(Answer::Enrolled(enrolled)) => {
                erase(&folder, &enrolled, request.join_file)?;
                return Ok(*enrolled);
            }
            Ok(Answer::Pending { code, wait }) => {
                if told != code {
                    folder.wait(&code)?;
                    waiting(&code);
                    told = code;
                }
                wait
            }
            Err(EnrollError::Server { source, .. }) if goes_on(&source, request.patience) => {
                backoff.say(&source);
                backoff.next()
            }
            Err(error) => return Err(error),
        };
        tokio::time::sleep(wait).await;
    }
}

enum Answer {
    Enrolled(Box<Enrolled>),
    Pending { code: String, wait: Duration },
}

const STDIN: &str = "-";

fn read_join(path: &Path) -> Result<JoinFile, EnrollError> {
    if path == Path::new(STDIN) {
        return Ok(join::from_reader(std::io::stdin().lock())?);
    }
    join::read(path)?.ok_or_else(|| EnrollError::NoJoinFile(path.display().to_string()))
}

/// Erases the token that let the device in, wherever its file is; standard input keeps nothing.
fn erase(folder: &Folder, enrolled: &Enrolled, join_file: &Path) -> Result<(), Error> {
    if join_file == Path::new(STDIN) { Ok(()) } else { folder.tidy(enrolled, join_file) }
}

fn goes_on(trouble: &Trouble, patience: Patience) -> bool {
    !trouble.is_refusal() || patience == Patience::AskAgain
}

async fn ask(
    folder: &Folder,
    join: &JoinFile,
    claims: &EnrollmentClaims,
    target: &Target,
) -> Result<Answer, EnrollError> {
    let key = folder.key()?;
    let request = wire::EnrollRequest {
        token: join.token.clone(),
        csr: key.request().map_err(Error::from)?.into(),
        claims: serde_json::to_vec(claims).expect("strings are JSON").into(),
    };
    let answer = link::enroll(target, request).await;
    match answer.map_err(|source| EnrollError::Server { server: join.server.clone(), source })? {
        wire::enroll_response::Result::Enrolled(enrolled) => {
            let chain = enrolled.chain.into_iter().map(Vec::from).collect();
            let kept = folder.keep(key, chain, Trust::of(join))?;
            Ok(Answer::Enrolled(Box::new(kept)))
        }
        wire::enroll_response::Result::Pending(pending) => {
            let wait = Duration::from_secs(u64::from(pending.retry_after.max(1))).min(MAX_WAIT);
            Ok(Answer::Pending { code: shown(&pending.code), wait })
        }
    }
}

/// A code as it may be shown on a console: it came over the network.
fn shown(code: &str) -> String {
    code.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(16).collect()
}
